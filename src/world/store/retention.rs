//! Deleting what retention no longer keeps, in steps between which others write.
//!
//! Rows go first, then their files: a crash in between leaves files that no row names, which a
//! repair removes. Does not know how long anything is to be kept.

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::query::QueryAs;
use sqlx::sqlite::{Sqlite, SqliteArguments};
use sqlx::{FromRow, Row};

use super::error::StoreError;
use super::writer::{Tx, Write};
use super::{Store, count, number, on_disk};

/// Rows that one call deletes at most.
pub const DELETE_MAX: u32 = 10_000;
/// Rows in one transaction: some milliseconds for whoever waits behind it.
const STEP: u32 = 500;

/// Which frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameClass {
    /// Those that no event shows.
    NoEvent,
    /// Those that an event shows.
    Event,
}

/// Which frames to delete: the oldest of a class, until any of the bounds is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameCut {
    /// Which class.
    pub class: FrameClass,
    /// Only frames captured before this moment; `None` for no bound.
    pub before: Option<Timestamp>,
    /// Stop when this many bytes are freed; `None` for no bound.
    pub bytes: Option<u64>,
    /// Stop after this many frames; 10,000 at most.
    pub rows: u32,
}

/// Which log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// Events, by the time at which they happened.
    Events,
    /// Sweep records that ended, by their start.
    Sweeps,
    /// Applied sets of manifests except the newest, by when they came into force.
    ConfigRevisions,
    /// Leases of live views, by when they were to end.
    Leases,
}

/// What was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Rows; less than asked for means that nothing more is due.
    pub rows: u64,
    /// Bytes of their files.
    pub bytes: u64,
}

/// The oldest frames of a class, up to a number of rows and of bytes.
///
/// `before_it` is what is freed without this row: the row that reaches the bound goes too.
macro_rules! due_frames {
    () => {
        "(SELECT id FROM (\
         SELECT id, SUM(size) OVER (ORDER BY captured_at, id) - size AS before_it FROM (\
         SELECT id, captured_at, bytes + thumbnail_bytes AS size FROM frames \
         WHERE detected = ? AND captured_at < ? ORDER BY captured_at, id LIMIT ?)) \
         WHERE before_it < ?)"
    };
}

impl Store {
    /// Deletes frames with their files, the oldest first.
    ///
    /// A file that cannot be removed is left to a repair. When it fails half-way, what was
    /// deleted before stays deleted.
    pub async fn delete_frames(&self, cut: FrameCut) -> Result<Deleted, StoreError> {
        let mut deleted = Deleted::default();
        let mut left = cut.rows.min(DELETE_MAX);
        while left > 0 {
            let step = DeleteFrames {
                detected: i64::from(cut.class == FrameClass::Event),
                before: cut.before.map_or(i64::MAX, Timestamp::as_millisecond),
                bytes: cut.bytes.map_or(i64::MAX, |all| number(all.saturating_sub(deleted.bytes))),
                rows: left.min(STEP),
            };
            let gone = match self.inner.writes.submit(step).await {
                Err(StoreError::Full(_)) => self.delete_on_full_disk(step).await?,
                result => result?,
            };
            if gone.is_empty() {
                break;
            }
            left = left.saturating_sub(u32::try_from(gone.len()).unwrap_or(u32::MAX));
            deleted.rows += gone.len() as u64;
            deleted.bytes += gone.iter().map(|frame| count(frame.bytes)).sum::<u64>();
            self.remove_files(gone.into_iter().map(|frame| frame.file).collect()).await?;
        }
        Ok(deleted)
    }

    /// A disk without a byte left cannot even take note of a deletion: here files go first.
    ///
    /// Should the rows still not go, they are rows without file, which a repair removes.
    async fn delete_on_full_disk(&self, step: DeleteFrames) -> Result<Vec<Gone>, StoreError> {
        let due = sqlx::query_as::<_, Gone>(concat!(
            "SELECT file, bytes + thumbnail_bytes AS bytes FROM frames WHERE id IN ",
            due_frames!()
        ));
        let due = step.bind(due).fetch_all(&self.inner.reads).await?;
        self.remove_files(due.into_iter().map(|frame| frame.file).collect()).await?;
        self.inner.writes.submit(step).await
    }

    /// Deletes records that are older than `before`, the oldest first, at most 10,000.
    pub async fn delete_log(
        &self,
        log: Log,
        before: Timestamp,
        limit: u32,
    ) -> Result<Deleted, StoreError> {
        let mut deleted = Deleted::default();
        let mut left = limit.min(DELETE_MAX);
        while left > 0 {
            let rows = left.min(STEP);
            let gone = self.inner.writes.submit(DeleteLog { log, before, rows }).await?;
            if gone == 0 {
                break;
            }
            left = left.saturating_sub(u32::try_from(gone).unwrap_or(u32::MAX));
            deleted.rows += gone;
        }
        Ok(deleted)
    }

