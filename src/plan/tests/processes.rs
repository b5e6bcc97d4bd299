//! Processes that nobody else ends.

use std::time::Duration;

use insta::assert_snapshot;

use crate::model::event::EventKind;
use crate::model::process::{
    ChildToken, EndCause, EndSignal, Mark, ProcessOwner, ProcessState, Unit,
};
use crate::model::time::Mono;
use crate::plan::processes::STEPS_MAX;
use crate::plan::testkit::{Case, RUN, RUN_BEFORE, START, check, subnet_name};

/// What was sent to whom, after how many milliseconds.
fn sent(case: &Case) -> Vec<(u32, EndSignal, u64)> {
    let sent = case.processes.sent.iter();
    sent.map(|(pid, signal, at)| (*pid, *signal, at.0 - START.0)).collect()
}

fn killed(case: &Case, of: EndCause) -> u64 {
    case.history.processes.killed.get(&of).copied().unwrap_or(0)
}

#[test]
fn a_child_that_nobody_owns_is_asked_to_end() {
    let plan = check(|case| {
        case.child(100, "shop-1", RUN);
    });
    assert_snapshot!(plan, @"SignalProcess process/100 SIGTERM orphan -- nobody owns this child for capture/shop-1");
}

#[test]
fn a_child_with_an_owner_is_left_alone() {
    let plan = check(|case| {
        case.child(100, "shop-1", RUN);
        case.own(100);
    });
    assert_snapshot!(plan, @"look +300s");
}

#[test]
fn a_child_of_a_previous_run_is_asked_to_end() {
    let plan = check(|case| {
        case.child(100, "shop-1", RUN_BEFORE);
    });
    assert_snapshot!(plan, @"SignalProcess process/100 SIGTERM previous_run -- a run before this one started it for capture/shop-1");
}

#[test]
fn a_capture_child_past_its_age_is_ended_whoever_owns_it() {
    let plan = |age| {
        check(|case| {
            case.child(100, "shop-1", RUN);
            case.own(100);
            case.secs(age);
        })
    };
    assert_snapshot!(plan(299), @"look +300s");
    assert_snapshot!(plan(300), @"SignalProcess process/100 SIGTERM over_age -- older than processes.maxAge, 300 s");
}

#[test]
fn a_gateway_may_grow_old() {
    let plan = check(|case| {
        case.process(100, Unit::Gateway(subnet_name("shop")), RUN);
        case.own(100);
        case.secs(100_000);
    });
    assert_snapshot!(plan, @"");
}

#[test]
fn what_does_not_obey_is_killed_after_the_grace_and_not_before() {
    let mut case = Case::new();
    case.child(100, "shop-1", RUN);
    case.processes.stubborn.push(100);
    case.live(5);
    assert_eq!(sent(&case), [(100, EndSignal::Terminate, 250), (100, EndSignal::Kill, 2250)]);
    assert!(case.pids().is_empty() && case.history.processes.ending.is_empty());
    assert_eq!(killed(&case, EndCause::Orphan), 1);
    assert!(case.events.is_empty(), "an orphan of this run is no news");
}

#[test]
fn a_stopped_process_is_killed_after_the_grace() {
    let mut case = Case::new();
    case.child(100, "shop-1", RUN);
    case.process_mut(100).state = ProcessState::Stopped;
    case.live(5);
    assert_eq!(sent(&case), [(100, EndSignal::Terminate, 250), (100, EndSignal::Kill, 2250)]);
    assert!(case.pids().is_empty());
}

#[test]
fn nothing_follows_a_signal_before_a_look_that_began_later() {
    let mut case = Case::new();
    case.child(100, "shop-1", RUN);
    case.processes.stubborn.push(100);
    case.pass();
    let stale = case.observed();
    case.secs(60);
    let plan = super::super::plan(&case.desired, &stale, &case.history, case.now);
    assert!(plan.actions.is_empty(), "{plan:?}");
    assert_eq!(plan.look_processes, Some(START.plus(Duration::from_millis(250))));
    assert_eq!(plan.next_look, Some(Mono(case.now.mono.0 + 1)), "the look is overdue");
}

#[test]
fn what_cannot_be_killed_is_undead_and_only_seldom_tried_again() {
    let mut case = Case::new();
    case.child(100, "shop-1", RUN);
    case.process_mut(100).state = ProcessState::Uninterruptible;
    case.live(4);
    assert_snapshot!(case.text(), @"
    held SignalProcess process/100 Undead until +32.25s: ffmpeg (100): it waits in the kernel and cannot be killed
    look +32.25s
    ");
    let kinds: Vec<EventKind> = case.events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::ProcessUndead]);
    assert_eq!(
        case.events[0].summary,
        "ffmpeg (100) for capture/shop-1 does not end, whatever is sent to it"
    );
    case.live(60);
    let kills: Vec<u64> =
        sent(&case).iter().filter(|s| s.1 == EndSignal::Kill).map(|s| s.2).collect();
    assert_eq!(kills, [2250, 32_250, 62_250]);
    case.process_mut(100).state = ProcessState::Sleeping;
    case.live(31);
    assert!(case.pids().is_empty() && case.history.processes.ending.is_empty());
    assert_eq!(killed(&case, EndCause::Orphan), 1);
    assert_eq!(case.events.len(), 1, "said once");
}

