//! A declarative, self-healing camera server.
//!
//! Operators write what should exist as YAML; one loop compares it with what does exist and
//! removes the difference. `ARCHITECTURE.md` has the map.

pub mod manifest;
pub mod model;
