//! Cameras: one client that opens a stream or fetches a picture, over sockets that it owns.
//!
//! ```text
//! native, http        one picture: capture_native, capture_http
//!   session           one RTSP session: open, frames, close
//!     rtsp/client     requests and replies     rtp/   packets to pictures     udp  datagrams
//!       rtsp/message, rtsp/auth, rtsp/sdp
//!   connection        the socket, from the SYN to its end
//! relay               children's sessions, over sockets of ours; asks a gate for slots
//! classify, doubts    what a fault means
//! ```
//!
//! Dropping any future of this folder ends its sockets at once (RST) and leaves nothing behind:
//! nothing is spawned but what the relay's server owns. Slots are not its business; it tells a [`connection::SocketHook`] which
//! sockets it has, and says at the end whether the camera knows that they are gone.

pub mod classify;
pub mod connection;
pub mod doubts;
pub mod fault;
pub mod gate;
pub mod http;
pub mod native;
pub mod relay;
pub mod request;
pub mod rtp;
pub mod rtsp;
pub mod session;
pub mod sharing;
mod tls;
mod udp;