    /// Removes the files of pictures whose rows are gone.
    pub(super) async fn remove_files(&self, files: Vec<String>) -> Result<(), StoreError> {
        let pictures = Arc::clone(&self.inner.pictures);
        on_disk(&self.inner.loading, move || {
            let mut failure = None;
            let mut failed = 0_u32;
            for file in &files {
                if let Err(error) = pictures.remove(file) {
                    failed += 1;
                    failure = Some(error);
                }
            }
            pictures.remove_empty_dirs(files.iter().map(String::as_str));
            if let Some(error) = failure {
                tracing::warn!(failed, %error, "pictures of deleted frames could not be removed");
            }
            Ok(())
        })
        .await
    }
}

/// Deletes the rows of the oldest frames of a class.
#[derive(Debug, Clone, Copy)]
pub(super) struct DeleteFrames {
    pub(super) detected: i64,
    pub(super) before: i64,
    pub(super) bytes: i64,
    pub(super) rows: u32,
}

/// A row that was deleted.
#[derive(FromRow)]
pub(super) struct Gone {
    pub(super) file: String,
    /// Of both files.
    pub(super) bytes: i64,
}

impl DeleteFrames {
    fn bind<'q>(
        &self,
        query: QueryAs<'q, Sqlite, Gone, SqliteArguments>,
    ) -> QueryAs<'q, Sqlite, Gone, SqliteArguments> {
        query.bind(self.detected).bind(self.before).bind(self.rows).bind(self.bytes)
    }
}

impl Write for DeleteFrames {
    type Out = Vec<Gone>;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Vec<Gone>, StoreError> {
        let query = sqlx::query_as::<_, Gone>(concat!(
            "DELETE FROM frames WHERE id IN ",
            due_frames!(),
            " RETURNING file, bytes + thumbnail_bytes AS bytes"
        ));
        let gone = self.bind(query).fetch_all(&mut *tx.conn).await?;
        let bytes: i64 = gone.iter().map(|frame| frame.bytes).sum();
        tx.tally.frames(self.detected != 0, -number(gone.len() as u64), -bytes);
        Ok(gone)
    }
}

/// Deletes single frames' rows, whatever their class; says which there were.
pub(super) struct DeleteRows(pub(super) Vec<i64>);

impl Write for DeleteRows {
    type Out = u64;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<u64, StoreError> {
        let mut gone = 0;
        for id in &self.0 {
            let row = sqlx::query(
                "DELETE FROM frames WHERE id = ? RETURNING detected, bytes + thumbnail_bytes",
            )
            .bind(id)
            .fetch_optional(&mut *tx.conn)
            .await?;
            if let Some(row) = row {
                let (detected, bytes): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
                tx.tally.frames(detected != 0, -1, -bytes);
                gone += 1;
            }
        }
        Ok(gone)
    }
}

struct DeleteLog {
    log: Log,
    before: Timestamp,
    rows: u32,
}

impl DeleteLog {
    fn sql(&self) -> &'static str {
        match self.log {
            Log::Events => {
                "DELETE FROM events WHERE seq IN (SELECT seq FROM events \
                 WHERE captured_at < ? ORDER BY captured_at LIMIT ?)"
            }
            Log::Sweeps => {
                "DELETE FROM sweeps WHERE id IN (SELECT id FROM sweeps \
                 WHERE started_at < ? AND state <> 'running' ORDER BY started_at LIMIT ?)"
            }
            Log::ConfigRevisions => {
                "DELETE FROM config_revisions WHERE generation IN (\
                 SELECT generation FROM config_revisions WHERE applied_at < ? \
                 AND generation < (SELECT MAX(generation) FROM config_revisions) \
                 ORDER BY applied_at LIMIT ?)"
            }
            Log::Leases => {
                "DELETE FROM modal_leases WHERE id IN (SELECT id FROM modal_leases \
                 WHERE expires_at < ? ORDER BY expires_at LIMIT ?)"
            }
        }
    }
}

impl Write for DeleteLog {
    type Out = u64;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<u64, StoreError> {
        let query = sqlx::query(self.sql()).bind(self.before.as_millisecond()).bind(self.rows);
        let gone = query.execute(&mut *tx.conn).await?.rows_affected();
        match self.log {
            Log::Events => tx.tally.events -= number(gone),
            Log::Sweeps => tx.tally.sweeps -= number(gone),
            Log::ConfigRevisions => tx.tally.config_revisions -= number(gone),
            // Few enough that nobody has to know how many.
            Log::Leases => {}
        }
        Ok(gone)
    }
}
