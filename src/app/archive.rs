//! Lets HTTP read the store, through the pictures' cache.

use bytes::Bytes;

use crate::http::{Archive, ArchiveError, ArchiveFuture, ConfigRevision};
use crate::model::event::{Event, Seq};
use crate::model::frame::{Frame, FrameId, SweepId, SweepRecord};
use crate::model::names::{CameraName, SubnetName};
use crate::world::store::{Store, StoreError};

/// The store, as HTTP sees it.
#[derive(Debug)]
pub(super) struct StoreArchive {
    store: Store,
}

impl StoreArchive {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }
}

fn refuse(error: StoreError) -> ArchiveError {
    if matches!(error, StoreError::NotFound { .. }) {
        ArchiveError::NotFound
    } else {
        ArchiveError::unavailable(error)
    }
}

fn limit(limit: usize) -> u32 {
    u32::try_from(limit).unwrap_or(u32::MAX)
}

impl Archive for StoreArchive {
    fn frame(&self, id: FrameId) -> ArchiveFuture<'_, Frame> {
        Box::pin(async move { self.store.frame(id).await.map_err(refuse) })
    }

    fn frames_of<'a>(
        &'a self,
        camera: &'a CameraName,
        before: Option<FrameId>,
        most: usize,
    ) -> ArchiveFuture<'a, Vec<Frame>> {
        Box::pin(
            async move { self.store.frames_of(camera, before, limit(most)).await.map_err(refuse) },
        )
    }

    fn image<'a>(&'a self, frame: &'a Frame) -> ArchiveFuture<'a, Bytes> {
        Box::pin(async move { self.store.image(frame).await.map_err(refuse) })
    }

    fn thumbnail<'a>(&'a self, frame: &'a Frame) -> ArchiveFuture<'a, Bytes> {
        Box::pin(async move { self.store.thumbnail(frame).await.map_err(refuse) })
    }

    fn events_since(&self, seq: Seq, most: usize) -> ArchiveFuture<'_, Vec<Event>> {
        Box::pin(async move { self.store.events_since(seq, limit(most)).await.map_err(refuse) })
    }

    fn event(&self, seq: Seq) -> ArchiveFuture<'_, Event> {
        Box::pin(async move { self.store.event(seq).await.map_err(refuse) })
    }

    fn sweeps<'a>(
        &'a self,
        subnet: Option<&'a SubnetName>,
        before: Option<SweepId>,
        most: usize,
    ) -> ArchiveFuture<'a, Vec<SweepRecord>> {
        Box::pin(
            async move { self.store.sweeps(subnet, before, limit(most)).await.map_err(refuse) },
        )
    }

    fn sweep(&self, id: SweepId) -> ArchiveFuture<'_, SweepRecord> {
        Box::pin(async move {
            let found = self.store.sweeps(None, Some(id + 1), 1).await.map_err(refuse)?;
            found.into_iter().find(|sweep| sweep.id == id).ok_or(ArchiveError::NotFound)
        })
    }

    fn config_revisions(&self, most: usize) -> ArchiveFuture<'_, Vec<ConfigRevision>> {
        Box::pin(async move {
            let revisions = self.store.config_revisions(limit(most)).await.map_err(refuse)?;
            let shown = revisions.into_iter().map(|revision| ConfigRevision {
                generation: revision.generation,
                digest: revision.digest,
                revision: revision.revision,
                applied_at: revision.applied_at,
            });
            Ok(shown.collect())
        })
    }
}
