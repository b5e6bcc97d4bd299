//! Sessions with cameras: what opens them, how cameras answer, how they end and when each side
//! knows of it.

use std::sync::Arc;

use super::children::Child;
use super::network::{FORGETS_MAX, Fault, Owner};
use super::{Event, MINUTE, SECOND, Sim, fleet};
use crate::model::desired::{Backend, Device};
use crate::model::failure::{Failure, FailureKind, Stage};
use crate::model::frame::Frame;
use crate::model::names::{CameraName, SubnetName};
use crate::model::outcome::{CaptureEnded, CaptureResult, Outcome};
use crate::model::slot::{ConnectionEnd, Holder, Purpose, SlotId};
use crate::model::time::{Now, millis};

/// Somebody who holds a slot.
pub(super) struct Session {
    pub(super) camera: CameraName,
    pub(super) device: Device,
    pub(super) purpose: Purpose,
    pub(super) subnet: SubnetName,
    pub(super) slot: SlotId,
    pub(super) started: Now,
    socket: Option<u64>,
    ending: Ending,
    way: Way,
    pub(super) child: Option<Child>,
    /// Its end has begun: whether it was cut from this side.
    fate: Option<bool>,
    /// The slot has been given back.
    released: bool,
}

impl Session {
    fn backend(&self) -> Backend {
        match self.way {
            Way::Inside => Backend::Native,
            Way::Relay | Way::Direct => Backend::Ffmpeg,
        }
    }

    /// Whether its end has begun.
    pub(super) fn is_ending(&self) -> bool {
        self.fate.is_some()
    }
}

/// Who talks to the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The server.
    Inside,
    /// A child, through the server's relay.
    Relay,
    /// A child by itself.
    Direct,
}

/// How a session will end when nobody ends it before.
#[derive(Clone)]
struct Ending {
    failure: Option<(FailureKind, Stage)>,
    end: ConnectionEnd,
}

impl Sim {
    /// Takes a slot and begins a session; it sends its SYN a little later.
    pub(super) fn open(
        &mut self,
        camera: &CameraName,
        subnet: SubnetName,
        purpose: Purpose,
        children: bool,
    ) -> bool {
        let way = self.way(camera, children);
        let started = self.now();
        let desired = Arc::clone(&self.fleet.desired);
        let device = desired.cameras[camera].capture_device();
        let (Some(server), Some(limits)) = (&mut self.server, desired.devices.get(&device)) else {
            return false;
        };
        let holder = Holder { camera: camera.clone(), purpose };
        let Ok(slot) = server.table.acquire(limits, device, holder, started.mono) else {
            return false;
        };
        let ending = Ending { failure: None, end: ConnectionEnd::NeverConnected };
        let camera = camera.clone();
        let session = Session {
            camera,
            device,
            purpose,
            subnet,
            slot,
            started,
            socket: None,
            ending,
            way,
            child: None,
            fate: None,
            released: false,
        };
        self.queued += 1;
        let id = self.queued;
        server.sessions.insert(id, session);
        let delay = self.rng.between(0, 20);
        self.after(delay, Event::Connect(id));
        true
    }

    /// How a picture is taken: some cameras need a child, others may.
    fn way(&mut self, camera: &CameraName, children: bool) -> Way {
        let order = &self.fleet.desired.cameras[camera].capture.order;
        let may = children && order.iter().any(|backend| backend.starts_child());
        let must = order.first().is_some_and(|backend| backend.starts_child());
        if !may || !(must || self.rng.percent(30)) {
            return Way::Inside;
        }
        if self.rng.percent(40) { Way::Direct } else { Way::Relay }
    }

    /// The SYN, and what the camera makes of it.
    pub(super) fn connect(&mut self, id: u64) {
        let run = self.runs;
        let mono = self.mono();
        let Some(session) = self.server.as_mut().and_then(|s| s.sessions.get_mut(&id)) else {
            return;
        };
        let (device, slot, started) = (session.device, session.slot, session.started.mono);
        let is_viewer = session.purpose == Purpose::Modal;
        let (way, camera) = (session.way, session.camera.clone());
        if session.fate.is_some() {
            return;
        }
        let child = match way {
            Way::Inside => None,
            Way::Relay | Way::Direct => self.spawn_child(&camera, way == Way::Direct),
        };
        self.check_connect(device, started);
        let (ours, others) = self.net.counted(device);
        let is_full = ours + others >= self.fleet.takes(device);
        let direct = child.as_ref().filter(|child| child.direct).map(|child| child.id);
        let owner = direct.map_or(Owner::Run(run), Owner::Child);
        let (socket, local) = self.net.open(device, owner, mono);
        let (length, counted, failure, end) = self.answer(device, is_full, is_viewer);
        if let Some(socket) = self.net.get_mut(socket) {
            socket.counted = counted;
            socket.slot = direct.is_none().then_some(slot);
            socket.camera = Some(camera);
        }
        let is_held_on = child.is_some() && !self.quiet && self.rng.percent(3);
        let Some(server) = &mut self.server else { return };
        if direct.is_none() {
            server.table.connecting(slot, local);
        }
        if let Some(session) = server.sessions.get_mut(&id) {
            session.socket = Some(socket);
            session.ending = Ending { failure, end };
            session.child = child;
        }
        // Its owner may never let go; then only the child's age ends it.
        if !is_held_on {
            self.after(length, Event::SessionEnds(id));
        }
    }

