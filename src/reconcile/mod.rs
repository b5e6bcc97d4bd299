//! The loop: wait, observe, plan, execute, publish. It never decides.
//!
//! Whatever wakes it leads to the same fresh comparison; a wake-up carries no data that the
//! comparison would not find anyway.

mod capture;
mod config;
mod events;
mod execute;
mod facilities;
mod handle;
mod intake;
pub mod keeper;
mod observe;
mod publish;
mod recorder;
mod views;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::info;

pub use capture::{CaptureContext, CaptureOrder, capture, decode_pool};
pub use config::ConfigSource;
pub use events::EventLog;
pub use facilities::FacilityWatch;
pub use handle::{Handle, Intent, IntentError};
pub use views::LiveViews;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::model::desired::Desired;
use crate::model::frame::SweepState;
use crate::model::history::History;
use crate::model::names::CameraName;
use crate::model::observed::{Facilities, Observed, Seen};
use crate::model::outcome::Outcome;
use crate::model::plan::Plan;
use crate::model::slot::SlotView;
use crate::model::snapshot::{RunInfo, Snapshot};
use crate::model::time::{Mono, Now};
use crate::plan::{fold, plan};
use config::Config;
use execute::{Executor, Known};
use observe::{Awaited, Kernel, Observer, Sources};
use recorder::Recorder;

/// Longest time between two comparisons.
const TICK: Duration = Duration::from_secs(10);
/// Shortest time between two published states; a burst of outcomes is shown as one.
const PUBLISH_EVERY: Duration = Duration::from_millis(200);
/// Between looks at every camera's status, whether anything happened to it or not: ages pass.
const REFRESH_EVERY: Duration = Duration::from_secs(5);
/// Steps may follow from steps; a pass goes round this often at most.
const ROUNDS_MAX: usize = 8;
/// Captures get this long to end by themselves when the program ends, and again to end in order
/// what they were in the middle of; the whole program has ten seconds.
const SHUTDOWN_PATIENCE: Duration = Duration::from_millis(2500);

/// What the loop is made of.
#[derive(Debug)]
pub struct Parts {
    /// For captures.
    pub context: Arc<CaptureContext>,
    /// The first set of manifests and those to come.
    pub config: ConfigSource,
    /// What is known from before.
    pub history: History,
    /// Number of the next sweep.
    pub next_sweep: i64,
    /// Newest events.
    pub events: Arc<EventLog>,
    /// What the host offers for children.
    pub facilities: watch::Receiver<Facilities>,
    /// The keeper of live views.
    pub views: Arc<dyn LiveViews>,
    /// This run.
    pub run: RunInfo,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

/// The loop.
#[derive(Debug)]
pub struct Reconciler {
    clock: Clock,
    config: Config,
    desired: Arc<Desired>,
    observed: Observed,
    history: History,
    observer: Observer,
    executor: Executor,
    recorder: Recorder,
    metrics: Arc<Metrics>,
    run: Arc<RunInfo>,
    plan: Arc<Plan>,
    intents: mpsc::Receiver<Intent>,
    snapshot: watch::Sender<Arc<Snapshot>>,
    touched: BTreeSet<CameraName>,
    published_at: Mono,
    refreshed_at: Option<Mono>,
    context: Arc<CaptureContext>,
    events: Arc<EventLog>,
    views: Arc<dyn LiveViews>,
    /// Leases have come or gone, or slots come back, since the last published state.
    leases_moved: bool,
    /// The look at the host that the history knows of.
    sampled_at: Option<Mono>,
}

/// The task that writes records; it ends when the loop has.
#[derive(Debug)]
pub struct RecordTask(recorder::RecordWriter);

impl RecordTask {
    /// Writes until the loop has ended and nothing waits.
    pub async fn run(self) {
        self.0.run().await;
    }
}

impl Reconciler {
    /// The loop, the handle on it, and the task that writes its records.
    pub fn new(parts: Parts) -> (Self, Handle, RecordTask) {
        let clock = parts.context.clock.clone();
        let now = clock.now();
        let store = parts.context.store.clone();
        let (recorder, writer) =
            Recorder::new(store.clone(), Arc::clone(&parts.events), clock.clone());
        let desired = Arc::clone(&parts.config.in_force.desired);
        let config = Config::new(parts.config, recorder.clone());
        let run = Arc::new(parts.run);
        let observed = Observer::blind(now.mono);
        let plan = Arc::new(Plan::default());
        let sources = publish::Sources {
            desired: &desired,
            observed: &observed,
            plan: &plan,
            config: config.status(),
            run: &run,
        };
        let mut history = parts.history;
        history.processes.instance = run.instance.as_str().into();
        history.processes.pid = std::process::id();
        let (snapshot, snapshots) =
            watch::channel(Arc::new(publish::first(&sources, &mut history, now)));
        parts.context.keeper.set_limits(Arc::new(desired.devices.clone()));
        let keeper = Arc::clone(&parts.context.keeper);
        let (handle, intents) = Handle::new(snapshots, Arc::clone(&parts.events));
        let kernel = Kernel::new(parts.context.spawner.clone(), &run.installation);
        let reconciler = Self {
            config,
            observed,
            history,
            observer: Observer::new(
                clock.clone(),
                Sources { keeper, views: Arc::clone(&parts.views), store, kernel },
                Arc::clone(&parts.metrics),
                parts.facilities,
            ),
            executor: Executor::new(
                Arc::clone(&parts.context),
                Arc::clone(&parts.views),
                recorder.clone(),
                parts.next_sweep,
            ),
            recorder,
            metrics: parts.metrics,
            run,
            plan,
            intents,
            snapshot,
            touched: BTreeSet::new(),
            published_at: Mono(0),
            refreshed_at: None,
            context: parts.context,
            events: parts.events,
            views: parts.views,
            leases_moved: false,
            sampled_at: None,
            desired,
            clock,
        };
        (reconciler, handle, RecordTask(writer))
    }

