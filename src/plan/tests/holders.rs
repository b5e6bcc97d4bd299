//! Who holds a device's connections: what is cut for it, and what people read.

use std::sync::Arc;
use std::time::Duration;

use insta::assert_snapshot;

use super::conditions::conditions;
use crate::model::observed::ConnectionOwner;
use crate::model::process::{ProcessId, ProcessState, Unit};
use crate::model::slot::{Holder, Purpose, SlotState};
use crate::plan::status;
use crate::plan::testkit::{Case, RUN, START, camera_name, check, device};

/// A child connects by itself to the first device.
fn connects(case: &mut Case, process: ProcessId, camera: &str) {
    let unit = Unit::Capture(camera_name(camera));
    case.connect(device(1), ConnectionOwner::Child { process, unit });
}

fn crowded(case: &mut Case) -> ProcessId {
    case.subnet("shop", 1);
    case.viewer("shop-1", device(1));
    case.secs(1);
    case.foreign(device(1));
    case.secs(1);
    let process = case.child(100, "shop-1", RUN);
    connects(case, process, "shop-1");
    case.own(100);
    process
}

#[test]
fn a_child_too_many_is_ended_through_its_capture() {
    let plan = check(|case| {
        case.subnet("shop", 1);
        case.limits(device(1), |limits| limits.max_connections = 3);
        case.settle();
        let process = case.child(100, "shop-1", RUN);
        case.own(100);
        case.secs(1);
        for _ in 0..3 {
            connects(case, process, "shop-1");
        }
        case.limits(device(1), |limits| limits.max_connections = 2);
    });
    assert_snapshot!(plan, @"
    CancelCapture camera/shop-1 -- the device tolerates 2 connections
    look +300s
    ");
}

#[test]
fn a_child_too_many_without_a_capture_is_signalled() {
    let plan = check(|case| {
        crowded(case);
        case.sweep("shop", |sweep| sweep.suspend = true);
    });
    assert_snapshot!(plan, @"
    SignalProcess process/100 SIGTERM over_limit -- the device tolerates 2 connections
    held StartSweep subnet/shop Suspended: sweeps are suspended in the manifest
    look +302s
    ");
}

#[test]
fn the_connection_of_an_undead_child_goes_on_counting() {
    let mut case = Case::new();
    case.subnet("shop", 1);
    case.sweep("shop", |sweep| sweep.suspend = true);
    case.limits(device(1), |limits| limits.max_connections = 1);
    let process = case.child(100, "shop-1", RUN);
    connects(&mut case, process, "shop-1");
    case.process_mut(100).state = ProcessState::Uninterruptible;
    case.live(60);
    case.sweep("shop", |sweep| sweep.suspend = false);
    case.pass();
    let plan = case.text();
    assert!(plan.contains("SkipCamera camera/shop-1 NoSlot (all 1 connections taken"), "{plan}");
}

#[test]
fn another_cameras_slot_does_not_explain_a_childs_connection() {
    let mut case = Case::new();
    case.subnet("shop", 1);
    case.camera("twin", "shop", device(1));
    let process = case.child(100, "shop-1", RUN);
    connects(&mut case, process, "shop-1");
    let holder = Holder { camera: camera_name("twin"), purpose: Purpose::Sweep };
    let limits = case.desired.devices[&device(1)].clone();
    case.slots.acquire(&limits, device(1), holder, case.now.mono).unwrap();
    case.look();
    assert_eq!(case.slots.view().others[&device(1)], 1);
}

#[test]
fn a_device_rests_after_a_connection_that_no_slot_answered_for() {
    let mut case = Case::new();
    case.subnet("shop", 1);
    let process = case.child(100, "shop-1", RUN);
    connects(&mut case, process, "shop-1");
    case.look();
    assert_eq!(case.slots.slots().count(), 0);
    case.ends_process(100);
    case.look();
    let until = START.plus(Duration::from_secs(10));
    let states: Vec<_> = case.slots.slots().map(|slot| slot.state).collect();
    assert_eq!(states, [SlotState::Quarantined { until }]);
}

#[test]
fn a_full_camera_says_who_holds_it() {
    let mut case = Case::new();
    case.subnet("shop", 1);
    case.viewer("shop-1", device(1));
    case.secs(2);
    case.foreign(device(1));
    case.settle();
    case.look();
    let camera = Arc::clone(&case.desired.cameras["shop-1"]);
    let status = status::camera(&case.desired, &case.observed(), &case.history, &camera, case.now);
    assert_eq!(
        status.message,
        "all 2 connections taken: 1 by this server, 1 by other programs; held by vlc (77)"
    );
    let within: Vec<_> = status.conditions.into_iter().skip(2).take(1).collect();
    assert_snapshot!(conditions(&within), @"WithinLimit=True WithinLimit: 2 of 2 connections: 1 ours, 1 others; held by vlc (77)");
}

#[test]
fn a_child_that_connects_by_itself_is_named() {
    let mut case = Case::new();
    crowded(&mut case);
    case.look();
    let camera = Arc::clone(&case.desired.cameras["shop-1"]);
    let status = status::camera(&case.desired, &case.observed(), &case.history, &camera, case.now);
    let within: Vec<_> = status.conditions.into_iter().skip(2).take(1).collect();
    assert_snapshot!(conditions(&within), @"WithinLimit=False OverLimit: 3 of 2 connections: 2 ours, 1 others; held by vlc (77)");
}

fn server(prepare: impl FnOnce(&mut Case)) -> String {
    let mut case = Case::new();
    prepare(&mut case);
    let observed = case.observed();
    conditions(&status::server(&case.desired, &observed, Ok(()), &case.history, case.now))
}

#[test]
fn orphans_are_a_condition_of_the_server_while_they_are_there() {
    let orphan = server(|case| {
        case.child(100, "shop-1", RUN);
    });
    assert!(orphan.contains("OrphansPresent=True Orphans: processes that nobody owns are being ended: ffmpeg (100) for capture/shop-1\n"), "{orphan}");
    assert!(orphan.contains("Healthy=False Degraded: processes that nobody owns"), "{orphan}");
    let gone = server(|case| {
        case.child(100, "shop-1", RUN);
        case.live(1);
    });
    assert!(!gone.contains("OrphansPresent") && gone.contains("Healthy=True"), "{gone}");
}

#[test]
fn undead_processes_are_a_condition_of_the_server() {
    let undead = server(|case| {
        case.child(100, "shop-1", RUN);
        case.process_mut(100).state = ProcessState::Uninterruptible;
        case.live(4);
    });
    assert!(undead.contains("UndeadProcesses=True Undead: processes cannot be ended, their connections go on counting: ffmpeg (100) for capture/shop-1\n"), "{undead}");
    assert!(!undead.contains("OrphansPresent"), "{undead}");
}

#[test]
fn processes_that_cannot_be_read_are_said_so() {
    let blind = server(|case| case.processes.blind = Some((START, "no /proc")));
    assert!(blind.contains("ObservationFresh=False Unreadable: processes cannot be read: no /proc; pictures are taken without starting any\n"), "{blind}");
}
