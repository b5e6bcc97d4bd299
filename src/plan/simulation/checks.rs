//! What must hold, whatever happens.
//!
//! Over a crash the promise about connections rests on three things: the slot and its local
//! address are on disk before the SYN; the camera gives up a dead session within the quarantine
//! of the kernel's end; and no packet of the dead run is sent later than its kernel socket ends.
//! The rest between two connections is not kept over a crash: when the last connection of a dead
//! run ended is not on disk.

mod audit;
mod processes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::network::Owner;
use super::{SECOND, Sim};
use crate::model::desired::Device;
use crate::model::event::{EventKind, NewEvent};
use crate::model::frame::SweepId;
use crate::model::names::{CameraName, SubnetName};
use crate::model::plan::{Action, Plan};
use crate::model::slot::Purpose;
use crate::model::time::{Mono, millis};
use processes::Steps;

/// Between looks at everything.
const AUDIT: u64 = 15 * SECOND;

/// What the checks remember.
#[derive(Debug, Default)]
pub(super) struct Checks {
    calm_all: u64,
    calm_devices: BTreeMap<Device, u64>,
    calm_subnets: BTreeMap<SubnetName, u64>,
    declared: BTreeMap<CameraName, u64>,
    captured: BTreeMap<CameraName, u64>,
    /// Subnets whose next start need not be a multiple of the interval.
    excused: BTreeSet<SubnetName>,
    /// When the last socket of ours to a device ended, and of which run it was.
    ended: BTreeMap<Device, (u32, u64)>,
    /// First start and interval that a subnet's multiples are counted from.
    multiples: BTreeMap<SubnetName, (u64, u64)>,
    /// The last starts of each camera's captures, newest last.
    starts: BTreeMap<CameraName, VecDeque<u64>>,
    /// When somebody last asked for a sweep.
    extra: BTreeMap<SubnetName, u64>,
    last_sweep: SweepId,
    lost: BTreeSet<CameraName>,
    steps: Steps,
    /// Kinds of actions, and reasons for holding one, that came up.
    pub(super) seen: BTreeSet<&'static str>,
}

impl Checks {
    /// From then on nothing stands between the server and its cameras.
    pub(super) fn all_calm_from(&mut self, at: u64) {
        self.calm_all = self.calm_all.max(at);
    }

    /// A new run remembers nothing of the one before.
    pub(super) fn restarted(&mut self) {
        self.lost.clear();
        self.multiples.clear();
        self.starts.clear();
        self.steps = Steps::default();
    }

    /// Somebody asked for a sweep.
    pub(super) fn extra(&mut self, subnet: &SubnetName, at: u64) {
        self.extra.insert(subnet.clone(), at);
    }

    pub(super) fn calm_from(&mut self, device: Device, at: u64) {
        let calm = self.calm_devices.entry(device).or_default();
        *calm = at.max(*calm);
    }

    pub(super) fn subnet_calm_from(&mut self, subnet: &SubnetName, at: u64) {
        let calm = self.calm_subnets.entry(subnet.clone()).or_default();
        *calm = at.max(*calm);
    }

    pub(super) fn declared(&mut self, camera: &CameraName, at: u64) {
        self.declared.insert(camera.clone(), at);
    }

    pub(super) fn captured(&mut self, camera: &CameraName, at: u64) {
        self.captured.insert(camera.clone(), at);
    }

    pub(super) fn excuse(&mut self, subnet: &SubnetName) {
        self.excused.insert(subnet.clone());
    }

    pub(super) fn ended(&mut self, device: Device, run: u32, at: u64) {
        self.ended.insert(device, (run, at));
    }
}

impl Sim {
    /// Cameras' own counts, after every event.
    pub(super) fn check_connections(&mut self) {
        let mut ours: BTreeMap<Device, u16> = BTreeMap::new();
        for (_, socket) in self.net.iter() {
            if socket.counted && socket.owner != Owner::Foreign {
                *ours.entry(socket.device).or_default() += 1;
            }
        }
        for (device, count) in ours {
            let limit = self.fleet.takes(device);
            if count > limit {
                self.fail(format!("{device} counts {count} connections of ours, limit {limit}"));
            }
        }
    }

