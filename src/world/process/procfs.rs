//! Reads single files of `/proc`. One process, one question, nothing kept.
//!
//! The formats are those of `proc_pid_stat(5)`, `proc_pid_environ(5)` and `proc_pid_status(5)`.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::DirEntryExt as _;
use std::sync::Arc;

use crate::model::process::{MARK_VARIABLE, Mark, ProcessId, ProcessState};
use crate::model::time::Mono;

/// Longest `stat` that is read: some 50 numbers and a name.
const STAT_BYTES_MAX: usize = 2048;
/// Most of an environment that is searched for a mark; children of ours have far less.
const ENVIRON_BYTES_MAX: u64 = 256 * 1024;

/// What `/proc/PID/stat` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) id: ProcessId,
    pub(super) command: Arc<str>,
    pub(super) state: ProcessState,
    pub(super) parent: u32,
    pub(super) session: u32,
    pub(super) cpu_ticks: u64,
    pub(super) resident_pages: u64,
    /// Where its environment lies; changes with every `execve`. Zero where there is none, where
    /// it may not be seen, and for a moment in the middle of an `execve`.
    pub(super) environment: (u64, u64),
}

/// Whether an error means that the process has ended, or that it is hidden from this user.
pub(super) fn is_gone_or_hidden(error: &io::Error) -> bool {
    let ended = error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error());
    ended || matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
}

/// Every process of this namespace: pid, and the number of its directory.
///
/// The kernel gives a process's directory a number when it is first looked at, and another process
/// never has the same; so an equal number means the same process, without opening anything.
pub(super) fn pids() -> io::Result<Vec<(u32, u64)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        all.extend(pid.map(|pid| (pid, entry.ino())));
    }
    Ok(all)
}

/// Reads `/proc/PID/stat`.
pub(super) fn stat(pid: u32) -> io::Result<Stat> {
    let mut buffer = [0; STAT_BYTES_MAX];
    let length = File::open(format!("/proc/{pid}/stat"))?.read(&mut buffer)?;
    let text = buffer.get(..length).unwrap_or_default();
    parse(pid, text).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

fn parse(pid: u32, text: &[u8]) -> Option<Stat> {
    let text = String::from_utf8_lossy(text);
    // The name may hold anything, brackets too; what follows its last one is numbers.
    let (before, after) = text.rsplit_once(") ")?;
    let (_, name) = before.split_once(" (")?;
    let mut fields = after.split_ascii_whitespace();
    let state = match fields.next()? {
        "R" => ProcessState::Running,
        "D" => ProcessState::Uninterruptible,
        "T" | "t" => ProcessState::Stopped,
        "Z" | "X" | "x" => ProcessState::Zombie,
        _ => ProcessState::Sleeping,
    };
    let numbers: Vec<u64> = fields.map(|field| field.parse().unwrap_or(0)).collect();
    // Field 4 of the manual is the first of these.
    let field = |number: usize| numbers.get(number - 4).copied();
    let small = |number: usize| field(number).and_then(|n| u32::try_from(n).ok());
    Some(Stat {
        id: ProcessId { pid, start_ticks: field(22)? },
        command: name.chars().filter(|c| !c.is_control()).collect::<String>().into(),
        state,
        parent: small(4)?,
        session: small(6)?,
        cpu_ticks: field(14)?.saturating_add(field(15)?),
        resident_pages: field(24)?,
        environment: (field(50).unwrap_or(0), field(51).unwrap_or(0)),
    })
}

/// The mark in a process's environment; `None` when there is none.
///
/// An error means that the environment cannot be read, as for a zombie or another user's process.
pub(super) fn mark(pid: u32) -> io::Result<Option<Mark>> {
    let file = File::open(format!("/proc/{pid}/environ"))?;
    let mut environ = Vec::new();
    file.take(ENVIRON_BYTES_MAX).read_to_end(&mut environ)?;
    let value = environ
        .split(|byte| *byte == 0)
        .find_map(|variable| variable.strip_prefix(MARK_VARIABLE.as_bytes())?.strip_prefix(b"="));
    Ok(value.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok()))
}

/// Whether a process runs as the same user as this one, by its real and its effective user.
pub(super) fn is_same_user(pid: u32) -> io::Result<bool> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let mut users = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .unwrap_or_default()
        .split_ascii_whitespace()
        .map(str::parse);
    let real = rustix::process::getuid().as_raw();
    let effective = rustix::process::geteuid().as_raw();
    Ok(users.next() == Some(Ok(real)) && users.next() == Some(Ok(effective)))
}

/// Open file descriptors of a process, where they may be seen.
pub(super) fn open_files(pid: u32) -> Option<u32> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    u32::try_from(files.count()).ok()
}

/// Clock ticks as milliseconds.
pub(super) fn ticks_to_ms(ticks: u64) -> u64 {
    ticks.saturating_mul(1000) / rustix::param::clock_ticks_per_second().max(1)
}

/// When a process began.
pub(super) fn started(id: ProcessId) -> Mono {
    Mono(ticks_to_ms(id.start_ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by Linux 6.1 for a program whose name was chosen to confuse.
    const LINE: &[u8] =
        b"4711 (a) R (b\x1b\n) S 4242 4711 4700 0 -1 4194304 100 0 0 0 7 5 0 0 20 0 \
        1 0 98765 5873664 321 18446744073709551615 94 95 140 0 0 0 0 4096 0 1 0 0 17 1 0 0 0 0 0 \
        90 91 92 141 142 300 400 0\n";

    #[test]
    fn a_name_with_brackets_confuses_nobody() {
        let stat = parse(4711, LINE).unwrap();
        assert_eq!(&*stat.command, "a) R (b");
        assert_eq!((stat.state, stat.parent, stat.session), (ProcessState::Sleeping, 4242, 4700));
        assert_eq!((stat.id.start_ticks, stat.cpu_ticks, stat.resident_pages), (98_765, 12, 321));
        assert_eq!(stat.environment, (300, 400));
    }

    #[test]
    fn a_line_that_was_cut_is_no_process() {
        assert_eq!(parse(4711, &LINE[..60]), None);
        assert_eq!(parse(4711, b""), None);
    }

    #[test]
    fn this_process_is_listed_and_runs_as_itself() {
        let pid = std::process::id();
        assert!(pids().unwrap().iter().any(|(listed, _)| *listed == pid));
        assert_eq!(stat(pid).unwrap().id.pid, pid);
        assert!(is_same_user(pid).unwrap());
        assert_eq!(mark(pid).unwrap(), None);
    }

    #[test]
    fn the_number_of_a_directory_stays_as_long_as_its_process_lives() {
        let pid = std::process::id();
        let own = || pids().unwrap().into_iter().find(|(listed, _)| *listed == pid).unwrap();
        assert_eq!(own(), own());
    }
}
