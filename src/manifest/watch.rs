//! Live reload: notices that the manifests changed, waits until they are quiet, loads them.
//!
//! The digest of the contents is the truth and is looked at every 10 s; inotify only wakes it up
//! earlier, so that nothing depends on it (it sees nothing on network file systems). Decides
//! nothing about what was loaded.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::files::{self, Directory, Snapshot, identify};
use super::load::{Fingerprint, Loaded, fingerprint, load_snapshot};

/// Between two looks without a wake-up.
const POLL: Duration = Duration::from_secs(10);
/// From a wake-up to the first look: what comes together is looked at once, and a noisy
/// directory costs no more than this allows.
const GATHER: Duration = Duration::from_millis(150);
/// How long the contents must stay the same.
const QUIET: Duration = Duration::from_millis(300);

/// Watches one manifest directory until it is stopped.
#[derive(Debug)]
pub struct Watcher {
    results: watch::Receiver<Arc<Loaded>>,
    signal: Arc<Signal>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// What wakes the task.
#[derive(Debug, Default)]
struct Signal {
    wake: Notify,
    /// Somebody asked for a load, so one is published even when nothing changed.
    asked: AtomicBool,
}

impl Watcher {
    /// Starts to watch. `first` is what was loaded from the directory already.
    ///
    /// Needs a tokio runtime with time.
    pub fn start(directory: &Path, first: &Arc<Loaded>) -> Self {
        let signal = Arc::new(Signal::default());
        let stop = CancellationToken::new();
        let (sender, results) = watch::channel(Arc::clone(first));
        let eyes = Eyes::new(directory, Arc::clone(&signal));
        let task = Task {
            directory: directory.to_path_buf(),
            last: first.fingerprint,
            secret_files: Arc::clone(&first.secret_files),
            sender,
            signal: Arc::clone(&signal),
            eyes,
        };
        let task = tokio::spawn(task.run(stop.clone()));
        Self { results, signal, stop, task }
    }

    /// Every set that is loaded from now on; at first the one that it was started with. A reader
    /// that is slow sees the newest.
    pub fn results(&self) -> watch::Receiver<Arc<Loaded>> {
        self.results.clone()
    }

    /// Loads soon, also when nothing changed (SIGHUP).
    pub fn wake(&self) {
        self.signal.asked.store(true, Ordering::Release);
        self.signal.wake.notify_one();
    }

    /// Ends the watch and waits until it has ended.
    pub async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the watch of the manifests ended badly");
        }
    }
}

struct Task {
    directory: PathBuf,
    last: Fingerprint,
    secret_files: Arc<[PathBuf]>,
    sender: watch::Sender<Arc<Loaded>>,
    signal: Arc<Signal>,
    eyes: Eyes,
}

impl Task {
    async fn run(mut self, stop: CancellationToken) {
        // Something may have changed between the first load and the first watch.
        self.signal.wake.notify_one();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.signal.wake.notified() => {}
                () = sleep(POLL) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.check() => {}
            }
        }
    }

    async fn check(&mut self) {
        sleep(GATHER).await;
        let Some(mut before) = self.look().await else { return };
        let all_seen = self.eyes.follow(&before.0, &self.secret_files);
        let asked = self.signal.asked.swap(false, Ordering::AcqRel);
        if all_seen && before.1 == self.last && !asked {
            return;
        }
        loop {
            sleep(QUIET).await;
            let Some(after) = self.look().await else { return };
            let all_seen = self.eyes.follow(&after.0, &self.secret_files);
            if all_seen && after.1 == before.1 {
                break;
            }
            before = after;
        }
        let (snapshot, found) = before;
        if found != self.last || asked {
            self.publish(snapshot).await;
        }
    }

    /// Reads everything once.
    async fn look(&self) -> Option<(Snapshot, Fingerprint)> {
        let directory = self.directory.clone();
        let secret_files = Arc::clone(&self.secret_files);
        let look = move || {
            let snapshot = files::snapshot(&directory);
            let found = fingerprint(&snapshot, &secret_files);
            (snapshot, found)
        };
        blocking(look).await
    }

    async fn publish(&mut self, snapshot: Snapshot) {
        let directory = self.directory.clone();
        let Some(loaded) = blocking(move || load_snapshot(&directory, snapshot)).await else {
            return;
        };
        self.last = loaded.fingerprint;
        self.secret_files = Arc::clone(&loaded.secret_files);
        self.sender.send_replace(Arc::new(loaded));
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Some(done),
        Err(error) => {
            tracing::error!(%error, "reading the manifests ended badly");
            None
        }
    }
}

