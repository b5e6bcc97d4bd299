//! One folder an outside system: client, wire types, errors.

pub mod camera;
pub mod ffmpeg;
pub mod gateway;
pub mod host;
pub mod journal;
pub mod process;
pub mod sockets;
pub mod store;
