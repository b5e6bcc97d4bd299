//! What the outside sees: the JSON API, the wall's files, the push to browsers, metrics, probes.
//!
//! Reads the published state and the events, writes wishes through the loop's handle. Decides
//! nothing about cameras and talks to none; knows no database, only an [`Archive`]. Media comes from
//! the handle on live video, and is only passed on.

mod api;
mod archive;
mod assets;
mod extract;
mod guard;
mod listener;
mod media;
mod openapi;
mod page;
mod peer;
mod probes;
mod problem;
mod push;
mod refusal;
mod router;
mod state;
pub mod wire;

pub use archive::{Archive, ArchiveError, ArchiveFuture, ConfigRevision};
pub use listener::{ServeError, serve};
pub use problem::{Code, Messages, ProblemDocument, ProblemMembers};
pub use router::router;
pub use state::{AppState, AppStateBuilder, NowFn, Settings};

#[cfg(test)]
pub(crate) mod tests;
