//! Decides what to cut when a device has more connections than it tolerates.

use std::collections::BTreeMap;

use super::draft::{Draft, Inputs};
use crate::model::desired::Device;
use crate::model::observed::{Connection, ConnectionOwner};
use crate::model::plan::{Action, Held};
use crate::model::slot::{SlotId, SlotState};

/// Of each device's excess, the newest connections first: ours are cut, others reported.
pub(super) fn plan(draft: &mut Draft, inputs: Inputs<'_>) {
    let Some(connections) = inputs.observed.connections.fresh() else { return };
    let mut by_device: BTreeMap<Device, Vec<&Connection>> = BTreeMap::new();
    for connection in connections.iter() {
        by_device.entry(connection.device).or_default().push(connection);
    }
    for (device, mut connections) in by_device {
        let Some(limits) = inputs.desired.devices.get(&device) else { continue };
        let limit = usize::from(limits.max_connections);
        let excess = connections.len().saturating_sub(limit);
        // Those first seen in the same look are told apart by their address, so that every pass
        // chooses the same ones.
        connections.sort_by_key(|connection| {
            (std::cmp::Reverse(connection.since), std::cmp::Reverse(connection.local))
        });
        for connection in connections.into_iter().take(excess) {
            match &connection.owner {
                ConnectionOwner::Slot(id) if is_held(inputs, *id) => {
                    draft.act(
                        Action::CutSlot { device, slot: *id },
                        format!("the device tolerates {limit} connections"),
                    );
                    draft.close(|slot| slot.id == *id);
                }
                ConnectionOwner::Foreign { pid, command } => draft.hold(Held {
                    kind: "CutConnection",
                    object: format!("device/{device}"),
                    reason: "Foreign",
                    message: format!(
                        "{command} ({pid}) holds one of {} connections, {limit} are tolerated; \
                         camserver did not start it and leaves it alone",
                        limit + excess
                    ),
                    until: None,
                }),
                // A slot that is not held is on its way out.
                ConnectionOwner::Slot(_)
                | ConnectionOwner::Stray
                | ConnectionOwner::Child { .. }
                | ConnectionOwner::Unattributable => {}
            }
        }
    }
}

fn is_held(inputs: Inputs<'_>, id: SlotId) -> bool {
    let slots = &inputs.observed.slots.slots;
    slots.iter().any(|slot| slot.id == id && slot.state == SlotState::Held)
}
