//! The server as the simulation needs it: passes, sessions and the slots on disk.
//!
//! It stands for `reconcile`: it observes, plans, executes and folds, and decides nothing. Two
//! rules of it carry the promise about connections over a crash: a slot and its local address are
//! on disk before the SYN, and the sockets of devices with slots are looked at also when the
//! manifests no longer name them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::network::{FORGETS_MAX, Fault, Owner};
use super::{Event, SECOND, Sim, fleet};
use crate::model::desired::{Backend, Device};
use crate::model::failure::{Failure, FailureKind, Stage};
use crate::model::frame::{Frame, SweepState};
use crate::model::history::History;
use crate::model::names::{CameraName, SubnetName};
use crate::model::observed::{HostView, Observed, Seen, StoreView};
use crate::model::outcome::{CaptureEnded, CaptureResult, Outcome};
use crate::model::plan::{Action, Plan};
use crate::model::slot::{ConnectionEnd, Holder, Purpose, SlotId};
use crate::model::time::{Mono, Now, millis};
use crate::plan::fold::fold;
use crate::plan::slots::SlotTable;

/// Passes without a pause until the plan must be empty.
const PASSES_MAX: usize = 12;
/// How long every device rests after a boot.
const BOOT_REST: u64 = 60 * SECOND;
/// Longest sleep of the loop.
const TICK: u64 = 10 * SECOND;

/// One run of the server.
pub(super) struct Server {
    pub(super) history: History,
    pub(super) table: SlotTable,
    pub(super) sessions: BTreeMap<u64, Session>,
    /// When the loop's timer is set to.
    wake_at: u64,
}

impl Server {
    /// The slots without a look at the sockets, for what does not depend on them.
    pub(super) fn blind_view(&self) -> Observed {
        let since = Mono(0);
        Observed {
            connections: Seen::Unreadable { since, why: String::new() },
            slots: Arc::new(self.table.view()),
            store: Seen::Unreadable { since, why: String::new() },
            host: Seen::Unreadable { since, why: String::new() },
        }
    }
}

/// Somebody who holds a slot.
pub(super) struct Session {
    pub(super) camera: CameraName,
    pub(super) device: Device,
    pub(super) purpose: Purpose,
    subnet: SubnetName,
    slot: SlotId,
    pub(super) started: Now,
    socket: Option<u64>,
    ending: Ending,
}

/// How a session will end when nobody ends it before.
#[derive(Clone)]
struct Ending {
    failure: Option<(FailureKind, Stage)>,
    end: ConnectionEnd,
}

impl Sim {
    pub(super) fn start(&mut self) {
        if self.server.is_some() {
            return;
        }
        self.runs += 1;
        let mono = self.mono();
        // Cameras may still believe in sessions from before the boot.
        let rest = Mono(BOOT_REST);
        let mut table = SlotTable::new((mono < rest).then_some(rest));
        for (device, local) in std::mem::take(&mut self.journal) {
            table.inherit(device, local, mono);
        }
        let history = History::default();
        self.server = Some(Server { history, table, sessions: BTreeMap::new(), wake_at: 0 });
        self.checks.all_calm_from(self.t.max(self.boot + BOOT_REST));
        self.checks.restarted();
        self.note(|| "server starts".to_owned());
        self.pass();
    }

    /// The server dies without a word; what it held goes when the kernel gets to it.
    pub(super) fn crash(&mut self) {
        self.dies_after = None;
        let Some(server) = self.server.take() else { return };
        self.note(|| "server is killed".to_owned());
        self.journal = server.table.slots().map(|slot| (slot.device, slot.local)).collect();
        let run = Owner::Run(self.runs);
        let left: Vec<u64> =
            self.net.iter().filter(|(_, s)| s.owner == run && s.open).map(|(id, _)| id).collect();
        for id in left {
            let late = if self.rng.percent(30) { 20 * SECOND } else { 50 };
            let kernel = self.rng.between(0, late);
            let camera = self.rng.between(0, kernel + FORGETS_MAX);
            if let Some(socket) = self.net.get_mut(id) {
                socket.open = false;
                socket.slot = None;
            }
            self.after(kernel, Event::KernelForgets(id));
            self.after(camera, Event::CameraForgets(id));
        }
        let down = self.rng.between(200, 10 * SECOND);
        self.after(down, Event::Starts);
    }