    /// How long it takes, whether the camera counts the connection, and how it ends.
    fn answer(
        &mut self,
        device: Device,
        is_full: bool,
        is_viewer: bool,
    ) -> (u64, bool, Option<(FailureKind, Stage)>, ConnectionEnd) {
        use ConnectionEnd::{Acknowledged, Unacknowledged};
        let usual = if is_viewer {
            self.rng.between(10 * SECOND, 120 * SECOND)
        } else {
            self.rng.between(300, 3 * SECOND)
        };
        let timeout = fleet::TIMEOUT;
        match self.net.faults.get(&device).copied() {
            Some(Fault::Silent) => {
                let failure = Some((FailureKind::Timeout, Stage::Connect));
                (timeout, false, failure, Unacknowledged)
            }
            Some(Fault::Refuses) => {
                (5, false, Some((FailureKind::Refused, Stage::Connect)), Acknowledged)
            }
            _ if is_full => {
                (5, false, Some((FailureKind::CameraFull, Stage::Connect)), Acknowledged)
            }
            Some(Fault::Resets) => {
                let failure = Some((FailureKind::ConnectionLost, Stage::Play));
                (self.rng.between(50, 2 * SECOND), true, failure, Acknowledged)
            }
            Some(Fault::Hangs) => {
                let failure = Some((FailureKind::Timeout, Stage::Describe));
                (timeout, true, failure, Unacknowledged)
            }
            Some(Fault::NoGoodbye) => (usual, true, None, Unacknowledged),
            None => (usual, true, None, Acknowledged),
        }
    }

    pub(super) fn session_ends(&mut self, id: u64) {
        if self.server.as_ref().is_some_and(|server| server.sessions.contains_key(&id)) {
            self.end_session(id, false);
            self.pass();
        }
    }

    /// Ends the sessions that are meant, from this side.
    pub(super) fn cut(&mut self, is_meant: impl Fn(&Session) -> bool) {
        let Some(server) = &self.server else { return };
        let meant: Vec<u64> =
            server.sessions.iter().filter(|(_, s)| is_meant(s)).map(|(id, _)| *id).collect();
        for id in meant {
            self.end_session(id, true);
        }
    }

    fn end_session(&mut self, id: u64, is_cut: bool) {
        let Some(session) = self.server.as_mut().and_then(|s| s.sessions.get_mut(&id)) else {
            return;
        };
        let is_cut = *session.fate.get_or_insert(is_cut);
        if session.child.is_some() {
            let ends_itself = !is_cut && session.ending.failure.is_none();
            // The relay can be cut at once, whatever its child does.
            if is_cut && session.way == Way::Relay {
                self.release(id);
            }
            if self.stop_child(id, ends_itself) {
                return;
            }
        }
        self.finish_session(id);
    }

    /// Gives the slot back, and closes the socket where it is the server's.
    fn release(&mut self, id: u64) {
        let mono = self.mono();
        let Some(server) = &mut self.server else { return };
        let Some(session) = server.sessions.get_mut(&id) else { return };
        if std::mem::replace(&mut session.released, true) {
            return;
        }
        // Whether a child of its own connection says good-bye, nobody here knows.
        let is_orderly = session.fate == Some(false) && session.way != Way::Direct;
        let end = match session.socket {
            None => ConnectionEnd::NeverConnected,
            Some(_) if !is_orderly => ConnectionEnd::Unacknowledged,
            Some(_) => session.ending.end,
        };
        let (device, socket, way) = (session.device, session.socket, session.way);
        server.table.done(session.slot, end, mono);
        if let Some(socket) = socket
            && way != Way::Direct
        {
            self.close(socket, device, end);
        }
    }

