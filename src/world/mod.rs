//! One folder an outside system: client, wire types, errors.

pub mod sockets;
