//! What the loop takes into its history: outcomes of its own steps, ends of live views, looks at
//! the host.
//!
//! Decides nothing: `plan::fold` says what follows.

use std::time::Duration;

use tracing::info;

use super::Reconciler;
use super::recorder::Record;
use crate::metrics::Metrics;
use crate::model::admission::LoadSample;
use crate::model::desired::Backend;
use crate::model::frame::SweepState;
use crate::model::outcome::{CaptureEnded, CaptureResult, Outcome};
use crate::plan::fold;

impl Reconciler {
    /// Takes in which live views ended, whoever ended them.
    pub(super) fn take_ended_leases(&mut self) {
        for ended in self.views.take_ended() {
            self.leases_moved = true;
            self.take(Some(Outcome::LeaseEnded(Box::new(ended))));
        }
    }

    /// Takes a new look at the host into the history.
    pub(super) fn take_sample(&mut self) {
        let Some((at, host)) = self.observed.host.fresh_at() else { return };
        if self.sampled_at == Some(at) {
            return;
        }
        self.sampled_at = Some(at);
        let sample = LoadSample {
            at,
            cpu_busy: host.host_cpu_busy_seconds,
            cpu_total: host.host_cpu_total_seconds,
            memory_percent: host.memory_percent,
            swap_in_bytes: host.swap_in_bytes,
        };
        let spec = Box::new(self.desired.server.admission.overload.clone());
        let before = self.history.load.overloaded.is_some();
        self.take(Some(Outcome::HostSampled { sample, spec }));
        if before != self.history.load.overloaded.is_some() {
            self.refreshed_at = None;
        }
    }

    /// Takes one outcome into the history.
    pub(super) fn take(&mut self, outcome: Option<Outcome>) {
        let Some(outcome) = outcome else { return };
        match &outcome {
            Outcome::CaptureEnded(ended) => {
                count_capture(&self.metrics, ended);
                self.touched.insert(ended.camera.clone());
            }
            Outcome::CaptureStarted { camera, .. } | Outcome::CameraSkipped { camera, .. } => {
                self.touched.insert(camera.clone());
            }
            Outcome::SweepStarted { cameras, .. } => {
                self.touched.extend(cameras.iter().cloned());
            }
            Outcome::Tried { ok, .. } => {
                if *ok {
                    self.observer.store_changed();
                }
            }
            Outcome::DestructBegan { .. }
            | Outcome::SweepEnded { .. }
            | Outcome::SweepRequested { .. }
            | Outcome::CaptureCancelled { .. }
            | Outcome::ProcessSignalled { .. }
            | Outcome::ReapTried { .. }
            | Outcome::LeaseEnded(_)
            | Outcome::HostSampled { .. }
            | Outcome::Forgotten { .. } => {}
        }
        let folded = fold::fold(&mut self.history, outcome, self.clock.now());
        self.recorder.events(folded.events);
        if let Some(sweep) = folded.ended {
            self.metrics.sweep_finished(match (sweep.state, sweep.clean) {
                (SweepState::Done, Some(true)) => "done",
                (SweepState::Done, Some(false) | None) => "unclean",
                (SweepState::Running | SweepState::Aborted, _) => "aborted",
            });
            let cameras = sweep.results.len();
            info!(subnet = %sweep.subnet, sweep = sweep.id, cameras, clean = ?sweep.clean, "sweep ended");
            self.recorder.record(Record::SweepEnded(Box::new(sweep)));
            self.refreshed_at = None;
        }
    }
}

fn count_capture(metrics: &Metrics, ended: &CaptureEnded) {
    let backend = ended.backend.map_or("none", Backend::as_str);
    let reason = match &ended.result {
        CaptureResult::Ok { .. } => "Captured",
        CaptureResult::Failed(failure) => failure.kind.as_str(),
        CaptureResult::Skipped { reason, .. } => reason,
    };
    let seconds = Duration::from_millis(ended.duration_ms).as_secs_f64();
    metrics.capture_finished(backend, reason, seconds);
}
