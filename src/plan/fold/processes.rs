//! What is remembered of processes: signals that were sent, and what was seen to become of them.
//!
//! A process leaves the history only when a look that began later did not show it any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Folded;
use crate::model::event::{EventKind, NewEvent};
use crate::model::history::{Ending, History, ProcessHistory, ZombieSeen};
use crate::model::observed::{Observed, Seen};
use crate::model::process::{
    EndCause, EndSignal, Process, ProcessId, ProcessState, ProcessTable, Unit,
};
use crate::model::time::{Mono, Now};
use crate::plan::processes::{GRACE, TRIES_MAX, is_of_previous_run, is_unreaped};

/// A signal that was sent, or whose sending failed.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) unit: Unit,
    pub(super) command: Arc<str>,
    pub(super) cause: EndCause,
    pub(super) signal: EndSignal,
    pub(super) ok: bool,
}

pub(super) fn signalled(own: &mut ProcessHistory, process: ProcessId, sent: Sent, now: Mono) {
    let entry = own.ending.entry(process).or_insert_with(|| Ending {
        unit: sent.unit,
        command: sent.command,
        cause: sent.cause,
        term_sent_at: None,
        kill_sent_at: None,
        last_try: now,
        failures: 0,
        undead_since: None,
    });
    entry.last_try = now;
    if !sent.ok {
        entry.failures = entry.failures.saturating_add(1);
        return;
    }
    entry.failures = 0;
    let first = match sent.signal {
        EndSignal::Terminate => &mut entry.term_sent_at,
        EndSignal::Kill => &mut entry.kill_sent_at,
    };
    first.get_or_insert(now);
}

pub(super) fn reap_tried(own: &mut ProcessHistory, process: ProcessId, now: Mono) {
    if let Some(zombie) = own.zombies.get_mut(&process) {
        zombie.tried = Some(now);
        zombie.tries = zombie.tries.saturating_add(1);
    }
}

/// Takes a look at the processes in; the same look twice changes nothing.
pub(super) fn observe(history: &mut History, observed: &Observed, now: Now) -> Folded {
    let own = &mut history.processes;
    let (at, table) = match &observed.processes {
        Seen::Unreadable { since, .. } => {
            own.unreadable_since.get_or_insert(*since);
            return Folded::default();
        }
        Seen::Fresh { at, value } => (*at, value),
    };
    own.unreadable_since = None;
    let alive: BTreeMap<ProcessId, &Process> =
        table.processes.iter().filter(|p| p.is_alive()).map(|p| (p.id, p)).collect();
    let mut events = Vec::new();
    let killed = &mut own.killed;
    own.ending.retain(|id, ending| {
        if at <= ending.last_try {
            return true;
        }
        let Some(process) = alive.get(id) else {
            events.extend(ended(killed, *id, ending, now));
            return false;
        };
        if ending.undead_since.is_none() && is_undead(ending, process, at) {
            ending.undead_since = Some(at);
            events.push(undead_event(*id, ending, now));
        }
        true
    });
    observe_zombies(own, table, at);
    let is_left = |process: &Process| is_of_previous_run(own, table, process);
    if own.cleared.is_none() && !table.processes.iter().any(is_left) {
        own.cleared = Some(at);
    }
    Folded { events, ended: None }
}

/// Counts an end that was brought about, and says whether anybody should hear of it.
fn ended(
    killed: &mut BTreeMap<EndCause, u64>,
    id: ProcessId,
    ending: &Ending,
    now: Now,
) -> Option<NewEvent> {
    // It went by itself before any signal reached it.
    ending.term_sent_at?;
    *killed.entry(ending.cause).or_default() += 1;
    let why = match ending.cause {
        EndCause::PreviousRun => "a run before this one had started it",
        EndCause::OverAge => "it was older than processes.maxAge",
        EndCause::Orphan | EndCause::OverLimit => return None,
    };
    let summary = format!("{} ({id}) for {} ended: {why}", ending.command, ending.unit);
    Some(process_event(EventKind::ProcessKilled, 1, id, ending, (summary, now)))
}

/// Whether nothing that was sent ends the process, as far as this look shows.
fn is_undead(ending: &Ending, process: &Process, at: Mono) -> bool {
    if ending.failures >= TRIES_MAX {
        return true;
    }
    let Some(killed) = ending.kill_sent_at else { return false };
    process.state == ProcessState::Uninterruptible || at >= killed.plus(GRACE)
}

fn observe_zombies(own: &mut ProcessHistory, table: &ProcessTable, at: Mono) {
    let mut before = std::mem::take(&mut own.zombies);
    for process in &table.processes {
        if is_unreaped(own, table, process) {
            let new = ZombieSeen { since: at, tried: None, tries: 0 };
            own.zombies.insert(process.id, before.remove(&process.id).unwrap_or(new));
        }
    }
}

fn undead_event(id: ProcessId, ending: &Ending, now: Now) -> NewEvent {
    let summary = format!(
        "{} ({id}) for {} does not end, whatever is sent to it",
        ending.command, ending.unit
    );
    process_event(EventKind::ProcessUndead, 2, id, ending, (summary, now))
}

fn process_event(
    kind: EventKind,
    severity: u8,
    id: ProcessId,
    ending: &Ending,
    (summary, now): (String, Now),
) -> NewEvent {
    let mut event = NewEvent::new(kind, severity, now.wall);
    event.summary = summary;
    event.tags = vec![format!("reason.{}", ending.cause.as_str())];
    let attributes = &mut event.attributes;
    attributes.insert("reason".to_owned(), ending.cause.as_str().into());
    attributes.insert("pid".to_owned(), id.pid.into());
    attributes.insert("command".to_owned(), ending.command.as_ref().into());
    attributes.insert("unit".to_owned(), ending.unit.to_string().into());
    event
}
