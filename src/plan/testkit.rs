//! For tests of the planner: a small world that carries plans out at once, and plans as text.
//!
//! Nothing here takes time by itself; the simulation is where things take time and go wrong.

mod declare;
mod execute;
mod processes;
mod text;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub(super) use declare::{
    camera, camera_name, device, devices, lease, limits, nothing, subnet, subnet_name,
};

pub(super) use processes::{Processes, RUN, RUN_BEFORE, SERVER_PID};
pub(super) use text::text;

use super::fold::{Folded, fold};
use super::slots::{SlotTable, admit};
use crate::model::desired::{Backend, Camera, Desired, Device, DeviceLimits, SweepSpec};
use crate::model::event::NewEvent;
use crate::model::failure::{Failure, FailureKind, Stage};
use crate::model::frame::{Frame, SweepId, SweepRecord};
use crate::model::history::History;
use crate::model::lease::Lease;
use crate::model::names::{CameraName, SubnetName};
use crate::model::observed::{
    Connection, ConnectionOwner, Facilities, HostView, Observed, Seen, StoreView, TcpState,
};
use crate::model::outcome::{CaptureEnded, CaptureResult, Outcome};
use crate::model::plan::{Action, Plan};
use crate::model::slot::{ConnectionEnd, Holder, Purpose, SlotId};
use crate::model::time::{Mono, Now, millis};

/// When every case begins; times in the text of a plan count from here.
pub(super) const START: Mono = Mono(1_000_000);

/// What is declared, what is there, and what is remembered.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) desired: Desired,
    pub(super) history: History,
    pub(super) slots: SlotTable,
    pub(super) connections: Vec<Connection>,
    /// While set, the connections cannot be read.
    pub(super) blind: bool,
    pub(super) processes: Processes,
    pub(super) store: Seen<StoreView>,
    pub(super) leases: Vec<Lease>,
    pub(super) now: Now,
    pub(super) events: Vec<NewEvent>,
    pub(super) ended: Vec<SweepRecord>,
    pub(super) going: BTreeMap<CameraName, SlotId>,
    special: BTreeMap<Device, DeviceLimits>,
    last_sweep: SweepId,
    last_port: u16,
}

/// Prepares a case and gives the text of what is planned then.
pub(super) fn check(prepare: impl FnOnce(&mut Case)) -> String {
    let mut case = Case::new();
    prepare(&mut case);
    case.text()
}

impl Case {
    /// Nothing declared, nothing there; the slots' keeper has looked once.
    pub(super) fn new() -> Self {
        let wall = "2026-01-05T12:00:00Z".parse().unwrap();
        let mut case = Self {
            desired: nothing(),
            history: History::default(),
            slots: SlotTable::new(None),
            connections: Vec::new(),
            blind: false,
            processes: Processes::new(),
            store: Seen::Fresh { at: START, value: StoreView::default() },
            leases: Vec::new(),
            now: Now { mono: START, wall },
            events: Vec::new(),
            ended: Vec::new(),
            going: BTreeMap::new(),
            special: BTreeMap::new(),
            last_sweep: 0,
            last_port: 40_000,
        };
        case.history.processes.instance = RUN.into();
        case.history.processes.pid = SERVER_PID;
        case.look();
        case
    }

    /// Declares a subnet with cameras `NAME-1`, `NAME-2`, ... on devices of their own.
    pub(super) fn subnet(&mut self, name: &str, cameras: u8) {
        self.desired.subnets.insert(subnet_name(name), Arc::new(subnet(name)));
        for n in 1..=cameras {
            let at = device(u8::try_from(self.desired.cameras.len() + 1).unwrap());
            self.camera(&format!("{name}-{n}"), name, at);
        }
    }

    /// Declares a camera.
    pub(super) fn camera(&mut self, name: &str, subnet: &str, at: Device) {
        self.desired.cameras.insert(camera_name(name), Arc::new(camera(name, subnet, at)));
        self.redeclare();
    }

    /// Changes a declared camera.
    pub(super) fn edit(&mut self, name: &str, change: impl FnOnce(&mut Camera)) {
        change(Arc::make_mut(self.desired.cameras.get_mut(name).unwrap()));
        self.redeclare();
    }

    /// Changes a declared subnet's schedule.
    pub(super) fn sweep(&mut self, name: &str, change: impl FnOnce(&mut SweepSpec)) {
        change(&mut Arc::make_mut(self.desired.subnets.get_mut(name).unwrap()).sweep);
    }