    /// Runs until `stop`, then ends everything it has begun.
    pub async fn run(mut self, stop: CancellationToken) {
        self.config.announce_start(self.clock.now());
        loop {
            self.pass().await;
            let wait = self.wait();
            tokio::select! {
                () = stop.cancelled() => break,
                outcome = self.executor.next() => self.take(outcome),
                intent = self.intents.recv() => match intent {
                    Some(intent) => self.hear(intent),
                    // Every handle is gone: nobody could even ask for the end.
                    None => break,
                },
                () = self.config.changed() => {}
                () = self.context.keeper.freed() => self.leases_moved = true,
                () = self.views.changed() => self.leases_moved = true,
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.end().await;
    }

    /// How long until something is due by time alone.
    fn wait(&self) -> Duration {
        let now = self.clock.now().mono;
        let mut at = now.plus(TICK).min(self.observer.next_look(self.awaited()));
        if let Some(next) = self.plan.next_look {
            at = at.min(next);
        }
        if !self.touched.is_empty() || self.leases_moved {
            at = at.min(self.published_at.plus(PUBLISH_EVERY));
        }
        at.since(now)
    }

    /// One comparison, and the steps that follow from it.
    async fn pass(&mut self) {
        let begun = tokio::time::Instant::now();
        while let Some(outcome) = self.executor.try_next() {
            self.take(Some(outcome));
        }
        while let Ok(intent) = self.intents.try_recv() {
            self.hear(intent);
        }
        self.apply_config();
        self.take_ended_leases();
        for _ in 0..ROUNDS_MAX {
            let awaited = self.awaited();
            self.observer.look(&mut self.observed, &self.desired, awaited).await;
            self.take_sample();
            let now = self.clock.now();
            let seen = fold::observe(&mut self.history, &self.observed, now);
            self.recorder.events(seen.events);
            let plan = plan(&self.desired, &self.observed, &self.history, now);
            let is_done = plan.actions.is_empty();
            let plan = Arc::new(plan);
            self.plan = Arc::clone(&plan);
            for planned in &plan.actions {
                let (desired, observed) = (&self.desired, &self.observed);
                let outcome = self
                    .executor
                    .begin(planned, Known { desired, observed, history: &self.history });
                self.metrics.action(planned.action.kind(), "begun");
                self.take(outcome);
            }
            if is_done {
                break;
            }
        }
        self.publish();
        self.metrics.reconcile_pass(true, begun.elapsed().as_secs_f64());
    }

    /// What the plan cannot go on without.
    fn awaited(&self) -> Awaited {
        Awaited { connections: self.destruct_since(), processes: self.plan.look_processes }
    }

    /// Since when the latest destruct waits to see its sockets gone.
    fn destruct_since(&self) -> Option<Mono> {
        let runs = self.history.subnets.values().filter_map(|subnet| subnet.run.as_ref());
        runs.filter_map(|run| run.destruct_since).max()
    }

    fn hear(&mut self, intent: Intent) {
        match intent {
            Intent::Sweep(subnet, reply) => {
                let answer = match self.desired.subnets.get(&subnet) {
                    None => Err(IntentError::NotFound(format!("subnet/{subnet}"))),
                    Some(spec) if spec.sweep.suspend => {
                        Err(IntentError::Conflict(format!("subnet/{subnet} is suspended")))
                    }
                    Some(_) => {
                        self.take(Some(Outcome::SweepRequested { subnet }));
                        Ok(())
                    }
                };
                // Who asked may have gone.
                drop(reply.send(answer));
            }
            Intent::Confirm(digest, reply) => {
                drop(reply.send(self.config.confirm(&digest, self.clock.now())));
            }
            Intent::Plan(reply) => {
                let now = self.clock.now();
                let plan = plan(&self.desired, &self.observed, &self.history, now);
                drop(reply.send((plan, Arc::clone(&self.snapshot.borrow()))));
            }
        }
    }

    /// Takes a newer set of manifests into force, if there is one.
    fn apply_config(&mut self) {
        if let Some(desired) = self.config.take(self.clock.now()) {
            self.desired = desired;
            self.context.keeper.set_limits(Arc::new(self.desired.devices.clone()));
            let most = self.desired.server.processes.max_children;
            self.context.spawner.set_max_children(most.into());
            self.events.resize(self.desired.server.buffers.events);
            self.refreshed_at = None;
        }
        if self.config.take_news() {
            self.refreshed_at = None;
        }
    }

    fn publish(&mut self) {
        let now = self.clock.now();
        let refresh = self.refreshed_at.is_none_or(|at| at.plus(REFRESH_EVERY) <= now.mono);
        let rested = self.published_at.plus(PUBLISH_EVERY) <= now.mono;
        if !rested || (!refresh && self.touched.is_empty() && !self.leases_moved) {
            return;
        }
        let sources = publish::Sources {
            desired: &self.desired,
            observed: &self.observed,
            plan: &self.plan,
            config: self.config.status(),
            run: &self.run,
        };
        let touched = (!refresh).then_some(&self.touched);
        let before = Arc::clone(&self.snapshot.borrow());
        let next = publish::next(&before, &sources, &mut self.history, touched, now);
        self.snapshot.send_replace(Arc::new(next));
        self.published_at = now.mono;
        if refresh {
            self.refreshed_at = Some(now.mono);
        }
        self.touched.clear();
        self.leases_moved = false;
    }

    /// Ends captures and records sweeps that were going on.
    async fn end(mut self) {
        info!(captures = self.executor.captures(), "the loop ends");
        self.executor.shut_down(SHUTDOWN_PATIENCE).await;
        let going: Vec<_> = self
            .history
            .subnets
            .iter()
            .filter(|(_, subnet)| subnet.run.is_some())
            .map(|(name, _)| name.clone())
            .collect();
        for subnet in going {
            let outcome = Outcome::SweepEnded { subnet, state: SweepState::Aborted, clean: None };
            self.take(Some(outcome));
        }
    }
}

/// What the loop would do first with this set, had nothing ever happened and nothing else been
/// connected to the cameras.
pub fn plan_on_empty_world(
    desired: &Arc<Desired>,
    run: RunInfo,
    now: Now,
) -> (Plan, Arc<Snapshot>) {
    let mut observed = Observer::blind(now.mono);
    observed.slots = Arc::new(SlotView { observed: Some(now.mono), ..SlotView::default() });
    observed.processes = Seen::Fresh { at: now.mono, value: Arc::default() };
    let plan = plan(desired, &observed, &History::default(), now);
    let sources = publish::Sources {
        desired,
        observed: &observed,
        plan: &Arc::new(plan.clone()),
        config: &Arc::default(),
        run: &Arc::new(run),
    };
    let snapshot = publish::first(&sources, &mut History::default(), now);
    (plan, Arc::new(snapshot))
}