    /// Just before a SYN: is there room, as far as could be known when the slot was taken?
    pub(super) fn check_connect(&mut self, device: Device, asked: Mono) {
        let (ours, _) = self.net.counted(device);
        let seen = self.server.as_ref().and_then(|server| server.table.view().observed);
        let known = seen.unwrap_or_default().min(asked);
        let foreign = self.net.foreign_since(device, known);
        let limits = self.fleet.limits(device).clone();
        if ours + foreign >= self.fleet.takes(device) {
            self.fail(format!("a SYN to {device} with {ours} of ours and {foreign} others"));
        }
        if let Some((run, at)) = self.checks.ended.get(&device)
            && *run == self.runs
            && at - self.boot < asked.0
            && self.t < at + millis(limits.min_reconnect_interval)
        {
            self.fail(format!("{device} had no rest: {} ms", self.t - at));
        }
    }

    /// A plan before it is carried out.
    pub(super) fn check_plan(&mut self, plan: &Plan) {
        let now = self.mono();
        self.checks.seen.extend(plan.actions.iter().map(|planned| planned.action.kind()));
        self.checks.seen.extend(plan.held.iter().map(|held| held.reason));
        if plan.next_look.is_some_and(|at| at <= now) {
            self.fail("the next look is not in the future");
        }
        let earliest = plan.held.iter().filter_map(|held| held.until).min();
        if earliest.is_some_and(|until| plan.next_look.is_none_or(|look| look > until)) {
            self.fail("something held becomes due before the next look");
        }
        let desired = Arc::clone(&self.fleet.desired);
        let processes = self.kernel.iter().count();
        let held_max = desired.cameras.len() + 2 * desired.subnets.len() + processes + 20;
        if plan.held.len() > held_max || plan.actions.len() > 200 {
            self.fail("a plan without bound");
        }
        for held in &plan.held {
            if matches!(held.reason, "Suspended" | "QuietHours")
                && let Some(name) = held.object.strip_prefix("subnet/")
            {
                let name = SubnetName::parse(name).unwrap();
                self.checks.subnet_calm_from(&name, self.t);
                self.checks.excuse(&name);
            }
        }
        let empty: Vec<SubnetName> = desired
            .subnets
            .keys()
            .filter(|name| desired.cameras.values().all(|c| c.subnet != **name || !c.enabled))
            .cloned()
            .collect();
        for name in &empty {
            self.checks.excuse(name);
        }
        self.check_bound(plan);
        for planned in &plan.actions {
            self.check_action(&planned.action);
            self.check_step(&planned.action);
        }
    }

    fn check_action(&mut self, action: &Action) {
        let Some(server) = &self.server else { return };
        match action {
            Action::StartSweep { subnet, .. } => {
                let spec = &self.fleet.desired.subnets[subnet].sweep;
                let interval = millis(spec.interval);
                let excused = self.checks.excused.remove(subnet);
                if server.history.subnets.get(subnet).is_some_and(|history| history.requested) {
                    self.checks.extra.insert(subnet.clone(), self.t);
                }
                let known = self.checks.multiples.entry(subnet.clone()).or_default();
                if known.1 != interval {
                    *known = (self.t, interval);
                    // The pace before it was another one.
                    self.checks.extra.insert(subnet.clone(), self.t);
                }
                let is_off = !(self.t - known.0).is_multiple_of(interval);
                if spec.suspend {
                    self.fail(format!("{subnet} is swept while suspended"));
                } else if is_off && !excused {
                    self.fail(format!("a sweep of {subnet} starts off its multiples"));
                }
            }
            Action::Capture { camera, subnet, beside, .. } => {
                let declared = self.fleet.desired.cameras.get(camera).filter(|c| c.enabled);
                let mut sessions = server.sessions.values();
                if declared.is_none_or(|declared| declared.subnet != *subnet) {
                    self.fail(format!("{camera} is captured but not declared in {subnet}"));
                } else if sessions.any(|s| s.camera == *camera && s.purpose == Purpose::Sweep) {
                    self.fail(format!("{camera} is captured twice at once"));
                } else {
                    self.check_turn(subnet, *beside);
                    self.check_pace(camera, subnet);
                }
            }
            Action::SkipCamera { .. }
            | Action::Destruct { .. }
            | Action::FinishSweep { .. }
            | Action::CancelCapture { .. }
            | Action::SignalProcess { .. }
            | Action::ReapProcess { .. }
            | Action::EndLease { .. }
            | Action::Delete { .. } => {}
            Action::Forget { camera } => {
                self.checks.lost.remove(camera);
            }
            // With the sweep, the subnet is forgotten: it may come back and count anew.
            Action::AbortSweep { subnet, .. } => {
                self.checks.multiples.remove(subnet);
            }
            Action::CutSlot { slot, .. } => {
                if self.blind || server.table.get(*slot).is_none() {
                    self.fail(format!("slot {slot} is cut on thin evidence"));
                }
            }
        }
    }

