//! Signals to processes that were not just started, so whose pid may have been used again.
//!
//! It does not wait for the end: a later look at the table of processes shows it.

use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::error::SignalError;
use super::procfs;
use crate::model::process::{EndSignal, Mark, ProcessId, ProcessState};

/// Longest line of ancestors that is followed.
const ANCESTORS_MAX: usize = 128;

/// Sends a signal to exactly this process, if it still bears exactly this mark.
///
/// The descriptor is opened first and the identity read afterwards: what is read then is either
/// that of the descriptor's process, or of a later one with the same pid, which differs.
pub fn signal(process: ProcessId, mark: &Mark, signal: EndSignal) -> Result<(), SignalError> {
    let signal = match signal {
        EndSignal::Terminate => Signal::TERM,
        EndSignal::Kill => Signal::KILL,
    };
    send(process, signal, || match procfs::mark(process.pid) {
        Ok(Some(read)) if read == *mark => Ok(()),
        Ok(_) => Err(SignalError::OtherMark),
        Err(error) => Err(unreadable(error)),
    })
    .map(drop)
}

/// Sends a signal to exactly this process, if `is_meant` agrees after its identity was read.
///
/// Returns the descriptor, which becomes readable at the end of the process.
pub(super) fn send(
    process: ProcessId,
    signal: Signal,
    is_meant: impl FnOnce() -> Result<(), SignalError>,
) -> Result<OwnedFd, SignalError> {
    protect(process.pid)?;
    let pid = i32::try_from(process.pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or(SignalError::Protected(process.pid))?;
    let descriptor = pidfd_open(pid, PidfdFlags::empty()).map_err(refused)?;
    let stat = procfs::stat(process.pid).map_err(unreadable)?;
    if stat.id != process {
        return Err(SignalError::OtherProcess);
    }
    if stat.state == ProcessState::Zombie {
        return Err(SignalError::Gone);
    }
    if !procfs::is_same_user(process.pid).map_err(unreadable)? {
        return Err(SignalError::OtherUser);
    }
    is_meant()?;
    pidfd_send_signal(&descriptor, signal).map_err(refused)?;
    Ok(descriptor)
}

/// Refuses pids that must never be signalled, whatever anybody believes about them.
fn protect(pid: u32) -> Result<(), SignalError> {
    let mut ancestor = std::process::id();
    for _ in 0..ANCESTORS_MAX {
        if pid <= 1 || pid == ancestor {
            return Err(SignalError::Protected(pid));
        }
        ancestor = procfs::stat(ancestor).map_err(SignalError::Unreadable)?.parent;
        if ancestor <= 1 {
            return Ok(());
        }
    }
    Ok(())
}

fn unreadable(error: std::io::Error) -> SignalError {
    let is_ended = error.kind() == std::io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error());
    if is_ended { SignalError::Gone } else { SignalError::Unreadable(error) }
}

fn refused(errno: rustix::io::Errno) -> SignalError {
    match errno {
        rustix::io::Errno::SRCH => SignalError::Gone,
        errno => SignalError::Refused(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_process_the_server_and_its_ancestors_are_never_signalled() {
        let mark: Mark = "v1:here:capture/cam:run-1".parse().unwrap();
        let own = procfs::stat(std::process::id()).unwrap();
        let mut protected = vec![own.id, ProcessId { pid: 0, start_ticks: 0 }];
        protected.push(ProcessId { pid: 1, start_ticks: procfs::stat(1).unwrap().id.start_ticks });
        protected.extend(procfs::stat(own.parent).map(|parent| parent.id));
        for process in protected {
            let refusal = signal(process, &mark, EndSignal::Kill);
            assert!(matches!(refusal, Err(SignalError::Protected(_))), "{process}: {refusal:?}");
        }
    }
}
