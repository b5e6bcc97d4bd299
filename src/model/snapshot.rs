//! What an outsider may know: made after each pass, read by HTTP, WebSocket and metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::admission::Overloaded;
use super::condition::Condition;
use super::desired::Desired;
use super::failure::Stage;
use super::frame::{Frame, SweepRecord};
use super::gateway::GatewayView;
use super::history::Attempt;
use super::lease::Lease;
use super::names::{CameraName, SubnetName};
use super::observed::{Connection, HostView, Seen, StoreView};
use super::plan::Plan;
use super::process::{EndCause, ProcessTable};
use super::slot::Slot;
use super::time::{Mono, Now};

/// One published state of everything.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// When it was made.
    pub at: Now,
    /// Grows with each one.
    pub version: u64,
    /// The set in force.
    pub desired: Arc<Desired>,
    /// Each declared camera.
    pub cameras: BTreeMap<CameraName, Arc<CameraStatus>>,
    /// Each declared subnet.
    pub subnets: BTreeMap<SubnetName, Arc<SubnetStatus>>,
    /// Each gateway that this server starts, by its subnet.
    pub gateways: BTreeMap<SubnetName, Arc<GatewayStatus>>,
    /// The server's own conditions.
    pub conditions: Vec<Condition>,
    /// The last pass's plan.
    pub plan: Arc<Plan>,
    /// Connections to declared devices.
    pub connections: Seen<Arc<Vec<Connection>>>,
    /// Processes that concern this server.
    pub processes: Seen<Arc<ProcessTable>>,
    /// Processes of ours that the loop ended since the server started, by cause; every cause is
    /// in it.
    pub orphans_killed: BTreeMap<EndCause, u64>,
    /// Slots that are not free.
    pub slots: Arc<Vec<Slot>>,
    /// The manifests.
    pub config: Arc<ConfigStatus>,
    /// The store.
    pub store: Seen<StoreView>,
    /// This host.
    pub host: Seen<HostView>,
    /// Live views that are allowed.
    pub leases: Arc<Vec<Lease>>,
    /// Why no more of them are at the moment.
    pub overload: Option<Overloaded>,
    /// This run.
    pub run: Arc<RunInfo>,
}

/// Facts of this run that do not change.
#[derive(Debug, Clone)]
pub struct RunInfo {
    /// Random, made once for a data directory.
    pub installation: String,
    /// Random, made anew at each start.
    pub instance: String,
    /// When the program started.
    pub started: Now,
}

/// How a camera looks from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Badge {
    /// All is well.
    Ok,
    /// A capture is going on.
    Busy,
    /// Something is odd; the server copes.
    Warn,
    /// A person should look.
    Bad,
    /// Not taking part.
    Off,
}

/// One camera.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraStatus {
    /// How it looks.
    pub badge: Badge,
    /// One word of the closed catalogue of reasons.
    pub reason: &'static str,
    /// At which stage, for a timeout.
    pub stage: Option<Stage>,
    /// One sentence for people.
    pub message: String,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// Failed attempts since the last success.
    pub failures: u32,
    /// A capture is going on.
    pub capturing: bool,
    /// When the next capture is due; an estimate while it waits in a sweep's line.
    pub next_capture: Option<Mono>,
    /// The last good picture.
    pub last_frame: Option<Frame>,
    /// Codec of the last good picture.
    pub codec: Option<&'static str>,
    /// The smallest limit of its device.
    pub limit: u16,
    /// Connections to its device that are ours.
    pub ours: u16,
    /// Connections to its device that are not.
    pub foreign: u16,
    /// The processes that hold those, as far as known: most connections first.
    pub holders: Vec<ForeignHolder>,
    /// The last attempts, newest first.
    pub attempts: Vec<AttemptView>,
}

/// A process of somebody else that is connected to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignHolder {
    /// Name of its program.
    pub command: Arc<str>,
    /// Its number.
    pub pid: u32,
    /// Its connections to the device.
    pub connections: u16,
}

/// One attempt, for `describe camera`.
pub type AttemptView = Arc<Attempt>;

impl PartialEq for Attempt {
    /// Attempts are told apart by when they began.
    fn eq(&self, other: &Self) -> bool {
        self.started == other.started
    }
}

/// One subnet.
#[derive(Debug, Clone, PartialEq)]
pub struct SubnetStatus {
    /// Enabled cameras in it.
    pub cameras: u32,
    /// Those that are `Ready`.
    pub ready: u32,
    /// A sweep is going on.
    pub sweeping: bool,
    /// The sweep that is going on, with the results so far.
    pub run: Option<SweepRecord>,
    /// When the next sweep starts.
    pub next_sweep: Option<Mono>,
    /// The last sweep that ended.
    pub last_sweep: Option<SweepRecord>,
    /// Starts skipped since the server started.
    pub overruns: u64,
    /// Conditions.
    pub conditions: Vec<Condition>,
}

/// One gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayStatus {
    /// As it was last seen.
    pub seen: GatewayView,
    /// Conditions.
    pub conditions: Vec<Condition>,
}

/// The manifests: what is in force and what is wrong with what was offered since.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigStatus {
    /// Generation in force.
    pub generation: u64,
    /// Digest in force.
    pub digest: String,
    /// Git commit in force.
    pub revision: Option<String>,
    /// Since when.
    pub applied_at: Option<Timestamp>,
    /// Whether the newest set is in force.
    pub valid: bool,
    /// What is wrong with the newest set.
    pub errors: Vec<ConfigError>,
    /// A set that waits for confirmation.
    pub held: Option<HeldConfig>,
    /// Loads since the server started.
    pub loads: u64,
    /// Those of them that were refused.
    pub loads_refused: u64,
}

/// One problem of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// File, as seen from the manifest directory.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// What is wrong and what would be right.
    pub message: String,
}

/// A set that waits for confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldConfig {
    /// Its digest, for `confirm`.
    pub digest: String,
    /// Why it is held.
    pub message: String,
    /// Objects that it would remove, as `camera/NAME`.
    pub removed: Vec<String>,
}