    pub(super) fn wake(&mut self) {
        if self.server.as_ref().is_some_and(|server| server.wake_at == self.t) {
            self.pass();
        }
    }

    /// Observes, plans and executes until there is nothing more to do now.
    pub(super) fn pass(&mut self) {
        for _ in 0..PASSES_MAX {
            let Some(plan) = self.plan() else { return };
            self.check_plan(&plan);
            if plan.actions.is_empty() {
                self.sleep(&plan);
                return;
            }
            for planned in plan.actions {
                if self.dies_after == Some(0) {
                    return self.crash();
                }
                self.dies_after = self.dies_after.map(|left| left - 1);
                self.note(|| format!("{:?} -- {}", planned.action, planned.reason));
                self.execute(planned.action);
            }
            if self.failure.is_some() {
                return;
            }
        }
        self.fail("the plan does not settle");
    }

    fn sleep(&mut self, plan: &Plan) {
        let look = plan.next_look.map_or(TICK, |at| at.0.saturating_sub(self.mono().0));
        let delay = look.clamp(1, TICK);
        let Some(server) = &mut self.server else { return };
        if server.wake_at != self.t + delay {
            server.wake_at = self.t + delay;
            self.after(delay, Event::Wake);
        }
    }

    fn plan(&mut self) -> Option<Plan> {
        let now = self.now();
        let desired = Arc::clone(&self.fleet.desired);
        let server = self.server.as_mut()?;
        server.table.expire(now.mono);
        let connections = if self.blind {
            Seen::Unreadable { since: now.mono, why: "no".to_owned() }
        } else {
            let slots = &server.table;
            let watched = |device: &Device| {
                desired.devices.contains_key(device) || slots.slots().any(|s| s.device == *device)
            };
            let seen = self.net.table(self.runs, slots.slots(), watched);
            server.table.observe(now.mono, &seen, &desired.devices);
            Seen::Fresh { at: now.mono, value: Arc::new(seen) }
        };
        let observed = Observed {
            connections,
            slots: Arc::new(server.table.view()),
            store: Seen::Fresh { at: now.mono, value: StoreView::default() },
            host: Seen::Fresh { at: now.mono, value: HostView::default() },
        };
        Some(crate::plan::plan(&desired, &observed, &server.history, now))
    }

    pub(super) fn fold(&mut self, outcome: Outcome) {
        let now = self.now();
        let Some(server) = &mut self.server else { return };
        let folded = fold(&mut server.history, outcome, now);
        self.check_events(&folded.events);
    }

    fn execute(&mut self, action: Action) {
        match action {
            Action::StartSweep { subnet, cameras, overrun } => {
                self.last_sweep += 1;
                let interval_ms = millis(self.fleet.desired.subnets[&subnet].sweep.interval);
                let sweep = self.last_sweep;
                self.fold(Outcome::SweepStarted { subnet, sweep, cameras, overrun, interval_ms });
            }
            Action::Capture { camera, subnet, sweep, beside } => {
                let started = Outcome::CaptureStarted {
                    camera: camera.clone(),
                    subnet: subnet.clone(),
                    sweep,
                    beside,
                };
                if self.open(&camera, subnet, Purpose::Sweep) {
                    self.fold(started);
                } else {
                    self.fail(format!("a capture of {camera} was planned without a slot"));
                }
            }
            Action::SkipCamera { camera, subnet, reason, message, .. } => {
                self.fold(Outcome::CameraSkipped { camera, subnet, reason, message });
            }
            Action::Destruct { subnet, .. } => self.fold(Outcome::DestructBegan { subnet }),
            Action::FinishSweep { subnet, clean, .. } => {
                self.fold(Outcome::SweepEnded { subnet, state: SweepState::Done, clean });
            }
            Action::AbortSweep { subnet, .. } => {
                self.fold(Outcome::SweepEnded { subnet, state: SweepState::Aborted, clean: None });
            }
            Action::CancelCapture { camera } => {
                let is_it = |s: &Session| s.camera == camera && s.purpose == Purpose::Sweep;
                self.cut(is_it);
            }
            Action::CutSlot { slot, .. } => self.cut(|session| session.slot == slot),
            Action::Forget { camera } => self.fold(Outcome::Forgotten { camera }),
            Action::Delete { .. } => self.fail("the store is empty"),
        }
    }

