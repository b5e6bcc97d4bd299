//! Sweeps, going on and recorded.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;
use crate::model::frame::{self, SweepOutcome, SweepRecord};

/// One sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sweep {
    /// Its number.
    pub id: i64,
    /// Of which subnet.
    pub subnet: String,
    /// When it started.
    pub started_at: Time,
    /// End of the destruct; null while it is going on.
    pub ended_at: Option<Time>,
    /// `running`, `done` or `aborted`.
    pub state: Cow<'static, str>,
    /// Whether it left no connection behind; null while not known.
    pub clean: Option<bool>,
    /// One for each camera, in order of their end.
    pub results: Vec<SweepResult>,
}

/// What became of one camera in a sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SweepResult {
    /// Whose.
    pub camera: String,
    /// `ok`, `failed` or `skipped`.
    pub outcome: Cow<'static, str>,
    /// `Captured`, or why not.
    pub reason: Cow<'static, str>,
    /// The way that succeeded or was tried last.
    pub backend: Option<Cow<'static, str>>,
    /// From taking the slot to its end.
    pub duration_ms: u64,
    /// The picture.
    pub frame_id: Option<i64>,
}

impl From<&SweepRecord> for Sweep {
    fn from(record: &SweepRecord) -> Self {
        Self {
            id: record.id,
            subnet: record.subnet.as_str().to_owned(),
            started_at: record.started_at.into(),
            ended_at: record.ended_at.map(Time),
            state: record.state.as_str().into(),
            clean: record.clean,
            results: record.results.iter().map(SweepResult::from).collect(),
        }
    }
}

impl From<&frame::SweepResult> for SweepResult {
    fn from(result: &frame::SweepResult) -> Self {
        let frame_id = match result.outcome {
            SweepOutcome::Ok(id) => Some(id),
            SweepOutcome::Failed(_) | SweepOutcome::Skipped { .. } => None,
        };
        Self {
            camera: result.camera.as_str().to_owned(),
            outcome: result.outcome.as_str().into(),
            reason: result.outcome.reason().into(),
            backend: result.backend.map(|backend| backend.as_str().into()),
            duration_ms: result.duration_ms,
            frame_id,
        }
    }
}
