//! Who is connected, and up to which state everybody has been told.
//!
//! Joining and publishing exclude each other, so that a browser gets exactly the changes that
//! follow the state it began with.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::{Notify, Semaphore, broadcast};

use crate::http::wire::Status;
use crate::model::event::Seq;
use crate::model::snapshot::Snapshot;
use crate::reconcile::Handle;

/// Browsers that may be sent their first, large message at the same time: it bounds the memory
/// when all come back at once after a restart.
const WELCOMES: usize = 16;

/// What goes through the queue.
#[derive(Debug, Clone)]
pub(super) enum Item {
    /// A message, written once for all.
    Text(Utf8Bytes),
    /// Events were missed: everybody must start anew.
    Resync,
}

/// The meeting point of the one who compares and those who listen.
#[derive(Debug)]
pub(in crate::http) struct Hub {
    told: Mutex<Told>,
    sender: broadcast::Sender<Item>,
    clients_max: usize,
    /// Somebody joined while nobody was there.
    pub(super) awake: Notify,
    /// The right to send a first message.
    pub(super) welcomes: Semaphore,
}

/// What everybody has been told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// How many listen.
    pub(super) clients: usize,
    /// The state; `None` while nobody listens.
    pub(super) base: Option<Arc<Snapshot>>,
    /// The newest event.
    pub(super) seq: Seq,
    /// The server's status, without the time.
    pub(super) status: Option<Status>,
    /// The state that it is of.
    pub(super) status_version: u64,
}

/// One browser's share.
#[derive(Debug)]
pub(super) struct Joined {
    /// The state that it begins with.
    pub(super) base: Arc<Snapshot>,
    /// The newest event at that moment.
    pub(super) seq: Seq,
    /// Everything after.
    pub(super) receiver: broadcast::Receiver<Item>,
    /// Leaves the hub when dropped.
    pub(super) hub: Arc<Hub>,
}

impl Drop for Joined {
    fn drop(&mut self) {
        let mut told = self.hub.told();
        told.clients -= 1;
        if told.clients == 0 {
            told.base = None;
            told.status = None;
        }
    }
}

impl Hub {
    /// For so many browsers that may lag so many messages behind.
    pub(in crate::http) fn new(clients_max: usize, queue: usize) -> Self {
        Self {
            told: Mutex::default(),
            sender: broadcast::Sender::new(queue),
            clients_max,
            awake: Notify::new(),
            welcomes: Semaphore::new(WELCOMES),
        }
    }

    /// Takes a browser in, or not when there are too many.
    pub(super) fn join(self: &Arc<Self>, handle: &Handle) -> Option<Joined> {
        let mut told = self.told();
        if told.clients >= self.clients_max {
            return None;
        }
        told.clients += 1;
        if told.clients == 1 {
            told.base = Some(handle.snapshot());
            told.seq = handle.events().last_seq();
            self.awake.notify_one();
        }
        let base = told.base.get_or_insert_with(|| handle.snapshot());
        let base = Arc::clone(base);
        let receiver = self.sender.subscribe();
        Some(Joined { base, seq: told.seq, receiver, hub: Arc::clone(self) })
    }

    /// What everybody has been told; nobody joins while this is held.
    pub(super) fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends to everybody. Nobody listening is no error.
    pub(super) fn send(&self, item: Item) {
        drop(self.sender.send(item));
    }
}
