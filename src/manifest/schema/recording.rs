//! `Detector`, `Notifier` and `Retention` as they are written: what becomes of frames.
//!
//! Which fields go with which `type` is decided in `resolve`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Label, SecretFrom};
use crate::manifest::quantity::{Length, Share, Size, Whole};
use crate::manifest::text::TimeOfDay;

/// Milliseconds of a day.
const DAY: u64 = 86_400_000;

/// What decides that a frame shows something.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DetectorFields {
    /// Built in, or an endpoint.
    #[serde(rename = "type")]
    pub kind: DetectorWord,
    /// The endpoint, http or https. Needed for `http`, and only there.
    pub url: Option<String>,
    /// What the endpoint speaks.
    pub format: FormatWord,
    /// `http`: least confidence, 0.5 where not given. `motion`: share of the picture that must
    /// change, 0.02 where not given.
    pub threshold: Option<Share>,
    /// Longest wait for an answer.
    pub timeout: Length<100, 300_000>,
    /// Requests at once.
    pub concurrency: Whole<1, 64>,
    /// From the endpoint's labels to human, animal, vehicle, motion, unknown or `camera_issue`.
    pub map: BTreeMap<String, String>,
}

impl Default for DetectorFields {
    fn default() -> Self {
        Self {
            kind: DetectorWord::Motion,
            url: None,
            format: FormatWord::Deepstack,
            threshold: None,
            timeout: Length(5_000),
            concurrency: Whole(2),
            map: BTreeMap::new(),
        }
    }
}

/// Kinds of detectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum DetectorWord {
    /// Built in: compares a picture with the one before.
    Motion,
    /// An HTTP endpoint.
    Http,
}

/// What an endpoint speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum FormatWord {
    /// `DeepStack` and `CodeProject.AI`.
    Deepstack,
    /// Multipart with the previous and the current frame and the camera's context.
    Multipart,
}

/// Where events go.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NotifierFields {
    /// The way they go.
    #[serde(rename = "type")]
    pub kind: NotifierWord,
    /// The webhook, http or https.
    #[schemars(required)]
    pub url: Option<String>,
    /// Signs the body, where given.
    pub secret_from: Option<SecretFrom>,
    /// Which events.
    #[serde(rename = "match")]
    pub filter: MatchFields,
    /// At most one message in this time for each camera and kind of event.
    pub cooldown: Length<0, DAY>,
    /// Tries after the first.
    pub retries: Whole<0, 100>,
}

impl Default for NotifierFields {
    fn default() -> Self {
        Self {
            kind: NotifierWord::Webhook,
            url: None,
            secret_from: None,
            filter: MatchFields::default(),
            cooldown: Length(300_000),
            retries: Whole(5),
        }
    }
}

/// Kinds of notifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum NotifierWord {
    /// JSON by POST.
    Webhook,
}

/// Which events a notifier takes.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MatchFields {
    /// Least severity, 0 to 4.
    pub severity: Whole<0, 4>,
    /// Kinds of events, such as human or `camera_lost`; empty for all.
    pub kinds: Vec<String>,
    /// Names of cameras; empty for all.
    pub cameras: Vec<Label>,
}

impl Default for MatchFields {
    fn default() -> Self {
        Self { severity: Whole(2), kinds: Vec::new(), cameras: Vec::new() }
    }
}

/// A time that something is kept: an hour to ten years.
pub type Kept = Length<3_600_000, { 3_650 * DAY }>;

/// How long rows and files live.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetentionFields {
    /// Time of day of the daily pass, in the server's time zone.
    pub at: TimeOfDay,
    /// Frames without an event.
    pub no_event_frames: Kept,
    /// Events and their frames.
    pub events: Kept,
    /// Notifications.
    pub notifications: Kept,
    /// Measurements of the admission as taken.
    pub admission_raw: Kept,
    /// Measurements of the admission as hourly means.
    pub admission_hourly: Kept,
    /// Records of sweeps.
    pub sweeps: Kept,
    /// Applied sets of manifests.
    pub config_revisions: Kept,
    /// Frame files on disk together; the oldest without an event go first.
    pub max_bytes: Size<{ 1 << 20 }, { 1 << 50 }>,
}

impl Default for RetentionFields {
    fn default() -> Self {
        Self {
            at: TimeOfDay::hour(4),
            no_event_frames: Length(14 * DAY),
            events: Length(90 * DAY),
            notifications: Length(30 * DAY),
            admission_raw: Length(DAY),
            admission_hourly: Length(7 * DAY),
            sweeps: Length(30 * DAY),
            config_revisions: Length(30 * DAY),
            max_bytes: Size(10 << 30),
        }
    }
}
