//! Where browsers reach WebRTC: one port for each gateway, in the order in which they begin.
//!
//! It opens none.

use std::net::{IpAddr, SocketAddr};

/// The port of the first one: go2rtc's default.
const FIRST: u16 = 8555;

/// The lowest place from [`FIRST`] on that no other gateway has. It keeps it through restarts.
pub(super) fn next(host: IpAddr, taken: impl Iterator<Item = SocketAddr>) -> SocketAddr {
    let taken: Vec<u16> = taken.map(|place| place.port()).collect();
    let free = (FIRST..=u16::MAX).find(|port| !taken.contains(port));
    SocketAddr::new(host, free.unwrap_or(FIRST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gateway_has_a_port_of_its_own() {
        let host = "127.0.0.1".parse().unwrap();
        let place = |port| SocketAddr::new(host, port);
        assert_eq!(next(host, std::iter::empty()), place(8555));
        assert_eq!(next(host, [place(8555), place(8557)].into_iter()), place(8556));
    }
}
