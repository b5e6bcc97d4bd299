//! What a child left behind: processes of its session, and those that bear its mark elsewhere.
//!
//! It looks and says; [`supervise`](super::supervise) ends them.

use std::collections::HashMap;
use std::io;

use super::procfs::{self, Stat};
use crate::model::process::{ChildToken, ProcessId, ProcessState};

/// What is left of a child.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    /// Alive, with the session and mark to check again.
    pub(super) alive: Vec<ProcessId>,
    /// Ended, and waiting for this process to reap them.
    pub(super) zombies: Vec<ProcessId>,
}

/// Whose leftovers.
#[derive(Debug, Clone)]
pub(super) struct Descent {
    /// The child's first process, which must not have been reaped: its pid names the session.
    pub(super) leader: ProcessId,
    /// What its descendants bear in their environment.
    pub(super) token: ChildToken,
}

impl Descent {
    /// Whether a process descends from the child.
    pub(super) fn has(&self, stat: &Stat) -> bool {
        stat.session == self.leader.pid
            || (stat.environment.0 != 0
                && procfs::mark(stat.id.pid)
                    .ok()
                    .flatten()
                    .is_some_and(|mark| mark.token == self.token))
    }
}

/// Start times of the host's processes, so that a look opens only those that are new.
#[derive(Debug, Default)]
pub(super) struct Census {
    /// By pid: number of the directory, start time.
    known: HashMap<u32, (u64, u64)>,
}

impl Census {
    /// Looks once over all processes. Blocks for some milliseconds.
    pub(super) fn leftovers(&mut self, of: &Descent) -> io::Result<Leftovers> {
        let me = std::process::id();
        let mut found = Leftovers::default();
        let mut known = HashMap::with_capacity(self.known.len());
        for (pid, directory) in procfs::pids()? {
            if pid == me || pid == of.leader.pid {
                continue;
            }
            let is_older =
                |&(seen, start): &(u64, u64)| seen == directory && start < of.leader.start_ticks;
            if let Some(entry) = self.known.get(&pid).copied().filter(is_older) {
                known.insert(pid, entry);
                continue;
            }
            let stat = match procfs::stat(pid) {
                Ok(stat) => stat,
                Err(error) if procfs::is_gone_or_hidden(&error) => continue,
                Err(error) => return Err(error),
            };
            known.insert(pid, (directory, stat.id.start_ticks));
            if stat.id.start_ticks < of.leader.start_ticks || !of.has(&stat) {
                continue;
            }
            match stat.state {
                ProcessState::Zombie if stat.parent == me => found.zombies.push(stat.id),
                ProcessState::Zombie => {}
                ProcessState::Running
                | ProcessState::Sleeping
                | ProcessState::Uninterruptible
                | ProcessState::Stopped => found.alive.push(stat.id),
            }
        }
        self.known = known;
        Ok(found)
    }
}
