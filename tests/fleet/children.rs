//! The children of a server, as the kernel shows them and not as the server does.

mod killed;
mod odd;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::clock::now;

/// Between two looks of a [`Watch`].
const LOOK_EVERY: Duration = Duration::from_millis(60);

/// A process that bears the mark of an installation and has not ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Marked {
    pub(crate) pid: u32,
    /// What it was started for.
    pub(crate) unit: String,
    /// The run that started it, and its number in that run.
    pub(crate) token: String,
}

impl Marked {
    /// The run that started it.
    pub(crate) fn run(&self) -> &str {
        self.token.rsplit_once('-').map_or("", |(run, _)| run)
    }
}

/// State and start of a process.
pub(crate) fn stat(pid: u32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// Whether a process runs; a zombie runs no more.
pub(crate) fn runs(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z')
}

/// Every process of this host.
pub(crate) fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// All processes of an installation's servers, grandchildren too.
pub(crate) fn marked(installation: &str) -> BTreeSet<Marked> {
    let begin = format!("CAMSERVER_MARK=v1:{installation}:");
    let of = |pid: u32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let mut variables = environ.split(|byte| *byte == 0);
        let mark = variables.find_map(|variable| variable.strip_prefix(begin.as_bytes()))?;
        let mark = String::from_utf8_lossy(mark).into_owned();
        let (unit, token) = mark.split_once(':')?;
        runs(pid).then(|| Marked { pid, unit: unit.to_owned(), token: token.to_owned() })
    };
    pids().filter_map(of).collect()
}

/// When the processes of one child were first and last seen.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    pub(crate) unit: String,
    first: Instant,
    last: Instant,
}

impl Life {
    pub(crate) fn length(&self) -> Duration {
        self.last - self.first
    }
}

/// What was seen over time of the children that take pictures.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) looks: u64,
    /// Most children at once.
    pub(crate) most: usize,
    /// Children by token.
    pub(crate) lives: BTreeMap<String, Life>,
    /// Two children of one camera at once.
    pub(crate) doubles: Vec<String>,
}

impl Seen {
    fn look(&mut self, installation: &str) {
        let (at, mut all) = (now(), marked(installation));
        // Asking ffmpeg for its version takes no camera.
        all.retain(|one| one.unit.starts_with("capture/"));
        let mut by_unit: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for one in &all {
            by_unit.entry(&one.unit).or_default().insert(&one.token);
            let new = || Life { unit: one.unit.clone(), first: at, last: at };
            self.lives.entry(one.token.clone()).or_insert_with(new).last = at;
        }
        let doubles = by_unit.iter().filter(|(_, tokens)| tokens.len() > 1);
        for (unit, tokens) in doubles {
            // Processes are read one after the other: the one may have ended before the other began.
            let still =
                |token: &&&str| all.iter().any(|one| one.token == ***token && runs(one.pid));
            if tokens.iter().filter(still).count() > 1 {
                self.doubles.push(format!("{unit}: {tokens:?}"));
            }
        }
        self.most = self.most.max(by_unit.values().map(BTreeSet::len).sum());
        self.looks += 1;
    }
}

/// Looks at the children of an installation's servers until it is asked what it saw.
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(crate) fn start(installation: String) -> Self {
        let (stop, seen) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Seen>>::default());
        let thread = std::thread::spawn({
            let (stop, seen) = (Arc::clone(&stop), Arc::clone(&seen));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    seen.lock().unwrap_or_else(PoisonError::into_inner).look(&installation);
                    std::thread::sleep(LOOK_EVERY);
                }
            }
        });
        Self { stop, seen, thread: Some(thread) }
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A look that failed shows as one that saw nothing.
            drop(thread.join());
        }
    }
}
