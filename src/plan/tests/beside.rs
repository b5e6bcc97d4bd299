//! Cameras that failed three times in a row.

use std::time::Duration;

use insta::assert_snapshot;

use crate::model::desired::DayWindow;
use crate::model::observed::ConnectionOwner;
use crate::plan::testkit::{Case, START, camera_name, check, device};

#[test]
fn after_three_failures_a_camera_leaves_the_line() {
    let failed = |times| {
        check(|case| {
            case.subnet("shop", 2);
            case.fail_out("shop-1", times);
        })
    };
    assert_snapshot!(failed(2), @"StartSweep subnet/shop [shop-2 shop-1] -- it is due");
    assert_snapshot!(failed(3), @"
    StartSweep subnet/shop [shop-2] -- it is due
    held Capture camera/shop-1 BackingOff until +60s: failed 3 times in a row
    look +60s
    ");
}

#[test]
fn beside_the_line_it_is_tried_each_interval() {
    let plan = check(|case| {
        case.subnet("shop", 2);
        case.fail_out("shop-1", 3);
        case.sweep_well("shop");
        case.secs(59);
    });
    assert_snapshot!(plan, @"
    held Capture camera/shop-1 BackingOff until +60s: failed 3 times in a row
    look +60s
    ");
    let plan = check(|case| {
        case.subnet("shop", 2);
        case.fail_out("shop-1", 3);
        case.sweep_well("shop");
        case.secs(60);
    });
    assert_snapshot!(plan, @"
    StartSweep subnet/shop [shop-2] -- it is due
    Capture camera/shop-1 beside -- failed 3 times in a row and is due again
    ");
}

#[test]
fn after_ten_minutes_it_is_tried_less_and_less() {
    let mut case = Case::new();
    case.subnet("shop", 1);
    case.fail_out("shop-1", 3);
    let mut waits = Vec::new();
    while case.now.mono.since(START) < Duration::from_mins(30) {
        case.settle();
        let start = case.history.cameras["shop-1"].last_start.unwrap();
        if case.going.contains_key("shop-1") {
            case.refused("shop-1");
            let wait = case.history.cameras["shop-1"].retry_ms.unwrap();
            waits.push((start.since(START).as_secs() / 60, wait / 1000));
        }
        case.secs(10);
    }
    let text: Vec<String> = waits.iter().map(|(at, wait)| format!("{at}m:{wait}")).collect();
    assert_snapshot!(text.join(" "), @"1m:60 2m:60 3m:60 4m:60 5m:60 6m:60 7m:60 8m:60 9m:60 10m:120 12m:240 16m:300 21m:300 26m:300");
}

#[test]
fn one_success_brings_it_back() {
    let plan = check(|case| {
        case.subnet("shop", 2);
        case.fail_out("shop-1", 5);
        case.secs(60);
        case.settle();
        case.ok("shop-1");
        case.sweep_well("shop");
        case.secs(60);
    });
    assert_snapshot!(plan, @"StartSweep subnet/shop [shop-1 shop-2] -- it is due");
}

#[test]
fn four_at_once_are_tried_beside_the_line() {
    let plan = check(|case| {
        case.subnet("shop", 6);
        for n in 1..=6 {
            case.fail_out(&format!("shop-{n}"), 3);
        }
        case.sweep_well("shop");
        case.secs(60);
        case.pass();
    });
    assert_snapshot!(plan, @"
    Destruct subnet/shop -- all its captures have ended
    held Capture camera/shop-5 WaitsForTurn: 4 cameras are tried beside the sweep at once
    held Capture camera/shop-6 WaitsForTurn: 4 cameras are tried beside the sweep at once
    ");
}

#[test]
fn of_the_dead_the_one_that_waited_longest_is_tried_first() {
    let mut case = Case::new();
    case.subnet("shop", 30);
    for n in 1..=30 {
        case.fail_out(&format!("shop-{n}"), 3);
    }
    let mut tried = std::collections::BTreeSet::new();
    // Each try takes its whole deadline: eight tries a minute.
    for _ in 0..10 {
        case.secs(30);
        let going: Vec<_> = case.going.keys().cloned().collect();
        for name in going {
            case.hangs(name.as_str());
        }
        case.settle();
        tried.extend(case.going.keys().cloned());
    }
    assert_eq!(tried.len(), 30, "in five minutes each of them had its turn");
}

#[test]
fn thirty_dead_cameras_do_not_delay_the_living() {
    let mut case = Case::new();
    case.subnet("shop", 32);
    for n in 3..=32 {
        case.fail_out(&format!("shop-{n}"), 3);
    }
    for _ in 0..20 {
        case.settle();
        // The dead hang for 30 s of every minute, the living take a second each.
        for name in ["shop-1", "shop-2"] {
            case.secs(1);
            assert!(case.going.contains_key(name), "{name} has its turn");
            case.ok(name);
            case.settle();
        }
        case.secs(28);
        let going: Vec<_> = case.going.keys().cloned().collect();
        for name in going {
            case.hangs(name.as_str());
        }
        case.settle();
        case.secs(30);
    }
    assert!(case.ended.len() >= 19 && case.history.subnets["shop"].overruns == 0);
}

#[test]
fn a_dead_camera_waits_for_a_slot_and_is_not_skipped() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.limits(device(1), |limits| limits.max_connections = 1);
        case.sweep("shop", |sweep| {
            sweep.interval = Duration::from_secs(5);
            sweep.cooldown = Duration::from_secs(1);
        });
        case.fail_out("shop-1", 3);
        case.sweep_well("shop");
        case.secs(5);
        case.settle();
        case.hangs("shop-1");
        case.settle();
        case.secs(6);
    });
    assert_snapshot!(plan, @"
    StartSweep subnet/shop [] -- it is due
    held Capture camera/shop-1 WaitsForSlot until +15s: all 1 connections taken: 1 by this server
    look +15s
    ");
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.fail_out("shop-1", 3);
        case.sweep_well("shop");
        case.connect(device(1), ConnectionOwner::Unattributable);
        case.foreign(device(1));
        case.secs(60);
        case.pass();
    });
    assert_snapshot!(plan, @"
    Destruct subnet/shop -- all its captures have ended
    held Capture camera/shop-1 WaitsForSlot: all 2 connections taken: 0 by this server, 2 by other programs; held by vlc (77) and others
    ");
}

#[test]
fn a_camera_that_is_in_the_line_and_beside_it_is_captured_once() {
    let plan = check(|case| {
        case.subnet("shop", 2);
        case.settle();
        case.remember_failures(&camera_name("shop-2"), 3);
        case.secs(60);
        case.ok("shop-1");
    });
    assert_snapshot!(plan, @"Capture camera/shop-2 sweep 1 -- the sweep has come to it");
}

#[test]
fn nothing_is_tried_beside_a_line_that_rests() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.fail_out("shop-1", 3);
        case.secs(60);
        case.sweep("shop", |sweep| {
            let noon = jiff::civil::time(12, 0, 0, 0);
            let one = jiff::civil::time(13, 0, 0, 0);
            sweep.quiet_hours.push(DayWindow { from: noon, to: one });
        });
    });
    assert_snapshot!(plan, @"
    held StartSweep subnet/shop QuietHours until +3600s: quiet hours of the manifest
    look +3600s
    ");
}
