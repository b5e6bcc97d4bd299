//! Who waits for a slot, and whose capture makes room for whom.
//!
//! A sweep never waits here: it skips the camera. Viewers do, for as long as a person does.

use std::collections::{BTreeMap, BTreeSet};

use super::SlotTable;
use crate::model::desired::Device;
use crate::model::slot::{Purpose, Slot, SlotId, SlotState};
use crate::model::time::Mono;

/// Number of one who waits.
pub type WaiterId = u64;

/// Those who wait, and those who were asked to make room.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiters: BTreeMap<WaiterId, (Device, Purpose)>,
    yielding: BTreeSet<SlotId>,
    last: WaiterId,
}

impl SlotTable {
    /// Somebody waits for a slot of the device from now on: lower purposes stand back.
    pub fn wait(&mut self, device: Device, purpose: Purpose) -> WaiterId {
        self.waiting.last += 1;
        self.waiting.waiters.insert(self.waiting.last, (device, purpose));
        self.show_waiting(device);
        self.waiting.last
    }

    /// One who waited has a slot, or has given up.
    pub fn waited(&mut self, waiter: WaiterId) {
        if let Some((device, _)) = self.waiting.waiters.remove(&waiter) {
            self.show_waiting(device);
        }
    }

    fn show_waiting(&mut self, device: Device) {
        let here = self.waiting.waiters.values().filter(|(other, _)| *other == device);
        match here.map(|(_, purpose)| *purpose).max() {
            Some(purpose) => self.view.waiting.insert(device, purpose),
            None => self.view.waiting.remove(&device),
        };
    }

    /// The slot whose holder is to make room for `purpose`: of the lowest purpose below it the one
    /// that was taken last. `None` when as many as wait are already on their way out.
    ///
    /// From here on it counts as on its way out.
    pub fn make_room(&mut self, device: Device, purpose: Purpose) -> Option<SlotId> {
        let queue = &mut self.waiting;
        queue.yielding.retain(|id| self.slots.contains_key(id));
        let here = || self.slots.values().filter(|slot| slot.device == device);
        let leaving = here().filter(|slot| match slot.state {
            SlotState::Closing { .. } => true,
            SlotState::Held => queue.yielding.contains(&slot.id),
            SlotState::Quarantined { .. } => false,
        });
        let wanted = queue.waiters.values().filter(|(d, p)| *d == device && *p >= purpose);
        if leaving.count() >= wanted.count() {
            return None;
        }
        let rank = |slot: &Slot| slot.holder.as_ref().map(|holder| holder.purpose);
        let lower = here()
            .filter(|slot| slot.state == SlotState::Held && !queue.yielding.contains(&slot.id))
            .filter_map(|slot| Some((rank(slot).filter(|rank| *rank < purpose)?, slot)));
        let victim = lower.min_by_key(|(rank, slot)| (*rank, std::cmp::Reverse(slot.id)));
        let id = victim.map(|(_, slot)| slot.id)?;
        queue.yielding.insert(id);
        Some(id)
    }

    /// Whether a slot of the device can become free by `until` without anybody of equal or higher
    /// purpose letting go.
    pub fn may_free(&self, device: Device, purpose: Purpose, until: Mono) -> bool {
        let mut here = self.slots.values().filter(|slot| slot.device == device);
        here.any(|slot| match slot.state {
            SlotState::Held => slot.holder.as_ref().is_some_and(|holder| holder.purpose < purpose),
            SlotState::Closing { .. } => true,
            SlotState::Quarantined { until: free } => free <= until,
        })
    }
}
