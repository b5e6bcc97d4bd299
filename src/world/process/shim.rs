//! The child's side of a start: what has to happen between fork and the program's first
//! instruction.
//!
//! Rust can run code there only by `unsafe` means, so the server runs *itself* in the new
//! process, under a hidden command. That process makes itself a session of its own, ties its
//! life to the server's, closes what it inherited, limits itself, and becomes the program. It does
//! nothing else: no runtime, no log.
//!
//! Signals: the standard library empties the mask and resets SIGPIPE before the program begins,
//! and `execve` resets every signal that the server handles. One that was ignored when the server
//! itself was started, and that it does not handle, stays ignored.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

use super::error::ProcessError;
pub use super::spec::Limits;

/// The hidden command.
pub const COMMAND: &str = "child";
/// How the line begins that a process writes when it could not become the program.
const PREFIX: &str = "camserver-child";

/// What the new process is told on its command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// Pid of the server.
    pub parent: u32,
    /// What it may use.
    pub limits: Limits,
    /// The control group to enter.
    pub cgroup: Option<PathBuf>,
    /// The program and its arguments.
    pub command: Vec<OsString>,
}

impl Setup {
    /// The arguments that say all this; the command line reads them back.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut all: Vec<OsString> =
            vec![COMMAND.into(), "--parent".into(), self.parent.to_string().into()];
        let limits = [
            ("--cpu-seconds", self.limits.cpu_seconds),
            ("--memory-bytes", self.limits.memory_bytes),
            ("--open-files", self.limits.open_files),
        ];
        for (name, value) in limits {
            all.extend(value.into_iter().flat_map(|n| [name.into(), n.to_string().into()]));
        }
        all.extend(self.cgroup.iter().flat_map(|path| ["--cgroup".into(), path.into()]));
        all.push("--".into());
        all.extend(self.command.iter().cloned());
        all
    }
}

/// What could not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Prepare,
    Run,
}

impl Stage {
    const ALL: [Self; 2] = [Self::Prepare, Self::Run];

    fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Run => "run",
        }
    }
}

/// Why a process did not become the program; shows itself as the line for the server.
#[derive(Debug, thiserror::Error)]
#[error("{PREFIX} {} {}", stage.as_str(), source.raw_os_error().unwrap_or(0))]
pub struct NotBecome {
    stage: Stage,
    source: io::Error,
}

/// Becomes the program; returns only when that failed.
pub fn become_program(setup: &Setup) -> NotBecome {
    let Some((program, args)) = setup.command.split_first() else {
        let source = rustix::io::Errno::INVAL.into();
        return NotBecome { stage: Stage::Prepare, source };
    };
    let mut command = program_command(program, args);
    match prepare(setup) {
        Ok(()) => NotBecome { stage: Stage::Run, source: command.exec() },
        Err(source) => NotBecome { stage: Stage::Prepare, source },
    }
}

#[expect(clippy::disallowed_methods, reason = "this process becomes the program")]
fn program_command(program: &OsString, args: &[OsString]) -> Command {
    let mut command = Command::new(program);
    command.args(args);
    command
}

fn prepare(setup: &Setup) -> io::Result<()> {
    rustix::thread::set_name(c"camserver-child")?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // A parent that died before the line above sends nothing any more.
    let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    if u32::try_from(parent) != Ok(setup.parent) {
        return Err(rustix::io::Errno::SRCH.into());
    }
    rustix::process::setsid()?;
    // A program that changes its user would lose the death signal and escape ours.
    rustix::thread::set_no_new_privs(true)?;
    if let Some(group) = &setup.cgroup {
        // Session and mark still find it where this fails.
        fs::write(group.join("cgroup.procs"), "0").ok();
    }
    close_inherited()?;
    limit(Resource::Core, Some(0), 0)?;
    limit(Resource::Cpu, setup.limits.cpu_seconds, 1)?;
    limit(Resource::Nofile, setup.limits.open_files, 0)?;
    limit(Resource::As, setup.limits.memory_bytes, 0)
}

/// Closes all but the three streams. What the server opens itself closes by itself; what whoever
/// started the server left open does not.
fn close_inherited() -> io::Result<()> {
    for number in open_files()?.into_iter().filter(|number| *number > 2) {
        // The one that listed them is closed already, which is no failure.
        nix::unistd::close(number).ok();
    }
    Ok(())
}

/// Numbers only: every entry of a folder keeps the folder open, and closing it under one of them
/// is a panic.
fn open_files() -> io::Result<Vec<RawFd>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        numbers.extend(entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    Ok(numbers)
}

/// Lowers a limit; what is allowed at most is never raised.
fn limit(resource: Resource, wanted: Option<u64>, beyond: u64) -> io::Result<()> {
    let Some(wanted) = wanted else { return Ok(()) };
    let present = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let current = Some(wanted.min(present));
    let maximum = Some(wanted.saturating_add(beyond).min(present));
    Ok(setrlimit(resource, Rlimit { current, maximum })?)
}

/// Reads the line of a process that did not become the program; `None` when it did.
pub(super) fn failure(stderr: &[u8], program: &Path) -> Option<ProcessError> {
    let line = std::str::from_utf8(stderr).ok()?.strip_suffix('\n')?;
    let mut words = line.strip_prefix(PREFIX)?.split_whitespace();
    let (stage, errno) = (words.next()?, words.next()?.parse().ok()?);
    if words.next().is_some() {
        return None;
    }
    let stage = Stage::ALL.into_iter().find(|known| known.as_str() == stage)?;
    let source = io::Error::from_raw_os_error(errno);
    let program = program.to_owned();
    Some(match (stage, source.kind()) {
        (Stage::Prepare, _) => ProcessError::Prepare(source),
        (Stage::Run, io::ErrorKind::NotFound) => ProcessError::ProgramMissing { program },
        (Stage::Run, _) => ProcessError::ProgramUnusable { program, source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_missing_program_is_read_back() {
        let errno = rustix::io::Errno::NOENT;
        let line = NotBecome { stage: Stage::Run, source: errno.into() }.to_string() + "\n";
        let error = failure(line.as_bytes(), Path::new("/no/ffmpeg")).unwrap();
        assert_eq!(error.to_string(), "there is no program /no/ffmpeg");
    }

    #[test]
    fn what_a_program_writes_is_not_taken_for_such_a_line() {
        for text in ["", "Invalid data\n", "camserver-child run\n", "camserver-child run 2 more\n"]
        {
            assert!(failure(text.as_bytes(), Path::new("ffmpeg")).is_none(), "{text}");
        }
    }
}
