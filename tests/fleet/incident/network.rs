//! A network like the incident's, on loopback.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use camserver_chaos::Codec;
use serde_json::{Value, json};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::cameras::{Cameras, settings};
use crate::clock::until;

/// Last bytes of the cameras' addresses.
pub(super) const OCTETS: [u8; 26] = [
    12, 13, 15, 17, 19, 21, 24, 26, 29, 31, 33, 36, 38, 41, 45, 48, 50, 53, 57, 60, 62, 66, 69, 72,
    75, 79,
];
/// They take a connection and keep it without going on.
pub(super) const HANGING: [u8; 3] = [12, 62, 19];
/// At the first nothing listens; the second answers to no packet.
pub(super) const UNREACHABLE: [u8; 2] = [13, 45];
/// Answers after 1,286 ms.
pub(super) const SLOW: u8 = 79;
/// Connections that a camera of this make serves.
pub(super) const LIMIT: u64 = 2;

const FIRST: u8 = OCTETS[0];
const PROBE: Duration = Duration::from_secs(4);

/// The cameras, and the hole where one should be.
pub(super) struct Network {
    pub(super) cameras: Cameras,
    _hole: Hole,
}

impl Network {
    /// On 127.125.`third`.x, at a port that is this process's own.
    pub(super) fn start(third: u8) -> Self {
        let mut fleet = settings(u32::from(OCTETS[25] - FIRST) + 1);
        fleet.first = [127, 125, third, FIRST].into();
        fleet.port = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
        fleet.limit = LIMIT;
        fleet.codecs = vec![Codec::H264];
        let cameras = Cameras::start_there(fleet);
        let fault = |octet, fault: Value| cameras.fault(Self::index(octet), &fault);
        let [early, same, late] = HANGING;
        fault(early, json!({"stage": "describe", "kind": "hang"}));
        fault(same, json!({"stage": "describe", "kind": "hang"}));
        fault(late, json!({"stage": "stream", "kind": "hang"}));
        fault(SLOW, json!({"stage": "accept", "kind": "delay", "ms": 1286}));
        for octet in UNREACHABLE {
            fault(octet, json!({"stage": "accept", "kind": "refuse"}));
        }
        let address = cameras.address(Self::index(UNREACHABLE[1]));
        let hole = Hole::open((address, cameras.settings.port).into());
        Self { cameras, _hole: hole }
    }

    /// Which of the simulated cameras has this address.
    pub(super) fn index(octet: u8) -> u32 {
        u32::from(octet - FIRST)
    }

    pub(super) fn address(&self, octet: u8) -> SocketAddr {
        (self.cameras.address(Self::index(octet)), self.cameras.settings.port).into()
    }

    /// The most connections at once that any camera counted.
    pub(super) fn connections_most(&self) -> u64 {
        self.cameras.counts("connectionsMost").into_iter().max().unwrap_or(0)
    }

    /// Connections that the cameras see now.
    pub(super) fn connections(&self) -> u64 {
        self.cameras.counts("connections").into_iter().sum()
    }

    /// Cameras that serve one more client.
    pub(super) fn reachable(&self) -> usize {
        let serves = |octet: &&u8| serves(self.address(**octet)).unwrap_or(false);
        OCTETS.iter().filter(serves).count()
    }
}

fn serves(camera: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&camera, PROBE)?;
    stream.set_read_timeout(Some(PROBE))?;
    // Hanging cameras do not hang at this; full ones refuse it. What else they say does not matter.
    let request = format!("GET_PARAMETER rtsp://{camera}/ RTSP/1.0\r\nCSeq: 1\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    Ok(&answer != b"RTSP/1.0 453")
}

/// An address that answers no connection: the queue in front of it is full for good, so the kernel
/// drops every further SYN, as happens to a host that is switched off.
struct Hole {
    _listener: Socket,
    _queue: Vec<Socket>,
}

impl Hole {
    fn open(address: SocketAddr) -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.set_reuse_address(true).unwrap();
        // The camera that was there closes its port.
        until(Duration::from_secs(5), "the port is free", || {
            listener.bind(&SockAddr::from(address)).ok()
        });
        listener.listen(0).unwrap();
        let mut queue = Vec::new();
        until(Duration::from_secs(5), "the queue is full", || {
            let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            let connected = client.connect_timeout(&address.into(), Duration::from_millis(300));
            queue.push(client);
            connected.is_err().then_some(())
        });
        Self { _listener: listener, _queue: queue }
    }
}
