//! Cameras: the short form of lists and pushes, and what only the single camera shows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Time, View};
use crate::model::condition;
use crate::model::desired;
use crate::model::history::{self, AttemptResult};
use crate::model::names::CameraName;
use crate::model::snapshot::{self, Badge, CameraStatus};

/// One camera.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Camera {
    /// Its name.
    pub name: String,
    /// What people call it.
    pub display_name: String,
    /// The subnet that sweeps it.
    pub subnet: String,
    /// Its address.
    pub address: String,
    /// The host and port that its connections are counted on.
    pub device: String,
    /// Whether it takes part.
    pub enabled: bool,
    /// Connections that its device tolerates.
    pub limit: u16,
    /// Failed attempts since the last success.
    pub failures: u32,
    /// When the next capture is due.
    pub next_capture_at: Option<Time>,
    /// `h264`, `h265` or `mjpeg`, once a picture was taken.
    pub codec: Option<Cow<'static, str>>,
    /// Connections of this host to its device.
    pub connections: ConnectionCount,
    /// `Ready`, `Reachable`, `WithinLimit`, `Fresh`.
    pub conditions: Vec<Condition>,
    /// The last good picture.
    pub last_frame: Option<LastFrame>,
    /// How it stands, in one word and one sentence.
    pub state: CameraState,
    /// Only on `GET /cameras/{name}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<CameraDetail>,
}

/// Connections of this host to a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionCount {
    /// All.
    pub total: u16,
    /// Of this server.
    pub ours: u16,
    /// Of other programs.
    pub foreign: u16,
    /// The processes that hold those, as far as known: most connections first, eight at most.
    #[serde(default)]
    pub held_by: Vec<ForeignHolder>,
}

/// A process that this server did not start and that is connected to a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForeignHolder {
    /// Name of its program, at most 15 bytes.
    pub command: String,
    /// Its number.
    pub pid: u32,
    /// Its connections to the device.
    pub connections: u16,
}

/// One status condition, as Kubernetes has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: Cow<'static, str>,
    /// One CamelCase word.
    pub reason: Cow<'static, str>,
    /// One sentence.
    pub message: String,
    /// When `status` last changed.
    pub last_transition_time: Time,
    /// The generation of the manifests that it speaks of.
    pub observed_generation: u64,
}

/// The last good picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastFrame {
    /// Its number, for `/api/v1/frames/{id}.jpg`.
    pub id: i64,
    /// When it was received.
    pub captured_at: Time,
    /// How it was taken.
    pub backend: Cow<'static, str>,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Size of the JPEG.
    pub bytes: u64,
}

/// How a camera stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CameraState {
    /// `ok`, `busy`, `warn`, `bad` or `off`.
    pub badge: Cow<'static, str>,
    /// One word of a closed catalogue.
    pub reason: Cow<'static, str>,
    /// For `Timeout`: `connect`, `options`, `describe`, `setup`, `play`, `stream`, `teardown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Cow<'static, str>>,
    /// One sentence.
    pub message: String,
    /// Since when.
    pub since: Option<Time>,
    /// What the server does next.
    pub next: NextStep,
}

/// What the server does next about a camera.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NextStep {
    /// `capture`, `retry` (after a failure) or `none`.
    pub kind: Cow<'static, str>,
    /// When.
    pub at: Option<Time>,
}

/// What is declared of a camera, and its last attempts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CameraDetail {
    /// Its make.
    pub family: String,
    /// Labels of the manifest.
    pub labels: BTreeMap<String, String>,
    /// Where its streams are, without passwords and queries.
    pub streams: Streams,
    /// Ways of taking a picture, in turn.
    pub capture_order: Vec<Cow<'static, str>>,
    /// Deadline of a capture.
    pub capture_timeout_seconds: u64,
    /// The last ten attempts, newest first.
    pub attempts: Vec<Attempt>,
}

/// Where a camera's streams are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Streams {
    /// The high resolution.
    pub main: Option<String>,
    /// The low resolution.
    pub sub: Option<String>,
    /// The camera's own JPEG.
    pub snapshot: Option<String>,
}

/// One attempt at a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// When it began.
    pub started_at: Time,
    /// `ok`, `failed` or `skipped`.
    pub outcome: Cow<'static, str>,
    /// `Captured`, or why not.
    pub reason: Cow<'static, str>,
    /// One sentence, empty for a success.
    pub message: String,
    /// The step of the session that failed.
    pub stage: Option<Cow<'static, str>>,
    /// The way that succeeded or was tried last.
    pub backend: Option<Cow<'static, str>>,
    /// How long it took.
    pub duration_ms: u64,
}

