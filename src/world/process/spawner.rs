//! Starts children, all on one thread.
//!
//! The signal that ends a child with its parent belongs to the *thread* that forked it
//! (prctl(2), `PR_SET_PDEATHSIG`), and tokio ends its threads when they are idle: a child forked
//! there is killed after ten seconds. The thread here lives as long as a spawner or a child does.

use std::collections::BTreeSet;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::cgroup::{Capability, Group};
use super::child::{Birth, Child};
use super::error::ProcessError;
use super::leader::Leaders;
use super::leftovers::Census;
use super::pipes::Pipes;
use super::shim::Setup;
use super::spec::{ChildSpec, Polite, StdinSource, StdoutSink, environment};
use super::supervise::{KILL_WAIT, LEFTOVERS_MAX, Supervised};
use crate::model::process::{ChildToken, Mark, ProcessId};

/// Longest grace that [`Spawner::shut_down`] waits for, with the time that the streams take.
const GRACE_MAX: Duration = Duration::from_secs(3);

/// Children that were killed and did not end.
pub(super) type Undead = BTreeSet<ProcessId>;

/// How children are started.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The program with the hidden command: `/proc/self/exe`, which is right also after the file
    /// was replaced.
    pub shim: PathBuf,
    /// The installation that marks name.
    pub installation: Arc<str>,
    /// The run that marks name; no two runs may have the same.
    pub instance: Arc<str>,
    /// Most children alive at once, 1 to 1,000; [`Spawner::set_max_children`] changes it.
    pub max_children: usize,
}

/// No setting allows more children than this.
const CHILDREN_MAX: usize = 1_000;

/// Starts children. Cheap to clone; all clones are the same spawner.
#[derive(Debug, Clone)]
pub struct Spawner {
    requests: mpsc::Sender<Request>,
    shared: Arc<Shared>,
}

/// What the thread, the supervisors and the spawner's handles share.
#[derive(Debug)]
pub(super) struct Shared {
    settings: Settings,
    shim: OwnedFd,
    runtime: Handle,
    capability: Capability,
    // One for each child that could ever be allowed; how many are, is `max_children`.
    places: Arc<Semaphore>,
    max_children: AtomicUsize,
    last_number: AtomicU64,
    owned: Mutex<BTreeSet<ChildToken>>,
    end_all: CancellationToken,
    pub(super) tasks: TaskTracker,
    pub(super) leaders: Leaders,
    pub(super) census: Mutex<Census>,
    pub(super) undead: Mutex<Undead>,
}

/// A child that has an owner, from before its fork until nothing of it is left.
#[derive(Debug)]
pub(super) struct Ownership {
    pub(super) mark: Mark,
    shared: Arc<Shared>,
}

impl Drop for Ownership {
    fn drop(&mut self) {
        self.shared.owned().remove(&self.mark.token);
    }
}

/// A wish for a child.
#[derive(Debug)]
pub(super) struct Request {
    spec: ChildSpec,
    ownership: Ownership,
    place: OwnedSemaphorePermit,
    forker: mpsc::Sender<Request>,
    reply: oneshot::Sender<Result<Child, ProcessError>>,
}

