//! Processes: identity, mark, and how the observer found each.
//!
//! A pid alone names nothing, since pids are used again; everything here goes by [`ProcessId`].

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::names::{CameraName, SubnetName};
use super::time::Mono;

/// The variable of a child's environment that holds its [`Mark`].
pub const MARK_VARIABLE: &str = "CAMSERVER_MARK";

/// One process of this boot of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId {
    /// Its number, used again some time after its end.
    pub pid: u32,
    /// When it began, in clock ticks since the boot (`/proc/PID/stat`, field 22).
    pub start_ticks: u64,
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.pid)
    }
}

/// What a child was started for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// One picture of a camera.
    Capture(CameraName),
    /// The stream gateway of a subnet.
    Gateway(SubnetName),
    /// A question to a program: which version it is.
    Probe,
}

impl Unit {
    /// Every word of [`Self::kind`].
    pub const KINDS: [&str; 2] = ["capture", "gateway"];

    /// The word of the API and of metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Capture(_) => "capture",
            Self::Gateway(_) => "gateway",
            Self::Probe => "probe",
        }
    }

    /// The camera, where there is one.
    pub fn camera(&self) -> Option<&CameraName> {
        match self {
            Self::Capture(camera) => Some(camera),
            Self::Gateway(_) | Self::Probe => None,
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture(camera) => write!(f, "capture/{camera}"),
            Self::Gateway(subnet) => write!(f, "gateway/{subnet}"),
            Self::Probe => f.write_str("probe"),
        }
    }
}

/// Not a [`Unit`] or not a [`Mark`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a mark of this program")]
pub struct NotAMark;

impl FromStr for Unit {
    type Err = NotAMark;

    fn from_str(text: &str) -> Result<Self, NotAMark> {
        if text == "probe" {
            return Ok(Self::Probe);
        }
        match text.split_once('/').ok_or(NotAMark)? {
            ("capture", name) => CameraName::parse(name).map(Self::Capture).map_err(|_| NotAMark),
            ("gateway", name) => SubnetName::parse(name).map(Self::Gateway).map_err(|_| NotAMark),
            _ => Err(NotAMark),
        }
    }
}

/// Which run started a child, and the number that it gave it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildToken {
    /// The run: `RunInfo::instance`.
    pub instance: Arc<str>,
    /// Counted from 1 in each run.
    pub number: u64,
}

impl fmt::Display for ChildToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.instance, self.number)
    }
}

/// What stands in a child's environment, and so in that of what it starts itself:
/// `v1:INSTALLATION:UNIT:INSTANCE-NUMBER`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// The data directory's own random name: `RunInfo::installation`.
    pub installation: Arc<str>,
    /// What for.
    pub unit: Unit,
    /// By which run.
    pub token: ChildToken,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v1:{}:{}:{}", self.installation, self.unit, self.token)
    }
}

impl FromStr for Mark {
    type Err = NotAMark;

    fn from_str(text: &str) -> Result<Self, NotAMark> {
        let mut parts = text.splitn(4, ':');
        let (Some("v1"), Some(installation), Some(unit), Some(token)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NotAMark);
        };
        let (instance, number) = token.rsplit_once('-').ok_or(NotAMark)?;
        Ok(Self {
            installation: installation.into(),
            unit: unit.parse()?,
            token: ChildToken {
                instance: instance.into(),
                number: number.parse().map_err(|_| NotAMark)?,
            },
        })
    }
}

/// State of a process, as in `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProcessState {
    /// Runs, or is ready to.
    Running,
    /// Waits and can be woken.
    Sleeping,
    /// Waits in the kernel and cannot even be killed (`D`).
    Uninterruptible,
    /// Stopped by a signal or a debugger.
    Stopped,
    /// Has ended and was not reaped.
    Zombie,
}

impl ProcessState {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Sleeping => "sleeping",
            Self::Uninterruptible => "uninterruptible",
            Self::Stopped => "stopped",
            Self::Zombie => "zombie",
        }
    }
}

/// Whose a process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessOwner {
    /// It bears a readable mark of this installation and runs as the same user.
    Ours(Mark),
    /// A descendant of this server whose mark cannot be read: a zombie has no environment any
    /// more, and a program may clear it. Never signalled; a zombie of ours is reaped.
    Unmarked,
    /// Somebody else's, shown because it is connected to a declared device.
    Foreign,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Which.
    pub id: ProcessId,
    /// Its parent's pid.
    pub parent: u32,
    /// Whose.
    pub owner: ProcessOwner,
    /// State.
    pub state: ProcessState,
    /// Name of its program, at most 15 bytes (`/proc/PID/stat`, field 2).
    pub command: Arc<str>,
    /// When it began.
    pub started: Mono,
    /// Resident memory, bytes.
    pub resident_bytes: u64,
    /// CPU time, its own threads only, milliseconds.
    pub cpu_ms: u64,
    /// Open file descriptors; `None` where they may not be seen.
    pub open_files: Option<u32>,
}

