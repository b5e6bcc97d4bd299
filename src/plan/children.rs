//! Decides whether captures may start children, and when sweeps may begin.
//!
//! Children need sight: nobody starts one before the processes of previous runs are gone, nor
//! while an earlier child of the same camera may still be there. Not known is not empty; yet a host
//! whose `/proc` cannot be read, for good, still takes pictures. So sweeps wait for the processes
//! to be read for [`SIGHT_PATIENCE`] after the start at most, and then go on by the ways inside the
//! server (native, http), which start no process; the condition `ObservationFresh` says so. A
//! process of a previous run that turned out to be undead holds nothing up either: its connections
//! are counted like all others.

use std::time::Duration;

use super::draft::{Draft, Inputs};
use super::processes::{is_of_previous_run, is_undead};
use crate::model::desired::{Backend, Camera};
use crate::model::history::{AttemptResult, CameraHistory};
use crate::model::observed::Seen;
use crate::model::plan::Held;
use crate::model::process::{Process, Unit};
use crate::model::time::Mono;

/// How long sweeps wait for a first look at the processes that succeeds.
const SIGHT_PATIENCE: Duration = Duration::from_secs(15);

/// Between looks that a capture waits for.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// Why sweeps and captures do not begin yet, whatever the camera.
pub(super) fn hold(draft: &mut Draft, inputs: Inputs<'_>) -> Option<Held> {
    let held = |reason, message, until| Held {
        kind: "StartSweep",
        object: "server".to_owned(),
        reason,
        message,
        until,
    };
    let own = &inputs.history.processes;
    if own.cleared.is_some() {
        return None;
    }
    match &inputs.observed.processes {
        Seen::Fresh { .. } => {
            let left = left_over(inputs);
            let message = match left {
                0 => return None,
                1 => "a process of a previous run is being ended".to_owned(),
                _ => format!("{left} processes of a previous run are being ended"),
            };
            Some(held("PreviousRun", message, None))
        }
        Seen::Unreadable { since, why } => {
            let since = own.unreadable_since.map_or(*since, |known| known.min(*since));
            let until = since.plus(SIGHT_PATIENCE);
            if until <= inputs.now.mono {
                return None;
            }
            draft.look_at(until);
            let message = format!("the processes of this host cannot be read: {why}");
            Some(held("ProcessesUnreadable", message, Some(until)))
        }
    }
}

fn left_over(inputs: Inputs<'_>) -> usize {
    let Some(table) = inputs.observed.processes.fresh() else { return 0 };
    let own = &inputs.history.processes;
    table.processes.iter().filter(|process| is_of_previous_run(own, table, process)).count()
}

/// Whether a capture may start a child.
#[derive(Debug)]
pub(super) enum Child {
    /// It may, or need not know.
    May(bool),
    /// Soon.
    Wait { reason: &'static str, message: String },
    /// It may not, and the camera can be captured in no other way.
    Without { reason: &'static str, message: String },
}

/// Whether a capture of this camera may start a child now; none of it is going on.
pub(super) fn for_camera(draft: &mut Draft, inputs: Inputs<'_>, camera: &Camera) -> Child {
    if !camera.capture.order.iter().any(|backend| backend.starts_child()) {
        return Child::May(false);
    }
    let nothing = CameraHistory::default();
    let history = inputs.history.cameras.get(&camera.name).unwrap_or(&nothing);
    let not = |reason, message: &str| {
        if needs_child(camera, history) {
            Child::Without { reason, message: message.to_owned() }
        } else {
            Child::May(false)
        }
    };
    let wait = |reason, message: &str| Child::Wait { reason, message: message.to_owned() };
    let Some((at, table)) = inputs.observed.processes.fresh_at() else {
        return not("ProcessesUnreadable", "the processes of this host cannot be read");
    };
    let own = &inputs.history.processes;
    let is_its = |process: &&Process| {
        let unit = process.mark().map(|mark| &mark.unit);
        process.is_alive() && matches!(unit, Some(Unit::Capture(name)) if *name == camera.name)
    };
    let mut there = table.processes.iter().filter(is_its).peekable();
    if there.peek().is_some() {
        if there.all(|process| is_undead(own, process.id)) {
            return not("ProcessUndead", "a process of an earlier capture cannot be ended");
        }
        draft.look_processes(at.plus(LOOK_PAUSE));
        return wait("ChildAlive", "a process of an earlier capture has not ended yet");
    }
    if history.child_ended.is_some_and(|ended| ended >= at) {
        draft.look_processes(at.plus(LOOK_PAUSE).max(after(history)));
        return wait("WaitsForLook", "whether the last capture's process is gone is not known yet");
    }
    if own.cleared.is_none() && left_over(inputs) > 0 {
        return not("PreviousRun", "processes of a previous run are being ended");
    }
    Child::May(true)
}

fn after(history: &CameraHistory) -> Mono {
    history.child_ended.map_or(Mono(0), |ended| Mono(ended.0 + 1))
}

/// Whether the camera can only be captured by a child, as far as known.
fn needs_child(camera: &Camera, history: &CameraHistory) -> bool {
    let only = camera.capture.order.iter().all(|backend| backend.starts_child());
    let is_ok = |result: &AttemptResult| matches!(result, AttemptResult::Ok);
    let last = history.attempts.iter().rev().find(|attempt| is_ok(&attempt.result));
    only || last.and_then(|attempt| attempt.backend).is_some_and(Backend::starts_child)
}
