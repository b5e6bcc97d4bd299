//! What the loop remembers: attempts, sweeps in progress, requests, processes that are being ended.
//! Folded from outcomes, and for processes also from what was seen.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::admission::LoadHistory;
use super::condition::Condition;
use super::desired::Backend;
use super::failure::Failure;
use super::frame::{Frame, SweepId, SweepRecord, SweepResult};
use super::names::{CameraName, SubnetName};
use super::process::{EndCause, ProcessId, Unit};
use super::time::{Mono, Now};

/// Attempts remembered for each camera.
pub const ATTEMPTS_MAX: usize = 10;

/// Everything that is remembered between passes.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// For each camera that was ever tried or has a frame.
    pub cameras: BTreeMap<CameraName, CameraHistory>,
    /// For each subnet.
    pub subnets: BTreeMap<SubnetName, SubnetHistory>,
    /// The server's own conditions.
    pub server: Vec<Condition>,
    /// Actions whose last try failed, by the key of the action.
    pub backoff: BTreeMap<String, Backoff>,
    /// Processes that are being ended, and what came of those before.
    pub processes: ProcessHistory,
    /// How busy this host is.
    pub load: LoadHistory,
    /// For each gateway that there is.
    pub gateways: BTreeMap<SubnetName, GatewayHistory>,
}

/// What is remembered of a gateway.
#[derive(Debug, Clone, Default)]
pub struct GatewayHistory {
    /// Since when it does not serve: an event was written.
    pub lost: Option<Mono>,
    /// Conditions as last published.
    pub conditions: Vec<Condition>,
}

/// How long an action that failed waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Failures in a row.
    pub failures: u32,
    /// Not before then.
    pub until: Mono,
}

/// What is remembered of a camera.
#[derive(Debug, Clone, Default)]
pub struct CameraHistory {
    /// Failed attempts since the last success; skipped ones do not count.
    pub failures: u32,
    /// When the first of them was.
    pub failing_since: Option<Mono>,
    /// Out of its sweep's line, the wait from one try's start to the next.
    pub retry_ms: Option<u64>,
    /// When the last capture was begun; being left out of a sweep does not count.
    pub last_start: Option<Mono>,
    /// A capture that is going on.
    pub in_flight: Option<InFlight>,
    /// When the last capture ended that a child may have been started for.
    pub child_ended: Option<Mono>,
    /// When the last success was.
    pub last_ok: Option<Mono>,
    /// The last attempts, newest last; at most [`ATTEMPTS_MAX`].
    pub attempts: VecDeque<Arc<Attempt>>,
    /// The last good picture.
    pub last_frame: Option<Frame>,
    /// Codec of the last good picture.
    pub codec: Option<&'static str>,
    /// `spec_digest` of the last success: whether these very credentials have worked.
    pub worked_with: Option<u64>,
    /// The camera counts as lost: an event was written.
    pub lost: bool,
    /// Conditions as last published.
    pub conditions: Vec<Condition>,
}

/// A capture that is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InFlight {
    /// When it was started.
    pub since: Mono,
    /// The sweep that it belongs to; `None` beside the line while no sweep is going on.
    pub sweep: Option<SweepId>,
    /// Whether it runs beside the sweep's line.
    pub beside: bool,
    /// A child may have been started for it.
    pub children: bool,
    /// It was told to end; it does so in its own time.
    pub cancelled: bool,
}

/// One attempt at a picture.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// When it began.
    pub started: Now,
    /// How long it took, milliseconds.
    pub duration_ms: u64,
    /// The way that succeeded or was last tried.
    pub backend: Option<Backend>,
    /// What became of it.
    pub result: AttemptResult,
}

/// What became of an attempt.
#[derive(Debug, Clone)]
pub enum AttemptResult {
    /// A picture.
    Ok,
    /// None.
    Failed(Failure),
    /// Not tried.
    Skipped {
        /// CamelCase word.
        reason: &'static str,
        /// For people.
        message: String,
    },
}

/// What is remembered of a subnet.
#[derive(Debug, Clone, Default)]
pub struct SubnetHistory {
    /// When its first sweep started: later starts are multiples of the interval from here.
    pub first_start: Option<Mono>,
    /// The interval that the multiples are counted in; another one starts the count anew.
    pub interval_ms: u64,
    /// The sweep that is going on.
    pub run: Option<SweepRun>,
    /// End of the last sweep's destruct.
    pub last_end: Option<Mono>,
    /// When the last sweep started.
    pub last_start: Option<Mono>,
    /// The last sweep that ended.
    pub last: Option<SweepRecord>,
    /// Starts that were skipped because a sweep was still running, since the server started.
    pub overruns: u64,
    /// The last start came late by so many intervals.
    pub last_overrun: u64,
    /// Somebody asked for a sweep now.
    pub requested: bool,
    /// Conditions as last published.
    pub conditions: Vec<Condition>,
}

/// A sweep that is going on.
#[derive(Debug, Clone)]
pub struct SweepRun {
    /// Its number in the store.
    pub id: SweepId,
    /// When it started.
    pub started: Now,
    /// Not tried yet, in order.
    pub pending: VecDeque<CameraName>,
    /// Being captured in the sweep's line.
    pub running: BTreeSet<CameraName>,
    /// Ended.
    pub results: Vec<SweepResult>,
    /// When the last capture had ended and the destruct began.
    pub destruct_since: Option<Mono>,
}

/// What is remembered of processes.
#[derive(Debug, Clone, Default)]
pub struct ProcessHistory {
    /// This run, as in the marks of its children: `RunInfo::instance`.
    pub instance: Arc<str>,
    /// Pid of this server; its zombies are reaped. 0 while it is not known: nothing is.
    pub pid: u32,
    /// Those that are being ended, until they have been seen gone.
    pub ending: BTreeMap<ProcessId, Ending>,
    /// Zombies of this server that nobody has reaped, until they have been seen gone.
    pub zombies: BTreeMap<ProcessId, ZombieSeen>,
    /// When it was first seen that no process of a previous run is alive, undead ones excepted.
    pub cleared: Option<Mono>,
    /// Since when the processes cannot be read.
    pub unreadable_since: Option<Mono>,
    /// How many were seen to end after a signal of the loop, by cause, since the server started.
    pub killed: BTreeMap<EndCause, u64>,
}

/// A process that is being ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// What it was started for.
    pub unit: Unit,
    /// The name of its program.
    pub command: Arc<str>,
    /// Why it is ended.
    pub cause: EndCause,
    /// When SIGTERM was sent.
    pub term_sent_at: Option<Mono>,
    /// When SIGKILL was first sent.
    pub kill_sent_at: Option<Mono>,
    /// When the last try to signal it was, successful or not.
    pub last_try: Mono,
    /// Tries that failed, in a row.
    pub failures: u32,
    /// Since when it counts as undead: nothing that was sent ends it.
    pub undead_since: Option<Mono>,
}

/// A zombie of this server that nobody has reaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZombieSeen {
    /// When it was first seen.
    pub since: Mono,
    /// When reaping it was last tried.
    pub tried: Option<Mono>,
    /// Tries so far.
    pub tries: u32,
}
