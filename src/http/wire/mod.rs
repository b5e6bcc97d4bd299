//! The JSON of the API: what is promised to scripts, apart from what the program thinks with.
//!
//! Field names are camelCase, times RFC 3339 in UTC with milliseconds, lengths in seconds unless
//! the name says otherwise. Fields are added, never renamed. The command line reads the same types.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::secret::Redactor;
use crate::model::snapshot::Snapshot;
use crate::model::time::Mono;

mod camera;
mod config;
mod connection;
mod event;
mod frame;
mod gateway;
mod lease;
mod plan;
mod process;
mod push;
mod status;
mod stream;
mod subnet;
mod sweep;
mod time;

pub use camera::{
    Attempt, Camera, CameraDetail, CameraState, Condition, ConnectionCount, ForeignHolder,
    LastFrame, NextStep, Streams,
};
pub use config::{Config, ConfigProblem, ConfirmRequest, Confirmed, HeldSet, Revision};
pub use connection::{Connection, Lease};
pub use event::Event;
pub use frame::Frame;
pub use gateway::{Gateway, GatewayStreams};
pub use lease::{GrantedLease, LeaseRequest, SuggestLeaseRequest};
pub use plan::{HeldAction, Plan, PlannedAction};
pub use process::Process;
pub use push::Push;
pub use status::{CameraCounts, Health, NextSweep, Status, Usage};
pub use stream::Stream;
pub use subnet::{Subnet, SweepRequested};
pub use sweep::{Sweep, SweepResult};
pub use time::Time;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The things.
    pub items: Vec<T>,
    /// For the `cursor` of the next request; null at the end.
    pub next: Option<String>,
}

/// One state and what must not be seen of it: what all wire types are made from.
#[derive(Debug, Clone)]
pub struct View {
    /// The state.
    pub snapshot: Arc<Snapshot>,
    /// Replaces secrets in texts.
    pub redactor: Redactor,
}

impl View {
    /// A text for people, without secrets.
    pub fn text(&self, text: &str) -> String {
        self.redactor.redact(text)
    }

    /// What the wall clock shows at a moment.
    pub fn wall(&self, at: Mono) -> Time {
        Time(self.snapshot.at.wall_at(at))
    }
}
