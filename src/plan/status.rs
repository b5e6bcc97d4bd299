//! What the observations and the history say about each object: conditions, badge, sentence.

mod facilities;
mod gateways;
mod processes;
mod server;

use std::time::Duration;

use crate::model::condition::{ConditionType, Truth, Verdict};
use crate::model::desired::{Camera, Desired, Subnet};
use crate::model::failure::{Failure, FailureKind, Stage};
use crate::model::frame::{SweepRecord, SweepState};
use crate::model::history::{Attempt, AttemptResult, CameraHistory, History, SubnetHistory};
use crate::model::observed::Observed;
use crate::model::snapshot::{Badge, CameraStatus, SubnetStatus};
use crate::model::time::{Mono, Now};

use super::connections::{Count, within_limit};
use super::schedule::{next_start, quiet_until};
pub(super) use gateways::available as gateway_available;
pub use gateways::gateway;
pub use server::server;

/// A picture older than this many intervals is stale.
const FRESH_INTERVALS: u32 = 3;

/// One camera's status; the conditions' times follow from the history.
pub fn camera(
    desired: &Desired,
    observed: &Observed,
    history: &History,
    camera: &Camera,
    now: Now,
) -> CameraStatus {
    let nothing = CameraHistory::default();
    let own = history.cameras.get(&camera.name).unwrap_or(&nothing);
    let interval = desired.subnets.get(&camera.subnet).map_or(Duration::MAX, |s| s.sweep.interval);
    let device = camera.capture_device();
    let limit = desired.devices.get(&device).map_or(0, |l| l.max_connections);
    let seen = observed.connections.fresh().map(|all| Count::of(all, device));
    let verdicts = [
        ready(own, interval, now.mono),
        reachable(own),
        within_limit(seen.as_ref(), limit),
        fresh(own, interval, now),
    ];
    let generation = desired.generation;
    let count = seen.unwrap_or_default();
    let mut look = look(camera, own, &verdicts, (count.ours, count.foreign, limit));
    if let Some(held_by) = count.held_by()
        && look.reason == "CameraFull"
    {
        look.message = format!("{}; {held_by}", look.message);
    }
    let conditions =
        verdicts.map(|verdict| verdict.after(&own.conditions, generation, now.wall)).to_vec();
    if look.badge == Badge::Bad {
        look.since = Some(conditions[0].last_transition_time);
    }
    CameraStatus {
        badge: look.badge,
        reason: look.reason,
        stage: look.stage,
        message: look.message,
        since: look.since,
        conditions,
        failures: own.failures,
        capturing: own.in_flight.is_some(),
        next_capture: next_capture(desired, history, camera, own, now),
        last_frame: own.last_frame.clone(),
        codec: own.codec,
        limit,
        ours: count.ours,
        foreign: count.foreign,
        holders: count.holders,
        attempts: own.attempts.iter().rev().cloned().collect(),
    }
}

/// The last attempt that was not skipped.
fn last_try(history: &CameraHistory) -> Option<&Attempt> {
    let tried = |attempt: &&Attempt| !matches!(attempt.result, AttemptResult::Skipped { .. });
    history.attempts.iter().rev().map(AsRef::as_ref).find(tried)
}

fn last_failure(history: &CameraHistory) -> Option<&Failure> {
    match &last_try(history)?.result {
        AttemptResult::Failed(failure) => Some(failure),
        AttemptResult::Ok | AttemptResult::Skipped { .. } => None,
    }
}

fn ready(history: &CameraHistory, interval: Duration, now: Mono) -> Verdict {
    let kind = ConditionType::Ready;
    if let Some(failure) = last_failure(history) {
        return Verdict::new(kind, false, failure.kind.as_str(), failure.message.clone());
    }
    match history.last_ok {
        None => Verdict::new(kind, Truth::Unknown, "Waiting", "no attempt has ended yet"),
        Some(at) if now.since(at) <= interval.saturating_mul(FRESH_INTERVALS) => {
            Verdict::new(kind, true, "Captured", "the last capture succeeded")
        }
        Some(at) => {
            let age = now.since(at).as_secs();
            Verdict::new(kind, false, "Stale", format!("the last capture was {age} s ago"))
        }
    }
}

