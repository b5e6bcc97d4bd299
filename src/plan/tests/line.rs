//! The cameras of a sweep, one after the other, and their slots.

use std::time::Duration;

use insta::assert_snapshot;

use crate::model::desired::Backend;
use crate::model::observed::ConnectionOwner;
use crate::model::time::Mono;
use crate::plan::slots::SlotTable;
use crate::plan::testkit::{Case, START, check, device};

/// A recorder with 16 cameras behind one address that tolerates two connections.
fn recorder(case: &mut Case) {
    case.subnet("nvr", 0);
    case.sweep("nvr", |sweep| sweep.concurrency = 4);
    for n in 1..=16 {
        case.camera(&format!("ch-{n:02}"), "nvr", device(9));
    }
}

#[test]
fn one_camera_at_a_time_by_default() {
    let plan = check(|case| {
        case.subnet("shop", 3);
        case.pass();
    });
    assert_snapshot!(plan, @"Capture camera/shop-1 sweep 1 -- the sweep has come to it");
}

#[test]
fn as_many_as_the_concurrency_and_the_next_when_one_has_ended() {
    let plan = check(|case| {
        case.subnet("shop", 5);
        case.sweep("shop", |sweep| sweep.concurrency = 3);
        case.settle();
        case.ok("shop-2");
    });
    assert_snapshot!(plan, @"Capture camera/shop-4 sweep 1 -- the sweep has come to it");
}

#[test]
fn cameras_wait_for_the_sweeps_own_captures_of_their_device() {
    let plan = check(|case| {
        recorder(case);
        case.pass();
    });
    assert_snapshot!(plan, @"
    Capture camera/ch-01 sweep 1 -- the sweep has come to it
    Capture camera/ch-02 sweep 1 -- the sweep has come to it
    held Capture camera/ch-03 WaitsForSlot: all 2 connections taken: 2 by this server
    ");
    let plan = check(|case| {
        recorder(case);
        case.settle();
        case.ok("ch-02");
    });
    assert_snapshot!(plan, @"
    Capture camera/ch-03 sweep 1 -- the sweep has come to it
    held Capture camera/ch-04 WaitsForSlot: all 2 connections taken: 2 by this server
    ");
}

#[test]
fn a_recorder_is_swept_whole() {
    let mut case = Case::new();
    recorder(&mut case);
    case.sweep_well("nvr");
    let results = &case.ended[0].results;
    assert_eq!(results.len(), 16);
    assert!(results.iter().all(|result| result.outcome.as_str() == "ok"), "{results:?}");
}

#[test]
fn a_capture_that_does_not_close_holds_its_device_up_for_a_few_seconds_only() {
    let lingering = |seconds| {
        check(|case| {
            recorder(case);
            case.limits(device(9), |limits| limits.max_connections = 1);
            case.settle();
            let left = case.connections.clone();
            case.ok("ch-01");
            case.connections = left;
            case.settle();
            case.secs(seconds);
        })
    };
    assert_snapshot!(lingering(1), @"
    held Capture camera/ch-02 WaitsForSlot until +5s: all 1 connections taken: 1 by this server
    look +5s
    ");
    let late = lingering(5);
    assert_eq!(late.matches("SkipCamera").count(), 15, "{late}");
    assert_snapshot!(late.lines().next().unwrap(), @"SkipCamera camera/ch-02 NoSlot (all 1 connections taken: 1 by this server) -- the sweep has come to it and goes on");
}

#[test]
fn a_rest_that_begins_when_a_connection_has_closed_is_not_waited_for_longer_than_the_closing() {
    let plan = |seconds| {
        check(|case| {
            recorder(case);
            case.sweep("nvr", |sweep| sweep.concurrency = 1);
            case.limits(device(9), |limits| {
                limits.min_reconnect_interval = Duration::from_secs(30);
            });
            case.settle();
            let left = case.connections.clone();
            case.ok("ch-01");
            case.connections = left;
            case.settle();
            case.secs(seconds);
        })
    };
    assert_snapshot!(plan(1), @"
    held Capture camera/ch-02 WaitsForSlot until +5s: the device rests before its next connection
    look +5s
    ");
    assert_eq!(plan(5).matches("SkipCamera").count(), 15);
}

/// Two devices whose connections do not close, the first one's for four seconds less.
#[test]
fn of_several_devices_that_are_waited_for_the_first_to_change_is_looked_at() {
    let plan = check(|case| {
        case.subnet("nvr", 0);
        case.sweep("nvr", |sweep| sweep.concurrency = 2);
        for n in 1..=4 {
            case.camera(&format!("ch-{n}"), "nvr", device(1 + n % 2));
        }
        for n in 1..=2 {
            case.limits(device(n), |limits| limits.max_connections = 1);
        }
        case.settle();
        let left = case.connections.clone();
        case.ok("ch-2");
        case.secs(4);
        case.ok("ch-1");
        case.connections = left;
        case.settle();
    });
    assert_snapshot!(plan, @"
    held Capture camera/ch-3 WaitsForSlot until +9s: all 1 connections taken: 1 by this server
    look +5s
    ");
}

#[test]
fn a_device_full_of_other_programs_is_skipped_and_the_sweep_goes_on() {
    let plan = check(|case| {
        case.subnet("shop", 2);
        case.foreign(device(1));
        case.foreign(device(1));
        case.pass();
    });
    assert_snapshot!(plan, @"
    SkipCamera camera/shop-1 NoSlot (all 2 connections taken: 0 by this server, 2 by other programs; held by vlc (77, 2 connections)) -- the sweep has come to it and goes on
    Capture camera/shop-2 sweep 1 -- the sweep has come to it
    ");
}

#[test]
fn a_device_in_quarantine_is_skipped() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.limits(device(1), |limits| limits.max_connections = 1);
        case.camera("twin", "shop", device(1));
        case.settle();
        case.secs(30);
        case.hangs("shop-1");
    });
    assert_snapshot!(plan, @"
    SkipCamera camera/twin NoSlot (all 1 connections taken: 1 by this server) -- the sweep has come to it and goes on
    Destruct subnet/shop -- all its captures have ended
    ");
}

#[test]
fn a_quarantine_is_over_when_its_time_is() {
    let mut case = Case::new();
    case.subnet("shop", 1);
    case.limits(device(1), |limits| limits.max_connections = 1);
    case.settle();
    case.hangs("shop-1");
    case.settle();
    let stale = case.slots.view();
    case.secs(60);
    case.pass();
    case.look();
    let mut observed = case.observed();
    observed.slots = stale.into();
    let plan = crate::plan::plan(&case.desired, &observed, &case.history, case.now);
    assert_snapshot!(crate::plan::testkit::text(&plan), @"Capture camera/shop-1 sweep 2 -- the sweep has come to it");
}

#[test]
fn a_camera_that_is_watched_is_captured_without_a_connection_of_its_own() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.limits(device(1), |limits| limits.max_connections = 1);
        case.camera("twin", "shop", device(1));
        case.sweep("shop", |sweep| sweep.concurrency = 2);
        for name in ["shop-1", "twin"] {
            case.edit(name, |camera| camera.capture.order = vec![Backend::Live, Backend::Native]);
        }
        case.viewer("shop-1", device(1));
        case.pass();
    });
    assert_snapshot!(plan, @"
    Capture camera/shop-1 sweep 1 -- the sweep has come to it
    SkipCamera camera/twin NoSlot (all 1 connections taken: 1 by this server) -- the sweep has come to it and goes on
    ");
}

#[test]
fn an_exclusive_device_in_use_is_skipped() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.limits(device(1), |limits| limits.exclusive = true);
        case.viewer("shop-1", device(1));
        case.pass();
    });
    assert_snapshot!(plan, @"
    SkipCamera camera/shop-1 NoSlot (in exclusive use for modal) -- the sweep has come to it and goes on
    Destruct subnet/shop -- all its captures have ended
    ");
}

