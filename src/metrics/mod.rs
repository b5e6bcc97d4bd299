//! What Prometheus is told: counters that the parts increment, and gauges read from the state.
//!
//! Counters and histograms live here for the whole run. What is true at this moment is not
//! counted but read from the newest [`Snapshot`] when somebody asks, so that the series of a
//! removed camera disappear by themselves. Label values come from manifests and closed lists;
//! never a URL, an address or an error text.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::model::lease::EndReason;
use crate::model::process::Unit;
use crate::model::snapshot::Snapshot;
use crate::model::time::Mono;

mod exposition;
mod labels;
mod state;
mod viewer;

pub use exposition::Format;
use labels::{
    ActionLabels, CaptureLabels, KindLabels, LiveLabels, PartLabels, ReasonLabels, RequestLabels,
    ResultLabels, RouteLabels,
};
use state::StateCollector;
pub use viewer::LiveViewer;

/// A histogram for each label set, all with the same buckets.
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Buckets of captures: from a kept key frame to the longest deadline.
const CAPTURE_SECONDS: [f64; 11] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0];
/// Buckets of work that should be quick.
const QUICK_SECONDS: [f64; 10] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0, 10.0];

/// Everything that is counted in this run. Cheap to share, safe to call from anywhere.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    captures: Family<CaptureLabels, Counter>,
    capture_seconds: Histograms<LiveLabels>,
    passes: Family<ResultLabels, Counter>,
    pass_seconds: Histogram,
    actions: Family<ActionLabels, Counter>,
    sweeps: Family<ResultLabels, Counter>,
    slots_refused: Family<ReasonLabels, Counter>,
    children_started: Family<ActionLabels, Counter>,
    observation_seconds: Histograms<PartLabels>,
    observation_failures: Family<PartLabels, Counter>,
    admissions: Family<ResultLabels, Counter>,
    leases_ended: Family<ReasonLabels, Counter>,
    live_viewers: Gauge,
    store_seconds: Histograms<KindLabels>,
    store_errors: Family<KindLabels, Counter>,
    deleted: Family<KindLabels, Counter>,
    ws_clients: Gauge,
    ws_lagged: Counter,
    ws_refused: Counter,
    http_requests: Family<RequestLabels, Counter>,
    http_seconds: Histograms<RouteLabels>,
    http_connections: Gauge,
    scrape_seconds: Gauge<f64, AtomicU64>,
}

/// What a scrape reads besides the counters.
#[derive(Debug, Clone)]
pub struct Scrape {
    /// The newest state.
    pub snapshot: Arc<Snapshot>,
    /// This moment, for the ages of observations.
    pub mono: Mono,
    /// Events held in memory, and how many may be.
    pub events: (usize, usize),
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All series at zero.
    pub fn new() -> Self {
        let capture: fn() -> Histogram = || Histogram::new(CAPTURE_SECONDS);
        let quick: fn() -> Histogram = || Histogram::new(QUICK_SECONDS);
        let mut metrics = Self {
            registry: Registry::with_prefix("camserver"),
            captures: Family::default(),
            capture_seconds: Family::new_with_constructor(capture),
            passes: Family::default(),
            pass_seconds: quick(),
            actions: Family::default(),
            sweeps: Family::default(),
            slots_refused: Family::default(),
            children_started: Family::default(),
            observation_seconds: Family::new_with_constructor(quick),
            observation_failures: Family::default(),
            admissions: Family::default(),
            leases_ended: Family::default(),
            live_viewers: Gauge::default(),
            store_seconds: Family::new_with_constructor(quick),
            store_errors: Family::default(),
            deleted: Family::default(),
            ws_clients: Gauge::default(),
            ws_lagged: Counter::default(),
            ws_refused: Counter::default(),
            http_requests: Family::default(),
            http_seconds: Family::new_with_constructor(quick),
            http_connections: Gauge::default(),
            scrape_seconds: Gauge::default(),
        };
        metrics.register_build();
        metrics.register_loop();
        metrics.register_machine();
        metrics.register_live();
        metrics.register_outside();
        metrics.start_at_zero();
        metrics
    }

    fn register_build(&mut self) {
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        self.registry.register("build", "The running program", Info::new(version));
    }

