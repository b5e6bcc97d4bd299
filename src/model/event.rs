//! Happenings that are kept and shown.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::frame::FrameId;
use super::names::CameraName;

/// Position in the event log: gapless, monotonic, given when the event is durable.
pub type Seq = u64;

/// What an event is chiefly about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A person.
    Human,
    /// An animal.
    Animal,
    /// A vehicle.
    Vehicle,
    /// Something moved.
    Motion,
    /// Something that the detector could not name.
    Unknown,
    /// Black, frozen, covered or out of focus.
    CameraIssue,
    /// The camera no longer delivers.
    CameraLost,
    /// The camera delivers again.
    CameraRecovered,
    /// A set of manifests came into force.
    ConfigApplied,
    /// A set of manifests was refused.
    ConfigRefused,
    /// A set of manifests waits for confirmation.
    ConfigHeld,
    /// A sweep was still running when the next one was due.
    SweepOverrun,
    /// The program started.
    ServerStarted,
    /// Events that were dropped past a bound; the count stands in the attributes.
    EventsDropped,
    /// The database does not answer.
    StoreLost,
    /// The database answers again.
    StoreRecovered,
    /// A process of a previous run, or one past its age, was ended.
    ProcessKilled,
    /// A process of ours does not end, whatever is sent to it.
    ProcessUndead,
    /// An operator ended somebody's live view.
    LeaseRevoked,
    /// This host has too much to do: no more live views.
    OverloadBegan,
    /// This host can do more again.
    OverloadEnded,
    /// A gateway does not serve.
    GatewayLost,
    /// A gateway serves again.
    GatewayRecovered,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 23] = [
        Self::Human,
        Self::Animal,
        Self::Vehicle,
        Self::Motion,
        Self::Unknown,
        Self::CameraIssue,
        Self::CameraLost,
        Self::CameraRecovered,
        Self::ConfigApplied,
        Self::ConfigRefused,
        Self::ConfigHeld,
        Self::SweepOverrun,
        Self::ServerStarted,
        Self::EventsDropped,
        Self::StoreLost,
        Self::StoreRecovered,
        Self::ProcessKilled,
        Self::ProcessUndead,
        Self::LeaseRevoked,
        Self::OverloadBegan,
        Self::OverloadEnded,
        Self::GatewayLost,
        Self::GatewayRecovered,
    ];

    /// The word of the API and of the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Animal => "animal",
            Self::Vehicle => "vehicle",
            Self::Motion => "motion",
            Self::Unknown => "unknown",
            Self::CameraIssue => "camera_issue",
            Self::CameraLost => "camera_lost",
            Self::CameraRecovered => "camera_recovered",
            Self::ConfigApplied => "config_applied",
            Self::ConfigRefused => "config_refused",
            Self::ConfigHeld => "config_held",
            Self::SweepOverrun => "sweep_overrun",
            Self::ServerStarted => "server_started",
            Self::EventsDropped => "events_dropped",
            Self::StoreLost => "store_lost",
            Self::StoreRecovered => "store_recovered",
            Self::ProcessKilled => "process_killed",
            Self::ProcessUndead => "process_undead",
            Self::LeaseRevoked => "lease_revoked",
            Self::OverloadBegan => "overload_began",
            Self::OverloadEnded => "overload_ended",
            Self::GatewayLost => "gateway_lost",
            Self::GatewayRecovered => "gateway_recovered",
        }
    }

    /// The kind of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// An event that has no place in the log yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Whose; `None` for the system's own.
    pub camera: Option<CameraName>,
    /// When it happened; for a picture, when that was received.
    pub captured_at: Timestamp,
    /// What it is chiefly about.
    pub kind: EventKind,
    /// 0 (for the record) to 3 (a person should look now); a lost camera is 4.
    pub severity: u8,
    /// Words such as `reason.Timeout` or `hazard.fire`.
    pub tags: Vec<String>,
    /// The detector was not sure.
    pub unknown_flag: bool,
    /// One sentence for people, in English.
    pub summary: String,
    /// Values that texts in other languages are made of.
    pub attributes: BTreeMap<String, serde_json::Value>,
    /// The picture that shows it.
    pub frame_id: Option<FrameId>,
}

impl NewEvent {
    /// An event of the system itself, about which nothing more is said yet.
    pub fn new(kind: EventKind, severity: u8, captured_at: Timestamp) -> Self {
        Self {
            camera: None,
            captured_at,
            kind,
            severity,
            tags: Vec::new(),
            unknown_flag: false,
            summary: String::new(),
            attributes: BTreeMap::new(),
            frame_id: None,
        }
    }
}

/// An event in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place.
    pub seq: Seq,
    /// What happened.
    pub what: NewEvent,
}
