//! The slot keeper's rules: a state machine without clock and without I/O.
//!
//! Every consumer goes through [`SlotTable::acquire`] before its first packet, and a slot comes
//! back only when the socket has been seen gone. What holds a slot, and cutting it, is
//! `reconcile::keeper`'s work.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use crate::model::desired::{Device, DeviceLimits};
use crate::model::names::CameraName;
use crate::model::observed::{Connection, ConnectionOwner};
use crate::model::slot::{
    ConnectionEnd, Holder, Purpose, Refusal, Slot, SlotId, SlotState, SlotView,
};
use crate::model::time::Mono;

mod queue;

pub use queue::WaiterId;

/// How long a device rests that was taken out of the manifests with a connection open: it may be
/// declared again at once, and the camera knows nothing of manifests.
const UNDECLARED_REST: Duration = Duration::from_secs(10);

/// Whether a device would take one more connection for `purpose` at `now`.
///
/// The one rule for giving slots; the planner asks it too, so that it does not start what would
/// be refused.
pub fn admit(
    view: &SlotView,
    limits: &DeviceLimits,
    device: Device,
    purpose: Purpose,
    now: Mono,
) -> Result<(), Refusal> {
    if view.observed.is_none() {
        return Err(Refusal::NotObserved);
    }
    if let Some(until) = view.rest_until.filter(|until| *until > now) {
        return Err(Refusal::Resting { until });
    }
    if let Some(by) = view.waiting.get(&device).copied().filter(|by| *by > purpose) {
        return Err(Refusal::Wanted { by });
    }
    let mine = view.slots.iter().filter(|slot| {
        let over = matches!(slot.state, SlotState::Quarantined { until } if until <= now);
        slot.device == device && !over
    });
    if limits.exclusive
        && let Some(slot) = mine.clone().find(|slot| slot.state == SlotState::Held)
    {
        return Err(Refusal::Exclusive { holder: slot.holder.clone() });
    }
    let rest = limits.min_reconnect_interval;
    let is_closing = |slot: &Slot| matches!(slot.state, SlotState::Closing { .. });
    let must_rest = !rest.is_zero() && mine.clone().any(is_closing);
    let ours = u16::try_from(mine.count()).unwrap_or(u16::MAX);
    let others = view.others.get(&device).copied().unwrap_or(0);
    let limit = limits.max_connections;
    if ours.saturating_add(others) >= limit {
        return Err(Refusal::Full { limit, ours, others });
    }
    if must_rest {
        // Its end is still to come, and the rest begins there.
        return Err(Refusal::Resting { until: now.plus(rest) });
    }
    if let Some(ended) = view.ended.get(&device) {
        let until = ended.plus(rest);
        if until > now {
            return Err(Refusal::Resting { until });
        }
    }
    Ok(())
}

/// All slots, and what was seen of their sockets.
#[derive(Debug, Default)]
pub struct SlotTable {
    view: SlotView,
    slots: BTreeMap<SlotId, Slot>,
    last: SlotId,
    waiting: queue::Queue,
    /// Connections of children that no slot answers for any more: nobody will know how they ended.
    loose: BTreeSet<(Device, SocketAddr)>,
}

impl SlotTable {
    /// A table that knows nothing yet and gives nothing before the first look.
    pub fn new(rest_until: Option<Mono>) -> Self {
        let view = SlotView { rest_until, ..SlotView::default() };
        Self { view, ..Self::default() }
    }

    /// What the planner may know.
    pub fn view(&self) -> SlotView {
        SlotView { slots: self.slots.values().cloned().collect(), ..self.view.clone() }
    }

