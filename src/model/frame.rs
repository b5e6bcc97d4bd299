//! Pictures that were taken, and the records of sweeps and events.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::desired::Backend;
use super::failure::Failure;
use super::names::{CameraName, SubnetName};

/// Number of a frame in the store; grows with time.
pub type FrameId = i64;
/// Number of a sweep in the store; grows with time.
pub type SweepId = i64;

/// One stored picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its number.
    pub id: FrameId,
    /// Whose picture.
    pub camera: CameraName,
    /// When the picture was received.
    pub captured_at: Timestamp,
    /// How it was taken.
    pub backend: Backend,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Size of the JPEG file.
    pub bytes: u64,
    /// Size of the thumbnail's file.
    pub thumbnail_bytes: u64,
    /// The JPEG file, relative to the frames directory; the thumbnail lies beside it.
    pub file: String,
    /// The sweep that took it.
    pub sweep: Option<SweepId>,
    /// Whether a detector found something in it.
    pub detected: bool,
}

/// What became of one camera in one sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepResult {
    /// Whose.
    pub camera: CameraName,
    /// What became of it.
    pub outcome: SweepOutcome,
    /// How it was taken or last tried.
    pub backend: Option<Backend>,
    /// From taking the slot to its end.
    pub duration_ms: u64,
}

/// What became of one camera in one sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SweepOutcome {
    /// A picture was stored.
    Ok(FrameId),
    /// Every way failed.
    Failed(Failure),
    /// It was not tried; the reason is a CamelCase word and a sentence.
    Skipped {
        /// `NoSlot`, `BackingOff`, `Disabled`, ...
        reason: &'static str,
        /// For people.
        message: String,
    },
}

impl SweepOutcome {
    /// `ok`, `failed` or `skipped`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ok(_) => "ok",
            Self::Failed(_) => "failed",
            Self::Skipped { .. } => "skipped",
        }
    }

    /// The CamelCase reason: `Captured`, or why not.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Ok(_) => "Captured",
            Self::Failed(failure) => failure.kind.as_str(),
            Self::Skipped { reason, .. } => reason,
        }
    }
}

/// State of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SweepState {
    /// Captures or the destruct are going on.
    Running,
    /// Ended as planned.
    Done,
    /// Ended early: the program ended, or the subnet was removed.
    Aborted,
}

impl SweepState {
    /// The word of the API and of the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Aborted => "aborted",
        }
    }
}

/// One sweep, as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepRecord {
    /// Its number.
    pub id: SweepId,
    /// Of which subnet.
    pub subnet: SubnetName,
    /// When it started.
    pub started_at: Timestamp,
    /// End of destruct.
    pub ended_at: Option<Timestamp>,
    /// Where it stands.
    pub state: SweepState,
    /// Whether the subnet had no connection left that no viewer owns; `None` while not known.
    pub clean: Option<bool>,
    /// One for each camera, in order of their end.
    pub results: Vec<SweepResult>,
}
