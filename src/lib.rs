//! A declarative, self-healing camera server.

pub mod vision;
