//! Real child processes of every kind, and what is left of them.

mod adoptees;
mod control_group;
mod ends;
mod many;
mod observer;
mod server_killed;
mod stops;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use camserver::model::process::{ChildToken, ProcessId, Unit};
use camserver::world::process::{ChildSpec, Settings, Spawner, StdoutSink};
use tokio::time::{Instant, sleep};

const SHIM: &str = env!("CARGO_BIN_EXE_camserver");
const INSTALLATION: &str = "installation-of-a-test";

/// A spawner whose children nobody else's test takes for its own.
fn spawner_of(max_children: usize) -> Spawner {
    spawner_with(PathBuf::from(SHIM), max_children)
}

fn spawner_with(shim: PathBuf, max_children: usize) -> Spawner {
    spawner(shim, INSTALLATION, max_children)
}

/// One whose children bear the mark of this installation.
fn spawner_for(installation: &str, max_children: usize) -> Spawner {
    spawner(PathBuf::from(SHIM), installation, max_children)
}

fn spawner(shim: PathBuf, installation: &str, max_children: usize) -> Spawner {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    let instance = format!("run{}x{number}", std::process::id()).into();
    let installation = installation.into();
    Spawner::start(Settings { shim, installation, instance, max_children }).unwrap()
}

fn unit() -> Unit {
    "capture/cam-001".parse().unwrap()
}

/// A child of `/bin/sh` whose output is kept.
fn shell(script: &str) -> ChildSpec {
    let mut spec = ChildSpec::new("/bin/sh", unit());
    spec.args = ["-c", script].map(OsString::from).to_vec();
    spec.stdout = StdoutSink::Piped { max: 64 * 1024 };
    spec
}

#[expect(clippy::disallowed_methods, reason = "a test starts what it tests against")]
fn command(program: impl AsRef<Path>) -> Command {
    Command::new(program.as_ref())
}

/// This program again, with only one of its ignored tests.
fn this_program_with(test: &str) -> Vec<OsString> {
    let program = std::env::current_exe().unwrap().into_os_string();
    let rest = ["--exact", "--ignored", "--nocapture", test].map(OsString::from);
    std::iter::once(program).chain(rest).collect()
}

/// Waits for a condition, and says what did not come true.
async fn until(what: &str, limit: Duration, mut is_true: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !is_true() {
        assert!(Instant::now() < end, "not within {limit:?}: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// State and start of a process, as the kernel says.
fn stat(pid: u32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

fn identity(pid: u32) -> ProcessId {
    ProcessId { pid, start_ticks: stat(pid).unwrap().1 }
}

/// Whether a process runs no more; a zombie runs no more.
fn has_ended(process: ProcessId) -> bool {
    stat(process.pid).is_none_or(|(state, start)| state == 'Z' || start != process.start_ticks)
}

/// Pids of all living processes that bear a child's token.
fn bearers(token: &ChildToken) -> Vec<u32> {
    let end = format!(":{token}");
    let is_bearer = |pid: &u32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|variable| {
            variable.starts_with(b"CAMSERVER_MARK=") && variable.ends_with(end.as_bytes())
        })
    };
    let pids = fs::read_dir("/proc").unwrap();
    let pids = pids.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(is_bearer).collect()
}