fn reachable(history: &CameraHistory) -> Verdict {
    let kind = ConditionType::Reachable;
    let Some(attempt) = last_try(history) else {
        return Verdict::new(kind, Truth::Unknown, "Waiting", "no attempt has ended yet");
    };
    match &attempt.result {
        AttemptResult::Failed(failure) => {
            let silent = match failure.kind {
                FailureKind::Unreachable | FailureKind::Refused => true,
                FailureKind::Timeout => failure.stage == Some(Stage::Connect),
                FailureKind::SecretMissing | FailureKind::Host | FailureKind::Cancelled => {
                    let message = "the camera was not tried";
                    return Verdict::new(kind, Truth::Unknown, failure.kind.as_str(), message);
                }
                FailureKind::AuthFailed
                | FailureKind::CameraFull
                | FailureKind::NotFound
                | FailureKind::UnsupportedCodec
                | FailureKind::UnsupportedProtocol
                | FailureKind::NoKeyFrame
                | FailureKind::ProtocolError
                | FailureKind::ConnectionLost
                | FailureKind::CameraError
                | FailureKind::DecodeFailed
                | FailureKind::StoreFailed => false,
            };
            let message =
                if silent { failure.message.as_str() } else { "the camera's device answers" };
            Verdict::new(
                kind,
                !silent,
                if silent { failure.kind.as_str() } else { "Answers" },
                message,
            )
        }
        AttemptResult::Ok | AttemptResult::Skipped { .. } => {
            Verdict::new(kind, true, "Answers", "the camera's device answers")
        }
    }
}

fn fresh(history: &CameraHistory, interval: Duration, now: Now) -> Verdict {
    let kind = ConditionType::Fresh;
    let Some(frame) = &history.last_frame else {
        return Verdict::new(kind, Truth::Unknown, "NoFrame", "no picture yet");
    };
    let age = Duration::try_from(now.wall.duration_since(frame.captured_at)).unwrap_or_default();
    if age <= interval.saturating_mul(FRESH_INTERVALS) {
        Verdict::new(kind, true, "Fresh", "the last picture is new")
    } else {
        Verdict::new(kind, false, "Stale", format!("the last picture is {} s old", age.as_secs()))
    }
}

/// What a person sees first.
struct Look {
    badge: Badge,
    reason: &'static str,
    stage: Option<Stage>,
    message: String,
    since: Option<jiff::Timestamp>,
}

impl Look {
    fn new(badge: Badge, reason: &'static str, message: impl Into<String>) -> Self {
        Self { badge, reason, stage: None, message: message.into(), since: None }
    }
}

fn look(
    camera: &Camera,
    history: &CameraHistory,
    [ready, _, within, _]: &[Verdict; 4],
    (ours, foreign, limit): (u16, u16, u16),
) -> Look {
    if !camera.enabled {
        return Look::new(Badge::Off, "Disabled", "disabled in the manifest");
    }
    if let Some(failure) = last_failure(history) {
        let mut look = Look::new(Badge::Bad, failure.kind.as_str(), failure.message.clone());
        look.stage = failure.stage;
        return look;
    }
    if within.status == Truth::False {
        return Look::new(Badge::Warn, within.reason, within.message.clone());
    }
    if let Some(attempt) = history.attempts.back()
        && let AttemptResult::Skipped { reason: "NoSlot", message } = &attempt.result
    {
        let reason = if foreign >= limit.max(1) { "ForeignClient" } else { "NoSlot" };
        let mut look = Look::new(Badge::Warn, reason, message.clone());
        look.since = Some(attempt.started.wall);
        return look;
    }
    if ready.status == Truth::False {
        return Look::new(Badge::Warn, ready.reason, ready.message.clone());
    }
    if history.in_flight.is_some() {
        let message = format!("a capture is going on, {ours} of {limit} connections in use");
        return Look::new(Badge::Busy, "Capturing", message);
    }
    if ready.status == Truth::Unknown {
        return Look::new(Badge::Busy, "Waiting", "waits for its first capture");
    }
    Look::new(Badge::Ok, "Captured", ready.message.clone())
}

