//! What the rest of the program holds of the loop: its published state, and a way to wish.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::events::EventLog;
use crate::model::names::SubnetName;
use crate::model::plan::Plan;
use crate::model::snapshot::Snapshot;

/// Wishes that may wait; more are refused rather than kept.
pub(super) const INTENTS_MAX: usize = 64;

/// What an operator or a browser wants. It is written down, then the loop is woken.
#[derive(Debug)]
pub enum Intent {
    /// Sweep this subnet now.
    Sweep(SubnetName, oneshot::Sender<Result<(), IntentError>>),
    /// Let the set with this digest through.
    Confirm(String, oneshot::Sender<Result<(), IntentError>>),
    /// Say what the next pass would do.
    Plan(oneshot::Sender<(Plan, Arc<Snapshot>)>),
}

/// Why a wish was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntentError {
    /// No such object.
    #[error("{0} is not declared")]
    NotFound(String),
    /// It makes no sense in the present state.
    #[error("{0}")]
    Conflict(String),
    /// Too many wishes wait, or the loop has ended.
    #[error("the server is busy or shutting down")]
    Busy,
}

/// A handle on the loop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(super) snapshot: watch::Receiver<Arc<Snapshot>>,
    pub(super) intents: mpsc::Sender<Intent>,
    pub(super) events: Arc<EventLog>,
}

impl Handle {
    /// A handle, and the wishes that come through it and its clones.
    pub fn new(
        snapshot: watch::Receiver<Arc<Snapshot>>,
        events: Arc<EventLog>,
    ) -> (Self, mpsc::Receiver<Intent>) {
        let (intents, wishes) = mpsc::channel(INTENTS_MAX);
        (Self { snapshot, intents, events }, wishes)
    }

    /// The newest published state.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.borrow())
    }

    /// To be told of every newer state; states may be skipped, the last never.
    pub fn watch(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshot.clone()
    }

    /// The events.
    pub fn events(&self) -> &Arc<EventLog> {
        &self.events
    }

    /// Asks for a sweep of a subnet, as soon as none is going on.
    pub async fn request_sweep(&self, subnet: SubnetName) -> Result<(), IntentError> {
        let (reply, answer) = oneshot::channel();
        self.send(Intent::Sweep(subnet, reply))?;
        answer.await.unwrap_or(Err(IntentError::Busy))
    }

    /// Lets the held set with this digest through.
    pub async fn confirm(&self, digest: String) -> Result<(), IntentError> {
        let (reply, answer) = oneshot::channel();
        self.send(Intent::Confirm(digest, reply))?;
        answer.await.unwrap_or(Err(IntentError::Busy))
    }

    /// What the next pass would do, without doing it, with the state that it was asked in.
    pub async fn plan(&self) -> Result<(Plan, Arc<Snapshot>), IntentError> {
        let (reply, answer) = oneshot::channel();
        self.send(Intent::Plan(reply))?;
        answer.await.map_err(|_| IntentError::Busy)
    }

    fn send(&self, intent: Intent) -> Result<(), IntentError> {
        self.intents.try_send(intent).map_err(|_| IntentError::Busy)
    }
}
