//! What goes wrong, what other programs do, and what people change. Chosen by the seed.

use std::sync::Arc;
use std::time::Duration;

use super::kernel::Nature;
use super::network::{FAULTS, Fault, Owner};
use super::{Event, MINUTE, SECOND, Sim, fleet};
use crate::model::desired::{Device, SweepSpec};
use crate::model::names::{CameraName, SubnetName};
use crate::model::outcome::Outcome;
use crate::model::process::{EndSignal, ProcessId, ProcessState};
use crate::model::slot::Purpose;
use crate::model::time::millis;
use crate::plan::testkit::camera_name;

/// Devices that may be broken at once: more broken ones make sweeps long for the others.
const FAULTS_MAX: usize = 3;
/// Cameras reach their belief's end before the rest after a boot does.
const BELIEF_AFTER_BOOT: u64 = 55 * SECOND;

impl Sim {
    pub(super) fn trouble(&mut self) {
        self.strike();
        let next = self.rng.between(10 * SECOND, 5 * MINUTE);
        self.after(next, Event::Trouble);
    }

    pub(super) fn strike(&mut self) {
        if self.quiet {
            return;
        }
        match self.rng.between(1, 100) {
            1..=32 => self.fault_begins(),
            33..=36 => self.outage(),
            37..=49 => self.foreign_begins(),
            50..=64 => self.viewer_comes(),
            65..=82 => self.manifests_change(),
            83..=86 => self.clock_steps(),
            87..=89 => self.sight_fails(),
            90..=91 => self.processes_vanish(),
            92..=93 => self.request(),
            94 => self.operator_meddles(),
            _ => {
                self.dies_after = Some(self.rng.between(0, 30));
                self.boots_then = self.rng.percent(30);
            }
        }
    }

    /// Something about the device is not as usual: what it owes its cameras counts from now.
    pub(super) fn disturb(&mut self, device: Device) {
        self.checks.calm_from(device, self.t);
    }

    fn any_device(&mut self) -> Device {
        *self.rng.pick(&self.fleet.devices())
    }

    fn any_camera(&mut self) -> Option<CameraName> {
        let names: Vec<CameraName> = self.fleet.desired.cameras.keys().cloned().collect();
        (!names.is_empty()).then(|| self.rng.pick(&names).clone())
    }

    fn any_subnet(&mut self) -> SubnetName {
        let names: Vec<SubnetName> = self.fleet.desired.subnets.keys().cloned().collect();
        self.rng.pick(&names).clone()
    }

    fn fault_begins(&mut self) {
        let device = self.any_device();
        if self.net.faults.len() >= FAULTS_MAX || self.net.faults.contains_key(&device) {
            return;
        }
        let fault = *self.rng.pick(&FAULTS);
        let most = if self.rng.percent(10) { 40 * MINUTE } else { 9 * MINUTE };
        let length = self.rng.between(5 * SECOND, most);
        self.note(|| format!("{device} {fault:?} for {} s", length / SECOND));
        self.net.faults.insert(device, fault);
        self.disturb(device);
        self.after(length, Event::FaultEnds(device));
    }

    /// The network is down: no camera answers.
    fn outage(&mut self) {
        let length = self.rng.between(MINUTE, 9 * MINUTE);
        self.note(|| format!("no network for {} s", length / SECOND));
        for device in self.fleet.devices() {
            self.disturb(device);
            if self.net.faults.insert(device, Fault::Silent).is_none() {
                self.after(length, Event::FaultEnds(device));
            }
        }
    }

    pub(super) fn fault_ends(&mut self, device: Device) {
        self.net.faults.remove(&device);
        self.note(|| format!("{device} behaves"));
        // A camera that failed for long is asked less often than each interval.
        let mut wait = 0;
        if let Some(server) = &self.server {
            for (name, history) in &server.history.cameras {
                let camera = self.fleet.desired.cameras.get(name);
                let failing = history.failing_since.map_or(0, |at| self.mono().0 - at.0);
                let is_here = camera.is_some_and(|camera| camera.device() == device);
                if is_here && failing > 9 * MINUTE {
                    wait = wait.max(history.retry_ms.unwrap_or(0));
                }
            }
        }
        self.checks.calm_from(device, self.t + wait);
    }

    fn foreign_begins(&mut self) {
        let device = self.any_device();
        let (ours, others) = self.net.counted(device);
        if ours + others >= self.fleet.takes(device) {
            return;
        }
        let mono = self.mono();
        let (id, _) = self.net.open(device, Owner::Foreign, mono);
        if let Some(socket) = self.net.get_mut(id) {
            socket.counted = true;
        }
        let process = self.kernel.spawn(1, None, Nature::Obeys, mono);
        self.foreign.insert(id, process);
        self.note(|| format!("vlc connects to {device}"));
        self.disturb(device);
        let length = self.rng.between(SECOND, 10 * MINUTE);
        self.after(length, Event::ForeignEnds(id));
    }

