//! Carries steps out. Each has its own task, deadline and outcome; nothing is decided here.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::capture::{CaptureContext, CaptureOrder, capture};
use super::recorder::{Record, Recorder};
use super::views::LiveViews;
use crate::chain::Chain;
use crate::model::desired::{Camera, Desired};
use crate::model::failure::{Failure, FailureKind};
use crate::model::frame::SweepId;
use crate::model::history::History;
use crate::model::names::{CameraName, SubnetName};
use crate::model::observed::Observed;
use crate::model::outcome::{CaptureEnded, CaptureResult, Outcome};
use crate::model::plan::{Action, Garbage, Planned};
use crate::model::process::{EndSignal, Mark, ProcessId};
use crate::model::time::{Now, millis};
use crate::plan::retention;
use crate::world::process::SignalError;
use crate::world::store::{DELETE_MAX, FrameClass, FrameCut, Log, StoreError};

/// Longest time that one deletion step may take.
const DELETE_TIMEOUT: Duration = Duration::from_mins(2);

/// What a task came to.
#[derive(Debug)]
pub(super) enum Done {
    Capture(Box<CaptureEnded>),
    /// A deletion, under the key that it backs off by.
    Deleted {
        key: &'static str,
        ok: bool,
    },
}

/// What a step may need to know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) desired: &'a Desired,
    pub(super) observed: &'a Observed,
    pub(super) history: &'a History,
}

/// The hands of the loop.
#[derive(Debug)]
pub(super) struct Executor {
    context: Arc<CaptureContext>,
    views: Arc<dyn LiveViews>,
    recorder: Recorder,
    tasks: JoinSet<Done>,
    captures: HashMap<CameraName, CancellationToken>,
    /// Whose capture a task is, should it end without an answer.
    owners: HashMap<Id, (CameraName, SubnetName, Now)>,
    /// Deletions that are going on.
    deleting: BTreeSet<&'static str>,
    next_sweep: SweepId,
}

impl Executor {
    pub(super) fn new(
        context: Arc<CaptureContext>,
        views: Arc<dyn LiveViews>,
        recorder: Recorder,
        next_sweep: SweepId,
    ) -> Self {
        Self {
            context,
            views,
            recorder,
            tasks: JoinSet::new(),
            captures: HashMap::new(),
            owners: HashMap::new(),
            deleting: BTreeSet::new(),
            next_sweep,
        }
    }

    /// Begins one step; what is already known of it comes back at once.
    pub(super) fn begin(&mut self, planned: &Planned, known: Known<'_>) -> Option<Outcome> {
        let now = self.context.clock.now();
        match &planned.action {
            Action::StartSweep { subnet, cameras, overrun } => {
                let interval_ms = millis(known.desired.subnets.get(subnet)?.sweep.interval);
                let sweep = self.next_sweep;
                self.next_sweep += 1;
                self.recorder.record(Record::SweepStarted(sweep, subnet.clone(), now.wall));
                let (subnet, cameras, overrun) = (subnet.clone(), cameras.clone(), *overrun);
                Some(Outcome::SweepStarted { subnet, sweep, cameras, overrun, interval_ms })
            }
            Action::Capture { camera, subnet, sweep, beside, children } => {
                let spec = known.desired.cameras.get(camera)?;
                let (sweep, beside, children) = (*sweep, *beside, *children);
                self.capture(spec, sweep, children, known);
                let (camera, subnet) = (camera.clone(), subnet.clone());
                Some(Outcome::CaptureStarted { camera, subnet, sweep, beside, children })
            }
            Action::SkipCamera { camera, subnet, reason, message, .. } => {
                Some(Outcome::CameraSkipped {
                    camera: camera.clone(),
                    subnet: subnet.clone(),
                    reason,
                    message: message.clone(),
                })
            }
            Action::Destruct { subnet, .. } => {
                Some(Outcome::DestructBegan { subnet: subnet.clone() })
            }
            Action::FinishSweep { subnet, clean, .. } => Some(Outcome::SweepEnded {
                subnet: subnet.clone(),
                state: crate::model::frame::SweepState::Done,
                clean: *clean,
            }),
            Action::AbortSweep { subnet, .. } => Some(Outcome::SweepEnded {
                subnet: subnet.clone(),
                state: crate::model::frame::SweepState::Aborted,
                clean: None,
            }),
            Action::CancelCapture { camera } => {
                info!(%camera, reason = %planned.reason, "capture cancelled");
                if let Some(cancel) = self.captures.get(camera) {
                    cancel.cancel();
                }
                Some(Outcome::CaptureCancelled { camera: camera.clone() })
            }
            Action::CutSlot { device, slot } => {
                warn!(%device, slot, reason = %planned.reason, "connection cut");
                self.context.keeper.cut(*slot);
                None
            }
            Action::SignalProcess { process, mark, command, signal, cause } => {
                let (process, signal, cause) = (*process, *signal, *cause);
                let ok = signal_process(process, mark, signal, &planned.reason);
                let (unit, command) = (mark.unit.clone(), Arc::clone(command));
                Some(Outcome::ProcessSignalled { process, unit, command, cause, signal, ok })
            }
            Action::ReapProcess { process } => {
                self.context.spawner.reap(*process);
                Some(Outcome::ReapTried { process: *process })
            }
            Action::EndLease { lease, reason, .. } => {
                self.views.end(lease, *reason);
                None
            }
            Action::Delete { what } => {
                self.delete(what, known.observed);
                None
            }
            Action::Forget { camera } => Some(Outcome::Forgotten { camera: camera.clone() }),
        }
    }