    /// One more capture of this subnet: is it within the bounds?
    fn check_turn(&mut self, subnet: &SubnetName, beside: bool) {
        let Some(server) = &self.server else { return };
        let going = if beside {
            let cameras = &self.fleet.desired.cameras;
            let captures = server.history.cameras.iter().filter(|(name, history)| {
                let here = cameras.get(*name).is_some_and(|camera| camera.subnet == *subnet);
                here && history.in_flight.is_some_and(|capture| capture.beside)
            });
            captures.count()
        } else {
            server.history.subnets[subnet].run.as_ref().map_or(0, |run| run.running.len())
        };
        let most = if beside {
            4
        } else {
            usize::from(self.fleet.desired.subnets[subnet].sweep.concurrency)
        };
        if going >= most {
            self.fail(format!("{going} captures of {subnet} already, beside: {beside}"));
        }
    }

    /// Three captures of a camera within half an interval are one too many: one in the line, and
    /// one beside it that brought the camera back.
    fn check_pace(&mut self, camera: &CameraName, subnet: &SubnetName) {
        // Cameras beside the line go by the interval that the last sweep was started with.
        let last = self.server.as_ref().and_then(|server| server.history.subnets.get(subnet));
        let interval = last.map_or(u64::MAX, |history| history.interval_ms);
        let interval = interval.min(millis(self.fleet.desired.subnets[subnet].sweep.interval));
        let starts = self.checks.starts.entry(camera.clone()).or_default();
        starts.push_back(self.t);
        if starts.len() > 3 {
            starts.pop_front();
        }
        let first = if starts.len() == 3 { starts[0] } else { return };
        let changed = [
            self.checks.extra.get(subnet),
            self.checks.calm_subnets.get(subnet),
            self.checks.declared.get(camera),
        ];
        let changed = changed.into_iter().flatten().max().copied().unwrap_or(0);
        if self.t < first + interval / 2 && changed < first {
            self.fail(format!("{camera} is captured too often"));
        }
    }

    /// A camera is lost once and comes back once.
    pub(super) fn check_events(&mut self, events: &[NewEvent]) {
        for event in events {
            self.checks.seen.insert(event.kind.as_str());
            let Some(camera) = &event.camera else { continue };
            let is_new = if event.kind == EventKind::CameraLost {
                self.checks.lost.insert(camera.clone())
            } else {
                self.checks.lost.remove(camera)
            };
            if !is_new {
                self.fail(format!("{:?} of {camera} twice", event.kind));
            }
        }
    }

    /// After a pass that found nothing more to do.
    pub(super) fn check_settled(&mut self) {
        let Some(server) = &self.server else { return };
        let cameras = &self.fleet.desired.cameras;
        let unwanted = server.sessions.values().find(|session| {
            let wanted = cameras.get(&session.camera).is_some_and(|camera| camera.enabled);
            !wanted && session.purpose == Purpose::Sweep && !session.is_ending()
        });
        if let Some(camera) = unwanted.map(|session| session.camera.clone()) {
            self.fail(format!("{camera} is not wanted and is captured"));
        }
    }
}
