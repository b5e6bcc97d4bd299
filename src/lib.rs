//! A declarative, self-healing camera server.
//!
//! Operators write what should exist as YAML; one loop compares it with what does exist and
//! removes the difference. `ARCHITECTURE.md` has the map.

// Lets the test fixtures name the crate as the integration tests do.
#[cfg(test)]
extern crate self as camserver;

pub mod app;
pub mod chain;
pub mod cli;
pub mod clock;
pub mod http;
pub mod live;
pub mod log;
pub mod manifest;
pub mod metrics;
pub mod model;
pub mod plan;
pub mod reconcile;
pub mod vision;
pub mod world;