#[test]
fn one_that_is_killed_and_goes_on_running_is_undead_after_the_grace() {
    let mut case = Case::new();
    let id = case.child(100, "shop-1", RUN);
    case.processes.stubborn.push(100);
    case.live(2);
    case.wait(Duration::from_millis(250));
    let back = case.process_mut(100).clone();
    case.pass();
    case.processes.table.processes.push(back);
    case.live(1);
    assert_eq!(case.history.processes.ending[&id].undead_since, None);
    case.live(1);
    assert!(case.history.processes.ending[&id].undead_since.is_some());
}

#[test]
fn what_cannot_be_signalled_is_tried_less_and_less_and_given_up() {
    let mut case = Case::new();
    let id = case.child(100, "shop-1", RUN);
    case.processes.untouchable.push(100);
    case.live(40);
    let tries: Vec<u64> = sent(&case).iter().map(|sent| sent.2).collect();
    assert_eq!(tries, [250, 1250, 3250, 33_250]);
    assert!(sent(&case).iter().all(|sent| sent.1 == EndSignal::Terminate), "it never got one");
    assert!(case.history.processes.ending[&id].undead_since.is_some());
}

#[test]
fn nothing_is_done_to_processes_that_cannot_be_read() {
    let plan = check(|case| {
        case.child(100, "shop-1", RUN);
        case.processes.blind = Some((START, "no /proc"));
    });
    assert_snapshot!(plan, @"");
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let token = ChildToken { instance: RUN.into(), number: 1 };
    let unit = Unit::Gateway(subnet_name("shop"));
    let mark = Mark { installation: "here".into(), unit, token };
    let plan = check(|case| {
        case.appear(100, ProcessOwner::Foreign);
        case.appear(101, ProcessOwner::Unmarked);
        case.appear(1, ProcessOwner::Ours(mark.clone()));
        case.appear(0, ProcessOwner::Ours(mark.clone()));
        case.appear(40, ProcessOwner::Ours(mark.clone()));
        case.secs(1000);
    });
    assert_snapshot!(plan, @"");
}

#[test]
fn another_process_with_the_same_pid_starts_anew() {
    let mut case = Case::new();
    case.child(100, "shop-1", RUN);
    case.processes.stubborn.push(100);
    case.pass();
    case.processes.table.processes.clear();
    case.secs(3);
    case.child(100, "shop-2", RUN);
    assert_snapshot!(case.text(), @"SignalProcess process/100 SIGTERM orphan -- nobody owns this child for capture/shop-2");
}

#[test]
fn a_zombie_that_nobody_waits_for_is_reaped_after_a_while() {
    let mut case = Case::new();
    case.appear(100, ProcessOwner::Unmarked);
    case.appear(101, ProcessOwner::Unmarked);
    case.process_mut(100).state = ProcessState::Zombie;
    case.process_mut(101).state = ProcessState::Zombie;
    case.process_mut(101).parent = 7;
    assert_snapshot!(case.text(), @"look +2s");
    case.secs(2);
    assert_snapshot!(case.text(), @"ReapProcess process/100 -- it has ended and nobody takes its exit status");
    case.settle();
    assert_eq!(case.pids(), [101], "another's zombie is another's");
    case.live(1);
    assert!(case.history.processes.zombies.is_empty());
}

#[test]
fn one_pass_signals_only_so_many_and_none_waits_for_ever() {
    let mut case = Case::new();
    for pid in 100..200 {
        case.child(pid, "shop-1", RUN);
        case.processes.stubborn.push(pid);
    }
    let plan = case.plan();
    assert_eq!(plan.actions.len(), STEPS_MAX);
    assert_eq!(plan.next_look, Some(Mono(START.0 + 1)));
    case.live(5);
    assert!(case.pids().is_empty());
    assert_eq!(sent(&case).len(), 200);
}

#[test]
fn the_end_of_a_process_of_a_previous_run_is_told() {
    let mut case = Case::new();
    case.child(100, "shop-1", RUN_BEFORE);
    case.live(1);
    assert_eq!(case.events.len(), 1);
    assert_eq!(
        case.events[0].summary,
        "ffmpeg (100) for capture/shop-1 ended: a run before this one had started it"
    );
    assert_eq!(case.events[0].attributes["reason"], "previous_run");
    assert_eq!(killed(&case, EndCause::PreviousRun), 1);
}

#[test]
fn one_that_went_by_itself_was_not_killed() {
    let mut case = Case::new();
    case.child(100, "shop-1", RUN);
    case.processes.untouchable.push(100);
    case.pass();
    case.processes.table.processes.clear();
    case.live(1);
    assert!(case.history.processes.ending.is_empty() && case.history.processes.killed.is_empty());
}
