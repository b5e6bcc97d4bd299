//! When sweeps start and how they end.

use std::time::Duration;

use insta::assert_snapshot;

use crate::model::desired::DayWindow;
use crate::model::observed::ConnectionOwner;
use crate::model::outcome::Outcome;
use crate::plan::testkit::{check, device, subnet_name};

fn night() -> DayWindow {
    DayWindow { from: jiff::civil::time(22, 0, 0, 0), to: jiff::civil::time(5, 0, 0, 0) }
}

#[test]
fn the_first_sweep_starts_at_once() {
    let plan = check(|case| case.subnet("shop", 2));
    assert_snapshot!(plan, @"StartSweep subnet/shop [shop-1 shop-2] -- it is due");
}

#[test]
fn nothing_is_planned_for_a_subnet_without_enabled_cameras() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.edit("shop-1", |camera| camera.enabled = false);
    });
    assert_snapshot!(plan, @"");
}

#[test]
fn the_next_sweep_waits_for_the_next_multiple() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.sweep_well("shop");
        case.secs(20);
    });
    assert_snapshot!(plan, @"look +60s");
}

#[test]
fn a_late_start_does_not_move_later_ones() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.sweep_well("shop");
        case.secs(63);
        case.sweep_well("shop");
        case.secs(1);
    });
    assert_snapshot!(plan, @"look +120s");
}

#[test]
fn an_overrun_skips_ahead_past_the_cool_down_and_says_so() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.settle();
        case.secs(110);
        case.ok("shop-1");
        case.settle();
        case.secs(10);
    });
    assert_snapshot!(plan, @"look +180s");
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.settle();
        case.secs(110);
        case.ok("shop-1");
        case.settle();
        case.secs(70);
    });
    assert_snapshot!(plan, @"StartSweep subnet/shop overrun 2 [shop-1] -- it is due");
}

#[test]
fn a_suspended_subnet_is_not_swept() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.sweep("shop", |sweep| sweep.suspend = true);
    });
    assert_snapshot!(plan, @"held StartSweep subnet/shop Suspended: sweeps are suspended in the manifest");
}

#[test]
fn quiet_hours_hold_sweeps_until_they_end() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.sweep("shop", |sweep| sweep.quiet_hours.push(night()));
        case.wall("2026-01-05T23:00:00Z");
    });
    assert_snapshot!(plan, @"
    held StartSweep subnet/shop QuietHours until +21600s: quiet hours of the manifest
    look +21600s
    ");
}

#[test]
fn a_request_starts_a_sweep_before_it_is_due_and_in_quiet_hours() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.sweep("shop", |sweep| sweep.quiet_hours.push(night()));
        case.sweep_well("shop");
        case.wall("2026-01-05T23:00:00Z");
        case.fold(Outcome::SweepRequested { subnet: subnet_name("shop") });
    });
    assert_snapshot!(plan, @"StartSweep subnet/shop [shop-1] -- somebody asked for it");
}

#[test]
fn a_request_waits_while_sweeps_are_suspended() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.sweep("shop", |sweep| sweep.suspend = true);
        case.fold(Outcome::SweepRequested { subnet: subnet_name("shop") });
    });
    assert_snapshot!(plan, @"held StartSweep subnet/shop Suspended: sweeps are suspended in the manifest");
}

#[test]
fn a_requested_sweep_does_not_move_the_multiples() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.sweep_well("shop");
        case.secs(30);
        case.fold(Outcome::SweepRequested { subnet: subnet_name("shop") });
        case.sweep_well("shop");
    });
    assert_snapshot!(plan, @"look +60s");
}

#[test]
fn subnets_are_swept_side_by_side() {
    let plan = check(|case| {
        case.subnet("farm", 1);
        case.subnet("shop", 1);
        case.pass();
    });
    assert_snapshot!(plan, @"
    Capture camera/farm-1 sweep 1 -- the sweep has come to it
    Capture camera/shop-1 sweep 2 -- the sweep has come to it
    ");
}

#[test]
fn the_destruct_begins_when_all_captures_have_ended() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.settle();
        case.ok("shop-1");
    });
    assert_snapshot!(plan, @"Destruct subnet/shop -- all its captures have ended");
}

#[test]
fn a_sweep_ends_clean_when_no_connection_is_left() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.settle();
        case.ok("shop-1");
        case.pass();
    });
    assert_snapshot!(plan, @"FinishSweep subnet/shop clean Some(true) -- no connection is left");
}

#[test]
fn the_destruct_waits_for_sockets_and_then_says_what_is_left() {
    let lingering = |seconds| {
        check(|case| {
            case.subnet("shop", 1);
            case.settle();
            case.ok("shop-1");
            case.connect(device(1), ConnectionOwner::Stray);
            case.settle();
            case.secs(seconds);
        })
    };
    assert_snapshot!(lingering(1), @"
    held FinishSweep subnet/shop WaitsForSockets until +1.2s: connections of its captures are closing
    look +1.2s
    ");
    assert_snapshot!(lingering(3), @"FinishSweep subnet/shop clean Some(false) -- 1 connections do not go");
}

#[test]
fn viewers_and_other_programs_do_not_make_a_sweep_unclean() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.settle();
        case.ok("shop-1");
        case.viewer("shop-1", device(1));
        case.foreign(device(1));
        case.pass();
    });
    assert_snapshot!(plan, @"FinishSweep subnet/shop clean Some(true) -- no connection is left");
}

#[test]
fn a_sweep_whose_connections_cannot_be_read_ends_without_a_verdict() {
    let blind = |seconds| {
        check(|case| {
            case.subnet("shop", 1);
            case.settle();
            case.ok("shop-1");
            case.blind = true;
            case.pass();
            case.secs(seconds);
        })
    };
    assert_snapshot!(blind(1), @"
    held FinishSweep subnet/shop WaitsForSockets until +1.2s: connections of its captures are closing
    look +1.2s
    ");
    assert_snapshot!(blind(3), @"FinishSweep subnet/shop clean None -- the connections cannot be read");
}

#[test]
fn another_interval_counts_from_the_last_start() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.sweep_well("shop");
        case.sweep("shop", |sweep| sweep.interval = Duration::from_secs(40));
    });
    assert_snapshot!(plan, @"look +40s");
}