    fn capture(
        &mut self,
        camera: &Arc<Camera>,
        sweep: Option<SweepId>,
        children: bool,
        known: Known<'_>,
    ) {
        let Known { desired, history, .. } = known;
        let devices = [Some(camera.device()), camera.snapshot_device()];
        let devices = devices.into_iter().flatten();
        let worked = history.cameras.get(&camera.name).and_then(|h| h.worked_with);
        let cancel = CancellationToken::new();
        let run = history.subnets.get(&camera.subnet).and_then(|subnet| subnet.run.as_ref());
        let run = run.filter(|run| Some(run.id) == sweep);
        let order = CaptureOrder {
            camera: Arc::clone(camera),
            sweep,
            not_before: run.map_or_else(|| self.context.clock.now(), |run| run.started),
            limits: devices
                .filter_map(|device| Some((device, desired.devices.get(&device)?.clone())))
                .collect(),
            worked_before: worked == Some(camera.spec_digest),
            ffmpeg: desired.server.processes.ffmpeg.clone(),
            children,
            cancel: cancel.clone(),
        };
        let context = Arc::clone(&self.context);
        let task = self
            .tasks
            .spawn(async move { Done::Capture(Box::new(capture(&context, &order).await)) });
        let owner = (camera.name.clone(), camera.subnet.clone(), self.context.clock.now());
        self.owners.insert(task.id(), owner);
        self.captures.insert(camera.name.clone(), cancel);
    }

    fn delete(&mut self, what: &Garbage, observed: &Observed) {
        let key = retention::key(what);
        if !self.deleting.insert(key) {
            return;
        }
        let bytes = observed.store.fresh().map_or(0, |store| store.frame_bytes);
        let (context, what) = (Arc::clone(&self.context), what.clone());
        self.tasks.spawn(async move {
            let work = delete(&context, &what, bytes);
            let ok = match tokio::time::timeout(DELETE_TIMEOUT, work).await {
                Ok(Ok(rows)) => {
                    info!(what = key, rows, "deleted what is past its retention");
                    context.metrics.retention_deleted(key, rows);
                    true
                }
                Ok(Err(error)) => {
                    warn!(what = key, error = %Chain(&error), "deletion failed");
                    false
                }
                Err(_) => {
                    warn!(what = key, "deletion did not end in time");
                    false
                }
            };
            Done::Deleted { key, ok }
        });
    }

