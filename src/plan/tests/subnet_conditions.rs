//! What people read about a subnet and about the server.

use std::sync::Arc;

use insta::assert_snapshot;

use super::conditions::conditions;
use crate::model::desired::DayWindow;
use crate::model::observed::{Seen, StoreView};
use crate::plan::status;
use crate::plan::testkit::{Case, START};

fn subnet(prepare: impl FnOnce(&mut Case)) -> String {
    let mut case = Case::new();
    case.subnet("shop", 2);
    prepare(&mut case);
    let declared = Arc::clone(&case.desired.subnets["shop"]);
    let status = status::subnet(&case.desired, &case.history, &declared, (2, 1), case.now);
    let next = status.next_sweep.map(|at| at.since(START).as_secs());
    format!("next {next:?}\n") + &conditions(&status.conditions)
}

#[test]
fn a_subnet_before_during_and_after_its_first_sweep() {
    assert_snapshot!(subnet(|_| {}), @"
    next Some(0)
    Sweeping=False Resting: between two sweeps
    OnSchedule=Unknown Waiting: no sweep has started yet
    Clean=Unknown Waiting: no sweep has ended yet
    ");
    assert_snapshot!(subnet(|case| { case.settle(); }), @"
    next Some(60)
    Sweeping=True Sweeping: 0 cameras done, 1 to come
    OnSchedule=True OnSchedule: sweeps start when due
    Clean=Unknown Waiting: no sweep has ended yet
    ");
    assert_snapshot!(subnet(|case| case.sweep_well("shop")), @"
    next Some(60)
    Sweeping=False Resting: between two sweeps
    OnSchedule=True OnSchedule: sweeps start when due
    Clean=True Clean: the last sweep left no connection
    ");
}

#[test]
fn a_subnet_that_overran() {
    let late = subnet(|case| {
        case.settle();
        case.secs(130);
        case.ok("shop-1");
        case.settle();
        case.ok("shop-2");
        case.settle();
        case.secs(60);
        case.settle();
    });
    assert_snapshot!(late, @"
    next Some(240)
    Sweeping=True Sweeping: 0 cameras done, 1 to come
    OnSchedule=False Overrun: the sweep before took too long: 2 starts skipped
    Clean=True Clean: the last sweep left no connection
    ");
}

#[test]
fn a_suspended_subnet() {
    let suspended = subnet(|case| {
        case.sweep_well("shop");
        case.sweep("shop", |sweep| sweep.suspend = true);
    });
    assert_snapshot!(suspended, @"
    next None
    Sweeping=False Suspended: suspended in the manifest
    OnSchedule=True OnSchedule: sweeps start when due
    Clean=True Clean: the last sweep left no connection
    ");
}

#[test]
fn a_subnet_in_quiet_hours() {
    let quiet = subnet(|case| {
        case.sweep_well("shop");
        case.secs(120);
        case.sweep("shop", |sweep| {
            let (from, to) = (jiff::civil::time(12, 0, 0, 0), jiff::civil::time(13, 0, 0, 0));
            sweep.quiet_hours.push(DayWindow { from, to });
        });
    });
    assert_snapshot!(quiet, @"
    next Some(3600)
    Sweeping=False Resting: between two sweeps
    OnSchedule=True OnSchedule: sweeps start when due
    Clean=True Clean: the last sweep left no connection
    ");
}

#[test]
fn a_subnet_whose_connections_did_not_go() {
    let unclean = subnet(|case| {
        case.settle();
        case.ok("shop-1");
        case.settle();
        let left = case.connections.clone();
        case.ok("shop-2");
        case.connections = left;
        case.settle();
        case.secs(3);
        case.settle();
    });
    assert_snapshot!(unclean, @"
    next Some(60)
    Sweeping=False Resting: between two sweeps
    OnSchedule=True OnSchedule: sweeps start when due
    Clean=False Leftovers: connections of the last sweep did not go in time
    ");
}

#[test]
fn a_subnet_whose_connections_could_not_be_read() {
    let unknown = subnet(|case| {
        case.sweep_well("shop");
        case.blind = true;
        case.secs(60);
        case.settle();
        case.ok("shop-1");
        case.settle();
        case.ok("shop-2");
        case.settle();
        case.secs(3);
        case.settle();
    });
    assert_snapshot!(unknown, @"
    next Some(120)
    Sweeping=False Resting: between two sweeps
    OnSchedule=True OnSchedule: sweeps start when due
    Clean=Unknown Unreadable: the connections of this host could not be read
    ");
}

#[test]
fn a_server_that_is_well_and_one_that_is_not() {
    let server = |valid: Result<(), String>, prepare: fn(&mut Case)| {
        let mut case = Case::new();
        prepare(&mut case);
        conditions(&status::server(
            &case.desired,
            &case.observed(),
            valid,
            &crate::plan::History::default(),
            case.now,
        ))
    };
    assert_snapshot!(server(Ok(()), |_| {}), @"
    ConfigValid=True Applied: generation 1 is in force
    ObservationFresh=True Observed: this host's connections and processes can be read
    Available=True Available: the store answers
    WithinRetention=True WithinBounds: within its bounds
    Healthy=True Healthy: every part works as declared
    ");
    let ill = server(Err("a.yaml:1:2: no".to_owned()), |case| {
        case.blind = true;
        case.store = Seen::Unreadable { since: START, why: "disk full".to_owned() };
    });
    assert_snapshot!(ill, @"
    ConfigValid=False NotApplied: a.yaml:1:2: no
    ObservationFresh=False Unreadable: connections cannot be read: netlink refused
    Available=False Unavailable: disk full
    WithinRetention=Unknown Unreadable: the store cannot be read
    Healthy=False Degraded: a.yaml:1:2: no; connections cannot be read: netlink refused; disk full
    ");
    let large = server(Ok(()), |case| {
        let value = StoreView { frame_bytes: 11 << 30, ..StoreView::default() };
        case.store = Seen::Fresh { at: START, value };
    });
    assert_snapshot!(large, @"
    ConfigValid=True Applied: generation 1 is in force
    ObservationFresh=True Observed: this host's connections and processes can be read
    Available=True Available: the store answers
    WithinRetention=False OverBytes: 11811160064 bytes of frames are kept
    Healthy=True Healthy: every part works as declared
    ");
}
