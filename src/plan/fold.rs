//! Folds outcomes into the history, and says which events that makes. Pure.
//!
//! What became of processes and gateways is seen rather than answered: [`observe`] takes a look in.

mod events;
mod gateways;
mod processes;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::model::event::NewEvent;
use crate::model::failure::{Failure, FailureKind};
use crate::model::frame::{SweepId, SweepOutcome, SweepRecord, SweepResult, SweepState};
use crate::model::history::{
    ATTEMPTS_MAX, Attempt, AttemptResult, Backoff, CameraHistory, History, InFlight, SubnetHistory,
    SweepRun,
};
use crate::model::lease::EndReason;
use crate::model::names::{CameraName, SubnetName};
use crate::model::observed::Observed;
use crate::model::outcome::{CaptureEnded, CaptureResult, Outcome};
use crate::model::time::{Mono, Now, millis};

use super::overload;
use super::sweep::LINE_FAILURES_MAX;
use events::{lost_event, overload_event, overrun_event, recovered_event, revoked_event};

/// A camera that fails for this long is tried less and less often.
const STEADY_TRIES: Duration = Duration::from_mins(10);

/// Longest wait between tries of a failing camera whose interval is not longer itself.
const RETRY_MAX: Duration = Duration::from_mins(5);

/// First wait after a failed action; doubles up to [`RETRY_MAX`].
const ACTION_RETRY_MIN: Duration = Duration::from_secs(1);

/// What a fold brings about besides the new history.
#[derive(Debug, Default)]
pub struct Folded {
    /// Events to be recorded.
    pub events: Vec<NewEvent>,
    /// A sweep that ended, to be recorded.
    pub ended: Option<SweepRecord>,
}

/// Takes a look at the world in; the same look twice changes nothing.
pub fn observe(history: &mut History, observed: &Observed, now: Now) -> Folded {
    let mut folded = processes::observe(history, observed, now);
    folded.events.extend(gateways::observe(&mut history.gateways, &observed.gateways, now));
    folded
}

/// Takes one outcome in.
pub fn fold(history: &mut History, outcome: Outcome, now: Now) -> Folded {
    match outcome {
        Outcome::SweepStarted { subnet, sweep, cameras, overrun, interval_ms } => {
            let entry = history.subnets.entry(subnet.clone()).or_default();
            sweep_started(entry, interval_ms, overrun, now);
            entry.run = Some(new_run(sweep, cameras, now));
            let overrun = (overrun > 0).then(|| overrun_event(&subnet, overrun, now));
            Folded { events: overrun.into_iter().collect(), ended: None }
        }
        Outcome::CaptureStarted { camera, subnet, sweep, beside, children } => {
            let entry = history.cameras.entry(camera.clone()).or_default();
            let since = now.mono;
            entry.in_flight = Some(InFlight { since, sweep, beside, children, cancelled: false });
            entry.last_start = Some(now.mono);
            if let Some(run) = run_of(history, &subnet).filter(|_| !beside) {
                run.pending.retain(|name| *name != camera);
                run.running.insert(camera);
            }
            Folded::default()
        }
        Outcome::CaptureEnded(ended) => capture_ended(history, *ended, now),
        Outcome::CameraSkipped { camera, subnet, reason, message } => {
            skipped(history, camera, &subnet, (reason, message), now);
            Folded::default()
        }
        Outcome::DestructBegan { subnet } => {
            if let Some(run) = run_of(history, &subnet) {
                run.destruct_since = Some(now.mono);
            }
            Folded::default()
        }
        Outcome::SweepEnded { subnet, state, clean } => {
            Folded { events: Vec::new(), ended: end_sweep(history, &subnet, (state, clean), now) }
        }
        Outcome::SweepRequested { subnet } => {
            history.subnets.entry(subnet).or_default().requested = true;
            Folded::default()
        }
        Outcome::Forgotten { camera } => {
            history.cameras.remove(&camera);
            Folded::default()
        }
        Outcome::CaptureCancelled { camera } => {
            cancelled(history, &camera);
            Folded::default()
        }
        Outcome::ProcessSignalled { process, unit, command, cause, signal, ok } => {
            let sent = processes::Sent { unit, command, cause, signal, ok };
            processes::signalled(&mut history.processes, process, sent, now.mono);
            Folded::default()
        }
        Outcome::ReapTried { process } => {
            processes::reap_tried(&mut history.processes, process, now.mono);
            Folded::default()
        }
        Outcome::LeaseEnded(ended) => {
            let event = (ended.reason == EndReason::Revoked).then(|| revoked_event(&ended));
            Folded { events: event.into_iter().collect(), ended: None }
        }
        Outcome::HostSampled { sample, spec } => {
            let change = overload::sampled(&mut history.load, sample, &spec);
            let event = change.map(|change| overload_event(change, now));
            Folded { events: event.into_iter().collect(), ended: None }
        }
        Outcome::Tried { key, ok } => {
            tried(history, key, ok, now.mono);
            Folded::default()
        }
    }
}

