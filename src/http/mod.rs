//! What the outside sees: the JSON API, the wall's files, the push to browsers, metrics, probes.
//!
//! Reads the published state and the events, writes wishes through the loop's handle. Decides
//! nothing about cameras and talks to none; knows no database, only an [`Archive`].

mod api;
mod archive;
mod assets;
mod extract;
mod guard;
mod listener;
mod openapi;
mod page;
mod probes;
mod problem;
mod push;
mod router;
mod state;
pub mod wire;

pub use archive::{Archive, ArchiveError, ArchiveFuture, ConfigRevision};
pub use listener::{ServeError, serve};
pub use problem::{Code, ProblemDocument};
pub use router::router;
pub use state::{AppState, AppStateBuilder, NowFn, Settings};

#[cfg(test)]
pub(crate) mod tests;
