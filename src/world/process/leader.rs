//! The process that a child begins as, held by a descriptor, and the register of all of them.
//!
//! As long as a leader is not reaped, its pid is its own: so it can be signalled, and its group
//! with it, without asking who it is. Nobody else may reap it, which is what the register is for.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open,
    pidfd_send_signal, waitid,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::child::How;
use super::procfs;
use crate::model::process::{ProcessId, ProcessState};

/// How often a descriptor is looked at that the runtime could not watch.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Pids of the leaders that have not been reaped.
#[derive(Debug, Clone, Default)]
pub(super) struct Leaders(Arc<Mutex<BTreeSet<u32>>>);

impl Leaders {
    /// Starts a process. The register is locked meanwhile, so that a leader that ends at once is
    /// not taken for somebody else's zombie.
    pub(super) fn start(&self, command: &mut Command) -> io::Result<(Leader, Child)> {
        let mut pids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut child = command.spawn()?;
        let raw = child.id();
        let opened = i32::try_from(raw)
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
            .and_then(|pid| Ok((pid, pidfd_open(pid, PidfdFlags::empty())?)))
            .and_then(|(pid, descriptor)| Ok((pid, descriptor, procfs::stat(raw)?.id)));
        let (pid, descriptor, id) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                // Without a descriptor it cannot be looked after. It is still ours and not
                // reaped, so this hits nobody else, and the shim cannot hang in the kernel.
                child.kill().ok();
                child.wait().ok();
                return Err(error);
            }
        };
        pids.insert(raw);
        Ok((Leader { id, pid, descriptor, register: self.clone(), is_reaped: false }, child))
    }

    /// Takes the exit status of a zombie that was given to this process when its own parent ended.
    ///
    /// Does nothing when the process is not exactly that, or a leader, which has an owner.
    pub(super) fn reap_adoptee(&self, process: ProcessId) {
        let pids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pids.contains(&process.pid) {
            return;
        }
        let Ok(stat) = procfs::stat(process.pid) else { return };
        let is_zombie_of_ours = stat.id == process
            && stat.state == ProcessState::Zombie
            && stat.parent == std::process::id();
        let pid = i32::try_from(process.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| is_zombie_of_ours) {
            // A zombie of ours keeps its pid until this call, so this is the one that was read.
            waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG).ok();
        }
    }
}

/// A process that a child began as.
#[derive(Debug)]
pub(super) struct Leader {
    id: ProcessId,
    pid: Pid,
    descriptor: OwnedFd,
    register: Leaders,
    is_reaped: bool,
}

impl Leader {
    pub(super) fn id(&self) -> ProcessId {
        self.id
    }

    /// Signals the leader alone.
    pub(super) fn signal(&self, signal: Signal) {
        pidfd_send_signal(&self.descriptor, signal).ok();
    }

    /// Kills everything in its process group.
    pub(super) fn kill_group(&self) {
        if !self.is_reaped {
            kill_process_group(self.pid, Signal::KILL).ok();
        }
    }

    /// Waits until it has ended; it is not reaped then.
    pub(super) async fn ended(&self) {
        ended(self.descriptor.as_fd()).await;
    }

    /// Takes its exit status. Only after [`Self::ended`].
    pub(super) fn reap(&mut self) -> How {
        let mut pids = self.register.0.lock().unwrap_or_else(PoisonError::into_inner);
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let status = waitid(WaitId::PidFd(self.descriptor.as_fd()), options);
        pids.remove(&self.id.pid);
        self.is_reaped = true;
        match status {
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => How::Exited(code),
                (None, Some(signal)) => How::Signalled(signal),
                (None, None) => How::Lost,
            },
            Ok(None) | Err(_) => How::Lost,
        }
    }
}

impl Drop for Leader {
    /// The last net, for a runtime that ended while children were alive.
    fn drop(&mut self) {
        if !self.is_reaped {
            self.signal(Signal::KILL);
            self.kill_group();
            self.reap();
        }
    }
}

/// Waits until the process of a descriptor has ended.
pub(super) async fn ended(descriptor: BorrowedFd<'_>) {
    #[expect(
        deprecated,
        reason = "what replaces it is unsafe, for types that may name a descriptor that is not \
                  theirs; a borrowed descriptor is open as long as it is borrowed"
    )]
    if let Ok(watched) = AsyncFd::with_interest(descriptor, Interest::READABLE)
        && watched.readable().await.is_ok()
    {
        return;
    }
    while !has_ended(descriptor) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn has_ended(descriptor: BorrowedFd<'_>) -> bool {
    let mut watched = [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
    matches!(poll(&mut watched, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(1..))
}
