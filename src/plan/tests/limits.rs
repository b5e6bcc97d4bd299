//! More connections than a device tolerates.

use insta::assert_snapshot;

use crate::model::slot::ConnectionEnd;
use crate::plan::testkit::{Case, check, device};

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
