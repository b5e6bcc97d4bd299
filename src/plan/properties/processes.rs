//! Processes among the random steps, and what holds for every step on one.

use proptest::prelude::*;

use super::steps::pick;
use crate::model::observed::{ConnectionOwner, Observed};
use crate::model::plan::{Action, Plan};
use crate::model::process::{EndSignal, ProcessId, ProcessOwner, ProcessState, Unit};
use crate::model::time::Mono;
use crate::plan::processes::{GRACE, STEPS_MAX, is_of_previous_run, is_undead};
use crate::plan::testkit::{Case, RUN, RUN_BEFORE, SERVER_PID};

/// What may happen to processes between two plans.
#[derive(Debug, Clone)]
pub(super) enum ProcessStep {
    Child { camera: usize, before: bool, owned: bool, connects: bool },
    Foreign,
    Unmarked,
    Disown(usize),
    State(usize, ProcessState),
    Deaf(usize),
    Untouchable(usize),
    Vanish(usize),
    Blind(bool),
}

pub(super) fn process_step() -> impl Strategy<Value = ProcessStep> {
    let n = 0usize..8;
    let state = prop_oneof![
        Just(ProcessState::Sleeping),
        Just(ProcessState::Stopped),
        Just(ProcessState::Uninterruptible),
        Just(ProcessState::Zombie),
    ];
    prop_oneof![
        6 => (n.clone(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(camera, before, owned, connects)| {
                ProcessStep::Child { camera, before, owned: owned && !before, connects }
            }
        ),
        1 => Just(ProcessStep::Foreign),
        1 => Just(ProcessStep::Unmarked),
        2 => n.clone().prop_map(ProcessStep::Disown),
        3 => (n.clone(), state).prop_map(|(n, state)| ProcessStep::State(n, state)),
        2 => n.clone().prop_map(ProcessStep::Deaf),
        1 => n.clone().prop_map(ProcessStep::Untouchable),
        1 => n.prop_map(ProcessStep::Vanish),
        1 => any::<bool>().prop_map(ProcessStep::Blind),
    ]
}

pub(super) fn take(case: &mut Case, step: &ProcessStep) {
    let count = u32::try_from(case.processes.born.len()).unwrap();
    let next = 100 + count;
    match *step {
        ProcessStep::Child { camera, before, owned, connects } => {
            let Some(name) = pick(case.desired.cameras.keys(), camera) else { return };
            let run = if before { RUN_BEFORE } else { RUN };
            let process = case.child(next, name.as_str(), run);
            if owned {
                case.own(next);
            }
            if connects {
                let at = case.desired.cameras[&name].device();
                let unit = Unit::Capture(name);
                case.connect(at, ConnectionOwner::Child { process, unit });
            }
        }
        ProcessStep::Foreign => {
            case.appear(next, ProcessOwner::Foreign);
        }
        ProcessStep::Unmarked => {
            case.appear(next, ProcessOwner::Unmarked);
        }
        ProcessStep::Blind(blind) => {
            case.processes.blind = blind.then_some((case.now.mono, "no /proc"));
        }
        ProcessStep::Disown(n)
        | ProcessStep::State(n, _)
        | ProcessStep::Deaf(n)
        | ProcessStep::Untouchable(n)
        | ProcessStep::Vanish(n) => {
            let pids = case.pids();
            let Some(pid) = pick(pids.iter(), n) else { return };
            change(case, step, pid);
        }
    }
}

fn change(case: &mut Case, step: &ProcessStep, pid: u32) {
    if let ProcessStep::State(_, state) = *step {
        let process = case.process_mut(pid);
        if process.is_alive() {
            process.state = state;
        }
    } else if matches!(step, ProcessStep::Disown(_)) {
        case.disown(pid);
    } else if matches!(step, ProcessStep::Deaf(_)) {
        case.processes.stubborn.push(pid);
    } else if matches!(step, ProcessStep::Untouchable(_)) {
        case.processes.untouchable.push(pid);
    } else {
        case.ends_process(pid);
    }
}

/// What holds for the steps on processes of a single plan, and for what waits for them.
pub(super) fn check(case: &Case, observed: &Observed, plan: &Plan) {
    let own = &case.history.processes;
    let table = observed.processes.fresh();
    let mut steps = 0;
    for planned in &plan.actions {
        match &planned.action {
            Action::SignalProcess { process, mark, signal, .. } => {
                steps += 1;
                let table = table.expect("processes were seen");
                let seen = table.processes.iter().find(|p| p.id == *process).unwrap();
                assert!(seen.mark() == Some(mark) && seen.is_alive(), "{seen:?}");
                assert!(process.pid > 1 && process.pid != SERVER_PID);
                check_signal(case, *process, *signal);
            }
            Action::ReapProcess { process } => {
                steps += 1;
                let table = table.expect("processes were seen");
                let seen = table.processes.iter().find(|p| p.id == *process).unwrap();
                assert!(!seen.is_alive() && seen.parent == SERVER_PID, "{seen:?}");
            }
            Action::Capture { camera, children: true, .. } => {
                let table = table.expect("children need sight");
                let is_its = |unit: &Unit| matches!(unit, Unit::Capture(name) if name == camera);
                let mut alive = table.processes.iter().filter(|p| p.is_alive());
                assert!(!alive.any(|p| p.mark().is_some_and(|mark| is_its(&mark.unit))));
            }
            Action::StartSweep { .. } => {
                let left = |table: &std::sync::Arc<_>| {
                    let table: &crate::model::process::ProcessTable = table;
                    table.processes.iter().any(|p| is_of_previous_run(own, table, p))
                };
                assert!(own.cleared.is_some() || !table.is_some_and(left));
            }
            Action::Capture { children: false, .. }
            | Action::SkipCamera { .. }
            | Action::Destruct { .. }
            | Action::FinishSweep { .. }
            | Action::AbortSweep { .. }
            | Action::CancelCapture { .. }
            | Action::CutSlot { .. }
            | Action::EndLease { .. }
            | Action::Delete { .. }
            | Action::Forget { .. } => {}
        }
    }
    assert!(steps <= STEPS_MAX);
}

fn check_signal(case: &Case, process: ProcessId, signal: EndSignal) {
    let before: Vec<(EndSignal, Mono)> = case
        .processes
        .sent
        .iter()
        .filter(|(pid, ..)| *pid == process.pid)
        .map(|(_, signal, at)| (*signal, *at))
        .collect();
    assert!(before.iter().all(|(_, at)| *at < case.now.mono), "no look since the last signal");
    if signal == EndSignal::Kill {
        let asked = before.iter().find(|(signal, _)| *signal == EndSignal::Terminate);
        let (_, asked) = asked.expect("SIGKILL without SIGTERM");
        assert!(case.now.mono >= asked.plus(GRACE), "SIGKILL within the grace");
    }
    let is_given_up = is_undead(&case.history.processes, process);
    if let (true, Some((_, last))) = (is_given_up, before.last()) {
        let rest = case.now.mono.since(*last);
        assert!(rest >= std::time::Duration::from_secs(30), "an undead one after {rest:?}");
    }
}

/// Everything that kept processes from ending is over.
pub(super) fn heal(case: &mut Case) {
    case.processes.blind = None;
    case.processes.stubborn.clear();
    case.processes.untouchable.clear();
    for process in &mut case.processes.table.processes {
        if process.is_alive() {
            process.state = ProcessState::Sleeping;
        }
    }
}

/// Processes that the loop should have ended or reaped.
pub(super) fn left_over(case: &Case) -> Vec<ProcessId> {
    let table = &case.processes.table;
    let unowned = |mark: &crate::model::process::Mark| !table.owned.contains(&mark.token);
    let left = table
        .processes
        .iter()
        .filter(|process| process.mark().map_or(!process.is_alive(), unowned));
    left.filter(|p| !matches!(p.owner, ProcessOwner::Foreign)).map(|p| p.id).collect()
}