fn end_sweep(
    history: &mut History,
    subnet: &SubnetName,
    (state, clean): (SweepState, Option<bool>),
    now: Now,
) -> Option<SweepRecord> {
    let entry = history.subnets.get_mut(subnet);
    let record = entry.and_then(|entry| sweep_ended(entry, subnet, state, clean, now));
    if state == SweepState::Aborted {
        // Nobody declares the subnet any more, or the program ends.
        history.subnets.remove(subnet);
    }
    record
}

fn cancelled(history: &mut History, camera: &CameraName) {
    if let Some(capture) = in_flight(history, camera) {
        capture.cancelled = true;
    }
}

fn sweep_started(entry: &mut SubnetHistory, interval_ms: u64, overrun: u64, now: Now) {
    if entry.first_start.is_none() || entry.interval_ms != interval_ms {
        entry.first_start = Some(now.mono);
        entry.interval_ms = interval_ms;
    }
    entry.last_start = Some(now.mono);
    entry.last_overrun = overrun;
    entry.overruns += overrun;
    entry.requested = false;
}

fn new_run(id: SweepId, cameras: Vec<CameraName>, now: Now) -> SweepRun {
    SweepRun {
        id,
        started: now,
        pending: cameras.into(),
        running: BTreeSet::new(),
        results: Vec::new(),
        destruct_since: None,
    }
}

fn skipped(
    history: &mut History,
    camera: CameraName,
    subnet: &SubnetName,
    (reason, message): (&'static str, String),
    now: Now,
) {
    if let Some(run) = run_of(history, subnet) {
        run.pending.retain(|name| *name != camera);
        run.results.push(SweepResult {
            camera: camera.clone(),
            outcome: SweepOutcome::Skipped { reason, message: message.clone() },
            backend: None,
            duration_ms: 0,
        });
    }
    let entry = history.cameras.entry(camera).or_default();
    let result = AttemptResult::Skipped { reason, message };
    // `last_start` stays: a camera that was left out goes first in the next line.
    remember(entry, Attempt { started: now, duration_ms: 0, backend: None, result });
}

fn in_flight<'a>(history: &'a mut History, camera: &CameraName) -> Option<&'a mut InFlight> {
    history.cameras.get_mut(camera)?.in_flight.as_mut()
}

fn run_of<'a>(history: &'a mut History, subnet: &SubnetName) -> Option<&'a mut SweepRun> {
    history.subnets.get_mut(subnet)?.run.as_mut()
}

fn tried(history: &mut History, key: String, ok: bool, now: Mono) {
    if ok {
        history.backoff.remove(&key);
        return;
    }
    let failures = history.backoff.get(&key).map_or(0, |b| b.failures).saturating_add(1);
    history.backoff.insert(key, Backoff { failures, until: now.plus(retry_wait(failures)) });
}

/// How long an action waits after so many failures in a row.
pub(super) fn retry_wait(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    ACTION_RETRY_MIN.saturating_mul(1 << doublings).min(RETRY_MAX)
}

fn sweep_ended(
    entry: &mut SubnetHistory,
    subnet: &SubnetName,
    state: SweepState,
    clean: Option<bool>,
    now: Now,
) -> Option<SweepRecord> {
    let run = entry.run.take()?;
    let record = SweepRecord {
        id: run.id,
        subnet: subnet.clone(),
        started_at: run.started.wall,
        ended_at: Some(now.wall),
        state,
        clean,
        results: run.results,
    };
    entry.last_end = Some(now.mono);
    entry.last = Some(record.clone());
    Some(record)
}