/// The inotify side. Without it (no watches left on this host) only the poll remains.
struct Eyes {
    watcher: Option<RecommendedWatcher>,
    /// The directory itself as an entry of its parent: a swapped link shows there.
    entry: Option<PathBuf>,
    armed: BTreeSet<Directory>,
    /// Folders in which everything matters.
    broad: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Eyes {
    fn new(directory: &Path, signal: Arc<Signal>) -> Self {
        let entry = entry_of(directory);
        let broad: Arc<Mutex<BTreeSet<PathBuf>>> = Arc::default();
        let (own, within) = (entry.clone(), Arc::clone(&broad));
        let handler = move |event: notify::Result<notify::Event>| {
            let matters = event.map_or(true, |event| {
                is_change(event.kind)
                    && (event.paths.is_empty() || {
                        let within = within.lock().unwrap_or_else(PoisonError::into_inner);
                        event.paths.iter().any(|path| {
                            own.as_deref() == Some(path)
                                || within.contains(path)
                                || path.parent().is_some_and(|parent| within.contains(parent))
                        })
                    })
            });
            if matters {
                signal.wake.notify_one();
            }
        };
        let watcher = notify::recommended_watcher(handler)
            .inspect_err(|error| {
                tracing::warn!(%error, "no file watches: manifests are looked at every 10 s");
            })
            .ok();
        Self { watcher, entry, armed: BTreeSet::new(), broad }
    }

    /// Watches the folders of a snapshot; `false` when there were new ones, in which something
    /// may have changed unseen.
    fn follow(&mut self, snapshot: &Snapshot, secret_files: &[PathBuf]) -> bool {
        let Some(watcher) = &mut self.watcher else { return true };
        let mut wanted: BTreeSet<Directory> = snapshot.directories.iter().cloned().collect();
        let secret_folders = secret_files.iter().filter_map(|file| file.parent());
        wanted.extend(secret_folders.filter_map(|folder| identify(&folder.canonicalize().ok()?)));
        {
            let mut broad = self.broad.lock().unwrap_or_else(PoisonError::into_inner);
            *broad = wanted.iter().map(|folder| folder.path.clone()).collect();
        }
        let parent = self.entry.as_deref().and_then(Path::parent);
        wanted.extend(parent.and_then(identify));
        if wanted == self.armed {
            return true;
        }
        for gone in self.armed.difference(&wanted) {
            // A folder that no longer exists has lost its watch already.
            if let Err(error) = watcher.unwatch(&gone.path) {
                tracing::trace!(%error, "a watch was gone");
            }
        }
        let mut armed: BTreeSet<Directory> = self.armed.intersection(&wanted).cloned().collect();
        for new in wanted.difference(&self.armed) {
            if let Err(error) = watcher.watch(&new.path, RecursiveMode::NonRecursive) {
                let folder = new.path.display();
                tracing::debug!(%error, %folder, "not watched: looked at every 10 s");
            }
            // Also where it failed: trying again each time would not help.
            armed.insert(new.clone());
        }
        self.armed = armed;
        false
    }
}

/// A path as an entry of its parent, the parent's links resolved.
fn entry_of(directory: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(directory).ok()?;
    let parent = absolute.parent()?.canonicalize().ok()?;
    Some(parent.join(absolute.file_name()?))
}

/// Whether an event can mean another content. Reading must not: the look itself reads.
fn is_change(kind: EventKind) -> bool {
    !kind.is_access() || kind == EventKind::Access(AccessKind::Close(AccessMode::Write))
}

#[cfg(test)]
mod tests;
