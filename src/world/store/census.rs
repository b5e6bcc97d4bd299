//! How much is stored, at a cost that does not grow with it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use sqlx::FromRow;

use super::error::StoreError;
use super::frames::timestamp;
use super::{Store, count, on_disk};
use crate::model::event::Seq;

/// What the store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Census {
    /// Frames in all.
    pub frames: u64,
    /// Bytes of all pictures and thumbnails.
    pub bytes: u64,
    /// Frames that no event shows.
    pub no_event_frames: u64,
    /// Bytes of their pictures and thumbnails.
    pub no_event_bytes: u64,
    /// When the oldest frame that no event shows was captured.
    pub oldest_no_event_frame: Option<Timestamp>,
    /// When the oldest frame that an event shows was captured.
    pub oldest_event_frame: Option<Timestamp>,
    /// Events.
    pub events: u64,
    /// Time of the oldest event.
    pub oldest_event: Option<Timestamp>,
    /// Place of the newest event ever appended.
    pub last_seq: Seq,
    /// Sweep records.
    pub sweeps: u64,
    /// Start of the oldest recorded sweep.
    pub oldest_sweep: Option<Timestamp>,
    /// Applied sets of manifests.
    pub config_revisions: u64,
    /// When the oldest recorded set came into force.
    pub oldest_config_revision: Option<Timestamp>,
    /// When the oldest recorded lease of a live view was to end.
    pub oldest_lease: Option<Timestamp>,
    /// Bytes of the database's files.
    pub database_bytes: u64,
    /// Bytes that this program can still write beside the pictures.
    pub disk_free: u64,
    /// Size of that file system.
    pub disk_total: u64,
}

impl Store {
    /// Counts what is stored: one row of counters and the ends of six indexes.
    pub async fn census(&self) -> Result<Census, StoreError> {
        let row = sqlx::query_as::<_, CensusRow>(
            "SELECT frames, frame_bytes, no_event_frames, no_event_bytes, event_seq, events, \
             sweeps, config_revisions, \
             (SELECT MIN(captured_at) FROM frames WHERE detected = 0) AS oldest_no_event, \
             (SELECT MIN(captured_at) FROM frames WHERE detected = 1) AS oldest_with_event, \
             (SELECT MIN(captured_at) FROM events) AS oldest_event, \
             (SELECT MIN(started_at) FROM sweeps) AS oldest_sweep, \
             (SELECT MIN(applied_at) FROM config_revisions) AS oldest_config, \
             (SELECT MIN(expires_at) FROM modal_leases) AS oldest_lease \
             FROM store WHERE id = 1",
        )
        .fetch_one(&self.inner.reads)
        .await?;
        let pictures = Arc::clone(&self.inner.pictures);
        let database = self.inner.database.clone();
        let disk = on_disk(&self.inner.loading, move || Disk::of(pictures.root(), &database));
        row.census(&disk.await?)
    }
}

struct Disk {
    database_bytes: u64,
    free: u64,
    total: u64,
}

impl Disk {
    fn of(frames: &Path, database: &Path) -> Result<Self, StoreError> {
        let disk = rustix::fs::statvfs(frames)
            .map_err(|error| StoreError::io(frames, io::Error::from(error)))?;
        let mut database_bytes = 0;
        for suffix in ["", "-wal"] {
            let mut path = database.as_os_str().to_owned();
            path.push(suffix);
            // The log is not there between a close and the next write.
            database_bytes += std::fs::metadata(&path).map_or(0, |meta| meta.len());
        }
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        Ok(Self { database_bytes, free, total: disk.f_blocks.saturating_mul(disk.f_frsize) })
    }
}

#[derive(FromRow)]
struct CensusRow {
    frames: i64,
    frame_bytes: i64,
    no_event_frames: i64,
    no_event_bytes: i64,
    event_seq: i64,
    events: i64,
    sweeps: i64,
    config_revisions: i64,
    oldest_no_event: Option<i64>,
    oldest_with_event: Option<i64>,
    oldest_event: Option<i64>,
    oldest_sweep: Option<i64>,
    oldest_config: Option<i64>,
    oldest_lease: Option<i64>,
}

impl CensusRow {
    fn census(self, disk: &Disk) -> Result<Census, StoreError> {
        let time = |at: Option<i64>, table| at.map(|at| timestamp(at, table)).transpose();
        Ok(Census {
            frames: count(self.frames),
            bytes: count(self.frame_bytes),
            no_event_frames: count(self.no_event_frames),
            no_event_bytes: count(self.no_event_bytes),
            oldest_no_event_frame: time(self.oldest_no_event, "frames")?,
            oldest_event_frame: time(self.oldest_with_event, "frames")?,
            events: count(self.events),
            oldest_event: time(self.oldest_event, "events")?,
            last_seq: count(self.event_seq),
            sweeps: count(self.sweeps),
            oldest_sweep: time(self.oldest_sweep, "sweeps")?,
            config_revisions: count(self.config_revisions),
            oldest_config_revision: time(self.oldest_config, "config_revisions")?,
            oldest_lease: time(self.oldest_lease, "modal_leases")?,
            database_bytes: disk.database_bytes,
            disk_free: disk.free,
            disk_total: disk.total,
        })
    }
}