impl Process {
    /// Its mark, when it is ours.
    pub fn mark(&self) -> Option<&Mark> {
        match &self.owner {
            ProcessOwner::Ours(mark) => Some(mark),
            ProcessOwner::Unmarked | ProcessOwner::Foreign => None,
        }
    }

    /// Whether it still runs, be it stopped: a zombie only waits to be reaped.
    pub fn is_alive(&self) -> bool {
        self.state != ProcessState::Zombie
    }
}

/// A signal that ends a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndSignal {
    /// SIGTERM: asks.
    Terminate,
    /// SIGKILL: does not ask.
    Kill,
}

impl EndSignal {
    /// The name of the signal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Kill => "SIGKILL",
        }
    }
}

/// Why a process of ours is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndCause {
    /// This run started it, and nobody of this run owns it any more.
    Orphan,
    /// A run before this one started it.
    PreviousRun,
    /// A capture's child older than `processes.maxAge`, whoever owns it.
    OverAge,
    /// Its connection is one too many for the device.
    OverLimit,
}

impl EndCause {
    /// Every cause.
    pub const ALL: [Self; 4] = [Self::Orphan, Self::PreviousRun, Self::OverAge, Self::OverLimit];

    /// The word of the API, of events and of metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Orphan => "orphan",
            Self::PreviousRun => "previous_run",
            Self::OverAge => "over_age",
            Self::OverLimit => "over_limit",
        }
    }
}

/// All processes that concern this server, with what owns them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessTable {
    /// Each process, by pid.
    pub processes: Vec<Process>,
    /// Children whose owner in this run is alive. It holds those that had one when the look
    /// began as well as those that had one when it ended: a child that was started meanwhile is
    /// no orphan.
    pub owned: std::collections::BTreeSet<ChildToken>,
}

/// How a process stands to this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// A child of this run with a live owner.
    Owned,
    /// A child of this run without one.
    Orphan,
    /// A child of a run before this one.
    PreviousRun,
    /// A descendant without a readable mark.
    Unmarked,
    /// Somebody else's.
    Foreign,
}

impl Standing {
    /// Whether it descends from this installation.
    pub fn is_ours(self) -> bool {
        self != Self::Foreign
    }
}

impl ProcessTable {
    /// How one of its processes stands to the run that is named `instance`.
    pub fn standing(&self, process: &Process, instance: &str) -> Standing {
        match &process.owner {
            ProcessOwner::Ours(mark) if *mark.token.instance != *instance => Standing::PreviousRun,
            ProcessOwner::Ours(mark) if self.owned.contains(&mark.token) => Standing::Owned,
            ProcessOwner::Ours(_) => Standing::Orphan,
            ProcessOwner::Unmarked => Standing::Unmarked,
            ProcessOwner::Foreign => Standing::Foreign,
        }
    }

    /// The process of that identity.
    pub fn get(&self, id: ProcessId) -> Option<&Process> {
        self.processes.iter().find(|process| process.id == id)
    }

    /// The child that takes a picture of `camera` for the run `instance`, while it does.
    pub fn capturing(&self, camera: &CameraName, instance: &str) -> Option<&Process> {
        self.processes.iter().find(|process| {
            process.mark().is_some_and(|mark| mark.unit == Unit::Capture(camera.clone()))
                && process.state != ProcessState::Zombie
                && self.standing(process, instance) == Standing::Owned
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back_as_it_was_written() {
        let text = "v1:inst-1:capture/cam-001:9f-c2-17";
        let mark: Mark = text.parse().unwrap();
        assert_eq!(mark.unit.camera().unwrap().as_str(), "cam-001");
        assert_eq!((mark.token.instance.as_ref(), mark.token.number), ("9f-c2", 17));
        assert_eq!(mark.to_string(), text);
    }

    #[test]
    fn what_is_no_mark_is_refused() {
        for text in
            ["", "v2:a:capture/b:c-1", "v1:a:capture/b", "v1:a:shell/b:c-1", "v1:a:capture/b:c"]
        {
            assert_eq!(text.parse::<Mark>(), Err(NotAMark), "{text}");
        }
    }
}
