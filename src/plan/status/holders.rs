//! Who else is connected to a camera's device: for people, who can end it where the server may not.

use std::collections::BTreeMap;

use crate::model::desired::Device;
use crate::model::observed::{Connection, ConnectionOwner};
use crate::model::snapshot::ForeignHolder;

/// Processes kept for one camera.
const KEPT_MAX: usize = 8;
/// Processes named in a sentence.
const NAMED_MAX: usize = 3;

/// The foreign processes that are connected to a device, most connections first.
pub(super) fn of(connections: &[Connection], device: Device) -> Vec<ForeignHolder> {
    let mut found: BTreeMap<u32, ForeignHolder> = BTreeMap::new();
    for connection in connections.iter().filter(|connection| connection.device == device) {
        if let ConnectionOwner::Foreign { pid, command } = &connection.owner {
            let holder = found.entry(*pid).or_insert_with(|| ForeignHolder {
                command: command.clone(),
                pid: *pid,
                connections: 0,
            });
            holder.connections = holder.connections.saturating_add(1);
        }
    }
    let mut holders: Vec<ForeignHolder> = found.into_values().collect();
    holders.sort_by_key(|holder| (std::cmp::Reverse(holder.connections), holder.pid));
    holders.truncate(KEPT_MAX);
    holders
}

/// `held by vlc (4711)`; `None` where no process is known. `foreign` counts all connections that
/// are not ours, also those that belong to no process that can be named.
pub(super) fn sentence(holders: &[ForeignHolder], foreign: u16) -> Option<String> {
    if holders.is_empty() {
        return None;
    }
    let (named, more) = holders.split_at(holders.len().min(NAMED_MAX));
    let one = |holder: &ForeignHolder| match holder.connections {
        1 => format!("{} ({})", holder.command, holder.pid),
        n => format!("{} ({}, {n} connections)", holder.command, holder.pid),
    };
    let named: Vec<String> = named.iter().map(one).collect();
    let known: u16 = holders.iter().map(|holder| holder.connections).sum();
    let others = if !more.is_empty() || known < foreign { " and others" } else { "" };
    Some(format!("held by {}{others}", named.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(command: &str, pid: u32, connections: u16) -> ForeignHolder {
        ForeignHolder { command: command.into(), pid, connections }
    }

    #[test]
    fn holders_are_named_as_far_as_known() {
        let vlc = holder("vlc", 4711, 1);
        let nvr = holder("nvr", 99, 2);
        assert_eq!(sentence(&[], 2), None);
        assert_eq!(sentence(std::slice::from_ref(&vlc), 1).unwrap(), "held by vlc (4711)");
        assert_eq!(
            sentence(&[nvr.clone(), vlc.clone()], 3).unwrap(),
            "held by nvr (99, 2 connections), vlc (4711)"
        );
        assert_eq!(sentence(&[vlc], 2).unwrap(), "held by vlc (4711) and others");
        let many: Vec<_> = (1..=5).map(|pid| holder("x", pid, 1)).collect();
        assert_eq!(sentence(&many, 5).unwrap(), "held by x (1), x (2), x (3) and others");
    }
}
