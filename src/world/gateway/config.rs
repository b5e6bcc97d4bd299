//! The configuration of one go2rtc that this server starts.
//!
//! Nobody but this server can reach its API: a unix socket in a directory of our own, with random
//! credentials on top. Modules that could run programs are not loaded, paths that nobody needs are
//! not served. No stream and no camera stands in the file; streams are put in while it runs.

use std::fs;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::endpoint::{Access, Endpoint};
use super::error::GatewayError;
use crate::model::names::SubnetName;
use crate::model::secret::Secret;

/// Longest path of a unix socket: `sun_path` has 108 bytes with the closing zero (unix(7)).
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// What may be asked of an instance beyond MSE.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offers {
    /// WebRTC: where browsers reach it, over UDP and TCP. An unspecified address stands for all
    /// of the host's, loopback apart.
    pub webrtc: Option<SocketAddr>,
}

/// The files of one instance, and the way to its API.
#[derive(Debug)]
pub struct Prepared {
    /// Its directory, mode 0700.
    pub directory: PathBuf,
    /// Its configuration, mode 0600: the argument of `-c`.
    pub config: PathBuf,
    /// Its API.
    pub endpoint: Endpoint,
}

/// Makes the directory and writes a fresh configuration with fresh credentials.
///
/// Blocks for a few file operations. A socket of an earlier run is removed: nothing of an earlier
/// run is used again.
pub fn prepare(
    data_dir: &Path,
    subnet: &SubnetName,
    offers: Offers,
) -> Result<Prepared, GatewayError> {
    let parent = data_dir.join("gateway");
    let directory = parent.join(subnet.as_str());
    for folder in [&parent, &directory] {
        make_private(folder).map_err(|source| at(folder, source))?;
    }
    let directory = directory.canonicalize().map_err(|source| at(&directory, source))?;
    let socket = directory.join("api.sock");
    match fs::remove_file(&socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&socket, error)),
        Ok(()) | Err(_) => {}
    }
    let access = if is_fit(&socket) {
        Access::Socket(socket)
    } else {
        Access::Loopback(free_port().map_err(|source| at(&socket, source))?)
    };
    let (user, password) = (random(), Secret::new(random()));
    let text = render(&access, offers, &user, &password);
    let config = directory.join("go2rtc.yaml");
    write_private(&config, &text).map_err(|source| at(&config, source))?;
    let endpoint = Endpoint::managed(access, user, password)?;
    Ok(Prepared { directory, config, endpoint })
}

/// The text of the file: JSON, which is YAML, so nothing needs to be escaped by hand.
fn render(access: &Access, offers: Offers, user: &str, password: &Secret) -> String {
    let mut modules = vec!["api", "ws", "rtsp", "mp4"];
    let mut paths = vec!["/api", "/api/streams", "/api/ws"];
    if offers.webrtc.is_some() {
        modules.push("webrtc");
        paths.push("/api/webrtc");
    }
    let (listen, unix_listen) = match access {
        Access::Socket(path) => (String::new(), path.to_string_lossy().into_owned()),
        Access::Loopback(address) => (address.to_string(), String::new()),
    };
    // Without `local_auth` loopback and unix clients need no credentials.
    let config = json!({
        "app": { "modules": modules },
        "api": {
            "listen": listen,
            "unix_listen": unix_listen,
            "username": user,
            "password": password.expose(),
            "local_auth": true,
            "allow_paths": paths,
        },
        // Empty: no server of its own; its RTSP client needs the module all the same.
        "rtsp": { "listen": "" },
        "webrtc": webrtc(offers),
        "srtp": { "listen": "" },
        "log": { "format": "json", "level": "info", "output": "stdout", "time": "UNIXMS" },
    });
    format!("{config:#}\n")
}

/// The section of WebRTC. go2rtc listens on every address of the host and tells all of them to the
/// browser, unless told otherwise here.
fn webrtc(offers: Offers) -> Value {
    // The default asks servers on the internet for this host's address.
    let servers: [&str; 0] = [];
    let Some(listen) = offers.webrtc else {
        return json!({ "listen": "", "ice_servers": servers });
    };
    let ip = listen.ip();
    let mut filters = json!({ "networks": networks(ip) });
    if ip.is_unspecified() {
        // go2rtc takes no other text for this: it listens for UDP on each address by itself.
        let everywhere = format!(":{}", listen.port());
        return json!({ "listen": everywhere, "ice_servers": servers, "filters": filters });
    }
    filters["loopback"] = json!(ip.is_loopback());
    filters["ips"] = json!([ip.to_string()]);
    let mut section = json!({
        "listen": listen.to_string(), "ice_servers": servers, "filters": filters,
    });
    if is_taken_for_docker(ip) {
        section["candidates"] = json!([listen.to_string()]);
    }
    section
}

/// Protocols on which it may be reached: where only IPv4 is declared, nothing listens on IPv6.
fn networks(ip: IpAddr) -> &'static [&'static str] {
    match ip {
        IpAddr::V4(_) => &["udp4", "tcp4"],
        IpAddr::V6(ip) if ip.is_unspecified() => &["udp4", "udp6", "tcp4", "tcp6"],
        IpAddr::V6(_) => &["udp6", "tcp6"],
    }
}

/// Whether go2rtc never tells browsers this address by itself, taking it for one of Docker's
/// (`pkg/xnet`): 172.16.0.0/12, which is a private network like others.
fn is_taken_for_docker(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 172 && ip.octets()[1] & 0xf0 == 16)
}

