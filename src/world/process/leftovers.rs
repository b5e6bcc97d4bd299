//! What a child left behind: processes of its session, and those that bear its mark elsewhere.
//!
//! It looks and says; [`supervise`](super::supervise) ends them.

use std::collections::HashMap;
use std::io;

use super::procfs::{self, Stat};
use crate::model::process::{ChildToken, ProcessId, ProcessState};

/// The parent of all threads of the kernel, which have no environment.
const KERNEL_THREADS: u32 = 2;

/// What is left of a child.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    /// Alive, with the session and mark to check again.
    pub(super) alive: Vec<ProcessId>,
    /// Ended, and waiting for this process to reap them.
    pub(super) zombies: Vec<ProcessId>,
    /// Something of this user is just becoming another program, or just ending, so that its mark
    /// cannot be read; the next look will tell.
    pub(super) is_unclear: bool,
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
            || (stat.environment.1 != 0
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
            if stat.id.start_ticks < of.leader.start_ticks {
                continue;
            }
            if !of.has(&stat) {
                found.is_unclear |= is_unclear(&stat);
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

/// Whether a process shows no environment though it is a program of this user.
fn is_unclear(stat: &Stat) -> bool {
    stat.environment.1 == 0
        && stat.state != ProcessState::Zombie
        && stat.parent != KERNEL_THREADS
        && procfs::is_same_user(stat.id.pid).unwrap_or(false)
}
