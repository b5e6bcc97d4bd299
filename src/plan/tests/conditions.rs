//! What people read about a camera: badge, conditions and the exact sentences.

use std::fmt::Write as _;
use std::sync::Arc;

use insta::assert_snapshot;

use crate::model::condition::{Condition, Truth};
use crate::model::failure::{Failure, FailureKind, Stage};
use crate::model::outcome::CaptureResult;
use crate::model::slot::ConnectionEnd;
use crate::plan::status;
use crate::plan::testkit::{Case, START, device};

pub(super) fn conditions(conditions: &[Condition]) -> String {
    let mut out = String::new();
    for condition in conditions {
        let (kind, status) = (condition.kind, condition.status.as_str());
        let (reason, message) = (condition.reason, &condition.message);
        writeln!(out, "{kind:?}={status} {reason}: {message}").unwrap();
    }
    out
}

fn camera(prepare: impl FnOnce(&mut Case)) -> String {
    let mut case = Case::new();
    case.subnet("shop", 2);
    prepare(&mut case);
    case.look();
    let declared = Arc::clone(&case.desired.cameras["shop-1"]);
    let status =
        status::camera(&case.desired, &case.observed(), &case.history, &declared, case.now);
    let stage = status.stage.map_or(String::new(), |stage| format!(" at {stage}"));
    let (badge, reason, message) = (status.badge, status.reason, &status.message);
    let next = status.next_capture.map(|at| at.since(START).as_secs());
    let head = format!("{badge:?} {reason}{stage}: {message}\nnext {next:?}\n");
    head + &conditions(&status.conditions)
}

