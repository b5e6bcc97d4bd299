//! A declarative, self-healing camera server.
