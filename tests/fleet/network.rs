//! A network of its own: a server's side, and the side of somebody who uses it. Needs the right to
//! make network namespaces; says aloud where it has none.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::panic::resume_unwind;
use std::process::{Child, Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Addresses of the server's side. The first is in a network that go2rtc takes for Docker's.
pub(crate) const SERVER: [Ipv4Addr; 2] =
    [Ipv4Addr::new(172, 20, 77, 1), Ipv4Addr::new(10, 77, 0, 1)];

/// Both sides, joined by one cable. With the value both are gone.
pub(crate) struct Network {
    server: Namespace,
    user: Namespace,
}

impl Network {
    /// `None` where that cannot be made.
    pub(crate) fn new() -> Option<Self> {
        let (Some(server), Some(user)) = (Namespace::new(), Namespace::new()) else {
            println!("SKIPPED: no network namespace can be made here (`unshare --net`, `ip`)");
            return None;
        };
        let network = Self { server, user };
        let peer = network.user.holder.id().to_string();
        network.of_server(|| {
            ip(&["link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", &peer]);
            up(&["172.20.77.1/24", "10.77.0.1/24", "fd77::1/64"]);
        });
        network.of_user(|| up(&["172.20.77.2/24", "10.77.0.2/24", "fd77::2/64"]));
        Some(network)
    }

    /// Does something on the server's side: sockets and processes that it makes are there.
    pub(crate) fn of_server<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.server.within(work)
    }

    /// Does something on the user's side.
    pub(crate) fn of_user<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.user.within(work)
    }
}

/// A network namespace, for as long as the process lives that was started in it.
struct Namespace {
    holder: Child,
}

impl Namespace {
    fn new() -> Option<Self> {
        let script = "ip link set lo up && echo ready && exec cat";
        let mut holder = command("unshare")
            .args(["--net", "sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut line = String::new();
        BufReader::new(holder.stdout.take()?).read_line(&mut line).ok()?;
        let namespace = Self { holder };
        (line == "ready\n").then_some(namespace)
    }

    /// A thread of its own moves there, and what it starts is there too.
    fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let place = File::open(format!("/proc/{}/ns/net", self.holder.id())).unwrap();
        std::thread::scope(|threads| {
            let thread = threads.spawn(|| {
                let kind = Some(LinkNameSpaceType::Network);
                move_into_link_name_space(place.as_fd(), kind).unwrap();
                work()
            });
            thread.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.holder.kill().ok();
        self.holder.wait().ok();
    }
}

#[expect(clippy::disallowed_methods, reason = "makes networks")]
fn command(program: &str) -> Command {
    Command::new(program)
}

fn ip(arguments: &[&str]) {
    let status = command("ip").args(arguments).status().unwrap();
    assert!(status.success(), "ip {arguments:?}");
}

fn up(addresses: &[&str]) {
    for address in addresses {
        let whole = ["address", "add", address, "dev", "cable"];
        let known = if address.contains(':') { &["nodad"][..] } else { &[] };
        ip(&[&whole, known].concat());
    }
    ip(&["link", "set", "cable", "up"]);
}

/// What listens in the namespace of this thread, loopback apart.
pub(crate) fn open() -> BTreeSet<(&'static str, SocketAddr)> {
    listening().into_iter().filter(|(_, place)| !place.ip().is_loopback()).collect()
}

/// What listens in the namespace of this thread.
pub(crate) fn listening() -> BTreeSet<(&'static str, SocketAddr)> {
    // The states of a socket that is listening and of one that is connected to nobody (`tcp_states.h`).
    let tables =
        [("tcp", "tcp", "0A"), ("tcp", "tcp6", "0A"), ("udp", "udp", "07"), ("udp", "udp6", "07")];
    let mut all = BTreeSet::new();
    for (kind, table, state) in tables {
        let text = fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields[3] == state {
                all.insert((kind, place(fields[1])));
            }
        }
    }
    all
}

/// `0100007F:1F90`, or four times as long: words in the order of this machine.
fn place(text: &str) -> SocketAddr {
    let (address, port) = text.split_once(':').unwrap();
    let words = (0..address.len() / 8).flat_map(|nth| {
        let word = u32::from_str_radix(&address[8 * nth..8 * nth + 8], 16).unwrap();
        word.to_ne_bytes()
    });
    let bytes: Vec<u8> = words.collect();
    let ip = match <[u8; 4]>::try_from(&bytes[..]) {
        Ok(four) => IpAddr::from(Ipv4Addr::from(four)),
        Err(_) => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[..]).unwrap())),
    };
    SocketAddr::new(ip, u16::from_str_radix(port, 16).unwrap())
}