impl Shared {
    fn owned(&self) -> std::sync::MutexGuard<'_, BTreeSet<ChildToken>> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spawner {
    /// Starts the thread, and makes this process the parent of its orphans. To be called in a
    /// tokio runtime, which watches the children.
    pub fn start(settings: Settings) -> Result<Self, ProcessError> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let shim = rustix::fs::open(&settings.shim, flags, Mode::empty())
            .map_err(|errno| ProcessError::Shim(errno.into()))?;
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(|errno| ProcessError::Subreaper(errno.into()))?;
        // A request is made only by who has a place, so there is always room.
        let (requests, incoming) = mpsc::channel(CHILDREN_MAX);
        let shared = Arc::new(Shared {
            max_children: AtomicUsize::new(settings.max_children),
            settings,
            shim,
            runtime: Handle::current(),
            capability: Capability::find(),
            places: Arc::new(Semaphore::new(CHILDREN_MAX)),
            last_number: AtomicU64::new(0),
            owned: Mutex::default(),
            end_all: CancellationToken::new(),
            tasks: TaskTracker::new(),
            leaders: Leaders::default(),
            census: Mutex::default(),
            undead: Mutex::default(),
        });
        let on_thread = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(move || serve(incoming, &on_thread))
            .map_err(ProcessError::Thread)?;
        Ok(Self { requests, shared })
    }

    /// Starts a child. When the call is given up, a child that was started already is ended.
    pub async fn spawn(&self, spec: ChildSpec) -> Result<Child, ProcessError> {
        if self.shared.end_all.is_cancelled() {
            return Err(ProcessError::Closed);
        }
        let place = self.place()?;
        let (reply, answer) = oneshot::channel();
        let forker = self.requests.clone();
        let ownership = self.own(&spec);
        let request = Request { spec, ownership, place, forker, reply };
        self.requests.try_send(request).map_err(|_| ProcessError::Closed)?;
        answer.await.map_err(|_| ProcessError::Closed)?
    }

    /// Changes how many children may be alive at once. Those alive are left alone.
    pub fn set_max_children(&self, max: usize) {
        self.shared.max_children.store(max, Ordering::Relaxed);
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, ProcessError> {
        let max = self.shared.max_children.load(Ordering::Relaxed).clamp(1, CHILDREN_MAX);
        let place = Arc::clone(&self.shared.places).try_acquire_owned().map_err(|e| match e {
            TryAcquireError::NoPermits => ProcessError::TooMany { max },
            TryAcquireError::Closed => ProcessError::Closed,
        })?;
        // Counted with the new place among them: of two who come at once to the last place, both
        // may be refused, but never both admitted.
        let taken = CHILDREN_MAX - self.shared.places.available_permits();
        if taken > max { Err(ProcessError::TooMany { max }) } else { Ok(place) }
    }

    fn own(&self, spec: &ChildSpec) -> Ownership {
        let Settings { installation, instance, .. } = &self.shared.settings;
        let number = self.shared.last_number.fetch_add(1, Ordering::Relaxed) + 1;
        let token = ChildToken { instance: Arc::clone(instance), number };
        self.shared.owned().insert(token.clone());
        let (installation, unit) = (Arc::clone(installation), spec.unit.clone());
        let mark = Mark { installation, unit, token };
        Ownership { mark, shared: Arc::clone(&self.shared) }
    }

    /// Children whose owner is alive: a [`Child`], or its stop protocol.
    pub fn owned(&self) -> BTreeSet<ChildToken> {
        self.shared.owned().clone()
    }

    /// Children that were killed and hang in the kernel. Each still takes a place.
    pub fn undead(&self) -> BTreeSet<ProcessId> {
        self.shared.undead.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether control groups are used.
    pub fn capability(&self) -> &Capability {
        &self.shared.capability
    }

    /// Reaps a zombie that this process inherited. Does nothing for any other process, and for
    /// the spawner's own children, whose exit status belongs to their owner.
    pub fn reap(&self, process: ProcessId) {
        self.shared.leaders.reap_adoptee(process);
    }

    /// Ends all children, waits until nothing of them is left, and starts no more. Returns after
    /// some 8 s at most, with those that hang in the kernel.
    pub async fn shut_down(&self) -> BTreeSet<ProcessId> {
        self.shared.end_all.cancel();
        self.shared.tasks.close();
        let all = u32::try_from(CHILDREN_MAX).unwrap_or(u32::MAX);
        let ended = async {
            // Also for requests that the thread has not answered yet: each holds a place.
            let places = self.shared.places.acquire_many(all).await;
            self.shared.tasks.wait().await;
            drop(places);
        };
        timeout(GRACE_MAX + KILL_WAIT + LEFTOVERS_MAX, ended).await.ok();
        self.shared.places.close();
        self.undead()
    }
}

/// The thread.
fn serve(mut incoming: mpsc::Receiver<Request>, shared: &Arc<Shared>) {
    while let Some(request) = incoming.blocking_recv() {
        let Request { spec, ownership, place, forker, reply } = request;
        if shared.end_all.is_cancelled() || reply.is_closed() {
            drop(reply.send(Err(ProcessError::Closed)));
            continue;
        }
        // A reply that nobody waits for any more is dropped, and with it the child.
        drop(reply.send(fork(spec, ownership, place, forker)));
    }
}

/// Forks, and hands the child over to its supervisor.
fn fork(
    spec: ChildSpec,
    ownership: Ownership,
    place: OwnedSemaphorePermit,
    forker: mpsc::Sender<Request>,
) -> Result<Child, ProcessError> {
    let shared = Arc::clone(&ownership.shared);
    let group = shared.capability.create(&ownership.mark);
    let mut command = command(&shared, &spec, &ownership.mark, group.as_ref());
    let (leader, mut streams) = shared.leaders.start(&mut command).map_err(ProcessError::Start)?;
    let max_output = match spec.stdout {
        StdoutSink::Null | StdoutSink::Stream => 0,
        StdoutSink::Piped { max } => max,
    };
    let stream = streams.stdout.take_if(|_| spec.stdout == StdoutSink::Stream);
    let pipes = Pipes {
        stdin: match spec.stdin {
            StdinSource::Null => None,
            StdinSource::Bytes(bytes) => streams.stdin.take().map(|pipe| (pipe, bytes)),
        },
        stdout: streams.stdout.take().map(|pipe| (pipe, max_output)),
        stderr: streams.stderr.take(),
    };
    let token = ownership.mark.token.clone();
    let birth = Birth { id: leader.id(), token, program: spec.program, max_output };
    let orders = shared.end_all.child_token();
    let (report, ended) = oneshot::channel();
    let supervised = Supervised {
        leader,
        pipes,
        polite: match spec.stop {
            Polite::Interrupt => Signal::INT,
            Polite::Terminate => Signal::TERM,
        },
        grace: spec.grace,
        redactor: spec.redactor,
        group,
        orders: orders.clone(),
        report: Some(report),
        ownership,
        shared: Arc::clone(&shared),
        place,
        forker,
    };
    shared.tasks.spawn_on(supervised.run(), &shared.runtime);
    Ok(Child::new(birth, stream, orders, ended))
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that starts a process")]
fn command(shared: &Shared, spec: &ChildSpec, mark: &Mark, group: Option<&Group>) -> Command {
    let program = spec.program.clone().into_os_string();
    let setup = Setup {
        parent: std::process::id(),
        limits: spec.limits,
        cgroup: group.map(|group| group.path().to_owned()),
        command: std::iter::once(program).chain(spec.args.iter().cloned()).collect(),
    };
    // By descriptor: the file at that path may have been replaced by another version.
    let mut command = Command::new(format!("/proc/self/fd/{}", shared.shim.as_raw_fd()));
    command
        .args(setup.arguments())
        .env_clear()
        .envs(environment(mark, &spec.environment))
        .stdin(match spec.stdin {
            StdinSource::Null => Stdio::null(),
            StdinSource::Bytes(_) => Stdio::piped(),
        })
        .stdout(match spec.stdout {
            StdoutSink::Null => Stdio::null(),
            StdoutSink::Piped { .. } | StdoutSink::Stream => Stdio::piped(),
        })
        .stderr(Stdio::piped());
    command
}