#[test]
fn a_camera_before_its_first_capture() {
    assert_snapshot!(camera(|_| {}), @"
    Busy Waiting: waits for its first capture
    next Some(0)
    Ready=Unknown Waiting: no attempt has ended yet
    Reachable=Unknown Waiting: no attempt has ended yet
    WithinLimit=True WithinLimit: 0 of 2 connections: 0 ours, 0 others
    Fresh=Unknown NoFrame: no picture yet
    ");
}

#[test]
fn a_camera_being_captured_the_first_time() {
    assert_snapshot!(camera(|case| { case.settle(); }), @"
    Busy Capturing: a capture is going on, 1 of 2 connections in use
    next Some(60)
    Ready=Unknown Waiting: no attempt has ended yet
    Reachable=Unknown Waiting: no attempt has ended yet
    WithinLimit=True WithinLimit: 1 of 2 connections: 1 ours, 0 others
    Fresh=Unknown NoFrame: no picture yet
    ");
}

#[test]
fn a_camera_with_a_new_picture() {
    assert_snapshot!(camera(|case| case.sweep_well("shop")), @"
    Ok Captured: the last capture succeeded
    next Some(60)
    Ready=True Captured: the last capture succeeded
    Reachable=True Answers: the camera's device answers
    WithinLimit=True WithinLimit: 0 of 2 connections: 0 ours, 0 others
    Fresh=True Fresh: the last picture is new
    ");
}

#[test]
fn a_camera_whose_picture_is_old() {
    let stale = camera(|case| {
        case.sweep_well("shop");
        case.secs(181);
    });
    assert_snapshot!(stale, @"
    Warn Stale: the last capture was 181 s ago
    next Some(181)
    Ready=False Stale: the last capture was 181 s ago
    Reachable=True Answers: the camera's device answers
    WithinLimit=True WithinLimit: 0 of 2 connections: 0 ours, 0 others
    Fresh=False Stale: the last picture is 181 s old
    ");
}

#[test]
fn a_camera_that_does_not_answer() {
    let silent = camera(|case| {
        case.settle();
        case.secs(30);
        case.hangs("shop-1");
    });
    assert_snapshot!(silent, @"
    Bad Timeout at DESCRIBE: no answer to DESCRIBE in 30 s
    next Some(60)
    Ready=False Timeout: no answer to DESCRIBE in 30 s
    Reachable=True Answers: the camera's device answers
    WithinLimit=True WithinLimit: 0 of 2 connections: 0 ours, 0 others
    Fresh=Unknown NoFrame: no picture yet
    ");
}

#[test]
fn a_camera_that_refuses_connections() {
    let refused = camera(|case| {
        case.settle();
        case.refused("shop-1");
    });
    assert_snapshot!(refused, @"
    Bad Refused at connect: connection refused
    next Some(60)
    Ready=False Refused: connection refused
    Reachable=False Refused: connection refused
    WithinLimit=True WithinLimit: 0 of 2 connections: 0 ours, 0 others
    Fresh=Unknown NoFrame: no picture yet
    ");
}

#[test]
fn a_camera_that_does_not_know_the_password() {
    let denied = camera(|case| {
        case.settle();
        let failure = Failure::at(FailureKind::AuthFailed, Stage::Describe, "password refused");
        let result = CaptureResult::Failed(failure.with_code(401));
        case.ends("shop-1", result, ConnectionEnd::Acknowledged);
    });
    assert_snapshot!(denied, @"
    Bad AuthFailed at DESCRIBE: password refused
    next Some(60)
    Ready=False AuthFailed: password refused
    Reachable=True Answers: the camera's device answers
    WithinLimit=True WithinLimit: 0 of 2 connections: 0 ours, 0 others
    Fresh=Unknown NoFrame: no picture yet
    ");
}

#[test]
fn a_camera_whose_password_is_missing_was_not_tried() {
    let missing = camera(|case| {
        case.settle();
        let failure = Failure::new(FailureKind::SecretMissing, "PW is not set");
        case.ends("shop-1", CaptureResult::Failed(failure), ConnectionEnd::NeverConnected);
    });
    assert_snapshot!(missing, @"
    Bad SecretMissing: PW is not set
    next Some(60)
    Ready=False SecretMissing: PW is not set
    Reachable=Unknown SecretMissing: the camera was not tried
    WithinLimit=True WithinLimit: 0 of 2 connections: 0 ours, 0 others
    Fresh=Unknown NoFrame: no picture yet
    ");
}

#[test]
fn a_capture_that_was_cancelled_says_nothing_about_the_camera() {
    let cancelled = camera(|case| {
        case.sweep_well("shop");
        case.secs(60);
        case.settle();
        let failure = Failure::new(FailureKind::Cancelled, "a viewer took its place");
        case.ends("shop-1", CaptureResult::Failed(failure), ConnectionEnd::Unacknowledged);
    });
    assert_snapshot!(cancelled, @"
    Ok Captured: the last capture succeeded
    next Some(120)
    Ready=True Captured: the last capture succeeded
    Reachable=True Answers: the camera's device answers
    WithinLimit=True WithinLimit: 0 of 2 connections: 0 ours, 0 others
    Fresh=True Fresh: the last picture is new
    ");
}

#[test]
fn a_camera_that_other_programs_fill() {
    let full = camera(|case| {
        case.sweep_well("shop");
        case.foreign(device(1));
        case.foreign(device(1));
        case.secs(60);
        case.settle();
    });
    assert_snapshot!(full, @"
    Warn ForeignClient: all 2 connections taken: 0 by this server, 2 by other programs; held by vlc (77, 2 connections)
    next Some(120)
    Ready=True Captured: the last capture succeeded
    Reachable=True Answers: the camera's device answers
    WithinLimit=True WithinLimit: 2 of 2 connections: 0 ours, 2 others; held by vlc (77, 2 connections)
    Fresh=True Fresh: the last picture is new
    ");
}

#[test]
fn a_camera_with_more_connections_than_it_tolerates() {
    let over = camera(|case| {
        case.sweep_well("shop");
        for _ in 0..3 {
            case.foreign(device(1));
        }
    });
    assert_snapshot!(over, @"
    Warn OverLimit: 3 of 2 connections: 0 ours, 3 others; held by vlc (77, 3 connections)
    next Some(60)
    Ready=True Captured: the last capture succeeded
    Reachable=True Answers: the camera's device answers
    WithinLimit=False OverLimit: 3 of 2 connections: 0 ours, 3 others; held by vlc (77, 3 connections)
    Fresh=True Fresh: the last picture is new
    ");
}

#[test]
fn a_camera_while_connections_cannot_be_read() {
    let blind = camera(|case| {
        case.sweep_well("shop");
        case.blind = true;
    });
    assert_snapshot!(blind, @"
    Ok Captured: the last capture succeeded
    next Some(60)
    Ready=True Captured: the last capture succeeded
    Reachable=True Answers: the camera's device answers
    WithinLimit=Unknown Unreadable: the connections of this host cannot be read
    Fresh=True Fresh: the last picture is new
    ");
}

#[test]
fn a_disabled_camera() {
    let off = camera(|case| {
        case.sweep_well("shop");
        case.edit("shop-1", |camera| camera.enabled = false);
    });
    assert_snapshot!(off, @"
    Off Disabled: disabled in the manifest
    next None
    Ready=True Captured: the last capture succeeded
    Reachable=True Answers: the camera's device answers
    WithinLimit=True WithinLimit: 0 of 0 connections: 0 ours, 0 others
    Fresh=True Fresh: the last picture is new
    ");
}

#[test]
fn a_camera_out_of_the_line_knows_when_it_is_tried_again() {
    let out = camera(|case| {
        case.fail_out("shop-1", 3);
        case.secs(10);
    });
    assert_snapshot!(out, @"
    Bad Refused at connect: connection refused
    next Some(60)
    Ready=False Refused: connection refused
    Reachable=False Refused: connection refused
    WithinLimit=True WithinLimit: 0 of 2 connections: 0 ours, 0 others
    Fresh=Unknown NoFrame: no picture yet
    ");
}

#[test]
fn a_failing_camera_says_since_when_also_after_many_tries() {
    let mut case = Case::new();
    case.subnet("shop", 1);
    let first = case.now.wall;
    for _ in 0..15 {
        case.fail_out("shop-1", 1);
        let declared = Arc::clone(&case.desired.cameras["shop-1"]);
        let status =
            status::camera(&case.desired, &case.observed(), &case.history, &declared, case.now);
        assert_eq!(status.since, Some(first));
        case.history.cameras.get_mut("shop-1").unwrap().conditions = status.conditions;
        case.secs(60);
    }
}

#[test]
fn a_lost_camera_and_its_return_are_events() {
    let mut case = Case::new();
    case.subnet("shop", 1);
    for _ in 0..4 {
        case.secs(30);
        case.fail_out("shop-1", 1);
    }
    case.secs(30);
    case.settle();
    case.ok("shop-1");
    let events: Vec<String> = case
        .events
        .iter()
        .map(|event| format!("{} {} {:?}", event.severity, event.summary, event.tags))
        .collect();
    assert_snapshot!(events.join("\n"), @r#"
    4 camera lost: connection refused, 3 tries ["reason.Refused"]
    1 camera back after 120 s []
    "#);
}

#[test]
fn a_condition_keeps_its_time_until_its_status_changes() {
    let mut case = Case::new();
    case.subnet("shop", 1);
    case.sweep_well("shop");
    let ready = |case: &mut Case| {
        let declared = Arc::clone(&case.desired.cameras["shop-1"]);
        let status =
            status::camera(&case.desired, &case.observed(), &case.history, &declared, case.now);
        let ready = status.conditions[0].clone();
        case.history.cameras.get_mut("shop-1").unwrap().conditions = status.conditions;
        (ready.status, ready.last_transition_time)
    };
    let first = ready(&mut case);
    assert_eq!(first.0, Truth::True);
    case.secs(60);
    assert_eq!(ready(&mut case), first);
    case.secs(200);
    assert_eq!(ready(&mut case), (Truth::False, case.now.wall));
}