    /// Waits for the next task to end; for ever when there is none.
    pub(super) async fn next(&mut self) -> Option<Outcome> {
        match self.tasks.join_next_with_id().await {
            None => std::future::pending().await,
            Some(Ok((id, done))) => Some(self.take(id, done)),
            Some(Err(panic)) => {
                error!(error = %panic, "a task ended abnormally");
                let (camera, subnet, started) = self.owners.remove(&panic.id())?;
                self.captures.remove(&camera);
                let failure = Failure::new(FailureKind::Host, "the capture ended abnormally");
                let ended = CaptureEnded {
                    camera,
                    subnet,
                    started,
                    duration_ms: millis(self.context.clock.now().mono.since(started.mono)),
                    backend: None,
                    result: CaptureResult::Failed(failure),
                    spec_digest: 0,
                };
                Some(Outcome::CaptureEnded(Box::new(ended)))
            }
        }
    }

    /// An outcome that is already there.
    pub(super) fn try_next(&mut self) -> Option<Outcome> {
        let (id, done) = self.tasks.try_join_next_with_id()?.ok()?;
        Some(self.take(id, done))
    }

    fn take(&mut self, id: Id, done: Done) -> Outcome {
        self.owners.remove(&id);
        match done {
            Done::Capture(ended) => {
                self.captures.remove(&ended.camera);
                Outcome::CaptureEnded(ended)
            }
            Done::Deleted { key, ok } => {
                self.deleting.remove(key);
                Outcome::Tried { key: key.to_owned(), ok }
            }
        }
    }

    /// How many captures are going on.
    pub(super) fn captures(&self) -> usize {
        self.captures.len()
    }

    /// Ends what is going on: captures get `patience` to end by themselves, and as much again to
    /// end their sessions in order.
    pub(super) async fn shut_down(&mut self, patience: Duration) {
        if self.drained(patience).await {
            return;
        }
        for cancel in self.captures.values() {
            cancel.cancel();
        }
        if !self.drained(patience).await {
            self.tasks.shutdown().await;
        }
    }

    async fn drained(&mut self, patience: Duration) -> bool {
        let drained = async { while self.tasks.join_next().await.is_some() {} };
        tokio::time::timeout(patience, drained).await.is_ok()
    }
}

/// Sends a signal; whether it was sent, or there is nobody left to get it.
fn signal_process(process: ProcessId, mark: &Mark, signal: EndSignal, reason: &str) -> bool {
    warn!(%process, unit = %mark.unit, signal = signal.as_str(), reason, "process signalled");
    match crate::world::process::signal(process, mark, signal) {
        Ok(()) | Err(SignalError::Gone) => true,
        Err(error) => {
            warn!(%process, error = %Chain(&error), "the signal was not sent");
            false
        }
    }
}

async fn delete(context: &CaptureContext, what: &Garbage, bytes: u64) -> Result<u64, StoreError> {
    let store = &context.store;
    let old =
        |class, before| FrameCut { class, before: Some(before), bytes: None, rows: DELETE_MAX };
    match what {
        Garbage::NoEventFrames(before) => {
            Ok(store.delete_frames(old(FrameClass::NoEvent, *before)).await?.rows)
        }
        Garbage::Events(before) => {
            let frames = store.delete_frames(old(FrameClass::Event, *before)).await?;
            let events = store.delete_log(Log::Events, *before, DELETE_MAX).await?;
            Ok(frames.rows + events.rows)
        }
        Garbage::Sweeps(before) => {
            Ok(store.delete_log(Log::Sweeps, *before, DELETE_MAX).await?.rows)
        }
        Garbage::ConfigRevisions(before) => {
            Ok(store.delete_log(Log::ConfigRevisions, *before, DELETE_MAX).await?.rows)
        }
        Garbage::Leases(before) => {
            Ok(store.delete_log(Log::Leases, *before, DELETE_MAX).await?.rows)
        }
        Garbage::FramesBeyond(keep) => {
            let cut = |class, bytes| FrameCut {
                class,
                before: None,
                bytes: Some(bytes),
                rows: DELETE_MAX,
            };
            let excess = bytes.saturating_sub(*keep);
            let first = store.delete_frames(cut(FrameClass::NoEvent, excess)).await?;
            let left = excess.saturating_sub(first.bytes);
            if left == 0 || first.rows >= u64::from(DELETE_MAX) {
                return Ok(first.rows);
            }
            Ok(first.rows + store.delete_frames(cut(FrameClass::Event, left)).await?.rows)
        }
    }
}