impl View {
    /// The short form of a declared camera.
    pub fn camera(&self, name: &CameraName) -> Option<Camera> {
        let status = self.snapshot.cameras.get(name)?;
        let declared = self.snapshot.desired.cameras.get(name)?;
        Some(Camera {
            name: name.as_str().to_owned(),
            display_name: declared.display_name.as_ref().to_owned(),
            subnet: declared.subnet.as_str().to_owned(),
            address: declared.address.to_string(),
            device: declared.device().to_string(),
            enabled: declared.enabled,
            limit: status.limit,
            failures: status.failures,
            next_capture_at: status.next_capture.map(|at| self.wall(at)),
            codec: status.codec.map(Cow::Borrowed),
            connections: ConnectionCount {
                total: status.ours.saturating_add(status.foreign),
                ours: status.ours,
                foreign: status.foreign,
                held_by: status.holders.iter().map(|holder| self.holder(holder)).collect(),
            },
            conditions: self.conditions(&status.conditions),
            last_frame: status.last_frame.as_ref().map(LastFrame::from),
            state: self.camera_state(declared, status),
            detail: None,
        })
    }

    /// The long form of a declared camera.
    pub fn camera_with_detail(&self, name: &CameraName) -> Option<Camera> {
        let mut camera = self.camera(name)?;
        let declared = self.snapshot.desired.cameras.get(name)?;
        let status = self.snapshot.cameras.get(name)?;
        let url = |url: &Option<crate::model::secret::SourceUrl>| {
            url.as_ref().map(|url| self.text(&url.to_string()))
        };
        camera.detail = Some(CameraDetail {
            family: declared.family.as_str().to_owned(),
            labels: declared.labels.clone(),
            streams: Streams {
                main: url(&declared.main),
                sub: url(&declared.sub),
                snapshot: url(&declared.snapshot_url),
            },
            capture_order: declared.capture.order.iter().map(|b| b.as_str().into()).collect(),
            capture_timeout_seconds: declared.capture.timeout.as_secs(),
            attempts: status.attempts.iter().map(|attempt| self.attempt(attempt)).collect(),
        });
        Some(camera)
    }

    /// Conditions of any object.
    pub fn conditions(&self, conditions: &[condition::Condition]) -> Vec<Condition> {
        let one = |condition: &condition::Condition| Condition {
            kind: format!("{:?}", condition.kind),
            status: condition.status.as_str().into(),
            reason: condition.reason.into(),
            message: self.text(&condition.message),
            last_transition_time: condition.last_transition_time.into(),
            observed_generation: condition.observed_generation,
        };
        conditions.iter().map(one).collect()
    }

    fn holder(&self, holder: &snapshot::ForeignHolder) -> ForeignHolder {
        ForeignHolder {
            command: self.text(&holder.command),
            pid: holder.pid,
            connections: holder.connections,
        }
    }

    fn camera_state(&self, declared: &desired::Camera, status: &CameraStatus) -> CameraState {
        let at = status.next_capture.filter(|_| declared.enabled).map(|at| self.wall(at));
        let kind = match (at, status.failures) {
            (None, _) => "none",
            (Some(_), 0) => "capture",
            (Some(_), _) => "retry",
        };
        CameraState {
            badge: badge(status.badge).into(),
            reason: status.reason.into(),
            stage: status.stage.map(|stage| stage.as_str().into()),
            message: self.text(&status.message),
            since: status.since.map(Time),
            next: NextStep { kind: kind.into(), at },
        }
    }

    fn attempt(&self, attempt: &history::Attempt) -> Attempt {
        let (outcome, reason, message, stage) = match &attempt.result {
            AttemptResult::Ok => ("ok", "Captured", "", None),
            AttemptResult::Failed(f) => ("failed", f.kind.as_str(), f.message.as_str(), f.stage),
            AttemptResult::Skipped { reason, message } => {
                ("skipped", *reason, message.as_str(), None)
            }
        };
        Attempt {
            started_at: attempt.started.wall.into(),
            outcome: outcome.into(),
            reason: reason.into(),
            message: self.text(message),
            stage: stage.map(|stage| stage.as_str().into()),
            backend: attempt.backend.map(|backend| backend.as_str().into()),
            duration_ms: attempt.duration_ms,
        }
    }
}

impl From<&crate::model::frame::Frame> for LastFrame {
    fn from(frame: &crate::model::frame::Frame) -> Self {
        Self {
            id: frame.id,
            captured_at: frame.captured_at.into(),
            backend: frame.backend.as_str().into(),
            width: frame.width,
            height: frame.height,
            bytes: frame.bytes,
        }
    }
}

fn badge(badge: Badge) -> &'static str {
    match badge {
        Badge::Ok => "ok",
        Badge::Busy => "busy",
        Badge::Warn => "warn",
        Badge::Bad => "bad",
        Badge::Off => "off",
    }
}
