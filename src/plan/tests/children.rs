//! When sweeps begin after a crash, and when a capture may start a child.

use std::time::Duration;

use insta::assert_snapshot;

use crate::model::desired::Backend;
use crate::model::outcome::Outcome;
use crate::model::process::ProcessState;
use crate::plan::testkit::{Case, RUN, RUN_BEFORE, START, camera_name, check, subnet_name, text};

/// One camera that only ffmpeg can open, and one that the server can.
fn fleet(case: &mut Case) {
    case.subnet("shop", 2);
    case.sweep("shop", |sweep| sweep.concurrency = 2);
    case.edit("shop-1", |camera| camera.capture.order = vec![Backend::Ffmpeg]);
    case.edit("shop-2", |camera| camera.capture.order = vec![Backend::Native, Backend::Ffmpeg]);
}

fn first(prepare: impl FnOnce(&mut Case)) -> String {
    check(|case| {
        fleet(case);
        prepare(case);
    })
}

#[test]
fn no_sweep_begins_while_a_process_of_a_previous_run_lives() {
    let mut case = Case::new();
    fleet(&mut case);
    case.child(100, "shop-1", RUN_BEFORE);
    case.processes.stubborn.push(100);
    assert_snapshot!(case.text(), @"
    SignalProcess process/100 SIGTERM previous_run -- a run before this one started it for capture/shop-1
    held StartSweep subnet/shop PreviousRun: a process of a previous run is being ended
    ");
    case.live(2);
    assert!(!case.history.subnets.contains_key("shop"));
    case.live(1);
    assert!(case.history.subnets["shop"].run.is_some());
}

#[test]
fn an_undead_process_of_a_previous_run_holds_nothing_up() {
    let mut case = Case::new();
    fleet(&mut case);
    case.child(100, "shop-1", RUN_BEFORE);
    case.process_mut(100).state = ProcessState::Uninterruptible;
    case.live(2);
    assert!(!case.history.subnets.contains_key("shop"));
    case.live(2);
    let run = case.history.subnets["shop"].run.as_ref().unwrap();
    assert_eq!(run.results[0].camera.as_str(), "shop-1", "only a second child could capture it");
    assert!(run.running.contains("shop-2"));
}

#[test]
fn sweeps_wait_a_while_for_the_first_look() {
    let plan = |secs: u64| {
        first(|case| {
            case.processes.blind = Some((START, "no /proc"));
            case.secs(secs);
        })
    };
    assert_snapshot!(plan(14), @"
    held StartSweep subnet/shop ProcessesUnreadable until +15s: the processes of this host cannot be read: no /proc
    look +15s
    ");
    assert_snapshot!(plan(15), @"StartSweep subnet/shop [shop-1 shop-2] -- it is due");
}

#[test]
fn without_sight_pictures_are_taken_without_children() {
    let plan = first(|case| {
        case.processes.blind = Some((START, "no /proc"));
        case.secs(15);
        case.pass();
    });
    assert_snapshot!(plan, @"
    SkipCamera camera/shop-1 ProcessesUnreadable (the processes of this host cannot be read) -- the sweep has come to it and goes on
    Capture camera/shop-2 sweep 1 -- the sweep has come to it
    ");
}

#[test]
fn errors_that_change_do_not_hold_sweeps_up_for_ever() {
    let mut case = Case::new();
    fleet(&mut case);
    for second in 0..16 {
        case.processes.blind = Some((case.now.mono, if second % 2 == 0 { "this" } else { "that" }));
        case.settle();
        case.secs(1);
    }
    assert!(case.history.subnets.contains_key("shop"));
}

#[test]
fn with_sight_children_may_be_started() {
    let plan = first(|case| drop(case.pass()));
    assert_snapshot!(plan, @"
    Capture camera/shop-1 sweep 1 children -- the sweep has come to it
    Capture camera/shop-2 sweep 1 children -- the sweep has come to it
    ");
}

#[test]
fn a_second_child_waits_until_the_first_was_seen_gone() {
    let mut case = Case::new();
    fleet(&mut case);
    case.settle();
    case.secs(1);
    case.ok("shop-1");
    case.ok("shop-2");
    case.settle();
    case.secs(59);
    case.settle();
    case.ok("shop-1");
    case.ok("shop-2");
    case.settle();
    assert!(case.history.cameras["shop-1"].child_ended.is_some());
    // What was seen before the last capture's end proves nothing about its child.
    let stale = case.observed();
    case.wait(Duration::from_millis(1));
    case.fold(Outcome::SweepRequested { subnet: subnet_name("shop") });
    case.pass();
    let plan = super::super::plan(&case.desired, &stale, &case.history, case.now);
    assert_snapshot!(text(&plan), @"
    held Capture camera/shop-1 WaitsForLook: whether the last capture's process is gone is not known yet
    look +60.5s
    ");
    assert_eq!(case.plan().actions.len(), 2, "a later look settles it");
}

#[test]
fn a_camera_whose_last_child_is_being_ended_waits_and_holds_up_nobody() {
    let plan = first(|case| {
        case.pass();
        case.child(100, "shop-1", RUN);
        case.processes.stubborn.push(100);
        case.pass();
    });
    assert_snapshot!(plan, @"
    held Capture camera/shop-1 ChildAlive: a process of an earlier capture has not ended yet
    look +0.25s
    ");
}

#[test]
fn a_cancelled_capture_is_told_so_once() {
    let mut case = Case::new();
    fleet(&mut case);
    case.settle();
    case.edit("shop-1", |camera| camera.enabled = false);
    let cancel = case.plan();
    assert_eq!(cancel.actions.len(), 1);
    case.fold(Outcome::CaptureCancelled { camera: camera_name("shop-1") });
    assert!(case.plan().actions.is_empty(), "it ends in its own time");
}

#[test]
fn a_removed_cameras_child_is_ended() {
    let mut case = Case::new();
    fleet(&mut case);
    case.settle();
    case.child(100, "shop-1", RUN);
    case.own(100);
    case.remove("shop-1");
    assert_snapshot!(case.text(), @"
    CancelCapture camera/shop-1 -- no longer declared
    look +300s
    ");
    case.pass();
    case.disown(100);
    case.wait(Duration::from_millis(1));
    assert_snapshot!(case.text(), @"
    Forget camera/shop-1 -- no longer declared
    SignalProcess process/100 SIGTERM orphan -- nobody owns this child for capture/shop-1
    ");
    case.live(1);
    assert!(case.pids().is_empty());
}

#[test]
fn failures_beside_the_line_wait_for_sight_as_well() {
    let mut case = Case::new();
    fleet(&mut case);
    case.fail_out("shop-1", 3);
    case.processes.blind = Some((START, "no /proc"));
    case.history.processes.cleared = None;
    case.secs(14);
    case.history.cameras.get_mut("shop-1").unwrap().retry_ms = Some(1000);
    assert!(case.text().contains("held Capture camera/shop-1 ProcessesUnreadable until +15s"));
}