fn next_capture(
    desired: &Desired,
    history: &History,
    camera: &Camera,
    own: &CameraHistory,
    now: Now,
) -> Option<Mono> {
    let subnet = desired.subnets.get(&camera.subnet)?;
    if !camera.enabled || subnet.sweep.suspend {
        return None;
    }
    if own.failures >= super::LINE_FAILURES_MAX {
        let wait = Duration::from_millis(own.retry_ms.unwrap_or(0));
        return Some(own.last_start.map_or(now.mono, |start| start.plus(wait)));
    }
    let nothing = SubnetHistory::default();
    let history = history.subnets.get(&subnet.name).unwrap_or(&nothing);
    if let Some(run) = &history.run
        && run.pending.contains(&camera.name)
    {
        return Some(now.mono);
    }
    Some(next_sweep(desired, subnet, history, now))
}

/// When the next sweep starts, seen from now; while one is going on, as if it ended now.
fn next_sweep(desired: &Desired, subnet: &Subnet, history: &SubnetHistory, now: Now) -> Mono {
    let mut seen = SubnetHistory {
        first_start: history.first_start,
        interval_ms: history.interval_ms,
        last_start: history.last_start,
        last_end: history.last_end,
        ..SubnetHistory::default()
    };
    if history.run.is_some() {
        seen.last_end = Some(now.mono);
    }
    let mono = next_start(&subnet.sweep, &seen, now).at.max(now.mono);
    let then = Now { mono, wall: now.wall_at(mono) };
    let zone = &desired.server.timezone;
    quiet_until(&subnet.sweep.quiet_hours, zone, then).unwrap_or(mono)
}

/// One subnet's status. `ready` counts its enabled cameras that are.
pub fn subnet(
    desired: &Desired,
    history: &History,
    subnet: &Subnet,
    (cameras, ready): (u32, u32),
    now: Now,
) -> SubnetStatus {
    let nothing = SubnetHistory::default();
    let own = history.subnets.get(&subnet.name).unwrap_or(&nothing);
    let run = own.run.as_ref().map(|run| SweepRecord {
        id: run.id,
        subnet: subnet.name.clone(),
        started_at: run.started.wall,
        ended_at: None,
        state: SweepState::Running,
        clean: None,
        results: run.results.clone(),
    });
    let conditions = subnet_verdicts(subnet, own)
        .into_iter()
        .map(|verdict| verdict.after(&own.conditions, desired.generation, now.wall))
        .collect();
    SubnetStatus {
        cameras,
        ready,
        sweeping: run.is_some(),
        run,
        next_sweep: (!subnet.sweep.suspend).then(|| next_sweep(desired, subnet, own, now)),
        last_sweep: own.last.clone(),
        overruns: own.overruns,
        conditions,
    }
}

fn subnet_verdicts(subnet: &Subnet, own: &SubnetHistory) -> [Verdict; 3] {
    let sweeping = match &own.run {
        Some(run) => {
            let left = run.pending.len();
            let message = format!("{} cameras done, {left} to come", run.results.len());
            Verdict::new(ConditionType::Sweeping, true, "Sweeping", message)
        }
        None if subnet.sweep.suspend => {
            let message = "suspended in the manifest";
            Verdict::new(ConditionType::Sweeping, false, "Suspended", message)
        }
        None => Verdict::new(ConditionType::Sweeping, false, "Resting", "between two sweeps"),
    };
    let schedule = match (own.last_start, own.last_overrun) {
        (None, _) => Verdict::new(
            ConditionType::OnSchedule,
            Truth::Unknown,
            "Waiting",
            "no sweep has started yet",
        ),
        (Some(_), 0) => {
            Verdict::new(ConditionType::OnSchedule, true, "OnSchedule", "sweeps start when due")
        }
        (Some(_), skipped) => Verdict::new(
            ConditionType::OnSchedule,
            false,
            "Overrun",
            format!("the sweep before took too long: {skipped} starts skipped"),
        ),
    };
    let clean = match own.last.as_ref().map(|sweep| sweep.clean) {
        Some(Some(true)) => {
            Verdict::new(ConditionType::Clean, true, "Clean", "the last sweep left no connection")
        }
        Some(Some(false)) => Verdict::new(
            ConditionType::Clean,
            false,
            "Leftovers",
            "connections of the last sweep did not go in time",
        ),
        Some(None) => Verdict::new(
            ConditionType::Clean,
            Truth::Unknown,
            "Unreadable",
            "the connections of this host could not be read",
        ),
        None => {
            let message = "no sweep has ended yet";
            Verdict::new(ConditionType::Clean, Truth::Unknown, "Waiting", message)
        }
    };
    [sweeping, schedule, clean]
}
