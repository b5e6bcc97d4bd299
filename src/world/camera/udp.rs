//! The pair of datagram sockets for RTP and RTCP of one session.
//!
//! Only datagrams from the camera's address are taken. No RTCP is sent besides the first packets,
//! which open the way through a firewall.

use std::io;
use std::net::{IpAddr, SocketAddr};

use bytes::{Bytes, BytesMut};
use socket2::SockRef;
use tokio::net::UdpSocket;

/// Room in the kernel for the packets of one large key picture, in bytes.
pub(super) const PICTURE_ROOM: usize = 2 * 1024 * 1024;
/// Room in the kernel for some seconds of sound, in bytes.
pub(super) const SOUND_ROOM: usize = 128 * 1024;
/// Pairs of ports that are tried: RTP wants an even one and the next for RTCP.
const PAIRS_MAX: u32 = 64;
/// Largest datagram.
const DATAGRAM_BYTES_MAX: usize = 65_536;
/// Of a datagram of RTCP so many bytes are kept; a sender report has the first 28 of them.
const CONTROL_BYTES_MAX: usize = 256;

/// What came.
#[derive(Debug)]
pub(super) enum Datagram {
    /// RTP.
    Media(Bytes),
    /// The beginning of RTCP.
    Control(Bytes),
}

/// Sockets on two neighbouring ports.
#[derive(Debug)]
pub(super) struct DatagramPair {
    media: UdpSocket,
    control: UdpSocket,
    peer: IpAddr,
    buffer: BytesMut,
}

impl DatagramPair {
    /// Opens a pair on the address that the RTSP connection uses, with so many bytes of room in the
    /// kernel.
    pub(super) async fn open(local: IpAddr, peer: IpAddr, room: usize) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..PAIRS_MAX {
            let media = UdpSocket::bind((local, 0)).await?;
            let port = media.local_addr()?.port();
            if port % 2 == 1 || port == u16::MAX - 1 {
                continue;
            }
            match UdpSocket::bind((local, port + 1)).await {
                Ok(control) => {
                    SockRef::from(&media).set_recv_buffer_size(room)?;
                    return Ok(Self { media, control, peer, buffer: BytesMut::new() });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The ports for RTP and RTCP.
    pub(super) fn ports(&self) -> io::Result<(u16, u16)> {
        Ok((self.media.local_addr()?.port(), self.control.local_addr()?.port()))
    }

    /// Sends one small packet to each of the camera's ports.
    ///
    /// Failing to is no fault: without a firewall in between nothing depends on it.
    pub(super) async fn open_way(&self, server: (u16, u16)) {
        let empty_packet = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let receiver_report = [0x80, 201, 0, 1, 0, 0, 0, 0];
        drop(self.media.send_to(&empty_packet, SocketAddr::new(self.peer, server.0)).await);
        drop(self.control.send_to(&receiver_report, SocketAddr::new(self.peer, server.1)).await);
    }

    /// A host has many loopback addresses and sends datagrams from the first, whichever of them
    /// was dialled.
    fn is_camera(&self, from: IpAddr) -> bool {
        from == self.peer || (from.is_loopback() && self.peer.is_loopback())
    }

    /// The next packet. May be dropped at any point without losing any.
    pub(super) async fn next(&mut self) -> io::Result<Datagram> {
        loop {
            if self.buffer.capacity() < DATAGRAM_BYTES_MAX {
                self.buffer.reserve(4 * DATAGRAM_BYTES_MAX);
            }
            let mut control = [0; CONTROL_BYTES_MAX];
            tokio::select! {
                received = self.media.recv_buf_from(&mut self.buffer) => {
                    let (_, from) = received?;
                    let packet = self.buffer.split().freeze();
                    if self.is_camera(from.ip()) {
                        return Ok(Datagram::Media(packet));
                    }
                }
                received = self.control.recv_from(&mut control) => {
                    let (length, from) = received?;
                    if self.is_camera(from.ip()) {
                        return Ok(Datagram::Control(Bytes::copy_from_slice(&control[..length])));
                    }
                }
            }
        }
    }
}