    /// Takes a slot and begins a session; it sends its SYN a little later.
    pub(super) fn open(
        &mut self,
        camera: &CameraName,
        subnet: SubnetName,
        purpose: Purpose,
    ) -> bool {
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
        let session =
            Session { camera, device, purpose, subnet, slot, started, socket: None, ending };
        self.queued += 1;
        let id = self.queued;
        server.sessions.insert(id, session);
        let delay = self.rng.between(0, 20);
        self.after(delay, Event::Connect(id));
        true
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
        self.check_connect(device, started);
        let (ours, others) = self.net.counted(device);
        let is_full = ours + others >= self.fleet.limits(device).max_connections;
        let (socket, local) = self.net.open(device, Owner::Run(run), mono);
        let (length, counted, failure, end) = self.answer(device, is_full, is_viewer);
        if let Some(socket) = self.net.get_mut(socket) {
            socket.counted = counted;
            socket.slot = Some(slot);
        }
        let Some(server) = &mut self.server else { return };
        server.table.connecting(slot, local);
        if let Some(session) = server.sessions.get_mut(&id) {
            session.socket = Some(socket);
            session.ending = Ending { failure, end };
        }
        self.after(length, Event::SessionEnds(id));
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
        let mono = self.mono();
        let Some(server) = &mut self.server else { return };
        let Some(session) = server.sessions.remove(&id) else { return };
        let end = match session.socket {
            None => ConnectionEnd::NeverConnected,
            Some(_) if is_cut => ConnectionEnd::Unacknowledged,
            Some(_) => session.ending.end,
        };
        server.table.done(session.slot, end, mono);
        if let Some(socket) = session.socket {
            self.close(socket, session.device, end);
        }
        if is_cut || session.purpose == Purpose::Modal {
            self.disturb(session.device);
        }
        if session.purpose == Purpose::Sweep {
            let result = self.result(&session, is_cut);
            self.capture_ended(session, result);
        }
    }

    fn close(&mut self, socket: u64, device: Device, end: ConnectionEnd) {
        if let Some(socket) = self.net.get_mut(socket) {
            socket.open = false;
            socket.counted &= end == ConnectionEnd::Unacknowledged;
        }
        let (kernel, camera) = match end {
            // Reset: the kernel is done at once, the camera hears of it when it does.
            ConnectionEnd::Unacknowledged => (0, self.rng.between(0, FORGETS_MAX)),
            ConnectionEnd::Acknowledged | ConnectionEnd::NeverConnected => {
                let late = match self.rng.between(1, 100) {
                    1 => 30 * SECOND,
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
        if let Some((kind, stage)) = session.ending.failure {
            return CaptureResult::Failed(Failure::at(kind, stage, kind.as_str()));
        }
        let frame = Frame {
            id: i64::try_from(self.t).unwrap(),
            camera: session.camera.clone(),
            captured_at: self.now().wall,
            backend: Backend::Native,
            width: 640,
            height: 360,
            bytes: 1,
            thumbnail_bytes: 1,
            file: String::new(),
            sweep: None,
            detected: false,
        };
        CaptureResult::Ok { frame, codec: "h264" }
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
        self.fold(Outcome::CaptureEnded(Box::new(CaptureEnded {
            camera: session.camera,
            subnet: session.subnet,
            started: session.started,
            duration_ms: millis(self.mono().since(session.started.mono)),
            backend: Some(Backend::Native),
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
