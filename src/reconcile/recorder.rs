//! Writes down what happened, in order, without ever holding up the loop.
//!
//! An event is published only after the store has it. While the store does not answer, records
//! wait in a bounded queue; what does not fit is counted, and the count becomes an event.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::{error, warn};

use super::events::EventLog;
use crate::chain::Chain;
use crate::clock::Clock;
use crate::model::event::{EventKind, NewEvent};
use crate::model::frame::{SweepId, SweepRecord};
use crate::model::names::SubnetName;
use crate::world::store::{ConfigRevision, Store, StoreError};

/// Records that may wait: some minutes of a large fleet.
const QUEUE_MAX: usize = 4096;

/// Waits between tries while the store does not answer.
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Something to be written down.
#[derive(Debug)]
pub(super) enum Record {
    /// Events, to be published afterwards.
    Events(Vec<NewEvent>),
    /// A sweep began.
    SweepStarted(SweepId, SubnetName, jiff::Timestamp),
    /// A sweep ended.
    SweepEnded(Box<SweepRecord>),
    /// A set of manifests came into force.
    Config(ConfigRevision),
}

/// Where the loop puts records.
#[derive(Debug, Clone)]
pub(super) struct Recorder {
    queue: mpsc::Sender<Record>,
    dropped: Arc<AtomicU64>,
}

impl Recorder {
    /// The loop's end and the writer's.
    pub(super) fn new(store: Store, log: Arc<EventLog>, clock: Clock) -> (Self, RecordWriter) {
        let (queue, records) = mpsc::channel(QUEUE_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let writer = RecordWriter { store, log, clock, records, dropped: Arc::clone(&dropped) };
        (Self { queue, dropped }, writer)
    }

    /// Queues a record; it is counted as dropped when the queue is full.
    pub(super) fn record(&self, record: Record) {
        if let Err(error) = self.queue.try_send(record) {
            let lost = match error.into_inner() {
                Record::Events(events) => events.len() as u64,
                Record::SweepStarted(..) | Record::SweepEnded(_) | Record::Config(_) => 1,
            };
            self.dropped.fetch_add(lost, Ordering::Relaxed);
        }
    }

    /// Queues events, if there are any.
    pub(super) fn events(&self, events: Vec<NewEvent>) {
        if !events.is_empty() {
            self.record(Record::Events(events));
        }
    }
}

/// The task that writes.
#[derive(Debug)]
pub(super) struct RecordWriter {
    store: Store,
    log: Arc<EventLog>,
    clock: Clock,
    records: mpsc::Receiver<Record>,
    dropped: Arc<AtomicU64>,
}

impl RecordWriter {
    /// Writes until the loop has let go of its end and the queue is empty.
    pub(super) async fn run(mut self) {
        while let Some(record) = self.records.recv().await {
            self.write(record).await;
            let lost = self.dropped.swap(0, Ordering::Relaxed);
            if lost > 0 {
                self.write(Record::Events(vec![self.marker(lost)])).await;
            }
        }
    }

    async fn write(&self, record: Record) {
        let mut wait = RETRY_MIN;
        loop {
            let Err(error) = self.try_write(&record).await else { return };
            if !is_passing(&error) {
                error!(error = %Chain(&error), "a record cannot be written and is lost");
                return;
            }
            // One line for each wait, so that a long outage does not fill the log.
            warn!(error = %Chain(&error), wait_ms = wait.as_millis(), "the store does not answer");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_MAX);
        }
    }

    async fn try_write(&self, record: &Record) -> Result<(), StoreError> {
        match record {
            Record::Events(events) => {
                for event in self.store.append_events(events.clone()).await? {
                    self.log.publish(event);
                }
                Ok(())
            }
            Record::SweepStarted(id, subnet, at) => self.store.start_sweep(*id, subnet, *at).await,
            Record::SweepEnded(sweep) => self.store.finish_sweep(sweep).await,
            Record::Config(revision) => self.store.save_config(revision.clone()).await,
        }
    }

    fn marker(&self, lost: u64) -> NewEvent {
        NewEvent {
            camera: None,
            captured_at: self.clock.now().wall,
            kind: EventKind::EventsDropped,
            severity: 2,
            tags: Vec::new(),
            unknown_flag: false,
            summary: format!("{lost} records were dropped while the store did not answer"),
            attributes: BTreeMap::from([("count".to_owned(), lost.into())]),
            frame_id: None,
        }
    }
}

/// Whether trying again may help.
fn is_passing(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Unavailable(_)
            | StoreError::Full { .. }
            | StoreError::Busy(_)
            | StoreError::Io { .. }
    )
}
