//! Addresses and networks as they are written.
//!
//! Only numbers: no name is ever looked up, because connections are counted per address.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::manifest::problem::quote;
use crate::manifest::text::text_value;

/// The address of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address(pub IpAddr);

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown = quote(text);
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        let Ok(address) = bare.parse::<IpAddr>() else {
            if let Ok(socket) = text.parse::<SocketAddr>() {
                let help =
                    format!("write `address: {}` and `port: {}`", socket.ip(), socket.port());
                return Err(format!("{shown} is an address with a port\n{help}"));
            }
            let help = "write the camera's IP address: connections are counted per address, and a \
                        name can change what it means";
            return Err(format!("{shown} is no IP address\n{help}"));
        };
        let address = address.to_canonical();
        let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
        if address.is_unspecified() || address.is_multicast() || broadcast {
            return Err(format!("{shown} is no address of one device\nwrite the camera's address"));
        }
        Ok(Self(address))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text_value!(Address, "an IP address", {
    "type": "string",
    "description": "An IPv4 or IPv6 address.",
    "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]
});

/// A network: an address and the length of its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    /// First address.
    pub network: IpAddr,
    /// Bits that all addresses share.
    pub prefix: u8,
}

impl Cidr {
    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        first_of(address, self.prefix) == Some(self.network)
    }
}

/// The first address of the network with this prefix that `address` lies in.
fn first_of(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(address) => {
            let host = 32_u32.checked_sub(prefix)?;
            let mask = u32::MAX.checked_shl(host).unwrap_or(0);
            Some(Ipv4Addr::from(u32::from(address) & mask).into())
        }
        IpAddr::V6(address) => {
            let host = 128_u32.checked_sub(prefix)?;
            let mask = u128::MAX.checked_shl(host).unwrap_or(0);
            Some(Ipv6Addr::from(u128::from(address) & mask).into())
        }
    }
}

impl std::str::FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown = quote(text);
        let help = "write the network as `192.168.125.0/24`";
        let Some((address, prefix)) = text.split_once('/') else {
            return Err(format!("{shown} is no network\n{help}"));
        };
        let (Ok(address), Ok(prefix)) = (address.parse::<IpAddr>(), prefix.parse::<u8>()) else {
            return Err(format!("{shown} is no network\n{help}"));
        };
        let Some(network) = first_of(address, prefix) else {
            let most = if address.is_ipv4() { 32 } else { 128 };
            return Err(format!("{shown} is no network\na prefix here has 0 to {most} bits"));
        };
        if network != address {
            return Err(format!(
                "{shown} is an address inside a network\ndid you mean `{network}/{prefix}`?"
            ));
        }
        Ok(Self { network, prefix })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

text_value!(Cidr, "a network such as `192.168.125.0/24`", {
    "type": "string",
    "description": "A network such as 192.168.125.0/24.",
    "pattern": "^[0-9a-fA-F:.]+/[0-9]{1,3}$"
});

/// Where a server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

impl std::str::FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(socket) = text.parse() {
            return Ok(Self(socket));
        }
        let help = match text.rsplit_once(':') {
            Some(("" | "*", port)) => format!("for every address write `0.0.0.0:{port}`"),
            Some(("localhost", port)) => format!("write `127.0.0.1:{port}`"),
            Some(_) | None if text.parse::<IpAddr>().is_ok() => "add the port, as in \
                `127.0.0.1:8080` or `[::1]:8080`"
                .to_owned(),
            Some(_) | None => "write ADDRESS:PORT, as in `127.0.0.1:8080`".to_owned(),
        };
        Err(format!("{} is no address and port\n{help}", quote(text)))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text_value!(Listen, "an address and port such as `127.0.0.1:8080`", {
    "type": "string",
    "description": "An address and a port such as 127.0.0.1:8080.",
    "pattern": "^[^ ]+:[0-9]{1,5}$"
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_its_addresses_and_no_others() {
        let net: Cidr = "192.168.125.0/24".parse().unwrap();
        assert!(net.contains("192.168.125.255".parse().unwrap()));
        assert!(!net.contains("192.168.126.0".parse().unwrap()));
        assert!(!net.contains("::1".parse().unwrap()));
        let all: Cidr = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("9.9.9.9".parse().unwrap()));
        let six: Cidr = "fd00:1::/64".parse().unwrap();
        assert!(six.contains("fd00:1::9".parse().unwrap()));
        assert!(!six.contains("fd00:2::9".parse().unwrap()));
        for wrong in ["10.0.0.1/24", "10.0.0.0", "10.0.0.0/33", "x/8", "10.0.0.0/-1"] {
            assert!(wrong.parse::<Cidr>().is_err(), "{wrong}");
        }
    }
}
