//! The observer of processes: which there are, and whose.
//!
//! A look costs one listing of `/proc` and a few reads: what is known to be none of our business
//! is not opened again. It judges nothing and keeps nothing but what saves reads.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::error::ProcessError;
use super::procfs::{self, Stat};
use crate::model::process::{Mark, Process, ProcessOwner, ProcessState};
use crate::model::time::Mono;

/// How old a process must be before it is taken for a stranger for good. A child that was just
/// forked shows the environment of its parent until it runs its program.
const SETTLED: Duration = Duration::from_secs(5);
/// Every so many looks each stranger is looked at again, in case it became something else.
const AGAIN_EVERY: u64 = 32;
/// Longest line of ancestors that is followed.
const ANCESTORS_MAX: usize = 128;

/// Reads the table of processes, again and again.
#[derive(Debug, Default)]
pub struct ProcessScanner {
    /// Strangers, by pid, with the number of their directory.
    strangers: HashMap<u32, u64>,
    /// What the environments of the other processes said.
    marks: HashMap<u32, Known>,
    looks: u64,
}

/// What an environment said, and what tells that it is still the same.
#[derive(Debug, Clone)]
struct Known {
    stat: Stat,
    mark: Option<Mark>,
}

impl Known {
    /// Whether a process is the same and runs the same program: `execve` moves the environment.
    fn is_of(&self, stat: &Stat) -> bool {
        self.stat.id == stat.id
            && self.stat.environment == stat.environment
            && self.stat.command == stat.command
    }
}

/// How a process is related to this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Descent {
    Ours,
    Strange,
    /// Its ancestors changed while they were read.
    Unclear,
}

impl ProcessScanner {
    /// One look: children of this installation, other descendants of this server, and the
    /// strangers among `connected` (pids that hold a socket to a declared device), by pid.
    ///
    /// Blocks for some milliseconds. Never an empty list where `/proc` cannot be read.
    pub fn scan(
        &mut self,
        installation: &str,
        connected: &BTreeSet<u32>,
    ) -> Result<Vec<Process>, ProcessError> {
        self.looks += 1;
        let me = std::process::id();
        let listed = procfs::pids().map_err(|source| failed("/proc", source))?;
        if !listed.iter().any(|(pid, _)| *pid == me) {
            return Err(failed("/proc", io::ErrorKind::NotFound.into()));
        }
        let mut strangers = HashMap::with_capacity(self.strangers.len());
        let mut stats = HashMap::new();
        for &(pid, directory) in &listed {
            let is_known = self.strangers.get(&pid) == Some(&directory);
            let is_turn = (u64::from(pid) + self.looks).is_multiple_of(AGAIN_EVERY);
            if is_known && !is_turn && !connected.contains(&pid) {
                strangers.insert(pid, directory);
            } else if let Some(stat) = read_stat(pid)? {
                stats.insert(pid, (stat, directory));
            }
        }
        let now = clock_gettime(ClockId::Boottime);
        let now = Mono(u64::try_from(now.tv_sec).unwrap_or(0).saturating_mul(1000));
        let mut marks = HashMap::new();
        let mut found = Vec::new();
        for (stat, directory) in stats.values() {
            let mark = self.mark_of(stat)?;
            let descent = descent(stat, &stats, &strangers, me);
            let is_ours = mark.as_ref().is_some_and(|mark| *mark.installation == *installation);
            let is_settled = procfs::started(stat.id).plus(SETTLED) <= now;
            if !is_ours && descent == Descent::Strange && is_settled {
                strangers.insert(stat.id.pid, *directory);
            }
            let owner = match (mark.as_ref().filter(|_| is_ours), descent) {
                _ if stat.id.pid == me => None,
                (Some(mark), _) => Some(ProcessOwner::Ours(mark.clone())),
                (None, Descent::Ours) => Some(ProcessOwner::Unmarked),
                (None, Descent::Strange | Descent::Unclear) => {
                    connected.contains(&stat.id.pid).then_some(ProcessOwner::Foreign)
                }
            };
            found.extend(owner.map(|owner| process(stat, owner)));
            marks.insert(stat.id.pid, Known { stat: stat.clone(), mark });
        }
        self.strangers = strangers;
        self.marks = marks;
        found.sort_by_key(|process| process.id);
        Ok(found)
    }

    /// The mark of a process that runs as the same user; read once for each program it runs.
    fn mark_of(&self, stat: &Stat) -> Result<Option<Mark>, ProcessError> {
        // Neither a zombie nor a thread of the kernel has one, nor one that may not be looked at.
        if stat.environment.1 == 0 || stat.state == ProcessState::Zombie {
            return Ok(None);
        }
        let pid = stat.id.pid;
        if let Some(known) = self.marks.get(&pid).filter(|known| known.is_of(stat)) {
            return Ok(known.mark.clone());
        }
        let read = procfs::mark(pid).and_then(|mark| match mark {
            Some(mark) if procfs::is_same_user(pid)? => Ok(Some(mark)),
            Some(_) | None => Ok(None),
        });
        match read {
            Ok(mark) => Ok(mark),
            Err(error) if procfs::is_gone_or_hidden(&error) => Ok(None),
            Err(error) => Err(failed(&format!("/proc/{pid}/environ"), error)),
        }
    }
}

fn process(stat: &Stat, owner: ProcessOwner) -> Process {
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    Process {
        id: stat.id,
        parent: stat.parent,
        owner,
        state: stat.state,
        command: Arc::clone(&stat.command),
        started: procfs::started(stat.id),
        resident_bytes: stat.resident_pages.saturating_mul(page),
        cpu_ms: procfs::ticks_to_ms(stat.cpu_ticks),
        open_files: procfs::open_files(stat.id.pid),
    }
}

/// `None` when it has ended meanwhile or is hidden; an error when nothing can be said.
fn read_stat(pid: u32) -> Result<Option<Stat>, ProcessError> {
    match procfs::stat(pid) {
        Ok(stat) => Ok(Some(stat)),
        Err(error) if procfs::is_gone_or_hidden(&error) => Ok(None),
        Err(error) => Err(failed(&format!("/proc/{pid}/stat"), error)),
    }
}

/// Follows the parents of a process up to this one, to a stranger, or to where there is none.
fn descent(
    of: &Stat,
    stats: &HashMap<u32, (Stat, u64)>,
    strangers: &HashMap<u32, u64>,
    me: u32,
) -> Descent {
    let mut parent = of.parent;
    for _ in 0..ANCESTORS_MAX {
        if parent == me {
            return Descent::Ours;
        }
        if parent <= 1 || strangers.contains_key(&parent) {
            return Descent::Strange;
        }
        match stats.get(&parent) {
            Some((stat, _)) => parent = stat.parent,
            None => return Descent::Unclear,
        }
    }
    Descent::Unclear
}

fn failed(path: &str, source: io::Error) -> ProcessError {
    ProcessError::Table { path: PathBuf::from(path), source }
}
