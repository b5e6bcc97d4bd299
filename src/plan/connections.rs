//! The connections to a camera's device: whether they are too many, and who else holds some. Named
//! for people, who can end what the server may not touch.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::condition::{ConditionType, Truth, Verdict};
use crate::model::desired::Device;
use crate::model::observed::{Connection, ConnectionOwner, Observed};
use crate::model::snapshot::ForeignHolder;

/// Processes kept for one camera.
const KEPT_MAX: usize = 8;
/// Processes named in a sentence.
const NAMED_MAX: usize = 3;

/// The connections to one device.
#[derive(Debug, Default)]
pub(super) struct Count {
    /// Those that are ours.
    pub(super) ours: u16,
    /// All others, also those of no process that can be named.
    pub(super) foreign: u16,
    /// The foreign processes that are connected, most connections first.
    pub(super) holders: Vec<ForeignHolder>,
}

impl Count {
    /// Counts those to `device`.
    pub(super) fn of(connections: &[Connection], device: Device) -> Self {
        let mut count = Self::default();
        let mut holders: BTreeMap<u32, ForeignHolder> = BTreeMap::new();
        for connection in connections.iter().filter(|connection| connection.device == device) {
            let side =
                if connection.owner.is_ours() { &mut count.ours } else { &mut count.foreign };
            *side = side.saturating_add(1);
            if let ConnectionOwner::Foreign { pid, command } = &connection.owner {
                let (pid, command) = (*pid, Arc::clone(command));
                let holder =
                    holders.entry(pid).or_insert(ForeignHolder { command, pid, connections: 0 });
                holder.connections = holder.connections.saturating_add(1);
            }
        }
        count.holders = holders.into_values().collect();
        count.holders.sort_by_key(|holder| (std::cmp::Reverse(holder.connections), holder.pid));
        count.holders.truncate(KEPT_MAX);
        count
    }

    /// `held by vlc (4711)`; `None` where no process is known.
    pub(super) fn held_by(&self) -> Option<String> {
        if self.holders.is_empty() {
            return None;
        }
        let (named, more) = self.holders.split_at(self.holders.len().min(NAMED_MAX));
        let one = |holder: &ForeignHolder| match holder.connections {
            1 => format!("{} ({})", holder.command, holder.pid),
            n => format!("{} ({}, {n} connections)", holder.command, holder.pid),
        };
        let parts: Vec<String> = named.iter().map(one).collect();
        let known =
            self.holders.iter().map(|holder| holder.connections).fold(0, u16::saturating_add);
        let others = if !more.is_empty() || known < self.foreign { " and others" } else { "" };
        Some(format!("held by {}{others}", parts.join(", ")))
    }
}

/// Adds to a refusal which other programs hold the device, as far as known.
pub(super) fn refusal(message: String, observed: &Observed, device: Device) -> String {
    let held_by = observed.connections.fresh().and_then(|all| Count::of(all, device).held_by());
    match held_by {
        Some(held_by) => format!("{message}; {held_by}"),
        None => message,
    }
}

/// `count` is `None` while connections cannot be seen.
pub(super) fn within_limit(count: Option<&Count>, limit: u16) -> Verdict {
    let kind = ConditionType::WithinLimit;
    let Some(count) = count else {
        let message = "the connections of this host cannot be read";
        return Verdict::new(kind, Truth::Unknown, "Unreadable", message);
    };
    let (ours, foreign) = (count.ours, count.foreign);
    let total = ours.saturating_add(foreign);
    let mut message = format!("{total} of {limit} connections: {ours} ours, {foreign} others");
    if let Some(held_by) = count.held_by() {
        message = format!("{message}; {held_by}");
    }
    if total > limit {
        Verdict::new(kind, false, "OverLimit", message)
    } else {
        Verdict::new(kind, true, "WithinLimit", message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(command: &str, pid: u32, connections: u16) -> ForeignHolder {
        ForeignHolder { command: command.into(), pid, connections }
    }

    fn sentence(holders: &[ForeignHolder], foreign: u16) -> Option<String> {
        Count { ours: 0, foreign, holders: holders.to_vec() }.held_by()
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
