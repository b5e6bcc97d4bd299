//! Names who holds the connections of a device.

use crate::model::desired::Device;
use crate::model::observed::{Connection, ConnectionOwner, Observed};
use crate::model::slot::{Slot, SlotState};
use crate::model::time::{Mono, Now};

/// Named one by one; a device of many slots is a recorder.
const NAMED_MAX: usize = 8;

/// The programs of others that are connected to the device, as `vlc (77)`; empty when there are
/// none or none can be named.
pub(super) fn foreign(connections: &[Connection], device: Device) -> Vec<String> {
    let here = connections.iter().filter(|connection| connection.device == device);
    let mut names: Vec<String> = here
        .filter_map(|connection| match &connection.owner {
            ConnectionOwner::Foreign { pid, command } => Some(format!("{command} ({pid})")),
            ConnectionOwner::Slot(_)
            | ConnectionOwner::Stray
            | ConnectionOwner::Child { .. }
            | ConnectionOwner::Unattributable => None,
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Adds to a refusal who the other programs are, as far as known.
pub(super) fn refusal(message: &str, observed: &Observed, device: Device) -> String {
    let names = observed.connections.fresh().map_or(Vec::new(), |all| foreign(all, device));
    if names.is_empty() { message.to_owned() } else { format!("{message}: {}", names.join(", ")) }
}

/// Everyone who holds a connection to the device: slots by purpose and since when, children that
/// connect by themselves, other programs.
pub(super) fn all(observed: &Observed, device: Device, now: Now) -> String {
    let slots = observed.slots.slots.iter().filter(|slot| slot.device == device);
    let mut names: Vec<String> = slots.map(|slot| of_slot(slot, now)).collect();
    if let Some(connections) = observed.connections.fresh() {
        for connection in connections.iter().filter(|connection| connection.device == device) {
            if let ConnectionOwner::Child { process, unit } = &connection.owner {
                let since = clock(now, connection.since);
                names.push(format!("child {process} for {unit} since {since}"));
            }
        }
        names.extend(foreign(connections, device));
    }
    let more = names.len().saturating_sub(NAMED_MAX);
    names.truncate(NAMED_MAX);
    let names = names.join(", ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}

fn of_slot(slot: &Slot, now: Now) -> String {
    let whose = slot.holder.as_ref().map_or("a previous run", |holder| holder.purpose.as_str());
    let state = match slot.state {
        SlotState::Held => "",
        SlotState::Closing { .. } => " (closing)",
        SlotState::Quarantined { .. } => " (quarantined)",
    };
    format!("{whose} since {}{state}", clock(now, slot.since))
}

fn clock(now: Now, at: Mono) -> String {
    now.wall_at(at).strftime("%H:%M:%SZ").to_string()
}