#[test]
fn a_device_that_rests_between_connections_is_waited_for() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.camera("twin", "shop", device(1));
        case.limits(device(1), |limits| limits.min_reconnect_interval = Duration::from_secs(2));
        case.settle();
        case.ok("shop-1");
        case.settle();
    });
    assert_snapshot!(plan, @"
    held Capture camera/twin WaitsForSlot until +2s: the device rests before its next connection
    look +2s
    ");
}

#[test]
fn after_a_reboot_sweeps_wait_until_cameras_have_forgotten() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.slots = SlotTable::new(Some(Mono(START.0 + 60_000)));
        case.pass();
    });
    assert_snapshot!(plan, @"
    held Capture camera/shop-1 WaitsForSlot until +60s: the device rests before its next connection
    look +60s
    ");
}

#[test]
fn nothing_is_captured_before_the_connections_were_seen_once() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.slots = SlotTable::new(None);
        case.blind = true;
        case.pass();
    });
    assert_snapshot!(plan, @"held Capture camera/shop-1 WaitsForSlot: connections have not been observed yet");
}

#[test]
fn a_connection_that_nobody_can_name_takes_room() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.connect(device(1), ConnectionOwner::Unattributable);
        case.connect(device(1), ConnectionOwner::Unattributable);
        case.pass();
    });
    assert_snapshot!(plan, @"
    SkipCamera camera/shop-1 NoSlot (all 2 connections taken: 0 by this server, 2 by other programs) -- the sweep has come to it and goes on
    Destruct subnet/shop -- all its captures have ended
    ");
}

#[test]
fn the_camera_that_waited_longest_goes_first_also_when_it_was_skipped() {
    let mut case = Case::new();
    case.subnet("nvr", 0);
    case.limits(device(9), |limits| limits.max_connections = 1);
    for n in 1..=3 {
        case.camera(&format!("ch-{n}"), "nvr", device(9));
    }
    // The device takes pictures but never says good-bye: one camera in each sweep gets its turn.
    let mut order = Vec::new();
    for _ in 0..6 {
        case.settle();
        let name = case.going.keys().next().unwrap().clone();
        case.unacknowledged(name.as_str());
        case.settle();
        order.push(name.to_string());
        case.secs(60);
    }
    assert_eq!(order, ["ch-1", "ch-2", "ch-3", "ch-1", "ch-2", "ch-3"]);
}

#[test]
fn many_captures_are_begun_over_several_passes() {
    let mut case = Case::new();
    case.subnet("mall", 100);
    case.sweep("mall", |sweep| sweep.concurrency = 200);
    case.pass();
    let first = case.pass();
    assert_eq!(first.actions.len(), 64);
    assert_eq!(first.next_look, Some(Mono(START.0 + 1)), "the rest follows at once");
    assert_eq!(case.pass().actions.len(), 36);
}

#[test]
fn a_camera_that_is_watched_is_captured_through_the_views_session() {
    let plan = check(|case| {
        case.subnet("shop", 0);
        case.camera("watched", "shop", device(9));
        case.camera("twin", "shop", device(9));
        case.limits(device(9), |limits| limits.max_connections = 1);
        for name in ["watched", "twin"] {
            case.edit(name, |camera| camera.capture.order.insert(0, Backend::Live));
        }
        case.viewer("watched", device(9));
        case.pass();
    });
    assert_snapshot!(plan, @"
    SkipCamera camera/twin NoSlot (all 1 connections taken: 1 by this server) -- the sweep has come to it and goes on
    Capture camera/watched sweep 1 -- the sweep has come to it
    ");
}
