//! Joins sockets with slots and processes: whose is each connection to a declared device?
//!
//! A socket's own slot is known by its address, so that only what is left over costs a look at
//! `/proc/<pid>/fd`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use super::TcpSocket;
use crate::model::desired::Device;
use crate::model::observed::{Connection, ConnectionOwner};
use crate::model::process::{ProcessId, Unit};
use crate::model::slot::{Slot, SlotState};
use crate::model::time::Mono;

/// Processes looked at in one search; a host with more is searched in part, the rest shows as
/// unattributable.
const PROCESSES_MAX: usize = 20_000;

/// Remembers between looks who was found and since when a connection is there.
#[derive(Debug, Default)]
pub struct Attributor {
    known: HashMap<(SocketAddr, Device), Known>,
}

/// What an earlier look found out about one connection.
#[derive(Debug)]
struct Known {
    since: Mono,
    owner: Option<(u32, ConnectionOwner)>,
}

impl Attributor {
    /// The connections to `devices` among all sockets, each with its owner.
    pub fn connections<'a>(
        &mut self,
        sockets: &[TcpSocket],
        is_device: impl Fn(&Device) -> bool,
        slots: impl IntoIterator<Item = &'a Slot>,
        (children, at): (&BTreeMap<u32, (ProcessId, Unit)>, Mono),
    ) -> Vec<Connection> {
        let ours: Vec<&TcpSocket> = sockets.iter().filter(|s| is_device(&s.remote)).collect();
        let there: HashSet<_> = ours.iter().map(|s| (s.local, s.remote)).collect();
        self.known.retain(|key, _| there.contains(key));
        let mut connections = attribute(&ours, slots, at);
        self.name_the_rest(&mut connections, children);
        for connection in &mut connections {
            let key = (connection.local, connection.device);
            let entry = self.known.entry(key).or_insert(Known { since: at, owner: None });
            connection.since = entry.since;
        }
        connections
    }

    /// Finds the processes of connections that belong to no slot.
    fn name_the_rest(
        &mut self,
        connections: &mut [Connection],
        children: &BTreeMap<u32, (ProcessId, Unit)>,
    ) {
        let mut wanted = BTreeSet::new();
        for connection in connections.iter_mut() {
            if connection.owner != ConnectionOwner::Unattributable || connection.inode == 0 {
                continue;
            }
            let key = (connection.local, connection.device);
            match self.known.get(&key) {
                Some(Known { owner: Some((inode, owner)), .. }) if *inode == connection.inode => {
                    connection.owner = owner.clone();
                }
                _ => {
                    wanted.insert(connection.inode);
                }
            }
        }
        if wanted.is_empty() {
            return;
        }
        let owners = search(&wanted, children);
        for connection in connections {
            let Some(owner) = owners.get(&connection.inode) else { continue };
            if connection.owner != ConnectionOwner::Unattributable {
                continue;
            }
            connection.owner = owner.clone();
            // A stray may be a capture that is just connecting, and what is foreign at first sight a
            // child that is too new to be known as one: both are looked at anew.
            let key = (connection.local, connection.device);
            let is_new = !self.known.contains_key(&key);
            let is_sure = match owner {
                ConnectionOwner::Child { .. } => true,
                ConnectionOwner::Foreign { .. } => !is_new,
                ConnectionOwner::Slot(_)
                | ConnectionOwner::Stray
                | ConnectionOwner::Unattributable => false,
            };
            if is_sure {
                let since = connection.since;
                let entry = self.known.entry(key).or_insert(Known { since, owner: None });
                entry.owner = Some((connection.inode, owner.clone()));
            }
        }
    }
}

/// Gives each connection to the slot that knows its address; the rest stays unattributed.
pub fn attribute<'a>(
    sockets: &[&TcpSocket],
    slots: impl IntoIterator<Item = &'a Slot>,
    at: Mono,
) -> Vec<Connection> {
    let by_address: BTreeMap<(SocketAddr, Device), &Slot> = slots
        .into_iter()
        .filter(|slot| !matches!(slot.state, SlotState::Quarantined { .. }))
        .filter_map(|slot| Some(((slot.local?, slot.device), slot)))
        .collect();
    sockets
        .iter()
        .map(|socket| Connection {
            device: socket.remote,
            local: socket.local,
            state: socket.state,
            inode: socket.inode,
            owner: by_address
                .get(&(socket.local, socket.remote))
                .map_or(ConnectionOwner::Unattributable, |slot| ConnectionOwner::Slot(slot.id)),
            since: at,
        })
        .collect()
}

/// The processes that have these sockets open: this one first, then its children, then all
/// others.
fn search(
    inodes: &BTreeSet<u32>,
    children: &BTreeMap<u32, (ProcessId, Unit)>,
) -> HashMap<u32, ConnectionOwner> {
    let mut found = HashMap::new();
    let me = std::process::id();
    let mut take = |pid: u32, owner: &dyn Fn() -> ConnectionOwner| {
        for inode in sockets_of(pid) {
            if inodes.contains(&inode) {
                found.entry(inode).or_insert_with(owner);
            }
        }
        found.len() == inodes.len()
    };
    if take(me, &|| ConnectionOwner::Stray) {
        return found;
    }
    for (pid, (process, unit)) in children {
        if take(*pid, &|| ConnectionOwner::Child { process: *process, unit: unit.clone() }) {
            return found;
        }
    }
    let Ok(entries) = fs::read_dir("/proc") else { return found };
    for entry in entries.flatten().take(PROCESSES_MAX) {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if pid != me && !children.contains_key(&pid) && take(pid, &|| foreign(pid)) {
            break;
        }
    }
    found
}

fn foreign(pid: u32) -> ConnectionOwner {
    let command = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    ConnectionOwner::Foreign { pid, command: Arc::from(command.trim_end()) }
}

/// Inodes of the sockets that a process has open; none when it may not be looked at.
fn sockets_of(pid: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .filter_map(|target| {
            target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::world::sockets::SocketDiag;

    #[test]
    fn own_sockets_without_a_slot_are_strays() {
        let listener = TcpListener::bind("127.0.0.10:0").unwrap();
        let device = listener.local_addr().unwrap();
        let client = TcpStream::connect(device).unwrap();
        let sockets = SocketDiag::open().unwrap().connections(false).unwrap();
        let mut attributor = Attributor::default();

        let seen =
            attributor.connections(&sockets, |d| *d == device, [], (&BTreeMap::new(), Mono(7)));
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].owner, ConnectionOwner::Stray);

        let slot = Slot {
            id: 3,
            device,
            holder: None,
            since: Mono(1),
            local: client.local_addr().ok(),
            state: SlotState::Held,
        };
        let seen = attributor.connections(
            &sockets,
            |d| *d == device,
            [&slot],
            (&BTreeMap::new(), Mono(9)),
        );
        assert_eq!(seen[0].owner, ConnectionOwner::Slot(3));
        assert_eq!(seen[0].since, Mono(7), "the first look counts");
    }
}
