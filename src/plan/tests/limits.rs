//! More connections than a device tolerates.

use std::time::Duration;

use insta::assert_snapshot;

use crate::model::desired::Backend;
use crate::model::observed::ConnectionOwner;
use crate::model::outcome::Outcome;
use crate::model::process::Unit;
use crate::model::slot::ConnectionEnd;
use crate::plan::testkit::{Case, RUN, START, camera_name, check, device, text};

fn crowded(case: &mut Case) {
    case.subnet("shop", 1);
    case.sweep("shop", |sweep| sweep.suspend = true);
    case.limits(device(1), |limits| limits.max_connections = 3);
    for _ in 0..3 {
        case.viewer("shop-1", device(1));
        case.secs(1);
    }
}

#[test]
fn of_ours_the_newest_excess_is_cut() {
    let plan = check(|case| {
        crowded(case);
        case.limits(device(1), |limits| limits.max_connections = 1);
    });
    assert_snapshot!(plan, @"
    CutSlot device/10.0.0.1:554 slot 3 -- the device tolerates 1 connections
    CutSlot device/10.0.0.1:554 slot 2 -- the device tolerates 1 connections
    held StartSweep subnet/shop Suspended: sweeps are suspended in the manifest
    ");
}

#[test]
fn another_programs_connection_is_reported_and_left_alone() {
    let plan = check(|case| {
        crowded(case);
        case.foreign(device(1));
    });
    assert_snapshot!(plan, @"
    held CutConnection device/10.0.0.1:554 Foreign: vlc (77) holds one of 4 connections, 3 are tolerated; camserver did not start it and leaves it alone
    held StartSweep subnet/shop Suspended: sweeps are suspended in the manifest
    ");
}

#[test]
fn of_connections_seen_at_once_the_same_is_cut_whatever_their_order() {
    let cut = |turn: bool| {
        check(|case| {
            crowded(case);
            let at = case.now.mono;
            for connection in &mut case.connections {
                connection.since = at;
            }
            case.limits(device(1), |limits| limits.max_connections = 2);
            if turn {
                case.connections.reverse();
            }
        })
    };
    assert_eq!(cut(false), cut(true));
    assert_snapshot!(cut(false), @"
    CutSlot device/10.0.0.1:554 slot 3 -- the device tolerates 2 connections
    held StartSweep subnet/shop Suspended: sweeps are suspended in the manifest
    ");
}

#[test]
fn a_connection_that_is_closing_is_not_cut_again() {
    let plan = check(|case| {
        crowded(case);
        case.limits(device(1), |limits| limits.max_connections = 2);
        case.slots.done(3, ConnectionEnd::Unacknowledged, case.now.mono);
    });
    assert_snapshot!(plan, @"held StartSweep subnet/shop Suspended: sweeps are suspended in the manifest");
}

#[test]
fn nothing_is_cut_while_the_connections_cannot_be_read() {
    let plan = check(|case| {
        crowded(case);
        case.limits(device(1), |limits| limits.max_connections = 1);
        case.blind = true;
    });
    assert_snapshot!(plan, @"held StartSweep subnet/shop Suspended: sweeps are suspended in the manifest");
}

/// A camera whose capture's child has one connection more than the device tolerates.
fn child_too_many() -> Case {
    let mut case = Case::new();
    case.subnet("shop", 1);
    case.limits(device(1), |limits| limits.max_connections = 1);
    case.edit("shop-1", |camera| camera.capture.order = vec![Backend::Ffmpeg]);
    case.settle();
    case.secs(1);
    let process = case.child(100, "shop-1", RUN);
    case.own(100);
    let unit = Unit::Capture(camera_name("shop-1"));
    case.connect(device(1), ConnectionOwner::Child { process, unit });
    case
}

/// The steps that are planned, without what waits.
fn steps(case: &mut Case) -> String {
    let plan = case.plan();
    let all = text(&plan);
    all.lines().take(plan.actions.len()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_child_too_many_is_ended_by_its_capture_and_told_so_once() {
    let mut case = child_too_many();
    assert_snapshot!(steps(&mut case), @"CancelCapture camera/shop-1 -- the device tolerates 1 connections");
    case.fold(Outcome::CaptureCancelled { camera: camera_name("shop-1") });
    case.secs(1);
    assert_snapshot!(steps(&mut case), @"");
}

#[test]
fn a_child_too_many_without_a_capture_is_ended_when_a_look_since_the_captures_end_shows_it() {
    let mut case = child_too_many();
    case.foreign(device(1));
    case.connections.last_mut().unwrap().since = START;
    case.ok("shop-1");
    assert!(case.history.cameras["shop-1"].child_ended.is_some());
    assert!(!steps(&mut case).contains("SignalProcess"), "a look that may be older than the end");
    case.wait(Duration::from_millis(1));
    assert!(steps(&mut case).contains("SignalProcess process/100 SIGTERM over_limit"));
}
