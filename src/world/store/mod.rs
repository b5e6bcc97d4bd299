//! What outlives the program: frames with their pictures, events, sweeps, applied manifests.
//!
//! Rows are in `SQLite`, pictures are files. A picture's files are written before its row and
//! removed after it, so that a crash leaves at most files that no row names; [`Store::repair`]
//! removes those. Decides nothing: which rows are due is planned elsewhere, and asked for in
//! bounded steps. Caches live in [`cache`] and belong to whoever serves from them.

mod census;
mod config;
mod data_dir;
mod error;
mod events;
mod frames;
mod installation;
mod leases;
mod listing;
mod pairing;
mod pictures;
mod repair;
mod retention;
mod sqlite;
mod sweeps;
mod writer;

pub mod cache;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::sqlite::SqlitePool;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use self::census::Census;
pub use self::config::ConfigRevision;
pub use self::data_dir::DataDir;
pub use self::error::StoreError;
pub use self::frames::NewFrame;
pub use self::leases::StoredLease;
pub use self::pairing::Pairing;
pub use self::pictures::PICTURE_BYTES_MAX;
use self::pictures::Pictures;
pub use self::repair::{REPAIR_GRACE, Repaired};
pub use self::retention::{DELETE_MAX, Deleted, FrameClass, FrameCut, Log};
use self::writer::{WriteQueue, Writer};

/// Longest list that is read at once.
pub const LIST_MAX: u32 = 500;
/// Threads that write or read pictures at once; each may hang on a hanging disk.
const FILE_JOBS: usize = 16;

/// The store. A cheap handle: clones share everything.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("database", &self.inner.database).finish_non_exhaustive()
    }
}

struct Inner {
    reads: SqlitePool,
    writes: WriteQueue,
    writer: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    closing: CancellationToken,
    pictures: Arc<Pictures>,
    saving: Arc<Semaphore>,
    loading: Arc<Semaphore>,
    database: PathBuf,
    store_id: String,
    pairing: Mutex<Pairing>,
}

impl Store {
    /// Opens the database that `url` names and brings its tables up to date.
    ///
    /// `url` is `sqlite://FILE` with FILE relative to the data directory. Must be called inside a
    /// tokio runtime: the writer is a task of its own, which [`Store::close`] ends.
    pub async fn open(data_dir: &DataDir, url: &str) -> Result<Self, StoreError> {
        let opened = sqlite::open(data_dir.path(), url).await?;
        let frames = data_dir.frames();
        let pairing = pairing::look(&frames, &opened.identity).await?;
        let closing = CancellationToken::new();
        let (queue, writer) = Writer::new(opened.options, opened.writer, closing.clone());
        let inner = Inner {
            reads: opened.reads,
            writes: queue,
            writer: tokio::sync::Mutex::new(Some(tokio::spawn(writer.run()))),
            closing,
            pictures: Arc::new(Pictures::new(frames)),
            saving: Arc::new(Semaphore::new(FILE_JOBS)),
            loading: Arc::new(Semaphore::new(FILE_JOBS)),
            database: opened.path,
            store_id: opened.identity.store_id,
            pairing: Mutex::new(pairing),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Whether database and pictures are known to belong together.
    pub fn pairing(&self) -> Pairing {
        self.inner.pairing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_pairing(&self, pairing: Pairing) {
        *self.inner.pairing.lock().unwrap_or_else(PoisonError::into_inner) = pairing;
    }

    /// Takes nothing more, writes what waits, and closes the database.
    ///
    /// Everything asked for afterwards fails with [`StoreError::Closed`].
    pub async fn close(&self) {
        // Whoever has a permit has files on the disk whose row is still to be written.
        let jobs = u32::try_from(FILE_JOBS).unwrap_or(u32::MAX);
        let saved = self.inner.saving.acquire_many(jobs).await;
        self.inner.saving.close();
        drop(saved);
        self.inner.closing.cancel();
        if let Some(writer) = self.inner.writer.lock().await.take()
            && let Err(error) = writer.await
        {
            tracing::error!(%error, "the store's writer ended abnormally");
        }
        self.inner.reads.close().await;
    }
}

/// Runs file work on a thread that may block, at most [`FILE_JOBS`] at a time.
///
/// The work is finished even when the caller goes away.
async fn on_disk<T: Send + 'static>(
    gate: &Arc<Semaphore>,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let permit = Arc::clone(gate).acquire_owned().await.map_err(|_| StoreError::Closed)?;
    let job = tokio::task::spawn_blocking(move || {
        let result = work();
        drop(permit);
        result
    });
    job.await.map_err(|error| StoreError::Unavailable(format!("file work failed: {error}")))?
}

/// A count from the database, where it is never negative.
fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A number for the database, where a column holds 63 bits.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