/// Whether go2rtc reads this path back as it stands: it is short enough, and nothing in it is
/// taken for a variable (`${NAME}`).
fn is_fit(socket: &Path) -> bool {
    socket.to_str().is_some_and(|path| path.len() <= SOCKET_PATH_BYTES_MAX && !path.contains('$'))
}

/// A port that is free now. Another program may take it before go2rtc does; then go2rtc is not
/// reached, ends up restarted, and gets another.
fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn make_private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // An older folder may have another mode.
    fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))
}

/// Writes a new file: one that is there may be open elsewhere, or have another mode.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

fn at(path: &Path, source: io::Error) -> GatewayError {
    GatewayError::Prepare { path: path.display().to_string(), source }
}

fn random() -> String {
    format!("{:032x}", rand::random::<u128>())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use serde_json::Value;

    use super::*;

    fn prepared(directory: &Path, offers: Offers) -> (Prepared, Value) {
        let prepared = prepare(directory, &SubnetName::parse("shop").unwrap(), offers).unwrap();
        let text = fs::read_to_string(&prepared.config).unwrap();
        let value: Value = serde_saphyr::from_str(&text).unwrap();
        (prepared, value)
    }

    #[test]
    fn files_are_private_and_credentials_new_each_time() {
        let directory = tempfile::tempdir().unwrap();
        let (first, before) = prepared(directory.path(), Offers::default());
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&first.directory), mode(&first.config)), (0o700, 0o600));
        fs::write(first.directory.join("api.sock"), "left over").unwrap();
        let (second, after) = prepared(directory.path(), Offers::default());
        assert!(!second.directory.join("api.sock").exists());
        assert_ne!(before["api"]["password"], after["api"]["password"]);
        assert!(!format!("{second:?}").contains(after["api"]["password"].as_str().unwrap()));
    }

    #[test]
    fn nothing_is_loaded_or_served_that_was_not_declared() {
        let directory = tempfile::tempdir().unwrap();
        let (prepared_, config) = prepared(directory.path(), Offers::default());
        assert_eq!(config["app"]["modules"], json!(["api", "ws", "rtsp", "mp4"]));
        assert_eq!(config["api"]["allow_paths"], json!(["/api", "/api/streams", "/api/ws"]));
        assert_eq!(config["api"]["listen"], "");
        let socket = prepared_.directory.join("api.sock");
        assert_eq!(config["api"]["unix_listen"], socket.to_str().unwrap());
        assert_eq!(config["api"]["local_auth"], true);
        assert_eq!(config["rtsp"]["listen"], "");
        assert_eq!(config["webrtc"]["ice_servers"], json!([]));

        assert_eq!(config["webrtc"]["listen"], "");

        let webrtc = |listen: &str| Offers { webrtc: Some(listen.parse().unwrap()) };
        let (_, config) = prepared(directory.path(), webrtc("127.0.0.1:8556"));
        let modules = config["app"]["modules"].as_array().unwrap();
        assert!(modules.contains(&json!("webrtc")));
        let expected = json!({
            "listen": "127.0.0.1:8556", "ice_servers": [],
            "filters": {"loopback": true, "ips": ["127.0.0.1"], "networks": ["udp4", "tcp4"]},
        });
        assert_eq!(config["webrtc"], expected);
        for banned in ["exec", "ffmpeg", "echo", "expr", "debug", "hass", "onvif"] {
            assert!(!modules.contains(&json!(banned)), "{banned}");
        }
    }

    #[test]
    fn webrtc_is_reached_where_it_is_declared_and_nowhere_else() {
        let section = |listen: &str| webrtc(Offers { webrtc: Some(listen.parse().unwrap()) });
        let (four, six) = (["udp4", "tcp4"], ["udp6", "tcp6"]);
        let everywhere = section("0.0.0.0:8555");
        assert_eq!(
            (&everywhere["listen"], &everywhere["candidates"]),
            (&json!(":8555"), &Value::Null)
        );
        assert_eq!(everywhere["filters"], json!({"networks": four}), "go2rtc would take IPv6 too");
        let both = json!(["udp4", "udp6", "tcp4", "tcp6"]);
        assert_eq!(section("[::]:8555")["filters"]["networks"], both);
        let filters = json!({"loopback": false, "ips": ["fd00::1"], "networks": six});
        assert_eq!(section("[fd00::1]:8555")["filters"], filters);
        // A network that go2rtc takes for Docker's.
        assert_eq!(section("172.31.0.9:8555")["candidates"], json!(["172.31.0.9:8555"]));
        for other in ["172.32.0.9:8555", "172.15.0.9:8555", "10.16.0.9:8555", "[fd00::1]:8555"] {
            assert_eq!(section(other)["candidates"], Value::Null, "{other}");
        }
    }

    #[test]
    fn a_path_too_long_for_a_socket_falls_back_to_loopback() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["d".repeat(100), "${HOME}".to_owned()] {
            let (_, config) = prepared(&directory.path().join(name), Offers::default());
            assert_eq!(config["api"]["unix_listen"], "");
            let listen: SocketAddr = config["api"]["listen"].as_str().unwrap().parse().unwrap();
            assert!(listen.ip().is_loopback() && listen.port() != 0);
            assert_eq!(config["api"]["local_auth"], true);
        }
    }
}