    /// Every slot that is not free.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.values()
    }

    /// Slots of a device that are not free, and connections to it that none of them answers for.
    pub fn count(&self, device: Device) -> (u16, u16) {
        let ours = self.slots.values().filter(|slot| slot.device == device).count();
        let others = self.view.others.get(&device).copied().unwrap_or(0);
        (u16::try_from(ours).unwrap_or(u16::MAX), others)
    }

    /// One slot, while it is not free.
    pub fn get(&self, id: SlotId) -> Option<&Slot> {
        self.slots.get(&id)
    }

    /// Gives a slot, or says why not.
    pub fn acquire(
        &mut self,
        limits: &DeviceLimits,
        device: Device,
        holder: Holder,
        now: Mono,
    ) -> Result<SlotId, Refusal> {
        self.expire(now);
        let here = SlotView {
            slots: self.slots.values().filter(|slot| slot.device == device).cloned().collect(),
            others: self.view.others.get(&device).map(|n| (device, *n)).into_iter().collect(),
            ended: self.view.ended.get(&device).map(|at| (device, *at)).into_iter().collect(),
            observed: self.view.observed,
            waiting: self.view.waiting.get(&device).map(|by| (device, *by)).into_iter().collect(),
            rest_until: self.view.rest_until,
        };
        admit(&here, limits, device, holder.purpose, now)?;
        let slot = Slot {
            id: 0,
            device,
            holder: Some(holder),
            since: now,
            local: None,
            state: SlotState::Held,
        };
        Ok(self.insert(slot))
    }

    /// Takes over a slot that a run before this one held: nobody answers for it, so it rests.
    ///
    /// With `local` known it first has to be seen gone; without, the socket never came to be.
    pub fn inherit(&mut self, device: Device, local: Option<SocketAddr>, now: Mono) -> SlotId {
        let state = SlotState::Closing { since: now, end: ConnectionEnd::Unacknowledged };
        self.insert(Slot { id: 0, device, holder: None, since: now, local, state })
    }

    fn insert(&mut self, slot: Slot) -> SlotId {
        self.last += 1;
        self.slots.insert(self.last, Slot { id: self.last, ..slot });
        self.last
    }

    /// The slot's connection has this address from now on.
    pub fn connecting(&mut self, id: SlotId, local: SocketAddr) {
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.local = Some(local);
        }
    }

    /// The slot's next connection has no address yet; the one before, if any, has ended.
    pub fn dialling(&mut self, id: SlotId) {
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.local = None;
        }
    }

    /// The slot's connection serves this purpose from now on; `false` when that is no news.
    pub fn serve(&mut self, id: SlotId, purpose: Purpose) -> bool {
        let held = self.slots.get_mut(&id).filter(|slot| slot.state == SlotState::Held);
        let Some(holder) = held.and_then(|slot| slot.holder.as_mut()) else { return false };
        std::mem::replace(&mut holder.purpose, purpose) != purpose
    }

    /// The holder is done; the slot comes back when its socket has been seen gone.
    pub fn done(&mut self, id: SlotId, end: ConnectionEnd, now: Mono) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        if slot.state != SlotState::Held {
            return;
        }
        if end == ConnectionEnd::NeverConnected {
            self.slots.remove(&id);
        } else {
            slot.state = SlotState::Closing { since: now, end };
        }
    }

    /// The kernel has no such socket any more, asked at `asked`.
    pub fn gone(&mut self, id: SlotId, limits: Option<&DeviceLimits>, asked: Mono) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let SlotState::Closing { since, end } = slot.state else { return };
        // An answer from before the end proves nothing.
        if asked < since {
            return;
        }
        self.view.ended.insert(slot.device, asked);
        let quarantine = limits.map_or(UNDECLARED_REST, |limits| limits.quarantine);
        if end == ConnectionEnd::Unacknowledged && !quarantine.is_zero() {
            slot.state = SlotState::Quarantined { until: asked.plus(quarantine) };
        } else {
            self.slots.remove(&id);
        }
    }

    /// Frees slots whose quarantine is over.
    pub fn expire(&mut self, now: Mono) {
        self.slots.retain(
            |_, slot| !matches!(slot.state, SlotState::Quarantined { until } if until <= now),
        );
    }

    /// Takes in all connections to devices, read from `at` on.
    ///
    /// Closing slots whose socket is missing come back. Connections that are no slot's count
    /// against their device, except strays that a slot which is just connecting explains.
    pub fn observe(
        &mut self,
        at: Mono,
        connections: &[Connection],
        limits: &BTreeMap<Device, DeviceLimits>,
    ) {
        let missing: Vec<(SlotId, Device)> = self
            .slots
            .values()
            .filter(|slot| matches!(slot.state, SlotState::Closing { .. }))
            .filter(|slot| !connections.iter().any(|c| is_of(c, slot)))
            .map(|slot| (slot.id, slot.device))
            .collect();
        for (id, device) in missing {
            self.gone(id, limits.get(&device), at);
        }
        let mut others: BTreeMap<Device, u16> = BTreeMap::new();
        let mut strays: BTreeMap<(Device, Option<&CameraName>), u16> = BTreeMap::new();
        for connection in connections {
            let owned = self.slots.values().any(|slot| is_of(connection, slot));
            let count = match &connection.owner {
                _ if owned => continue,
                // The slots are newer than this look: its socket has been seen gone since.
                ConnectionOwner::Slot(id) if !self.slots.contains_key(id) => continue,
                ConnectionOwner::Stray => strays.entry((connection.device, None)).or_default(),
                // A child that nobody owns any more is not explained by the slot of another.
                ConnectionOwner::Child { unit, .. } if unit.camera().is_some() => {
                    strays.entry((connection.device, unit.camera())).or_default()
                }
                ConnectionOwner::Slot(_)
                | ConnectionOwner::Child { .. }
                | ConnectionOwner::Foreign { .. }
                | ConnectionOwner::Unattributable => others.entry(connection.device).or_default(),
            };
            *count = count.saturating_add(1);
        }
        for ((device, of), count) in strays {
            let connecting = self.slots.values().filter(|slot| {
                let camera = slot.holder.as_ref().map(|holder| &holder.camera);
                slot.device == device
                    && slot.local.is_none()
                    && slot.state == SlotState::Held
                    && (of.is_none() || of == camera)
            });
            let unexplained = count.saturating_sub(u16::try_from(connecting.count()).unwrap_or(0));
            if unexplained > 0 {
                let others = others.entry(device).or_default();
                *others = others.saturating_add(unexplained);
            }
        }
        self.rest_after_loose(at, connections, limits);
        self.view.others = others;
        self.view.observed = Some(at);
        // Old ends only matter for as long as the longest rest.
        self.view.ended.retain(|device, ended| {
            let rest = limits.get(device).map_or(UNDECLARED_REST, |l| l.min_reconnect_interval);
            ended.plus(rest) > at
        });
    }
    /// Where a child's connection has gone that no slot answered for, its camera may not know.
    fn rest_after_loose(
        &mut self,
        at: Mono,
        connections: &[Connection],
        limits: &BTreeMap<Device, DeviceLimits>,
    ) {
        let here: BTreeSet<_> = connections.iter().map(|c| (c.device, c.local)).collect();
        for (device, local) in std::mem::take(&mut self.loose) {
            if here.contains(&(device, local)) {
                self.loose.insert((device, local));
                continue;
            }
            let quarantine = limits.get(&device).map_or(UNDECLARED_REST, |l| l.quarantine);
            let state = SlotState::Quarantined { until: at.plus(quarantine) };
            self.view.ended.insert(device, at);
            let local = Some(local);
            self.insert(Slot { id: 0, device, holder: None, since: at, local, state });
        }
        for connection in connections {
            let ConnectionOwner::Child { unit, .. } = &connection.owner else { continue };
            let answers = |slot: &Slot| {
                let of = slot.holder.as_ref().map(|holder| &holder.camera);
                let is_its = slot.local.is_none() && of == unit.camera();
                slot.device == connection.device
                    && ((is_its && slot.state == SlotState::Held) || is_of(connection, slot))
            };
            if !self.slots.values().any(answers) {
                self.loose.insert((connection.device, connection.local));
            }
        }
    }
}

fn is_of(connection: &Connection, slot: &Slot) -> bool {
    slot.device == connection.device && slot.local == Some(connection.local)
}

#[cfg(test)]
mod queue_tests;
#[cfg(test)]
mod tests;
