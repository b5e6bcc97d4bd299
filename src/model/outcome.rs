//! What became of actions; folded into the history.

use std::sync::Arc;

use super::admission::LoadSample;
use super::desired::Backend;
use super::failure::Failure;
use super::frame::{Frame, SweepId, SweepState};
use super::lease::EndedLease;
use super::names::{CameraName, SubnetName};
use super::process::{EndCause, EndSignal, ProcessId, Unit};
use super::server::OverloadSpec;
use super::time::Now;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// A sweep began.
    SweepStarted {
        /// Of which subnet.
        subnet: SubnetName,
        /// Its number.
        sweep: SweepId,
        /// Its line.
        cameras: Vec<CameraName>,
        /// Starts that were skipped before it.
        overrun: u64,
        /// The interval that starts are counted in, milliseconds.
        interval_ms: u64,
    },
    /// A capture began.
    CaptureStarted {
        /// Of which camera.
        camera: CameraName,
        /// Its subnet.
        subnet: SubnetName,
        /// For which sweep.
        sweep: Option<SweepId>,
        /// Beside the line.
        beside: bool,
        /// A child may be started for it.
        children: bool,
    },
    /// A capture ended.
    CaptureEnded(Box<CaptureEnded>),
    /// A camera was left out of a sweep.
    CameraSkipped {
        /// Which.
        camera: CameraName,
        /// Its subnet.
        subnet: SubnetName,
        /// CamelCase word.
        reason: &'static str,
        /// For people.
        message: String,
    },
    /// A sweep's captures have ended.
    DestructBegan {
        /// Of which subnet.
        subnet: SubnetName,
    },
    /// A sweep ended.
    SweepEnded {
        /// Of which subnet.
        subnet: SubnetName,
        /// How.
        state: SweepState,
        /// Whether nothing was left; `None` when that could not be seen.
        clean: Option<bool>,
    },
    /// Somebody wants a sweep of this subnet now.
    SweepRequested {
        /// Of which subnet.
        subnet: SubnetName,
    },
    /// An object is no longer declared.
    Forgotten {
        /// Which camera.
        camera: CameraName,
    },
    /// A capture was told to end.
    CaptureCancelled {
        /// Of which camera.
        camera: CameraName,
    },
    /// A process was signalled, or that was tried.
    ProcessSignalled {
        /// Which.
        process: ProcessId,
        /// What it was started for.
        unit: Unit,
        /// The name of its program.
        command: Arc<str>,
        /// Why it is ended.
        cause: EndCause,
        /// With what.
        signal: EndSignal,
        /// Whether the kernel took the signal, or the process was gone already.
        ok: bool,
    },
    /// A zombie was reaped, or that was tried.
    ReapTried {
        /// Which.
        process: ProcessId,
    },
    /// A live view's lease ended.
    LeaseEnded(Box<EndedLease>),
    /// This host was looked at.
    HostSampled {
        /// What was seen.
        sample: LoadSample,
        /// When it counts as overloaded.
        spec: Box<OverloadSpec>,
    },
    /// An action failed or succeeded that backs off by itself.
    Tried {
        /// Key of the action.
        key: String,
        /// Whether it worked.
        ok: bool,
    },
}

/// What became of a capture.
#[derive(Debug, Clone)]
pub struct CaptureEnded {
    /// Of which camera.
    pub camera: CameraName,
    /// Its subnet.
    pub subnet: SubnetName,
    /// When it began.
    pub started: Now,
    /// How long it took, milliseconds.
    pub duration_ms: u64,
    /// The way that succeeded or was last tried.
    pub backend: Option<Backend>,
    /// What came of it.
    pub result: CaptureResult,
    /// `spec_digest` of the camera when it began.
    pub spec_digest: u64,
}

/// What came of a capture.
#[derive(Debug, Clone)]
pub enum CaptureResult {
    /// A stored picture.
    Ok {
        /// The picture.
        frame: Frame,
        /// Codec of the stream, where the way of capturing knows it.
        codec: Option<&'static str>,
    },
    /// No picture.
    Failed(Failure),
    /// Not tried.
    Skipped {
        /// CamelCase word.
        reason: &'static str,
        /// For people.
        message: String,
    },
}
