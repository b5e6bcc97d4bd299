//! Status conditions in the form that Kubernetes gives them.

use jiff::Timestamp;
use serde::Serialize;

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Not known (yet).
    Unknown,
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

impl Truth {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// What a condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ConditionType {
    /// Camera: its last attempt that was not skipped succeeded and is younger than 3 intervals.
    Ready,
    /// Camera: the device answers.
    Reachable,
    /// Camera: not more connections than its limit.
    WithinLimit,
    /// Camera: its last picture is younger than 3 intervals.
    Fresh,
    /// Subnet: a sweep is going on.
    Sweeping,
    /// Subnet: sweeps start when they are due.
    OnSchedule,
    /// Subnet: the last sweep left no connection that no viewer owns.
    Clean,
    /// Gateway or store: it answers.
    Available,
    /// Gateway: it has the streams that are wanted, and no others of ours.
    InSync,
    /// Store: rows and files are within their bounds.
    WithinRetention,
    /// Server: the newest set of manifests is in force.
    ConfigValid,
    /// Server: every part works as declared.
    Healthy,
    /// Server: processes and sockets of this host can be observed.
    ObservationFresh,
    /// Server: ffmpeg, the way for what the server cannot speak or decode itself, can be used.
    FfmpegUsable,
    /// Server: children are kept in control groups, which end whole trees at once.
    CgroupDelegated,
    /// Server: children that nobody owns are alive; present only while it is so.
    OrphansPresent,
    /// Server: processes of ours that nothing ends; present only while it is so.
    UndeadProcesses,
}

/// One condition of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: ConditionType,
    /// Whether it holds.
    pub status: Truth,
    /// One CamelCase word.
    pub reason: &'static str,
    /// One sentence for people.
    pub message: String,
    /// When `status` last changed.
    pub last_transition_time: Timestamp,
    /// The generation of the manifests that it speaks of.
    pub observed_generation: u64,
}

/// A condition before it is compared with the one before: it has no transition time yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What it is about.
    pub kind: ConditionType,
    /// Whether it holds.
    pub status: Truth,
    /// One CamelCase word.
    pub reason: &'static str,
    /// One sentence for people.
    pub message: String,
}

impl Verdict {
    /// A verdict.
    pub fn new(
        kind: ConditionType,
        status: impl Into<Truth>,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self { kind, status: status.into(), reason, message: message.into() }
    }

    /// The condition that follows `before`: its time changes only when the status does.
    pub fn after(self, before: &[Condition], generation: u64, now: Timestamp) -> Condition {
        let last_transition_time = before
            .iter()
            .find(|old| old.kind == self.kind && old.status == self.status)
            .map_or(now, |old| old.last_transition_time);
        Condition {
            kind: self.kind,
            status: self.status,
            reason: self.reason,
            message: self.message,
            last_transition_time,
            observed_generation: generation,
        }
    }
}
