//! Decides about processes of ours that nobody else ends: orphans, those of a previous run, those
//! past their age, those with a connection too many; and zombies that nobody reaps.
//!
//! SIGTERM first, SIGKILL after a grace, and a process that does not end then is undead: left
//! alone but for a rare retry, its connections counted as before. A stopped process goes the same
//! way, since only SIGKILL reaches it. No step is taken on processes that cannot be read, before a
//! look that began after the last step, or on what bears no mark of this installation.
//!
//! How a capture's own child is ended in order is its owner's work.

use std::sync::Arc;
use std::time::Duration;

use super::draft::{Draft, Inputs};
use super::fold::retry_wait;
use crate::model::history::{Ending, ProcessHistory};
use crate::model::plan::{Action, Held};
use crate::model::process::{
    EndCause, EndSignal, Mark, Process, ProcessId, ProcessState, ProcessTable, Unit,
};
use crate::model::time::Mono;

/// From SIGTERM to SIGKILL, and from SIGKILL until a process counts as undead.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// Failed tries to signal a process after which it counts as undead: nothing may wait for it
/// for ever.
pub(super) const TRIES_MAX: u32 = 3;

/// Between tries to kill what is undead.
const UNDEAD_RETRY: Duration = Duration::from_secs(30);

/// A process that obeys has ended by then: a look tells, long before the grace is over.
const OBEYS_AFTER: Duration = Duration::from_millis(250);

/// A zombie is left to whoever waits for it for so long.
const ZOMBIE_GRACE: Duration = Duration::from_secs(2);

/// Signals and reaps in one plan.
pub(super) const STEPS_MAX: usize = 32;

/// Whether a living process was started by a run before this one and is not undead.
pub(super) fn is_of_previous_run(
    own: &ProcessHistory,
    table: &ProcessTable,
    process: &Process,
) -> bool {
    process.is_alive()
        && process.mark().is_some_and(|mark| {
            !table.owned.contains(&mark.token) && mark.token.instance != own.instance
        })
        && !is_undead(own, process.id)
}

/// Whether a process was given up: nothing that was sent ends it.
pub(super) fn is_undead(own: &ProcessHistory, id: ProcessId) -> bool {
    own.ending.get(&id).is_some_and(|ending| ending.undead_since.is_some())
}

/// Whether a process is a zombie that this server has to reap and whose owner, if it has one, is
/// not known to live.
pub(super) fn is_unreaped(own: &ProcessHistory, table: &ProcessTable, process: &Process) -> bool {
    !process.is_alive()
        && own.pid > 1
        && process.parent == own.pid
        && process.mark().is_none_or(|mark| !table.owned.contains(&mark.token))
}

/// A step on one process, before the pass's bound.
struct Step {
    /// Those that waited longest go first, so that none starves.
    order: (Mono, Mono, ProcessId),
    action: Action,
    reason: String,
}

/// Plans signals and reaps. `over_limit`: processes with a connection too many, and why that is.
pub(super) fn plan(draft: &mut Draft, inputs: Inputs<'_>, over_limit: &[(ProcessId, String)]) {
    let Some((at, table)) = inputs.observed.processes.fresh_at() else { return };
    let own = &inputs.history.processes;
    let mut steps = Vec::new();
    // In the order of their pids, however they are listed.
    let mut processes: Vec<&Process> = table.processes.iter().collect();
    processes.sort_by_key(|process| process.id);
    for process in processes {
        let step = if process.is_alive() {
            signal(draft, inputs, (at, table), (process, over_limit))
        } else {
            reap(draft, inputs, (at, table), process)
        };
        let Some((action, reason)) = step else { continue };
        let ending = own.ending.get(&process.id).map(|ending| ending.last_try);
        let zombie = own.zombies.get(&process.id).and_then(|zombie| zombie.tried);
        let last = ending.or(zombie).unwrap_or_default();
        steps.push(Step { order: (last, process.started, process.id), action, reason });
    }
    steps.sort_by_key(|step| step.order);
    if steps.len() > STEPS_MAX {
        draft.look_at(inputs.now.mono);
    }
    for step in steps.into_iter().take(STEPS_MAX) {
        draft.act(step.action, step.reason);
    }
}

fn signal(
    draft: &mut Draft,
    inputs: Inputs<'_>,
    (at, table): (Mono, &ProcessTable),
    (process, over_limit): (&Process, &[(ProcessId, String)]),
) -> Option<(Action, String)> {
    let own = &inputs.history.processes;
    let mark = process.mark()?;
    if process.id.pid <= 1 || process.id.pid == own.pid {
        return None;
    }
    let ending = own.ending.get(&process.id);
    let (cause, reason) = match ending {
        // Once begun it is carried through, whatever has become of the cause.
        Some(ending) => (ending.cause, again(ending)),
        None => cause(draft, inputs, table, (process, mark, over_limit))?,
    };
    let (signal, due) = next(ending);
    look(draft, ending, due, at);
    let is_seen = ending.is_none_or(|ending| at > ending.last_try);
    if due > inputs.now.mono || !is_seen {
        if ending.is_some_and(|ending| ending.undead_since.is_some()) {
            draft.hold(undead(process, due));
        }
        return None;
    }
    let (mark, command) = (mark.clone(), Arc::clone(&process.command));
    let action = Action::SignalProcess { process: process.id, mark, command, signal, cause };
    Some((action, reason))
}

