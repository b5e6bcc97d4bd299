//! The one writer: takes what waits, writes it in one transaction, answers each request.
//!
//! One connection writes, so nothing of ours ever waits for a lock of ours, and a hundred frames
//! that arrive together cost one transaction. Requests are kept in order. Knows no table but
//! `store`, whose counters it adds up.

use std::future::Future;

use futures::future::BoxFuture;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::error::StoreError;

/// Requests that may wait; more make their senders wait.
const QUEUE: usize = 256;
/// Requests in one transaction.
const BATCH: usize = 64;

/// One request to write: runs inside a transaction, possibly more than once (after a rollback).
pub(super) trait Write: Send + Sync + 'static {
    /// What the asker is told.
    type Out: Send + 'static;
    /// Whether it must survive a power failure once answered; costs a sync of the disk.
    const DURABLE: bool = false;

    /// Writes it, and adds to the counters what it changes.
    fn apply(&self, tx: &mut Tx<'_>) -> impl Future<Output = Result<Self::Out, StoreError>> + Send;
}

/// The transaction that a request is part of.
pub(super) struct Tx<'a> {
    /// The connection to write on.
    pub(super) conn: &'a mut SqliteConnection,
    /// Changes of the counters by the whole transaction.
    pub(super) tally: &'a mut Tally,
}

/// Changes of the counters in the table `store`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) frames: i64,
    pub(super) frame_bytes: i64,
    pub(super) no_event_frames: i64,
    pub(super) no_event_bytes: i64,
    pub(super) events: i64,
    pub(super) sweeps: i64,
    pub(super) config_revisions: i64,
}

impl Tally {
    /// Counts `by` frames of together `bytes`.
    pub(super) fn frames(&mut self, detected: bool, by: i64, bytes: i64) {
        self.frames += by;
        self.frame_bytes += bytes;
        if !detected {
            self.no_event_frames += by;
            self.no_event_bytes += bytes;
        }
    }

    async fn save(self, conn: &mut SqliteConnection) -> Result<(), StoreError> {
        if self == Self::default() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE store SET frames = frames + ?, frame_bytes = frame_bytes + ?, \
             no_event_frames = no_event_frames + ?, no_event_bytes = no_event_bytes + ?, \
             events = events + ?, sweeps = sweeps + ?, config_revisions = config_revisions + ?",
        )
        .bind(self.frames)
        .bind(self.frame_bytes)
        .bind(self.no_event_frames)
        .bind(self.no_event_bytes)
        .bind(self.events)
        .bind(self.sweeps)
        .bind(self.config_revisions)
        .execute(conn)
        .await?;
        Ok(())
    }
}

/// A request with the place that its answer goes to.
struct Waiting<W: Write> {
    work: W,
    out: Option<W::Out>,
    reply: oneshot::Sender<Result<W::Out, StoreError>>,
}

/// [`Waiting`] of any kind.
trait Job: Send {
    fn durable(&self) -> bool;
    fn apply<'a>(&'a mut self, tx: &'a mut Tx<'_>) -> BoxFuture<'a, Result<(), StoreError>>;
    fn settle(self: Box<Self>, result: Result<(), StoreError>);
}

impl<W: Write> Job for Waiting<W> {
    fn durable(&self) -> bool {
        W::DURABLE
    }

    fn apply<'a>(&'a mut self, tx: &'a mut Tx<'_>) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.out = Some(self.work.apply(tx).await?);
            Ok(())
        })
    }

    fn settle(self: Box<Self>, result: Result<(), StoreError>) {
        let Self { out, reply, .. } = *self;
        let answer = result.and_then(|()| out.ok_or(StoreError::Closed));
        // Whoever asked may have gone; what was written stays written.
        drop(reply.send(answer));
    }
}

/// The queue of the writer.
#[derive(Clone)]
pub(super) struct WriteQueue {
    jobs: mpsc::Sender<Box<dyn Job>>,
}