    /// Somebody stops or kills one of the children.
    fn operator_meddles(&mut self) {
        let children: Vec<ProcessId> = self.kernel.marked().map(|(proc, _)| proc.id).collect();
        if children.is_empty() {
            return;
        }
        let id = *self.rng.pick(&children);
        if self.rng.percent(50) {
            self.child_falters(id);
        } else if self.kernel.signal(id, EndSignal::Kill) {
            self.note(|| format!("somebody kills {id}"));
            self.process_ended(id);
        }
    }

    pub(super) fn foreign_ends(&mut self, id: u64) {
        if let Some(process) = self.foreign.remove(&id)
            && !self.kernel.leave(process)
        {
            self.fail(format!("{process} of another program was ended"));
        }
        let Some(socket) = self.net.get_mut(id) else { return };
        socket.in_kernel = false;
        socket.counted = false;
        let device = socket.device;
        self.net.collect();
        self.disturb(device);
    }

    fn viewer_comes(&mut self) {
        let Some(name) = self.any_camera() else { return };
        let camera = Arc::clone(&self.fleet.desired.cameras[&name]);
        for _ in 0..self.rng.between(1, 3) {
            if camera.enabled && self.open(&name, camera.subnet.clone(), Purpose::Modal, false) {
                self.note(|| format!("a viewer of {name}"));
                self.disturb(camera.device());
            }
        }
        // Seldom seen otherwise: the limit is lowered while somebody watches.
        if self.rng.percent(20) {
            let soon = self.rng.between(SECOND, 20 * SECOND);
            self.after(soon, Event::Strike);
        }
    }

    fn manifests_change(&mut self) {
        match self.rng.between(1, 8) {
            1 => {
                let n = u8::try_from(self.rng.between(1, u64::from(fleet::CAMERAS))).unwrap();
                let name = camera_name(&format!("cam-{n:02}"));
                if self.fleet.desired.cameras.contains_key(&name) {
                    self.fleet.remove(n);
                } else {
                    self.fleet.add(n);
                }
                self.touch(&name);
            }
            2 | 3 => {
                let n = u8::try_from(self.rng.between(1, u64::from(fleet::CAMERAS))).unwrap();
                self.turn(n);
                if self.rng.percent(50) {
                    let back = self.rng.between(SECOND, 8 * SECOND);
                    self.after(back, Event::Turn(n));
                }
            }
            4 => {
                let Some(name) = self.any_camera() else { return };
                self.fleet.move_over(&name);
                self.touch(&name);
            }
            5 => {
                let interval = Duration::from_secs(60 * self.rng.between(1, 10));
                let at_once = u16::try_from(self.rng.between(1, 4)).unwrap();
                self.reschedule(|sweep| {
                    sweep.interval = interval;
                    sweep.concurrency = at_once;
                });
            }
            6 => self.subnet_changes(),
            7 => {
                let viewed = self.server.as_ref().and_then(|server| {
                    let mut sessions = server.sessions.values();
                    Some(sessions.find(|session| session.purpose == Purpose::Modal)?.device)
                });
                let any = self.any_device();
                let device = viewed.unwrap_or(any);
                let most = u64::from(self.fleet.takes(device));
                let limit = u16::try_from(self.rng.between(1, most)).unwrap();
                self.note(|| format!("manifests: {device} has limit {limit}"));
                self.fleet.limit(device, limit);
                self.disturb(device);
            }
            _ => self.reschedule(|sweep| sweep.suspend = !sweep.suspend),
        }
        self.pass();
    }

    /// Somebody turns a camera on or off.
    pub(super) fn turn(&mut self, n: u8) {
        let name = camera_name(&format!("cam-{n:02}"));
        if self.fleet.desired.cameras.contains_key(&name) {
            self.fleet.turn(&name);
            self.touch(&name);
            self.pass();
        }
    }

    /// One of the subnets goes, and its cameras to the other; or it comes back.
    fn subnet_changes(&mut self) {
        self.note(|| "manifests: farm comes or goes".to_owned());
        self.fleet.farm_comes_or_goes();
        let names: Vec<CameraName> = self.fleet.desired.cameras.keys().cloned().collect();
        for name in names {
            self.touch(&name);
        }
    }

    fn touch(&mut self, name: &CameraName) {
        self.note(|| format!("manifests: {name} changes"));
        self.checks.declared(name, self.t);
    }

    fn reschedule(&mut self, change: impl FnOnce(&mut SweepSpec)) {
        let name = self.any_subnet();
        self.fleet.change(|desired| {
            change(&mut Arc::make_mut(desired.subnets.get_mut(&name).unwrap()).sweep);
        });
        let sweep = self.fleet.desired.subnets[&name].sweep.clone();
        self.note(|| format!("manifests: {name} {sweep:?}"));
        // The wait of cameras beside the line follows with their next try.
        let wait = if sweep.suspend { 0 } else { self.longest_wait() };
        self.checks.subnet_calm_from(&name, self.t + wait);
        self.checks.excuse(&name);
    }

