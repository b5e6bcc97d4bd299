//! The kernel's table of TCP sockets, and whose they are. It never closes any.

mod attribute;
mod diag;

pub use attribute::{Attributor, attribute};
pub use diag::{SocketDiag, SocketError, TcpSocket};
