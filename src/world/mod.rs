//! One folder an outside system: client, wire types, errors.

pub mod host;
pub mod journal;
pub mod sockets;
