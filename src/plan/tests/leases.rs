//! When leases of live views end by themselves.

use std::sync::Arc;

use insta::assert_snapshot;

use crate::model::lease::{Quality, ViewKind};
use crate::plan::testkit::{Case, camera_name, check, lease};

/// A camera without sweeps, and somebody who watches it.
fn watched(case: &mut Case, kind: ViewKind) {
    case.subnet("shop", 1);
    case.sweep("shop", |sweep| sweep.suspend = true);
    let lease = lease("ann", &camera_name("shop-1"), kind, case.now.mono);
    case.leases.push(lease);
}

fn heard(case: &mut Case) {
    let now = case.now.mono;
    case.leases[0].heartbeat = now;
}

/// The lines of a plan that are about leases, and when to look again.
fn plan(prepare: impl FnOnce(&mut Case)) -> String {
    let text = check(prepare);
    let lines = text.lines().filter(|line| line.contains("lease/") || line.starts_with("look"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_silent_user_loses_the_view_after_the_grace() {
    assert_snapshot!(plan(|case| watched(case, ViewKind::Modal)), @"look +45s");
    let late = |seconds| {
        plan(move |case| {
            watched(case, ViewKind::Modal);
            case.secs(seconds);
        })
    };
    assert_snapshot!(late(44), @"look +45s");
    assert_snapshot!(late(45), @"EndLease lease/ann-modal-10 of shop-1 heartbeat -- its user has given no sign of life");
}

#[test]
fn a_view_that_nobody_renews_expires_however_lively_its_user() {
    let after = |seconds| {
        plan(move |case| {
            watched(case, ViewKind::Modal);
            case.secs(seconds);
            heard(case);
        })
    };
    assert_snapshot!(after(290), @"look +300s");
    assert_snapshot!(after(300), @"EndLease lease/ann-modal-10 of shop-1 expired -- its time is over and nobody renewed it");
}

#[test]
fn a_view_of_the_suggestion_lives_as_long_as_its_user() {
    let plan = plan(|case| {
        watched(case, ViewKind::Suggest);
        case.secs(100_000);
        heard(case);
    });
    assert_snapshot!(plan, @"look +100045s");
}

#[test]
fn a_view_ends_with_its_camera_or_stream() {
    let end = "EndLease lease/ann-modal-10 of shop-1 camera_removed -- the camera or this stream \
               of it is no longer declared";
    let ends = |change: fn(&mut Case)| {
        plan(move |case| {
            watched(case, ViewKind::Modal);
            change(case);
        })
    };
    assert_eq!(ends(|case| case.remove("shop-1")), end);
    assert_eq!(ends(|case| case.edit("shop-1", |camera| camera.enabled = false)), end);
    assert_eq!(ends(|case| case.leases[0].quality = Quality::Main), end);
}

#[test]
fn views_of_a_suggestion_that_is_turned_off_end() {
    let off = |kind| {
        plan(move |case| {
            watched(case, kind);
            Arc::make_mut(&mut case.desired.server).suggest.enabled = false;
        })
    };
    assert_snapshot!(off(ViewKind::Modal), @"look +45s");
    assert_snapshot!(off(ViewKind::Suggest), @"EndLease lease/ann-suggest- of shop-1 revoked -- the manifests turn the suggestion off");
}

#[test]
fn an_end_that_was_carried_out_is_not_planned_again() {
    let mut case = Case::new();
    watched(&mut case, ViewKind::Modal);
    case.secs(50);
    assert_eq!(case.pass().actions.len(), 1);
    assert!(case.pass().actions.is_empty() && case.leases.is_empty());
}