    fn longest_wait(&self) -> u64 {
        let Some(server) = &self.server else { return 0 };
        server.history.cameras.values().filter_map(|camera| camera.retry_ms).max().unwrap_or(0)
    }

    fn clock_steps(&mut self) {
        let day = 24 * 3600 * 1000;
        let step = i64::try_from(self.rng.between(0, 2 * day)).unwrap();
        self.wall_shift += step - i64::try_from(day).unwrap();
        self.note(|| "the wall clock is set".to_owned());
        self.pass();
    }

    fn sight_fails(&mut self) {
        self.blind = true;
        self.note(|| "the socket table cannot be read".to_owned());
        let length = self.rng.between(SECOND, 5 * MINUTE);
        self.after(length, Event::SightReturns);
    }

    pub(super) fn sight_returns(&mut self) {
        self.blind = false;
        self.note(|| "the socket table can be read".to_owned());
        self.checks.all_calm_from(self.t);
        self.pass();
    }

    fn request(&mut self) {
        let subnet = self.any_subnet();
        self.note(|| format!("somebody asks for a sweep of {subnet}"));
        self.checks.excuse(&subnet);
        self.checks.extra(&subnet, self.t);
        self.fold(Outcome::SweepRequested { subnet });
        self.pass();
    }

    /// The host boots anew: nobody says good-bye to the cameras.
    pub(super) fn reboot(&mut self) {
        self.note(|| "the host reboots".to_owned());
        self.journal.clear();
        self.boot = self.t;
        self.kernel.boot();
        self.foreign.clear();
        let here: Vec<(u64, Owner)> = self.net.iter().map(|(id, s)| (id, s.owner)).collect();
        for (id, owner) in here {
            let Some(socket) = self.net.get_mut(id) else { continue };
            socket.open = false;
            socket.in_kernel = false;
            socket.counted &= owner != Owner::Foreign;
            let least = if self.rng.percent(50) { BELIEF_AFTER_BOOT } else { 0 };
            let belief = self.rng.between(least, BELIEF_AFTER_BOOT);
            self.after(belief, Event::CameraForgets(id));
        }
        self.net.collect();
        self.queue.retain(|_, event| !matches!(event, Event::Starts));
        let down = self.rng.between(5 * SECOND, 70 * SECOND);
        self.after(down, Event::Starts);
    }

    /// Nothing goes wrong from now on, and nobody is there but the server.
    pub(super) fn make_peace(&mut self) {
        self.note(|| "peace".to_owned());
        self.quiet = true;
        self.dies_after = None;
        let broken: Vec<Device> = self.net.faults.keys().copied().collect();
        for device in broken {
            self.fault_ends(device);
        }
        let foreign: Vec<u64> =
            self.net.iter().filter(|(_, s)| s.owner == Owner::Foreign).map(|(id, _)| id).collect();
        for id in foreign {
            self.foreign_ends(id);
        }
        self.cut(|session| session.purpose == Purpose::Modal);
        if self.blind {
            self.sight_returns();
        }
        if self.blind_to_processes {
            self.processes_return();
        }
        let asleep: Vec<ProcessId> = self
            .kernel
            .iter()
            .filter(|proc| proc.state == ProcessState::Uninterruptible)
            .map(|proc| proc.id)
            .collect();
        for id in asleep {
            self.child_wakes(id);
        }
        let names: Vec<SubnetName> = self.fleet.desired.subnets.keys().cloned().collect();
        for name in names {
            self.fleet.change(|desired| {
                let sweep = &mut Arc::make_mut(desired.subnets.get_mut(&name).unwrap()).sweep;
                sweep.suspend = false;
                sweep.interval = Duration::from_mins(2);
            });
            let wait = self.longest_wait();
            self.checks.subnet_calm_from(&name, self.t + wait);
            self.checks.excuse(&name);
        }
        self.pass();
    }

    /// Every subnet is suspended: what is going on ends, nothing begins.
    pub(super) fn suspend(&mut self) {
        let names: Vec<SubnetName> = self.fleet.desired.subnets.keys().cloned().collect();
        for name in names {
            self.fleet.change(|desired| {
                Arc::make_mut(desired.subnets.get_mut(&name).unwrap()).sweep.suspend = true;
            });
        }
        self.pass();
    }

    /// How long a living camera of this subnet may go without a picture.
    pub(super) fn patience(&self, subnet: &SubnetName) -> u64 {
        let interval = millis(self.fleet.desired.subnets[subnet].sweep.interval);
        2 * interval + 90 * SECOND
    }
}
