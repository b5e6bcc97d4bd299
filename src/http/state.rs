//! What every handler holds.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::archive::Archive;
use super::problem::Problem;
use super::push::Hub;
use super::wire::View;
use crate::live::LiveHandle;
use crate::metrics::Metrics;
use crate::model::secret::Redactor;
use crate::model::time::Now;
use crate::reconcile::{Handle, IntentError};

/// Asks both clocks.
pub type NowFn = Arc<dyn Fn() -> Now + Send + Sync>;

/// Bounds and places that the program chooses.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the server listens; on loopback only loopback names are answered to.
    pub listen: SocketAddr,
    /// The wall's files, instead of those in the program.
    pub ui_dir: Option<PathBuf>,
    /// Connections at once; more wait in the kernel's queue.
    pub connections_max: usize,
    /// From the start of a request's head to its end; also for a connection without a request.
    pub header_timeout: Duration,
    /// From the head of a request to the head of its answer.
    pub request_timeout: Duration,
    /// How long open requests may go on after the end was announced.
    pub shutdown_grace: Duration,
    /// Browsers at `/ws` at once.
    pub push_clients_max: usize,
    /// Messages that a browser may lag behind.
    pub push_queue: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            ui_dir: None,
            connections_max: 1024,
            header_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(30),
            shutdown_grace: Duration::from_secs(3),
            push_clients_max: 256,
            // A burst in which each of 1,000 cameras changes, four times over.
            push_queue: 4096,
        }
    }
}

/// What every handler holds. Cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

struct Inner {
    handle: Handle,
    archive: Arc<dyn Archive>,
    metrics: Arc<Metrics>,
    live: LiveHandle,
    redactor: watch::Receiver<Redactor>,
    clock: NowFn,
    settings: Settings,
    hub: Arc<Hub>,
    sockets: TaskTracker,
    closing: CancellationToken,
}

impl fmt::Debug for AppState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppState").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

/// Collects the parts of an [`AppState`].
pub struct AppStateBuilder {
    handle: Handle,
    archive: Arc<dyn Archive>,
    metrics: Arc<Metrics>,
    live: LiveHandle,
    redactor: watch::Receiver<Redactor>,
    clock: NowFn,
    settings: Settings,
}

impl fmt::Debug for AppStateBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppStateBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl AppStateBuilder {
    /// Where the newest list of secrets comes from.
    #[must_use]
    pub fn redactor(mut self, redactor: watch::Receiver<Redactor>) -> Self {
        self.redactor = redactor;
        self
    }

    /// Who knows the time; without it, the time of the newest state.
    #[must_use]
    pub fn clock(mut self, clock: NowFn) -> Self {
        self.clock = clock;
        self
    }

    /// Bounds and places.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The state.
    pub fn build(self) -> AppState {
        let hub = Hub::new(self.settings.push_clients_max, self.settings.push_queue);
        AppState(Arc::new(Inner {
            handle: self.handle,
            archive: self.archive,
            metrics: self.metrics,
            live: self.live,
            redactor: self.redactor,
            clock: self.clock,
            settings: self.settings,
            hub: Arc::new(hub),
            sockets: TaskTracker::new(),
            closing: CancellationToken::new(),
        }))
    }
}

impl AppState {
    /// Begins a state with what has no default.
    pub fn builder(
        handle: Handle,
        archive: Arc<dyn Archive>,
        metrics: Arc<Metrics>,
        live: LiveHandle,
    ) -> AppStateBuilder {
        let snapshots = handle.clone();
        AppStateBuilder {
            handle,
            archive,
            metrics,
            live,
            redactor: watch::channel(Redactor::default()).1,
            clock: Arc::new(move || snapshots.snapshot().at),
            settings: Settings::default(),
        }
    }

    /// The loop.
    pub(super) fn handle(&self) -> &Handle {
        &self.0.handle
    }

    /// What is stored.
    pub(super) fn archive(&self) -> &dyn Archive {
        &*self.0.archive
    }

    /// Live video.
    pub(super) fn live(&self) -> &LiveHandle {
        &self.0.live
    }

    /// What is counted.
    pub(super) fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    /// Bounds and places.
    pub(super) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// This moment.
    pub(super) fn now(&self) -> Now {
        (self.0.clock)()
    }

    /// Replaces secrets in texts.
    pub(super) fn redactor(&self) -> Redactor {
        self.0.redactor.borrow().clone()
    }

    /// Why the loop did not take a wish.
    pub(super) fn refused(&self, error: &IntentError) -> Problem {
        Problem::refused(error, &self.redactor())
    }

    /// The newest state, ready to be shown.
    pub(super) fn view(&self) -> View {
        View { snapshot: self.0.handle.snapshot(), redactor: self.redactor() }
    }

    /// The push to browsers.
    pub(super) fn hub(&self) -> &Arc<Hub> {
        &self.0.hub
    }

    /// Owns the tasks of browsers at `/ws`; the listener waits for them.
    pub(super) fn sockets(&self) -> &TaskTracker {
        &self.0.sockets
    }

    /// Tells them to end.
    pub(super) fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }
}
