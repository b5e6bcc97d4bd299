//! The server as the simulation needs it: passes, sessions and the slots on disk.
//!
//! It stands for `reconcile`: it observes, plans, executes and folds, and decides nothing. Two
//! rules of it carry the promise about connections over a crash: a slot and its local address are
//! on disk before the SYN, and the sockets of devices with slots are looked at also when the
//! manifests no longer name them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::children::Children;
use super::network::{FORGETS_MAX, Owner};
use super::sessions::Session;
use super::{Event, SECOND, Sim};
use crate::model::desired::Device;
use crate::model::frame::SweepState;
use crate::model::history::History;
use crate::model::observed::{Facilities, HostView, Observed, Seen, StoreView};
use crate::model::outcome::Outcome;
use crate::model::plan::{Action, Plan};
use crate::model::slot::Purpose;
use crate::model::time::{Mono, millis};
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
    pub(super) children: Children,
    /// When the loop's timer is set to.
    wake_at: u64,
}

impl Server {
    /// The slots without a look at the sockets, for what does not depend on them.
    pub(super) fn blind_view(&self) -> Observed {
        let since = Mono(0);
        Observed {
            connections: Seen::Unreadable { since, why: String::new() },
            processes: Seen::Unreadable { since, why: String::new() },
            facilities: Facilities::default(),
            slots: Arc::new(self.table.view()),
            store: Seen::Unreadable { since, why: String::new() },
            host: Seen::Unreadable { since, why: String::new() },
            leases: Arc::default(),
            gateways: Arc::default(),
        }
    }
}

impl Server {
    /// The processes as last seen, and nothing else.
    pub(super) fn observed_processes(&self) -> Observed {
        Observed { processes: self.children.seen.clone(), ..self.blind_view() }
    }
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
        let mut history = History::default();
        history.processes.instance = self.instance();
        history.processes.pid = self.server_pid();
        self.kernel.server = Some(self.server_pid());
        let (sessions, children) = (BTreeMap::new(), Children::new(mono));
        self.server = Some(Server { history, table, sessions, children, wake_at: 0 });
        self.checks.all_calm_from(self.t.max(self.boot + BOOT_REST));
        self.checks.restarted();
        self.note(|| "server starts".to_owned());
        self.pass();
    }

    /// The server dies without a word; what it held goes when the kernel gets to it.
    pub(super) fn crash(&mut self) {
        self.dies_after = None;
        let boots = std::mem::take(&mut self.boots_then);
        let Some(server) = self.server.take() else { return };
        self.note(|| "server is killed".to_owned());
        self.journal = server.table.slots().map(|slot| (slot.device, slot.local)).collect();
        if boots {
            return self.reboot();
        }
        self.children_orphaned();
        self.net.forget_loose();
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
            if let Some(server) = &mut self.server {
                server.children.wanted = plan.look_processes;
            }
            if plan.actions.is_empty() {
                self.check_settled();
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
        self.see_processes();
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
            processes: server.children.seen.clone(),
            facilities: Facilities::default(),
            slots: Arc::new(server.table.view()),
            store: Seen::Fresh { at: now.mono, value: StoreView::default() },
            host: Seen::Fresh { at: now.mono, value: HostView::default() },
            leases: Arc::default(),
            gateways: Arc::default(),
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
            Action::Capture { camera, subnet, sweep, beside, children } => {
                let started = Outcome::CaptureStarted {
                    camera: camera.clone(),
                    subnet: subnet.clone(),
                    sweep,
                    beside,
                    children,
                };
                if self.open(&camera, subnet, Purpose::Sweep, children) {
                    self.fold(started);
                    if self.rng.percent(1) {
                        let soon = self.rng.between(0, 2 * SECOND);
                        self.after(soon, Event::Strike);
                    }
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
                self.fold(Outcome::CaptureCancelled { camera: camera.clone() });
                let is_it = |s: &Session| s.camera == camera && s.purpose == Purpose::Sweep;
                self.cut(is_it);
            }
            Action::CutSlot { slot, .. } => self.cut(|session| session.slot == slot),
            Action::Forget { camera } => self.fold(Outcome::Forgotten { camera }),
            action @ (Action::SignalProcess { .. } | Action::ReapProcess { .. }) => {
                self.execute_on_process(action);
            }
            Action::EndLease { .. } => self.fail("nobody watches"),
            Action::Delete { .. } => self.fail("the store is empty"),
        }
    }
}