    fn register_loop(&mut self) {
        let r = &mut self.registry;
        r.register("captures", "Captures that ended, by way and reason", self.captures.clone());
        r.register(
            "capture_duration_seconds",
            "Time from the start of a capture to its end",
            self.capture_seconds.clone(),
        );
        r.register("reconcile_passes", "Passes of the loop, by result", self.passes.clone());
        r.register(
            "reconcile_duration_seconds",
            "Time of one pass of the loop",
            self.pass_seconds.clone(),
        );
        r.register("actions", "Actions of the loop that ended", self.actions.clone());
        r.register("sweeps", "Sweeps that ended, by result", self.sweeps.clone());
        r.register(
            "slots_refused",
            "Connections to devices that were asked for and not given",
            self.slots_refused.clone(),
        );
    }

    fn register_machine(&mut self) {
        let r = &mut self.registry;
        r.register(
            "children_started",
            "Child processes that were started or could not be, by kind and result",
            self.children_started.clone(),
        );
        r.register(
            "observation_duration_seconds",
            "Time of one look at a part of the world",
            self.observation_seconds.clone(),
        );
        r.register(
            "observation_failures",
            "Looks at a part of the world that it could not be read in",
            self.observation_failures.clone(),
        );
    }

    fn register_live(&mut self) {
        let r = &mut self.registry;
        r.register(
            "admissions",
            "Live views that were asked for: granted, or the code of the refusal",
            self.admissions.clone(),
        );
        r.register(
            "leases_ended",
            "Leases of live views that ended, by reason",
            self.leases_ended.clone(),
        );
        r.register("live_viewers", "Live views that are received", self.live_viewers.clone());
    }

    fn register_outside(&mut self) {
        let r = &mut self.registry;
        r.register(
            "store_operation_duration_seconds",
            "Time of one operation of the store",
            self.store_seconds.clone(),
        );
        r.register(
            "store_errors",
            "Operations of the store that failed",
            self.store_errors.clone(),
        );
        r.register(
            "retention_deleted",
            "Rows and files deleted because they were past their time or bound",
            self.deleted.clone(),
        );
        r.register("websocket_clients", "Browsers that are connected", self.ws_clients.clone());
        r.register(
            "websocket_lagged",
            "Clients sent away because they read too slowly",
            self.ws_lagged.clone(),
        );
        r.register(
            "websocket_refused",
            "Clients sent away because there were too many",
            self.ws_refused.clone(),
        );
        r.register("http_requests", "Answered HTTP requests", self.http_requests.clone());
        r.register(
            "http_request_duration_seconds",
            "Time from the head of a request to the head of its answer",
            self.http_seconds.clone(),
        );
        r.register("http_connections", "Open HTTP connections", self.http_connections.clone());
        r.register(
            "metrics_scrape_duration_seconds",
            "Time that the last scrape before this one took to write",
            self.scrape_seconds.clone(),
        );
    }

    /// A series that appears only with its first event hides that event from `increase()`.
    fn start_at_zero(&self) {
        for result in ["ok", "failed"] {
            drop(self.passes.get_or_create(&ResultLabels { result }));
        }
        for result in ["done", "unclean", "aborted"] {
            drop(self.sweeps.get_or_create(&ResultLabels { result }));
        }
        for kind in Unit::KINDS {
            for result in ["ok", "failed"] {
                drop(self.children_started.get_or_create(&ActionLabels { kind, result }));
            }
        }
        for part in state::PARTS {
            drop(self.observation_failures.get_or_create(&PartLabels { part }));
        }
        for reason in ["Full", "Resting", "Exclusive", "UnknownDevice", "NotObserved"] {
            drop(self.slots_refused.get_or_create(&ReasonLabels { reason }));
        }
        let refusals = ["OVER_CAPACITY", "SYSTEM_OVERLOAD", "USER_ALREADY_HAS_MODAL", "NO_SLOT"];
        for result in refusals.into_iter().chain(["granted"]) {
            drop(self.admissions.get_or_create(&ResultLabels { result }));
        }
        for reason in EndReason::ALL.map(EndReason::as_str) {
            drop(self.leases_ended.get_or_create(&ReasonLabels { reason }));
        }
    }

    /// A capture ended; `reason` is `Captured` or the kind of the failure, `backend` the way that
    /// succeeded or was tried last (`none` when none was).
    pub fn capture_finished(&self, backend: &'static str, reason: &'static str, seconds: f64) {
        self.captures.get_or_create(&CaptureLabels { backend, reason }).inc();
        let result = if reason == "Captured" { "ok" } else { "failed" };
        self.capture_seconds.get_or_create(&LiveLabels { backend, result }).observe(seconds);
    }