    /// The session is over for this side, be its child gone or not.
    pub(super) fn finish_session(&mut self, id: u64) {
        self.release(id);
        let Some(session) = self.server.as_mut().and_then(|s| s.sessions.remove(&id)) else {
            return;
        };
        if let Some(child) = &session.child {
            self.let_go(child);
        }
        let is_cut = session.fate == Some(true);
        if is_cut || session.child.is_some() || session.purpose == Purpose::Modal {
            self.disturb(session.device);
        }
        if session.purpose == Purpose::Sweep {
            let result = self.result(&session, is_cut);
            self.capture_ended(session, result);
        }
    }

    pub(super) fn close(&mut self, socket: u64, device: Device, end: ConnectionEnd) {
        if let Some(socket) = self.net.get_mut(socket) {
            socket.open = false;
            socket.counted &= end == ConnectionEnd::Unacknowledged;
        }
        let (kernel, camera) = match end {
            // Reset: the kernel is done at once, the camera hears of it when it does.
            ConnectionEnd::Unacknowledged => (0, self.rng.between(0, FORGETS_MAX)),
            ConnectionEnd::Acknowledged | ConnectionEnd::NeverConnected => {
                let late = match self.rng.between(1, 100) {
                    _ if self.quiet => 30,
                    // The host vanished with the last packet under way.
                    1 => 15 * MINUTE,
                    2..=5 => 2 * SECOND,
                    _ => 30,
                };
                (self.rng.between(0, late), 0)
            }
        };
        if kernel > 2 * SECOND {
            self.checks.calm_from(device, self.t + kernel);
        }
        self.after(kernel, Event::KernelForgets(socket));
        self.after(camera, Event::CameraForgets(socket));
    }

    fn result(&self, session: &Session, is_cut: bool) -> CaptureResult {
        if is_cut {
            return CaptureResult::Failed(Failure::new(FailureKind::Cancelled, "cancelled"));
        }
        if session.fate.is_none() {
            let lost = Failure::at(FailureKind::ConnectionLost, Stage::Stream, "ffmpeg ended");
            return CaptureResult::Failed(lost);
        }
        if let Some((kind, stage)) = session.ending.failure {
            return CaptureResult::Failed(Failure::at(kind, stage, kind.as_str()));
        }
        let frame = Frame {
            id: i64::try_from(self.t).unwrap(),
            camera: session.camera.clone(),
            captured_at: self.now().wall,
            backend: session.backend(),
            width: 640,
            height: 360,
            bytes: 1,
            thumbnail_bytes: 1,
            file: String::new(),
            sweep: None,
            detected: false,
        };
        CaptureResult::Ok { frame, codec: Some("h264") }
    }

    fn capture_ended(&mut self, session: Session, result: CaptureResult) {
        if matches!(result, CaptureResult::Ok { .. }) {
            self.checks.captured(&session.camera, self.t);
        }
        self.note(|| match &result {
            CaptureResult::Failed(failure) => format!("{} {failure}", session.camera),
            CaptureResult::Ok { .. } | CaptureResult::Skipped { .. } => {
                format!("{} ok", session.camera)
            }
        });
        let backend = session.backend();
        self.fold(Outcome::CaptureEnded(Box::new(CaptureEnded {
            camera: session.camera,
            subnet: session.subnet,
            started: session.started,
            duration_ms: millis(self.mono().since(session.started.mono)),
            backend: Some(backend),
            result,
            spec_digest: 1,
        })));
    }

    pub(super) fn kernel_forgets(&mut self, id: u64) {
        let (t, run) = (self.t, self.runs);
        let Some(socket) = self.net.get_mut(id) else { return };
        socket.in_kernel = false;
        let (device, owner, slot) = (socket.device, socket.owner, socket.slot);
        self.net.collect();
        if let Owner::Run(of) = owner {
            self.checks.ended(device, of, t);
        }
        if owner == Owner::Run(run)
            && let Some(slot) = slot
        {
            let delay = self.rng.between(0, 200);
            self.after(delay, Event::Asks(run, slot));
        }
    }

    pub(super) fn camera_forgets(&mut self, id: u64) {
        if let Some(socket) = self.net.get_mut(id) {
            socket.counted = false;
        }
        self.net.collect();
    }

    /// The keeper asks the kernel for one socket, which is gone.
    pub(super) fn ask(&mut self, run: u32, slot: SlotId) {
        let mono = self.mono();
        let desired = Arc::clone(&self.fleet.desired);
        let Some(server) = self.server.as_mut().filter(|_| run == self.runs && !self.blind) else {
            return;
        };
        let Some(device) = server.table.get(slot).map(|slot| slot.device) else { return };
        server.table.gone(slot, desired.devices.get(&device), mono);
        self.pass();
    }
}
