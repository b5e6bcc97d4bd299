//! The way that the packets of one track take: in the RTSP connection or by UDP. It does not know
//! what is in them.

use std::net::{IpAddr, SocketAddr};

use bytes::BytesMut;
use tokio::net::UdpSocket;

/// The way that packets take.
#[derive(Debug)]
pub(crate) enum Transport {
    /// In the RTSP connection, on these two channels.
    Interleaved {
        /// The channel of the media.
        media: u8,
        /// The channel of the reports.
        reports: u8,
    },
    /// By UDP.
    Udp {
        /// Sends media.
        media: UdpSocket,
        /// Sends reports.
        reports: UdpSocket,
    },
}

impl Transport {
    /// A pair of sockets of the camera's address, connected to the client's two ports.
    pub(crate) fn udp(local: IpAddr, peer: IpAddr, ports: (u16, u16)) -> std::io::Result<Self> {
        let connect = |socket: std::net::UdpSocket, port| {
            socket.set_nonblocking(true)?;
            socket.connect((peer, port))?;
            UdpSocket::from_std(socket)
        };
        for _ in 0..32 {
            let media = std::net::UdpSocket::bind((local, 0))?;
            let port = media.local_addr()?.port();
            if port % 2 == 1 {
                continue;
            }
            let Ok(reports) = std::net::UdpSocket::bind((local, port + 1)) else { continue };
            return Ok(Self::Udp {
                media: connect(media, ports.0)?,
                reports: connect(reports, ports.1)?,
            });
        }
        Err(std::io::ErrorKind::AddrInUse.into())
    }

    /// The camera's ports, with UDP.
    pub(crate) fn server_ports(&self) -> Option<(u16, u16)> {
        let port = |socket: &UdpSocket| socket.local_addr().ok().as_ref().map(SocketAddr::port);
        match self {
            Self::Interleaved { .. } => None,
            Self::Udp { media, reports } => port(media).zip(port(reports)),
        }
    }

    /// Sends a packet, into `out` where it goes in the RTSP connection.
    pub(crate) fn send(&self, packet: &[u8], is_report: bool, out: &mut BytesMut) {
        match self {
            Self::Interleaved { media, reports } => {
                let length = u16::try_from(packet.len()).unwrap_or(0).to_be_bytes();
                let channel = if is_report { *reports } else { *media };
                out.extend_from_slice(&[b'$', channel, length[0], length[1]]);
                out.extend_from_slice(packet);
            }
            Self::Udp { media, reports } => {
                // A datagram that finds no room or no receiver is lost, as on a network.
                let socket = if is_report { reports } else { media };
                let _lost = socket.try_send(packet);
            }
        }
    }
}