    /// A pass of the loop ended.
    pub fn reconcile_pass(&self, ok: bool, seconds: f64) {
        let result = if ok { "ok" } else { "failed" };
        self.passes.get_or_create(&ResultLabels { result }).inc();
        self.pass_seconds.observe(seconds);
    }

    /// An action ended; `kind` is the action's word, `result` one of a closed list.
    pub fn action(&self, kind: &'static str, result: &'static str) {
        self.actions.get_or_create(&ActionLabels { kind, result }).inc();
    }

    /// A sweep ended: `done`, `unclean` or `aborted`.
    pub fn sweep_finished(&self, result: &'static str) {
        self.sweeps.get_or_create(&ResultLabels { result }).inc();
    }

    /// A slot was asked for and not given.
    pub fn slot_refused(&self, reason: &'static str) {
        self.slots_refused.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// A child process was to be started; `kind` is [`Unit::kind`].
    pub fn child_started(&self, kind: &'static str, ok: bool) {
        let result = if ok { "ok" } else { "failed" };
        self.children_started.get_or_create(&ActionLabels { kind, result }).inc();
    }

    /// A part of the world was looked at: `connections`, `processes`, `store` or `host`.
    pub fn observed(&self, part: &'static str, ok: bool, seconds: f64) {
        let labels = PartLabels { part };
        self.observation_seconds.get_or_create(&labels).observe(seconds);
        if !ok {
            self.observation_failures.get_or_create(&labels).inc();
        }
    }

    /// Somebody asked for a live view: `granted`, or the code of the refusal.
    pub fn admission(&self, result: &'static str) {
        self.admissions.get_or_create(&ResultLabels { result }).inc();
    }

    /// A lease of a live view ended.
    pub fn lease_ended(&self, reason: &'static str) {
        self.leases_ended.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// Counts one more view that is received, for as long as the answer is kept.
    pub fn live_viewer(&self) -> LiveViewer {
        LiveViewer::new(&self.live_viewers)
    }

    /// The store did something; `operation` is a word of a closed list, such as `write_frame`.
    pub fn store_operation(&self, operation: &'static str, ok: bool, seconds: f64) {
        let labels = KindLabels { kind: operation };
        self.store_seconds.get_or_create(&labels).observe(seconds);
        let errors = self.store_errors.get_or_create(&labels);
        if !ok {
            errors.inc();
        }
    }

    /// Retention deleted things of this kind.
    pub fn retention_deleted(&self, kind: &'static str, count: u64) {
        self.deleted.get_or_create(&KindLabels { kind }).inc_by(count);
    }

    /// A browser connected.
    pub fn ws_client_joined(&self) {
        self.ws_clients.inc();
    }

    /// A browser is gone.
    pub fn ws_client_left(&self) {
        self.ws_clients.dec();
    }

    /// A browser was sent away for reading too slowly.
    pub fn ws_client_lagged(&self) {
        self.ws_lagged.inc();
    }

    /// A browser was sent away because there were too many.
    pub fn ws_client_refused(&self) {
        self.ws_refused.inc();
    }

    /// A request was answered; `route` is the pattern of the route, never the path.
    pub fn http_request(&self, route: &str, method: &'static str, status: u16, seconds: f64) {
        let labels = RequestLabels { route: route.to_owned(), method, status };
        self.http_requests.get_or_create(&labels).inc();
        let labels = RouteLabels { route: route.to_owned() };
        self.http_seconds.get_or_create(&labels).observe(seconds);
    }

    /// An HTTP connection was accepted.
    pub fn http_connection_opened(&self) {
        self.http_connections.inc();
    }

    /// An HTTP connection ended.
    pub fn http_connection_closed(&self) {
        self.http_connections.dec();
    }

    /// Writes everything in the wanted format.
    pub fn encode(&self, scrape: &Scrape, format: Format) -> Result<String, fmt::Error> {
        let started = tokio::time::Instant::now();
        let mut out = String::new();
        text::encode_registry(&mut out, &self.registry)?;
        let mut now = Registry::with_prefix("camserver");
        now.register_collector(Box::new(StateCollector::new(scrape.clone())));
        text::encode_registry(&mut out, &now)?;
        text::encode_eof(&mut out)?;
        let out = match format {
            Format::OpenMetrics => out,
            Format::Prometheus => exposition::to_prometheus(&out),
        };
        self.scrape_seconds.set(started.elapsed().as_secs_f64());
        Ok(out)
    }
}

#[cfg(test)]
mod tests;