impl WriteQueue {
    /// Has `work` written; answers when it is committed.
    pub(super) async fn submit<W: Write>(&self, work: W) -> Result<W::Out, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Waiting { work, out: None, reply });
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// The same for a thread that may block.
    pub(super) fn submit_blocking<W: Write>(&self, work: W) -> Result<W::Out, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Waiting { work, out: None, reply });
        self.jobs.blocking_send(job).map_err(|_| StoreError::Closed)?;
        answer.blocking_recv().map_err(|_| StoreError::Closed)?
    }
}

/// The writer itself.
pub(super) struct Writer {
    options: SqliteConnectOptions,
    conn: Option<SqliteConnection>,
    jobs: mpsc::Receiver<Box<dyn Job>>,
    closing: CancellationToken,
    durable: bool,
}

impl Writer {
    /// A writer over a connection that is open already; `options` open the next one.
    pub(super) fn new(
        options: SqliteConnectOptions,
        conn: SqliteConnection,
        closing: CancellationToken,
    ) -> (WriteQueue, Self) {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer = Self { options, conn: Some(conn), jobs: queue, closing, durable: false };
        (WriteQueue { jobs }, writer)
    }

    /// Writes until every queue handle is gone, or `closing` is cancelled and nothing waits.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let taken = tokio::select! {
                biased;
                () = self.closing.cancelled(), if !self.jobs.is_closed() => {
                    self.jobs.close();
                    continue;
                }
                taken = self.jobs.recv_many(&mut batch, BATCH) => taken,
            };
            if taken == 0 {
                break;
            }
            self.write(&mut batch).await;
        }
        if let Some(conn) = self.conn.take()
            && let Err(error) = conn.close().await
        {
            tracing::warn!(%error, "the database did not close cleanly");
        }
    }

    async fn write(&mut self, batch: &mut Vec<Box<dyn Job>>) {
        let result = self.transaction(batch).await;
        match result {
            Err(error) if !error.is_storewide() && batch.len() > 1 => {
                // One of them is to blame, and the others must not suffer for it.
                for mut job in batch.drain(..) {
                    let result = self.transaction(std::slice::from_mut(&mut job)).await;
                    job.settle(result);
                }
            }
            result => batch.drain(..).for_each(|job| job.settle(result.clone())),
        }
    }

    async fn transaction(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        let mut conn = if let Some(conn) = self.conn.take() {
            conn
        } else {
            self.durable = false;
            self.options.connect().await.map_err(StoreError::from)?
        };
        let result = self.all_or_nothing(&mut conn, jobs).await;
        match &result {
            // SQLite has rolled back by itself after some of these (a full disk is one), which
            // the driver does not notice: a new connection knows where it stands.
            Err(error) if error.is_storewide() => drop(conn),
            Ok(()) | Err(_) => self.conn = Some(conn),
        }
        result
    }

    async fn all_or_nothing(
        &mut self,
        conn: &mut SqliteConnection,
        jobs: &mut [Box<dyn Job>],
    ) -> Result<(), StoreError> {
        let durable = jobs.iter().any(|job| job.durable());
        self.set_durable(conn, durable).await?;
        let mut transaction = conn.begin_with("BEGIN IMMEDIATE").await?;
        let mut tally = Tally::default();
        for job in jobs {
            job.apply(&mut Tx { conn: &mut transaction, tally: &mut tally }).await?;
        }
        tally.save(&mut transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Whether commits from now on reach the disk before they return.
    async fn set_durable(
        &mut self,
        conn: &mut SqliteConnection,
        durable: bool,
    ) -> Result<(), StoreError> {
        if self.durable != durable {
            let pragma =
                if durable { "PRAGMA synchronous = FULL" } else { "PRAGMA synchronous = NORMAL" };
            // Pragmas may take effect when compiled only, so never from the cache of statements.
            sqlx::raw_sql(pragma).execute(conn).await?;
            self.durable = durable;
        }
        Ok(())
    }
}