    /// Changes what a device tolerates.
    pub(super) fn limits(&mut self, at: Device, change: impl FnOnce(&mut DeviceLimits)) {
        change(self.special.entry(at).or_insert_with(limits));
        self.redeclare();
    }

    /// Takes a camera out of the manifests.
    pub(super) fn remove(&mut self, name: &str) {
        self.desired.cameras.remove(name);
        self.redeclare();
    }

    /// Takes a subnet and its cameras out of the manifests.
    pub(super) fn remove_subnet(&mut self, name: &str) {
        self.desired.subnets.remove(name);
        self.desired.cameras.retain(|_, camera| camera.subnet.as_str() != name);
        self.redeclare();
    }

    fn redeclare(&mut self) {
        self.desired.devices = devices(&self.desired.cameras, &self.special);
    }

    /// Lets time pass on both clocks.
    pub(super) fn wait(&mut self, length: Duration) {
        let mono = self.now.mono.plus(length);
        self.now = Now { wall: self.now.wall_at(mono), mono };
    }

    /// Lets seconds pass on both clocks.
    pub(super) fn secs(&mut self, seconds: u64) {
        self.wait(Duration::from_secs(seconds));
    }

    /// Sets the wall clock only.
    pub(super) fn wall(&mut self, wall: &str) {
        self.now.wall = wall.parse().unwrap();
    }

    /// A connection of another program comes.
    pub(super) fn foreign(&mut self, at: Device) {
        let owner = ConnectionOwner::Foreign { pid: 77, command: "vlc".into() };
        self.connect(at, owner);
    }

    /// A connection comes.
    pub(super) fn connect(&mut self, at: Device, owner: ConnectionOwner) -> SocketAddr {
        self.last_port += 1;
        let local = SocketAddr::from(([10, 0, 0, 254], self.last_port));
        self.connections.push(Connection {
            device: at,
            local,
            state: TcpState::Established,
            inode: 1,
            owner,
            since: self.now.mono,
        });
        local
    }

    /// A viewer takes a slot of the device.
    pub(super) fn viewer(&mut self, name: &str, at: Device) -> SlotId {
        let holder = Holder { camera: camera_name(name), purpose: Purpose::Modal };
        let limits = &self.desired.devices[&at];
        let slot = self.slots.acquire(limits, at, holder, self.now.mono).unwrap();
        let local = self.connect(at, ConnectionOwner::Slot(slot));
        self.slots.connecting(slot, local);
        slot
    }

    /// A viewer takes a slot of the camera's device, where there is one.
    pub(super) fn try_viewer(&mut self, name: &CameraName) {
        let at = self.desired.cameras[name].device();
        let view = self.slots.view();
        let Some(limits) = self.desired.devices.get(&at) else { return };
        if admit(&view, limits, at, Purpose::Sweep, self.now.mono).is_ok() {
            self.viewer(name.as_str(), at);
        }
    }

    /// The camera has failed so many times, if it is not being captured now.
    pub(super) fn remember_failures(&mut self, name: &CameraName, times: u32) {
        let started = self.now;
        let own = self.history.cameras.entry(name.clone()).or_default();
        if own.in_flight.is_none() {
            own.failures = times;
            own.failing_since = Some(started.mono);
            own.last_start = Some(started.mono);
            own.retry_ms = Some(60_000);
        }
    }

    /// The slots' keeper looks at the connections, where they can be read.
    pub(super) fn look(&mut self) {
        self.slots.expire(self.now.mono);
        if !self.blind {
            self.slots.observe(self.now.mono, &self.connections, &self.desired.devices);
        }
    }

    /// What a pass would see now.
    pub(super) fn observed(&self) -> Observed {
        let at = self.now.mono;
        let connections = if self.blind {
            Seen::Unreadable { since: at, why: "netlink refused".to_owned() }
        } else {
            Seen::Fresh { at, value: Arc::new(self.connections.clone()) }
        };
        Observed {
            connections,
            processes: self.processes.seen(at),
            facilities: Facilities::default(),
            slots: Arc::new(self.slots.view()),
            store: self.store.clone(),
            host: Seen::Fresh { at, value: HostView::default() },
            leases: Arc::new(self.leases.clone()),
            gateways: Arc::default(),
        }
    }

    /// The plan, without carrying it out.
    pub(super) fn plan(&mut self) -> Plan {
        self.look();
        self.see_processes();
        super::plan(&self.desired, &self.observed(), &self.history, self.now)
    }