fn capture_ended(history: &mut History, ended: CaptureEnded, now: Now) -> Folded {
    let interval_ms = history.subnets.get(&ended.subnet).map_or(0, |s| s.interval_ms);
    let entry = history.cameras.entry(ended.camera.clone()).or_default();
    let capture = entry.in_flight.take();
    let beside = capture.is_some_and(|capture| capture.beside);
    if capture.is_some_and(|capture| capture.children) {
        entry.child_ended = Some(now.mono);
    }
    let (result, outcome) = match &ended.result {
        CaptureResult::Ok { frame, .. } => (AttemptResult::Ok, SweepOutcome::Ok(frame.id)),
        CaptureResult::Failed(failure) if failure.kind == FailureKind::Cancelled => {
            // Given up by this server: no attempt of the camera's.
            let (reason, message) = (failure.kind.as_str(), failure.message.clone());
            let skipped = AttemptResult::Skipped { reason, message: message.clone() };
            (skipped, SweepOutcome::Skipped { reason, message })
        }
        CaptureResult::Failed(failure) => {
            (AttemptResult::Failed(failure.clone()), SweepOutcome::Failed(failure.clone()))
        }
        CaptureResult::Skipped { reason, message } => {
            let (reason, message) = (*reason, message.clone());
            let skipped = AttemptResult::Skipped { reason, message: message.clone() };
            (skipped, SweepOutcome::Skipped { reason, message })
        }
    };
    let attempt = Attempt {
        started: ended.started,
        duration_ms: ended.duration_ms,
        backend: ended.backend,
        result,
    };
    remember(entry, attempt);
    let event = judge(entry, &ended, interval_ms, now);
    if let Some(run) = run_of(history, &ended.subnet) {
        let in_line = run.running.remove(&ended.camera);
        if in_line || (beside && !run.results.iter().any(|r| r.camera == ended.camera)) {
            run.results.push(SweepResult {
                camera: ended.camera,
                outcome,
                backend: ended.backend,
                duration_ms: ended.duration_ms,
            });
        }
    }
    Folded { events: event.into_iter().collect(), ended: None }
}

fn remember(entry: &mut CameraHistory, attempt: Attempt) {
    if entry.attempts.len() >= ATTEMPTS_MAX {
        entry.attempts.pop_front();
    }
    entry.attempts.push_back(Arc::new(attempt));
}

/// Counts successes and failures; says when the camera is lost or back.
fn judge(
    entry: &mut CameraHistory,
    ended: &CaptureEnded,
    interval_ms: u64,
    now: Now,
) -> Option<NewEvent> {
    match &ended.result {
        CaptureResult::Ok { frame, codec } => {
            let lost = std::mem::take(&mut entry.lost);
            let since = entry.failing_since;
            entry.failures = 0;
            entry.failing_since = None;
            entry.retry_ms = None;
            entry.last_ok = Some(now.mono);
            entry.last_frame = Some(frame.clone());
            entry.codec = codec.or(entry.codec);
            entry.worked_with = Some(ended.spec_digest);
            lost.then(|| recovered_event(&ended.camera, frame.id, since, now))
        }
        CaptureResult::Failed(failure) if failure.kind.is_cameras() || is_secret(failure) => {
            entry.failures = entry.failures.saturating_add(1);
            let since = *entry.failing_since.get_or_insert(ended.started.mono);
            entry.retry_ms = Some(retry_ms(entry.retry_ms, interval_ms, now.mono.since(since)));
            if entry.failures < LINE_FAILURES_MAX || entry.lost {
                return None;
            }
            entry.lost = true;
            let frame = entry.last_frame.as_ref().map(|frame| frame.id);
            Some(lost_event(&ended.camera, failure, entry.failures, frame, now))
        }
        // This server's own trouble, or nothing tried: says nothing about the camera.
        CaptureResult::Failed(_) | CaptureResult::Skipped { .. } => None,
    }
}

fn is_secret(failure: &Failure) -> bool {
    failure.kind == FailureKind::SecretMissing
}

/// Every interval for ten minutes, then doubling to five minutes.
fn retry_ms(before: Option<u64>, interval_ms: u64, failing_for: Duration) -> u64 {
    if failing_for < STEADY_TRIES {
        return interval_ms;
    }
    let most = millis(RETRY_MAX).max(interval_ms);
    before.unwrap_or(interval_ms).max(1).saturating_mul(2).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_camera_is_tried_each_interval_for_ten_minutes_then_less() {
        let mins = Duration::from_mins;
        assert_eq!(retry_ms(None, 60_000, mins(1)), 60_000);
        assert_eq!(retry_ms(Some(60_000), 60_000, mins(9)), 60_000);
        assert_eq!(retry_ms(Some(60_000), 60_000, mins(11)), 120_000);
        assert_eq!(retry_ms(Some(120_000), 60_000, mins(13)), 240_000);
        assert_eq!(retry_ms(Some(240_000), 60_000, mins(17)), 300_000);
        assert_eq!(retry_ms(Some(600_000), 600_000, mins(17)), 600_000);
    }

    #[test]
    fn a_failed_action_doubles_its_wait_and_success_forgets_it() {
        let mut history = History::default();
        let mut waits = Vec::new();
        for _ in 0..11 {
            tried(&mut history, "x".to_owned(), false, Mono(0));
            waits.push(history.backoff["x"].until.0 / 1000);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        tried(&mut history, "x".to_owned(), true, Mono(0));
        assert!(history.backoff.is_empty());
    }
}
