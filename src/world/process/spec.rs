//! What a child is to be: program, streams, limits, environment, and how it is asked to end.
//!
//! It starts nothing. Secrets have no place in arguments or environment, which `ps` shows: they
//! go through standard input, or are not given at all.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::model::process::{MARK_VARIABLE, Mark, Unit};
use crate::model::secret::Redactor;

/// How long a child may take to end when it is asked to, before it is killed.
const GRACE: Duration = Duration::from_secs(2);
/// Where programs are looked for when the server has no `PATH` itself.
const PATH_DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// One child to be.
#[derive(Debug, Clone)]
pub struct ChildSpec {
    /// The program: a path, or a name that is looked up in `PATH`.
    pub program: PathBuf,
    /// Its arguments; every user of the host can read them.
    pub args: Vec<OsString>,
    /// What for.
    pub unit: Unit,
    /// Variables besides those that every child gets.
    pub environment: Vec<(OsString, OsString)>,
    /// What it reads.
    pub stdin: StdinSource,
    /// What becomes of what it writes.
    pub stdout: StdoutSink,
    /// The signal that asks it to end.
    pub stop: Polite,
    /// How long it may take to end when asked, before it is killed.
    pub grace: Duration,
    /// What it may use.
    pub limits: Limits,
    /// What is replaced in what it writes to standard error.
    pub redactor: Redactor,
}

impl ChildSpec {
    /// A child that reads and returns nothing, is asked to end by SIGTERM and has no limits.
    pub fn new(program: impl Into<PathBuf>, unit: Unit) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            unit,
            environment: Vec::new(),
            stdin: StdinSource::Null,
            stdout: StdoutSink::Null,
            stop: Polite::Terminate,
            grace: GRACE,
            limits: Limits::default(),
            redactor: Redactor::default(),
        }
    }
}

/// What a child reads.
#[derive(Clone, Default)]
pub enum StdinSource {
    /// Nothing.
    #[default]
    Null,
    /// These bytes, then the end. They may be secret: never shown, overwritten after use.
    Bytes(Zeroizing<Vec<u8>>),
}

impl fmt::Debug for StdinSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
        }
    }
}

/// What becomes of what a child writes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StdoutSink {
    /// Thrown away.
    #[default]
    Null,
    /// Kept; a child that writes more is ended.
    Piped {
        /// Most bytes.
        max: usize,
    },
    /// Handed to the owner by `Child::take_stdout`, who reads it or drops it: a child whose pipe
    /// is full stands still.
    Stream,
}

/// The signal that asks a child to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polite {
    /// SIGINT: ffmpeg finishes its file.
    Interrupt,
    /// SIGTERM: everything else.
    Terminate,
}

/// What a child may use; `None` is what the server itself may. Core dumps are always off, since
/// they hold secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// CPU time, seconds: SIGXCPU there, SIGKILL a second later.
    pub cpu_seconds: Option<u64>,
    /// Address space, bytes.
    pub memory_bytes: Option<u64>,
    /// Open file descriptors.
    pub open_files: Option<u64>,
}

/// The whole environment of a child: nothing of the server's own but `PATH` and `TZ`.
///
/// So neither secrets (`passwordFrom.env`) nor the sockets of the service manager
/// (`NOTIFY_SOCKET`, `WATCHDOG_*`, `LISTEN_*`) reach it. The mark comes last and cannot be
/// replaced.
pub(super) fn environment(
    mark: &Mark,
    extra: &[(OsString, OsString)],
) -> Vec<(OsString, OsString)> {
    let pair = |name: &str, value: &OsStr| (OsString::from(name), value.to_owned());
    let path = env::var_os("PATH").unwrap_or_else(|| PATH_DEFAULT.into());
    let mut all = vec![
        pair("PATH", &path),
        pair("LANG", "C".as_ref()),
        pair("LC_ALL", "C".as_ref()),
        pair("HOME", "/".as_ref()),
    ];
    all.extend(env::var_os("TZ").map(|zone| pair("TZ", &zone)));
    all.extend_from_slice(extra);
    all.push(pair(MARK_VARIABLE, mark.to_string().as_ref()));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_for_a_child_are_not_shown() {
        let source = StdinSource::Bytes(Zeroizing::new(b"hunter2".to_vec()));
        assert_eq!(format!("{source:?}"), "Bytes(7)");
    }

    #[test]
    fn the_mark_cannot_be_replaced() {
        let mark: Mark = "v1:here:capture/cam:run-1".parse().unwrap();
        let all = environment(&mark, &[(MARK_VARIABLE.into(), "forged".into())]);
        let (name, value) = all.last().unwrap();
        assert_eq!((name, value), (&MARK_VARIABLE.into(), &"v1:here:capture/cam:run-1".into()));
    }
}
