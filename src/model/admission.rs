//! Whether one more live view is allowed: what is said when it is not, and the load of this host
//! that decides with it.

use std::collections::VecDeque;

use super::lease::Quality;
use super::names::CameraName;
use super::slot;
use super::time::Mono;

/// Why a live view was not granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No such camera is declared.
    UnknownCamera(CameraName),
    /// The camera takes no part at the moment.
    CameraDisabled(CameraName),
    /// `suggest.enabled: false`: nobody is shown a suggested camera live.
    SuggestDisabled,
    /// The camera has no such stream.
    NoSuchStream(CameraName, Quality),
    /// The user has a view already and did not ask to take it over.
    UserHasModal {
        /// What it shows.
        camera: CameraName,
    },
    /// The budget for live views is spent.
    OverCapacity {
        /// Which one.
        limit: CapacityLimit,
        /// Units, or views, in use.
        used: u32,
        /// How many there are.
        of: u32,
        /// What this view would take.
        wanted: u32,
    },
    /// This host has too much to do.
    Overloaded(Overloaded),
    /// No connection to the camera is free.
    NoSlot(slot::Refusal),
}

/// Which budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapacityLimit {
    /// Units for views that somebody opened.
    Units,
    /// Views of the suggestion.
    SuggestViews,
}

impl Refusal {
    /// The code of the API and of metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownCamera(_) => "NOT_FOUND",
            Self::CameraDisabled(_) => "CAMERA_DISABLED",
            Self::SuggestDisabled => "SUGGEST_DISABLED",
            Self::NoSuchStream(..) => "STREAM_NOT_DECLARED",
            Self::UserHasModal { .. } => "USER_ALREADY_HAS_MODAL",
            Self::OverCapacity { .. } => "OVER_CAPACITY",
            Self::Overloaded(_) => "SYSTEM_OVERLOAD",
            Self::NoSlot(_) => "NO_SLOT",
        }
    }
}

/// What there is too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverloadCause {
    /// Processor time, percent, mean of 30 s.
    Cpu,
    /// Memory in use, percent.
    Memory,
    /// Memory read back from the swap, bytes per second, for 30 s.
    SwapIn,
}

impl OverloadCause {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::SwapIn => "swapIn",
        }
    }
}

/// This host is overloaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overloaded {
    /// Since when.
    pub since: Mono,
    /// What began it.
    pub cause: OverloadCause,
    /// What was measured then: percent, or bytes per second.
    pub measured: u64,
    /// What is allowed, in the same unit.
    pub limit: u64,
}

impl std::fmt::Display for Overloaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { measured, limit, .. } = self;
        match self.cause {
            OverloadCause::Cpu => write!(f, "processor at {measured} %, limit {limit} %"),
            OverloadCause::Memory => write!(f, "memory at {measured} %, limit {limit} %"),
            OverloadCause::SwapIn => {
                write!(f, "{measured} bytes/s read back from the swap, limit {limit}")
            }
        }
    }
}

/// One look at this host's load. Counters only ever grow, from one boot to the next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoadSample {
    /// When.
    pub at: Mono,
    /// Processor time spent on anything, all processors together, seconds since the boot.
    pub cpu_busy: f64,
    /// Processor time in all, spent or not, seconds since the boot.
    pub cpu_total: f64,
    /// Memory in use, percent.
    pub memory_percent: f64,
    /// Bytes read back from the swap since the boot.
    pub swap_in_bytes: u64,
}

/// What is remembered of this host's load.
#[derive(Debug, Clone, Default)]
pub struct LoadHistory {
    /// The samples of the last half minute, oldest first, and one older.
    pub samples: VecDeque<LoadSample>,
    /// Whether it is overloaded.
    pub overloaded: Option<Overloaded>,
    /// Since when everything has been below what ends the overload.
    pub calm_since: Option<Mono>,
}
