//! What is true of processes: pids, states, parents, and what a signal does.
//!
//! Pids are few, so they are soon used again. A process that is stopped or waits in the kernel does
//! not act on SIGTERM, one that waits in the kernel not even on SIGKILL until it comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::process::{
    ChildToken, EndSignal, Mark, Process, ProcessId, ProcessOwner, ProcessState, ProcessTable,
};
use crate::model::time::Mono;

/// First pid of the pool, and how many there are.
const PIDS: (u32, u32) = (100, 48);
/// The process that takes in whom nobody else takes in.
const INIT: u32 = 1;

/// How a process takes SIGTERM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// It ends.
    Obeys,
    /// It goes on.
    Deaf,
}

/// One process.
#[derive(Debug, Clone)]
pub(super) struct Proc {
    pub(super) id: ProcessId,
    pub(super) parent: u32,
    /// `None` for another program.
    pub(super) mark: Option<Mark>,
    pub(super) state: ProcessState,
    nature: Nature,
    started: Mono,
    /// A signal that it cannot act on yet.
    pending: Option<EndSignal>,
}

/// All processes of the host.
#[derive(Debug, Default)]
pub(super) struct Kernel {
    processes: BTreeMap<u32, Proc>,
    last: u32,
    /// The server, while one runs: it is a subreaper.
    pub(super) server: Option<u32>,
}

impl Kernel {
    /// A new process, under the next free pid.
    pub(super) fn spawn(
        &mut self,
        parent: u32,
        mark: Option<Mark>,
        nature: Nature,
        now: Mono,
    ) -> ProcessId {
        let free = |pid: &u32| !self.processes.contains_key(pid);
        let after = (1..=PIDS.1).map(|step| PIDS.0 + (self.last + step) % PIDS.1);
        let pid = after.into_iter().find(free).expect("more pids than processes");
        self.last = pid - PIDS.0;
        let id = ProcessId { pid, start_ticks: now.0 / 10 };
        let state = ProcessState::Sleeping;
        let proc = Proc { id, parent, mark, state, nature, started: now, pending: None };
        self.processes.insert(pid, proc);
        id
    }

    pub(super) fn get(&self, id: ProcessId) -> Option<&Proc> {
        self.processes.get(&id.pid).filter(|proc| proc.id == id)
    }

    pub(super) fn is_alive(&self, id: ProcessId) -> bool {
        self.get(id).is_some_and(|proc| proc.state != ProcessState::Zombie)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Proc> {
        self.processes.values()
    }

    /// Children of ours that live, grandchildren included.
    pub(super) fn marked(&self) -> impl Iterator<Item = (&Proc, &Mark)> {
        let alive = self.iter().filter(|proc| proc.state != ProcessState::Zombie);
        alive.filter_map(|proc| Some((proc, proc.mark.as_ref()?)))
    }

    /// Stops a process, or makes it wait in the kernel, or wakes it; whether that ends it.
    pub(super) fn set_state(&mut self, id: ProcessId, state: ProcessState) -> bool {
        let Some(proc) = self.processes.get_mut(&id.pid) else { return false };
        if proc.id != id || proc.state == ProcessState::Zombie {
            return false;
        }
        proc.state = state;
        match proc.pending {
            Some(signal) if acts(proc, signal) => {
                self.end(id);
                true
            }
            Some(_) | None => false,
        }
    }

    /// Sends a signal to the process if it is still that one; whether that ends it.
    pub(super) fn signal(&mut self, id: ProcessId, signal: EndSignal) -> bool {
        let Some(proc) = self.processes.get_mut(&id.pid) else { return false };
        if proc.id != id || proc.state == ProcessState::Zombie {
            return false;
        }
        if acts(proc, signal) {
            self.end(id);
            return true;
        }
        let is_worse = proc.pending != Some(EndSignal::Kill);
        if is_worse && (signal == EndSignal::Kill || proc.nature == Nature::Obeys) {
            proc.pending = Some(signal);
        }
        false
    }

    /// The process ends: a zombie until its parent reaps it; its own children find a new parent.
    pub(super) fn end(&mut self, id: ProcessId) {
        let heir = self.server.unwrap_or(INIT);
        for proc in self.processes.values_mut().filter(|proc| proc.parent == id.pid) {
            proc.parent = heir;
        }
        if let Some(proc) = self.processes.get_mut(&id.pid) {
            proc.state = ProcessState::Zombie;
        }
        self.init_reaps();
    }

    /// The server is gone.
    pub(super) fn server_dies(&mut self) {
        if let Some(server) = self.server.take() {
            for proc in self.processes.values_mut().filter(|proc| proc.parent == server) {
                proc.parent = INIT;
            }
        }
        self.init_reaps();
    }

    fn init_reaps(&mut self) {
        self.processes.retain(|_, p| p.state != ProcessState::Zombie || p.parent != INIT);
    }

    /// Its parent takes the exit status of a zombie; whether there was one.
    pub(super) fn reap(&mut self, id: ProcessId) -> bool {
        let is_zombie = self.get(id).is_some_and(|proc| proc.state == ProcessState::Zombie);
        if is_zombie {
            self.processes.remove(&id.pid);
        }
        is_zombie
    }

    /// Another program ends by itself; whether it was still there.
    pub(super) fn leave(&mut self, id: ProcessId) -> bool {
        let was_there = self.is_alive(id);
        if was_there {
            self.processes.remove(&id.pid);
        }
        was_there
    }

    /// The host boots anew.
    pub(super) fn boot(&mut self) {
        self.processes.clear();
        self.server = None;
    }

    /// What a look at `/proc` shows.
    pub(super) fn table(&self, owned: &BTreeSet<ChildToken>) -> ProcessTable {
        let shown = |proc: &Proc| {
            let whose = match (&proc.mark, proc.state) {
                (None, _) => ProcessOwner::Foreign,
                // A zombie has no environment any more.
                (Some(_), ProcessState::Zombie) => ProcessOwner::Unmarked,
                (Some(mark), _) => ProcessOwner::Ours(mark.clone()),
            };
            Process {
                id: proc.id,
                parent: proc.parent,
                owner: whose,
                state: proc.state,
                command: Arc::from("ffmpeg"),
                started: proc.started,
                resident_bytes: 0,
                cpu_ms: 0,
                open_files: None,
            }
        };
        ProcessTable { processes: self.iter().map(shown).collect(), owned: owned.clone() }
    }
}

fn acts(proc: &Proc, signal: EndSignal) -> bool {
    match (proc.state, signal) {
        (ProcessState::Uninterruptible | ProcessState::Zombie, _)
        | (ProcessState::Stopped, EndSignal::Terminate) => false,
        (_, EndSignal::Kill) => true,
        (_, EndSignal::Terminate) => proc.nature == Nature::Obeys,
    }
}
