//! Decides what to cut when a device has more connections than it tolerates.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{Draft, Inputs};
use crate::model::desired::Device;
use crate::model::names::CameraName;
use crate::model::observed::{Connection, ConnectionOwner};
use crate::model::plan::{Action, Held};
use crate::model::process::{ProcessId, Unit};
use crate::model::slot::{Purpose, SlotId, SlotState};
use crate::model::time::Mono;

/// Of each device's excess, the newest connections first: ours are cut, others reported.
///
/// A child's own connection is cut by ending its capture; children that must be ended themselves,
/// because no capture answers for them, are given back with the reason.
pub(super) fn plan(draft: &mut Draft, inputs: Inputs<'_>) -> Vec<(ProcessId, String)> {
    let mut over_limit = Vec::new();
    let Some((at, connections)) = inputs.observed.connections.fresh_at() else { return over_limit };
    let mut by_device: BTreeMap<Device, Vec<&Connection>> = BTreeMap::new();
    for connection in connections.iter() {
        by_device.entry(connection.device).or_default().push(connection);
    }
    let mut cancelled = BTreeSet::new();
    for (device, mut here) in by_device {
        let Some(limits) = inputs.desired.devices.get(&device) else { continue };
        let limit = usize::from(limits.max_connections);
        let excess = here.len().saturating_sub(limit);
        // Those first seen in the same look are told apart by their address, so that every pass
        // chooses the same ones.
        here.sort_by_key(|connection| {
            (std::cmp::Reverse(connection.since), std::cmp::Reverse(connection.local))
        });
        for connection in here.into_iter().take(excess) {
            let reason = format!("the device tolerates {limit} connections");
            match &connection.owner {
                ConnectionOwner::Slot(id) if is_held(inputs, *id) => {
                    draft.act(Action::CutSlot { device, slot: *id }, reason);
                    draft.close(|slot| slot.id == *id);
                }
                ConnectionOwner::Foreign { pid, command } => {
                    draft.hold(foreign(device, (*pid, command), limit, excess));
                }
                ConnectionOwner::Child { process, unit } => match end_of(inputs, unit, at) {
                    End::Cancel(camera) => {
                        if cancelled.insert(camera) {
                            cancel(draft, camera, reason);
                        }
                    }
                    End::Signal => over_limit.push((*process, reason)),
                    End::Awaited => {}
                },
                // A slot that is not held is on its way out.
                ConnectionOwner::Slot(_)
                | ConnectionOwner::Stray
                | ConnectionOwner::Unattributable => {}
            }
        }
    }
    over_limit
}

fn foreign(device: Device, (pid, command): (u32, &str), limit: usize, excess: usize) -> Held {
    Held {
        kind: "CutConnection",
        object: format!("device/{device}"),
        reason: "Foreign",
        message: format!(
            "{command} ({pid}) holds one of {} connections, {limit} are tolerated; \
             camserver did not start it and leaves it alone",
            limit + excess
        ),
        until: None,
    }
}

/// How a child's connection is cut.
enum End<'a> {
    /// Its capture is going on: that ends the child in order.
    Cancel(&'a CameraName),
    /// Nobody answers for it.
    Signal,
    /// Its capture is ending, or has ended since the look.
    Awaited,
}

fn end_of<'a>(inputs: Inputs<'_>, unit: &'a Unit, at: Mono) -> End<'a> {
    let Unit::Capture(camera) = unit else { return End::Signal };
    let Some(history) = inputs.history.cameras.get(camera) else { return End::Signal };
    match history.in_flight {
        Some(capture) if capture.cancelled => End::Awaited,
        Some(_) => End::Cancel(camera),
        None if history.child_ended.is_some_and(|ended| ended >= at) => End::Awaited,
        None => End::Signal,
    }
}

fn cancel(draft: &mut Draft, camera: &CameraName, reason: String) {
    draft.act(Action::CancelCapture { camera: camera.clone() }, reason);
    draft.close(|slot| {
        let holder = slot.holder.as_ref();
        holder.is_some_and(|h| h.camera == *camera && h.purpose == Purpose::Sweep)
    });
}

fn is_held(inputs: Inputs<'_>, id: SlotId) -> bool {
    let slots = &inputs.observed.slots.slots;
    slots.iter().any(|slot| slot.id == id && slot.state == SlotState::Held)
}