    /// The text of the plan.
    pub(super) fn text(&mut self) -> String {
        text(&self.plan())
    }

    /// Plans and carries out until there is nothing more to do now.
    pub(super) fn settle(&mut self) -> Plan {
        for _ in 0..20 {
            let plan = self.pass();
            if plan.actions.is_empty() {
                return plan;
            }
        }
        panic!("the plan does not settle:\n{}", self.text());
    }

    /// Plans once and carries it out.
    pub(super) fn pass(&mut self) -> Plan {
        let plan = self.plan();
        for planned in &plan.actions {
            self.execute(&planned.action);
        }
        plan
    }

    /// Captures end well whenever they are begun, until the sweep of the subnet has ended.
    pub(super) fn sweep_well(&mut self, subnet: &str) {
        self.settle();
        while self.history.subnets[subnet].run.is_some() {
            let going: Vec<CameraName> = self.going.keys().cloned().collect();
            for name in going {
                self.ok(name.as_str());
            }
            self.settle();
        }
    }

    /// A capture ends with a picture.
    pub(super) fn ok(&mut self, name: &str) {
        let result = self.picture(name);
        self.ends(name, result, ConnectionEnd::Acknowledged);
    }

    /// A capture ends with a picture, and the camera does not answer the good-bye.
    pub(super) fn unacknowledged(&mut self, name: &str) {
        let result = self.picture(name);
        self.ends(name, result, ConnectionEnd::Unacknowledged);
    }

    fn picture(&self, name: &str) -> CaptureResult {
        let frame = Frame {
            id: 7,
            camera: camera_name(name),
            captured_at: self.now.wall,
            backend: Backend::Native,
            width: 640,
            height: 360,
            bytes: 1000,
            thumbnail_bytes: 100,
            file: "a.jpg".to_owned(),
            sweep: None,
            detected: false,
        };
        CaptureResult::Ok { frame, codec: Some("h264") }
    }

    /// A capture ends because the camera did not answer to DESCRIBE.
    pub(super) fn hangs(&mut self, name: &str) {
        let failure =
            Failure::at(FailureKind::Timeout, Stage::Describe, "no answer to DESCRIBE in 30 s");
        self.ends(name, CaptureResult::Failed(failure), ConnectionEnd::Unacknowledged);
    }

    /// A capture ends because the camera refuses connections.
    pub(super) fn refused(&mut self, name: &str) {
        let failure = Failure::at(FailureKind::Refused, Stage::Connect, "connection refused");
        self.ends(name, CaptureResult::Failed(failure), ConnectionEnd::Acknowledged);
    }

    /// The camera fails `times` captures beside or in the line, an interval apart.
    pub(super) fn fail_out(&mut self, name: &str, times: u32) {
        let interval = millis(self.desired.subnets[self.subnet_of(name).as_str()].sweep.interval);
        let subnet = self.subnet_of(name);
        self.history.subnets.entry(subnet).or_default().interval_ms = interval;
        for _ in 0..times {
            self.look();
            self.execute(&Action::Capture {
                camera: camera_name(name),
                subnet: self.subnet_of(name),
                sweep: None,
                beside: true,
                children: true,
            });
            self.refused(name);
        }
    }

    /// A capture ends, and its connection with it.
    pub(super) fn ends(&mut self, name: &str, result: CaptureResult, end: ConnectionEnd) {
        let subnet = self.subnet_of(name);
        if let Some(slot) = self.going.remove(name) {
            self.slots.done(slot, end, self.now.mono);
            self.connections.retain(|c| c.owner != ConnectionOwner::Slot(slot));
        }
        let since = self.history.cameras[name].in_flight.map_or(self.now.mono, |f| f.since);
        let started = Now { mono: since, wall: self.now.wall_at(since) };
        self.fold(Outcome::CaptureEnded(Box::new(CaptureEnded {
            camera: camera_name(name),
            subnet,
            started,
            duration_ms: millis(self.now.mono.since(since)),
            backend: Some(Backend::Native),
            result,
            spec_digest: 1,
        })));
    }

    fn subnet_of(&self, name: &str) -> SubnetName {
        self.desired.cameras.get(name).map_or_else(|| subnet_name("gone"), |c| c.subnet.clone())
    }

    /// Takes an outcome in.
    pub(super) fn fold(&mut self, outcome: Outcome) {
        let Folded { events, ended } = fold(&mut self.history, outcome, self.now);
        self.events.extend(events);
        self.ended.extend(ended);
    }
}
