//! A plan in the making.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::desired::{Backend, Camera, Desired, Device};
use crate::model::history::History;
use crate::model::names::CameraName;
use crate::model::observed::Observed;
use crate::model::plan::{Action, Held, Plan, Planned};
use crate::model::slot::{ConnectionEnd, Holder, Purpose, Refusal, Slot, SlotState, SlotView};
use crate::model::time::{Mono, Now};

use super::slots::admit;

/// Captures that one pass may start: more would connect to that many devices at one instant.
pub(super) const STARTS_PER_PASS_MAX: usize = 64;

/// How long a sweep waits for a connection of its own to close. The kernel may keep one for
/// minutes when the camera has vanished; the cameras beside it do not wait for that.
const CLOSING_MAX: Duration = Duration::from_secs(5);

/// What every part of the planner sees.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inputs<'a> {
    pub(super) desired: &'a Desired,
    pub(super) observed: &'a Observed,
    pub(super) history: &'a History,
    pub(super) now: Now,
}

/// A plan in the making.
#[derive(Debug)]
pub(super) struct Draft {
    plan: Plan,
    now: Mono,
    slots: SlotView,
    starts: BTreeSet<CameraName>,
}

impl Draft {
    pub(super) fn new(inputs: Inputs<'_>) -> Self {
        Self {
            plan: Plan::default(),
            now: inputs.now.mono,
            slots: SlotView::clone(&inputs.observed.slots),
            starts: BTreeSet::new(),
        }
    }

    /// Adds a step.
    pub(super) fn act(&mut self, action: Action, reason: impl Into<String>) {
        self.plan.actions.push(Planned { action, reason: reason.into() });
    }

    /// Adds something that is wanted but not done yet.
    pub(super) fn hold(&mut self, held: Held) {
        if let Some(until) = held.until {
            self.look_at(until);
        }
        self.plan.held.push(held);
    }

    /// The answer may change at `at` by time alone.
    pub(super) fn look_at(&mut self, at: Mono) {
        let at = at.max(Mono(self.now.0 + 1));
        self.plan.next_look = Some(self.plan.next_look.map_or(at, |before| before.min(at)));
    }

    /// A look at the processes that begins at `at` or later may change the answer.
    pub(super) fn look_processes(&mut self, at: Mono) {
        let before = self.plan.look_processes;
        self.plan.look_processes = Some(before.map_or(at, |before| before.min(at)));
        self.look_at(at);
    }

    /// Whether this pass has started as many captures as it may.
    pub(super) fn is_full(&self) -> bool {
        self.starts.len() >= STARTS_PER_PASS_MAX
    }

    /// Whether this plan starts a capture of the camera.
    pub(super) fn captures(&self, camera: &CameraName) -> bool {
        self.starts.contains(camera)
    }

    /// Whether the camera's device has room, what this plan already starts included.
    pub(super) fn admit(&self, inputs: Inputs<'_>, device: Device) -> Result<(), Refusal> {
        let limits = inputs.desired.devices.get(&device).ok_or(Refusal::UnknownDevice)?;
        admit(&self.slots, limits, device, Purpose::Sweep, self.now)
    }

    /// The device that a capture of the camera would take a slot of; `None` where it takes none,
    /// since a live view holds a session of this camera that has the picture too.
    pub(super) fn admit_capture(
        &self,
        inputs: Inputs<'_>,
        camera: &Camera,
    ) -> Result<Option<Device>, Refusal> {
        let device = camera.capture_device();
        match self.admit(inputs, device) {
            Ok(()) => Ok(Some(device)),
            Err(_) if self.is_shared(inputs, camera) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    fn is_shared(&self, inputs: Inputs<'_>, camera: &Camera) -> bool {
        let limits = inputs.desired.devices.get(&camera.device());
        let may_share =
            [Backend::Live, Backend::Gateway].iter().any(|way| camera.capture.order.contains(way))
                && limits.is_some_and(|limits| !limits.exclusive);
        let is_view =
            |holder: &Holder| holder.camera == camera.name && holder.purpose > Purpose::Sweep;
        may_share
            && self.slots.slots.iter().any(|slot| {
                slot.state == SlotState::Held
                    && slot.local.is_some()
                    && slot.holder.as_ref().is_some_and(is_view)
            })
    }

    /// Whether a refusal is only due to a sweep's own captures and so will pass.
    pub(super) fn is_own_doing(&self, device: Device, refusal: &Refusal) -> bool {
        match refusal {
            Refusal::Resting { .. } => !self.slots.slots.iter().any(|slot| {
                let since = match slot.state {
                    SlotState::Closing { since, .. } => since,
                    SlotState::Held | SlotState::Quarantined { .. } => self.now,
                };
                slot.device == device && self.now.since(since) >= CLOSING_MAX
            }),
            Refusal::NotObserved => true,
            Refusal::UnknownDevice | Refusal::Wanted { .. } => false,
            Refusal::Full { .. } | Refusal::Exclusive { .. } => {
                self.slots.slots.iter().any(|slot| {
                    let passes = match slot.state {
                        SlotState::Held => true,
                        SlotState::Closing { since, .. } => self.now.since(since) < CLOSING_MAX,
                        SlotState::Quarantined { .. } => false,
                    };
                    slot.device == device
                        && passes
                        && slot.holder.as_ref().is_some_and(|h| h.purpose == Purpose::Sweep)
                })
            }
        }
    }

    /// Takes into account that this plan ends connections: their devices are not at rest yet.
    pub(super) fn close(&mut self, is_meant: impl Fn(&Slot) -> bool) {
        let end = ConnectionEnd::Unacknowledged;
        let closing = SlotState::Closing { since: self.now, end };
        let meant = self.slots.slots.iter_mut().filter(|slot| slot.state == SlotState::Held);
        for slot in meant.filter(|slot| is_meant(slot)) {
            slot.state = closing;
        }
    }

    /// When time alone changes what the device's slots allow, as far as known.
    pub(super) fn changes_at(&self, device: Device) -> Option<Mono> {
        let here = self.slots.slots.iter().filter(|slot| slot.device == device);
        here.filter_map(|slot| match slot.state {
            SlotState::Held => None,
            SlotState::Closing { since, .. } => Some(since.plus(CLOSING_MAX)),
            SlotState::Quarantined { until } => Some(until),
        })
        .filter(|at| *at > self.now)
        .min()
    }

    /// Counts a capture that this plan starts, with the device that it takes a slot of.
    pub(super) fn start(&mut self, camera: &CameraName, device: Option<Device>) {
        self.starts.insert(camera.clone());
        let Some(device) = device else { return };
        self.slots.slots.push(Slot {
            id: 0,
            device,
            holder: Some(Holder { camera: camera.clone(), purpose: Purpose::Sweep }),
            since: self.now,
            local: None,
            state: SlotState::Held,
        });
    }

    pub(super) fn finish(self) -> Plan {
        self.plan
    }
}
