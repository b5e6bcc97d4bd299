//! A declarative, self-healing camera server.
//!
//! Operators write what should exist as YAML; one loop compares it with what does exist and
//! removes the difference. `ARCHITECTURE.md` has the map.

pub mod chain;
pub mod clock;
pub mod http;
pub mod manifest;
pub mod metrics;
pub mod model;
pub mod plan;
pub mod reconcile;
pub mod vision;
pub mod world;
