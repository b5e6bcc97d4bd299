//! What happens to what is no longer declared.

use std::sync::Arc;
use std::time::Duration;

use insta::assert_snapshot;

use crate::plan::testkit::{Case, camera_name, check, device, subnet_name};

#[test]
fn a_camera_disabled_in_the_line_is_skipped() {
    let plan = check(|case| {
        case.subnet("shop", 2);
        case.settle();
        case.edit("shop-2", |camera| camera.enabled = false);
        case.ok("shop-1");
    });
    assert_snapshot!(plan, @"
    SkipCamera camera/shop-2 Disabled (disabled in the manifest) -- the sweep has come to it and goes on
    Destruct subnet/shop -- all its captures have ended
    ");
}

#[test]
fn a_camera_removed_from_the_line_is_skipped() {
    let plan = check(|case| {
        case.subnet("shop", 2);
        case.settle();
        case.remove("shop-2");
        case.ok("shop-1");
    });
    assert_snapshot!(plan, @"
    SkipCamera camera/shop-2 Removed (no longer declared) -- the sweep has come to it and goes on
    Destruct subnet/shop -- all its captures have ended
    ");
}

#[test]
fn the_capture_of_a_disabled_camera_ends() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.settle();
        case.edit("shop-1", |camera| camera.enabled = false);
    });
    assert_snapshot!(plan, @"CancelCapture camera/shop-1 -- the camera is disabled");
}

#[test]
fn the_capture_of_a_removed_camera_ends_and_then_it_is_forgotten() {
    let removed = |passes: usize| {
        check(|case| {
            case.subnet("shop", 2);
            case.settle();
            case.remove("shop-1");
            for _ in 0..passes {
                case.pass();
            }
        })
    };
    assert_snapshot!(removed(0), @"CancelCapture camera/shop-1 -- no longer declared");
    assert_snapshot!(removed(1), @"Forget camera/shop-1 -- no longer declared");
}

#[test]
fn removal_comes_before_addition() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.settle();
        case.remove("shop-1");
        case.subnet("farm", 1);
        case.pass();
        case.foreign(device(1));
    });
    assert_snapshot!(plan, @"
    Forget camera/shop-1 -- no longer declared
    SkipCamera camera/farm-1 NoSlot (all 2 connections taken: 1 by this server, 1 by other programs; held by vlc (77)) -- the sweep has come to it and goes on
    Destruct subnet/farm -- all its captures have ended
    ");
}

#[test]
fn a_removed_subnet_aborts_its_sweep_and_ends_its_captures() {
    let plan = check(|case| {
        case.subnet("shop", 2);
        case.settle();
        case.remove_subnet("shop");
    });
    assert_snapshot!(plan, @"
    CancelCapture camera/shop-1 -- no longer declared
    AbortSweep subnet/shop -- the subnet is no longer declared
    ");
    let mut case = Case::new();
    case.subnet("shop", 2);
    case.settle();
    case.remove_subnet("shop");
    case.settle();
    assert_snapshot!(case.text(), @"");
    assert!(case.history.cameras.is_empty());
    assert!(!case.history.subnets.contains_key("shop"), "nothing is remembered of it");
}

#[test]
fn a_camera_that_moved_to_another_subnet_is_captured_there_only() {
    let plan = check(|case| {
        case.subnet("shop", 2);
        case.settle();
        case.subnet("farm", 0);
        let moved = &mut case.desired.cameras;
        Arc::make_mut(moved.get_mut(&camera_name("shop-2")).unwrap()).subnet = subnet_name("farm");
        case.ok("shop-1");
        case.pass();
        case.secs(1);
    });
    assert_snapshot!(plan, @"
    Capture camera/shop-2 sweep 2 -- the sweep has come to it
    FinishSweep subnet/shop clean Some(true) -- no connection is left
    ");
}

#[test]
fn a_device_whose_capture_is_just_cancelled_rests_first() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.camera("twin", "shop", device(1));
        case.sweep("shop", |sweep| sweep.concurrency = 2);
        case.limits(device(1), |limits| {
            limits.max_connections = 1;
            limits.min_reconnect_interval = Duration::from_secs(2);
        });
        case.settle();
        case.limits(device(1), |limits| limits.max_connections = 2);
        case.edit("shop-1", |camera| camera.enabled = false);
    });
    assert_snapshot!(plan, @"
    CancelCapture camera/shop-1 -- the camera is disabled
    held Capture camera/twin WaitsForSlot until +2s: the device rests before its next connection
    look +2s
    ");
}
