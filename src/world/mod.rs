//! One folder an outside system: client, wire types, errors.

pub mod camera;
pub mod gateway;
pub mod host;
pub mod journal;
pub mod sockets;
pub mod store;