/// Why a process that nobody ends yet must end.
fn cause(
    draft: &mut Draft,
    inputs: Inputs<'_>,
    table: &ProcessTable,
    (process, mark, over_limit): (&Process, &Mark, &[(ProcessId, String)]),
) -> Option<(EndCause, String)> {
    if !table.owned.contains(&mark.token) {
        let is_own = mark.token.instance == inputs.history.processes.instance;
        return Some(if is_own {
            (EndCause::Orphan, format!("nobody owns this child for {}", mark.unit))
        } else {
            (EndCause::PreviousRun, format!("a run before this one started it for {}", mark.unit))
        });
    }
    if let Unit::Capture(_) = mark.unit {
        let most = inputs.desired.server.processes.max_age;
        let due = process.started.plus(most);
        if due <= inputs.now.mono {
            let reason = format!("older than processes.maxAge, {} s", most.as_secs());
            return Some((EndCause::OverAge, reason));
        }
        draft.look_at(due);
    }
    let (_, reason) = over_limit.iter().find(|(id, _)| *id == process.id)?;
    Some((EndCause::OverLimit, reason.clone()))
}

/// The next signal, and from when it may be sent.
fn next(ending: Option<&Ending>) -> (EndSignal, Mono) {
    let Some(ending) = ending else { return (EndSignal::Terminate, Mono(0)) };
    let signal = if ending.term_sent_at.is_none() { EndSignal::Terminate } else { EndSignal::Kill };
    let due = match (ending.term_sent_at, ending.kill_sent_at) {
        _ if ending.undead_since.is_some() => ending.last_try.plus(UNDEAD_RETRY),
        _ if ending.failures > 0 => ending.last_try.plus(retry_wait(ending.failures)),
        (_, Some(_)) => ending.last_try.plus(UNDEAD_RETRY),
        (Some(asked), None) => asked.plus(GRACE),
        (None, None) => ending.last_try,
    };
    (signal, due)
}

/// Says which looks at the process would tell more than the one from `at`.
fn look(draft: &mut Draft, ending: Option<&Ending>, due: Mono, at: Mono) {
    let Some(ending) = ending else { return };
    let soon = ending.last_try.plus(OBEYS_AFTER);
    let judged = ending.kill_sent_at.map(|killed| killed.plus(GRACE));
    let wanted = if ending.undead_since.is_some() {
        [Some(due), None, None]
    } else {
        [Some(due), Some(soon), judged]
    };
    if let Some(wanted) = wanted.into_iter().flatten().filter(|wanted| *wanted > at).min() {
        draft.look_processes(wanted);
    }
}

fn again(ending: &Ending) -> String {
    if ending.undead_since.is_some() {
        return "nothing has ended it so far".to_owned();
    }
    if ending.failures > 0 {
        return format!("it could not be signalled, {} times in a row", ending.failures);
    }
    format!("it has not ended {} s after SIGTERM", GRACE.as_secs())
}

fn undead(process: &Process, due: Mono) -> Held {
    let state = match process.state {
        ProcessState::Uninterruptible => "it waits in the kernel and cannot be killed",
        ProcessState::Running
        | ProcessState::Sleeping
        | ProcessState::Stopped
        | ProcessState::Zombie => "nothing that was sent has ended it",
    };
    Held {
        kind: "SignalProcess",
        object: format!("process/{}", process.id),
        reason: "Undead",
        message: format!("{} ({}): {state}", process.command, process.id),
        until: Some(due),
    }
}

fn reap(
    draft: &mut Draft,
    inputs: Inputs<'_>,
    (at, table): (Mono, &ProcessTable),
    process: &Process,
) -> Option<(Action, String)> {
    let own = &inputs.history.processes;
    if !is_unreaped(own, table, process) {
        return None;
    }
    let zombie = own.zombies.get(&process.id)?;
    let due = match zombie.tried {
        None => zombie.since.plus(ZOMBIE_GRACE),
        Some(tried) => tried.plus(retry_wait(zombie.tries)),
    };
    if at < due {
        draft.look_processes(due);
        return None;
    }
    let reason = "it has ended and nobody takes its exit status".to_owned();
    Some((Action::ReapProcess { process: process.id }, reason))
}
