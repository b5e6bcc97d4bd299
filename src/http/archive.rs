//! What HTTP needs of the store, and nothing more.
//!
//! The store implements it; tests have one in memory.

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::model::event::{Event, Seq};
use crate::model::frame::{Frame, FrameId, SweepId, SweepRecord};
use crate::model::names::{CameraName, SubnetName};

/// An answer of the archive.
pub type ArchiveFuture<'a, T> = BoxFuture<'a, Result<T, ArchiveError>>;

/// Why the archive has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// There is no such thing (any more).
    #[error("not in the store")]
    NotFound,
    /// The database or the disk does not answer, or too slowly.
    #[error("the store does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ArchiveError {
    /// The database or the disk does not answer.
    pub fn unavailable(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(why.into())
    }
}

/// A set of manifests that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigRevision {
    /// Its number.
    pub generation: u64,
    /// SHA-256 over it, hexadecimal.
    pub digest: String,
    /// Git commit or symlink target.
    pub revision: Option<String>,
    /// When it came into force.
    pub applied_at: jiff::Timestamp,
}

/// Read access to what is stored.
///
/// Every method answers in bounded time and with at most `limit` things.
pub trait Archive: Send + Sync {
    /// One picture's row.
    fn frame(&self, id: FrameId) -> ArchiveFuture<'_, Frame>;

    /// Pictures of a camera, newest first, with a number below `before`.
    fn frames_of<'a>(
        &'a self,
        camera: &'a CameraName,
        before: Option<FrameId>,
        limit: usize,
    ) -> ArchiveFuture<'a, Vec<Frame>>;

    /// The JPEG.
    fn image<'a>(&'a self, frame: &'a Frame) -> ArchiveFuture<'a, Bytes>;

    /// The small JPEG.
    fn thumbnail<'a>(&'a self, frame: &'a Frame) -> ArchiveFuture<'a, Bytes>;

    /// Events after `seq`, oldest first.
    fn events_since(&self, seq: Seq, limit: usize) -> ArchiveFuture<'_, Vec<Event>>;

    /// One event.
    fn event(&self, seq: Seq) -> ArchiveFuture<'_, Event>;

    /// Sweeps, newest first, with a number below `before`.
    fn sweeps<'a>(
        &'a self,
        subnet: Option<&'a SubnetName>,
        before: Option<SweepId>,
        limit: usize,
    ) -> ArchiveFuture<'a, Vec<SweepRecord>>;

    /// One sweep.
    fn sweep(&self, id: SweepId) -> ArchiveFuture<'_, SweepRecord>;

    /// Sets of manifests that were applied, newest first.
    fn config_revisions(&self, limit: usize) -> ArchiveFuture<'_, Vec<ConfigRevision>>;
}
