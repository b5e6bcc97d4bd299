//! What is to be done, what is held back, and when to look again.

use std::sync::Arc;

use super::desired::Device;
use super::lease::{EndReason, LeaseId};
use super::names::{CameraName, SubnetName};
use super::process::{EndCause, EndSignal, Mark, ProcessId};
use super::slot::SlotId;
use super::time::Mono;

use super::frame::SweepId;

/// The answer of the planner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Steps, in order.
    pub actions: Vec<Planned>,
    /// What is wanted but not done yet.
    pub held: Vec<Held>,
    /// The next moment at which time alone could change the answer.
    pub next_look: Option<Mono>,
    /// From this moment on, another look at the processes could change the answer.
    pub look_processes: Option<Mono>,
}

/// A step and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The step.
    pub action: Action,
    /// A sentence that completes "because ...".
    pub reason: String,
}

/// One step that removes a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Begin a sweep over these cameras, in this order.
    StartSweep {
        /// Of which subnet.
        subnet: SubnetName,
        /// The sweep's line.
        cameras: Vec<CameraName>,
        /// Starts that passed while the sweep before was going on.
        overrun: u64,
    },
    /// Take one picture.
    Capture {
        /// Of which camera.
        camera: CameraName,
        /// Its subnet.
        subnet: SubnetName,
        /// For which sweep; `None` beside the line when no sweep is going on.
        sweep: Option<SweepId>,
        /// Whether it runs beside the sweep's line.
        beside: bool,
        /// Whether a child may be started for it; without, only ways inside the server are tried.
        children: bool,
    },
    /// Leave a camera out of a sweep.
    SkipCamera {
        /// Which.
        camera: CameraName,
        /// Its subnet.
        subnet: SubnetName,
        /// Of which sweep.
        sweep: SweepId,
        /// CamelCase word.
        reason: &'static str,
        /// For people.
        message: String,
    },
    /// All captures have ended: give back what the sweep held and look whether it is gone.
    Destruct {
        /// Of which subnet.
        subnet: SubnetName,
        /// Which sweep.
        sweep: SweepId,
    },
    /// End a sweep.
    FinishSweep {
        /// Of which subnet.
        subnet: SubnetName,
        /// Which sweep.
        sweep: SweepId,
        /// Whether the subnet has no connection left that no viewer owns; `None` when that could
        /// not be seen.
        clean: Option<bool>,
    },
    /// End a sweep whose subnet is no longer declared.
    AbortSweep {
        /// Of which subnet.
        subnet: SubnetName,
        /// Which sweep.
        sweep: SweepId,
    },
    /// End a capture.
    CancelCapture {
        /// Of which camera.
        camera: CameraName,
    },
    /// Cut a connection of ours.
    CutSlot {
        /// To which device.
        device: Device,
        /// Whose.
        slot: SlotId,
    },
    /// End a process of ours whose end nobody else sees to.
    SignalProcess {
        /// Which; to be checked again when the signal is sent.
        process: ProcessId,
        /// Its mark; to be checked again as well.
        mark: Mark,
        /// The name of its program.
        command: Arc<str>,
        /// With what.
        signal: EndSignal,
        /// Why.
        cause: EndCause,
    },
    /// Take the exit status of a zombie of this server that nobody waits for.
    ReapProcess {
        /// Which.
        process: ProcessId,
    },
    /// End a live view's lease.
    EndLease {
        /// Which.
        lease: LeaseId,
        /// Of which camera.
        camera: CameraName,
        /// Why.
        reason: EndReason,
    },
    /// Delete stored things.
    Delete {
        /// Which.
        what: Garbage,
    },
    /// Forget what is remembered of an object that is no longer declared.
    Forget {
        /// Which camera.
        camera: CameraName,
    },
}

/// Stored things that are past their time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Garbage {
    /// Frames without an event from before then.
    NoEventFrames(jiff::Timestamp),
    /// Events from before then, and their frames.
    Events(jiff::Timestamp),
    /// Sweep records from before then.
    Sweeps(jiff::Timestamp),
    /// Applied sets from before then.
    ConfigRevisions(jiff::Timestamp),
    /// Leases of live views that were to end before then.
    Leases(jiff::Timestamp),
    /// The oldest frames, until so many bytes are left; those without an event first.
    FramesBeyond(u64),
}

impl Action {
    /// The word of the API and of metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::StartSweep { .. } => "StartSweep",
            Self::Capture { .. } => "Capture",
            Self::SkipCamera { .. } => "SkipCamera",
            Self::Destruct { .. } => "Destruct",
            Self::FinishSweep { .. } => "FinishSweep",
            Self::AbortSweep { .. } => "AbortSweep",
            Self::CancelCapture { .. } => "CancelCapture",
            Self::CutSlot { .. } => "CutSlot",
            Self::SignalProcess { .. } => "SignalProcess",
            Self::ReapProcess { .. } => "ReapProcess",
            Self::EndLease { .. } => "EndLease",
            Self::Delete { .. } => "Delete",
            Self::Forget { .. } => "Forget",
        }
    }

    /// The object that it is about, as `camera/NAME`.
    pub fn object(&self) -> String {
        match self {
            Self::StartSweep { subnet, .. }
            | Self::Destruct { subnet, .. }
            | Self::FinishSweep { subnet, .. }
            | Self::AbortSweep { subnet, .. } => format!("subnet/{subnet}"),
            Self::Capture { camera, .. }
            | Self::SkipCamera { camera, .. }
            | Self::CancelCapture { camera }
            | Self::Forget { camera } => format!("camera/{camera}"),
            Self::EndLease { lease, .. } => format!("lease/{}", lease.short()),
            Self::CutSlot { device, .. } => format!("device/{device}"),
            Self::SignalProcess { process, .. } | Self::ReapProcess { process } => {
                format!("process/{process}")
            }
            Self::Delete { .. } => "store".to_owned(),
        }
    }
}

/// Something that is wanted but not done yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What would be done.
    pub kind: &'static str,
    /// The object that it is about.
    pub object: String,
    /// CamelCase word.
    pub reason: &'static str,
    /// One sentence for people.
    pub message: String,
    /// When time alone ends it.
    pub until: Option<Mono>,
}
