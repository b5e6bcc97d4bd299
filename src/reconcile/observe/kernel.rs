//! Reads the kernel's two tables that concern cameras: sockets and processes.
//!
//! Each read happens on a thread that may block. What is read is joined here and judged elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::chain::Chain;
use crate::model::desired::Device;
use crate::model::observed::{Connection, ConnectionOwner};
use crate::model::process::{Process, ProcessId, ProcessTable, Unit};
use crate::model::slot::Slot;
use crate::model::time::Mono;
use crate::world::process::{ProcessScanner, Spawner};
use crate::world::sockets::{Attributor, SocketDiag, SocketError};

/// The way to the tables, with what each reader remembers.
#[derive(Debug)]
pub(in crate::reconcile) struct Kernel {
    spawner: Spawner,
    installation: Arc<str>,
    readers: Arc<Mutex<Readers>>,
}

#[derive(Debug, Default)]
struct Readers {
    diag: Option<SocketDiag>,
    attributor: Attributor,
    scanner: ProcessScanner,
}

impl Kernel {
    pub(in crate::reconcile) fn new(spawner: Spawner, installation: &str) -> Self {
        Self { spawner, installation: installation.into(), readers: Arc::default() }
    }

    /// All connections to `devices`, each with its owner; an error is for people.
    pub(super) async fn connections(
        &self,
        devices: BTreeSet<Device>,
        slots: Vec<Slot>,
        processes: Option<Arc<ProcessTable>>,
        now: Mono,
    ) -> Result<Vec<Connection>, String> {
        let readers = Arc::clone(&self.readers);
        // Well under ten milliseconds, but more than an async thread should be kept from others.
        let read = tokio::task::spawn_blocking(move || {
            let children = processes.as_deref().map(children).unwrap_or_default();
            lock(&readers).connections(&devices, &slots, &children, now)
        });
        match read.await {
            Ok(Ok(connections)) => Ok(connections),
            Ok(Err(error)) => Err(Chain(&error).to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// All processes that concern this server; an error is for people.
    pub(super) async fn processes(
        &self,
        connections: Option<Arc<Vec<Connection>>>,
    ) -> Result<ProcessTable, String> {
        let (readers, installation) = (Arc::clone(&self.readers), Arc::clone(&self.installation));
        let mut owned = self.spawner.owned();
        let read = tokio::task::spawn_blocking(move || {
            let connected = connections.as_deref().map(|all| strangers(all)).unwrap_or_default();
            lock(&readers).scanner.scan(&installation, &connected)
        });
        let processes: Vec<Process> = match read.await {
            Ok(Ok(processes)) => processes,
            Ok(Err(error)) => return Err(Chain(&error).to_string()),
            Err(error) => return Err(error.to_string()),
        };
        owned.extend(self.spawner.owned());
        Ok(ProcessTable { processes, owned })
    }
}

fn lock(readers: &Mutex<Readers>) -> MutexGuard<'_, Readers> {
    readers.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Readers {
    fn connections(
        &mut self,
        devices: &BTreeSet<Device>,
        slots: &[Slot],
        children: &BTreeMap<u32, (ProcessId, Unit)>,
        now: Mono,
    ) -> Result<Vec<Connection>, SocketError> {
        let diag = match &mut self.diag {
            Some(diag) => diag,
            None => self.diag.insert(SocketDiag::open()?),
        };
        let sockets = diag.connections(devices.iter().any(Device::is_ipv6));
        if sockets.is_err() {
            self.diag = None;
        }
        let is_device = |device: &Device| devices.contains(device);
        Ok(self.attributor.connections(&sockets?, is_device, slots, (children, now)))
    }
}

/// Ours, by pid.
fn children(table: &ProcessTable) -> BTreeMap<u32, (ProcessId, Unit)> {
    let marked = table.processes.iter().filter_map(|process| Some((process.id, process.mark()?)));
    marked.map(|(id, mark)| (id.pid, (id, mark.unit.clone()))).collect()
}

/// Pids of others that are connected.
fn strangers(connections: &[Connection]) -> BTreeSet<u32> {
    let foreign = connections.iter().filter_map(|connection| match connection.owner {
        ConnectionOwner::Foreign { pid, .. } => Some(pid),
        ConnectionOwner::Slot(_)
        | ConnectionOwner::Stray
        | ConnectionOwner::Child { .. }
        | ConnectionOwner::Unattributable => None,
    });
    foreign.collect()
}
