//! What is deleted and when.

use insta::assert_snapshot;

use crate::model::observed::{Seen, StoreView};
use crate::model::outcome::Outcome;
use crate::plan::retention::key;
use crate::plan::testkit::{Case, START, check};

fn old(case: &mut Case, days: i64, hours: i64) {
    let age = jiff::SignedDuration::from_hours(24 * days + hours);
    let at = case.now.wall.checked_sub(age).unwrap();
    let value = StoreView { oldest_no_event_frame: Some(at), ..StoreView::default() };
    case.store = Seen::Fresh { at: START, value };
}

#[test]
fn the_daily_hour_deletes_what_is_past_its_time() {
    let plan = check(|case| {
        case.wall("2026-01-05T04:10:00Z");
        old(case, 14, 1);
    });
    assert_snapshot!(plan, @"Delete store no-event frames before 2025-12-22T04:10:00Z -- it is past its retention");
}

#[test]
fn between_the_hours_only_what_is_a_day_late_is_deleted() {
    assert_snapshot!(check(|case| old(case, 15, 1)), @"");
    assert_snapshot!(check(|case| old(case, 15, 2)), @"Delete store no-event frames before 2025-12-22T12:00:00Z -- it is past its retention");
}

#[test]
fn each_kind_has_its_own_time() {
    let plan = check(|case| {
        case.wall("2026-01-05T04:10:00Z");
        let at = Some("2025-10-01T00:00:00Z".parse().unwrap());
        let value = StoreView {
            oldest_no_event_frame: at,
            oldest_event: at,
            oldest_sweep: at,
            oldest_config: at,
            oldest_lease: at,
            ..StoreView::default()
        };
        case.store = Seen::Fresh { at: START, value };
    });
    assert_snapshot!(plan, @"
    Delete store no-event frames before 2025-12-22T04:10:00Z -- it is past its retention
    Delete store events before 2025-10-07T04:10:00Z -- it is past its retention
    Delete store sweeps before 2025-12-06T04:10:00Z -- it is past its retention
    Delete store config revisions before 2025-12-06T04:10:00Z -- it is past its retention
    Delete store leases before 2025-12-06T04:10:00Z -- it is past its retention
    ");
}

#[test]
fn bytes_beyond_the_bound_are_freed_at_any_hour() {
    let plan = check(|case| {
        let value = StoreView { frame_bytes: (10 << 30) + 1, ..StoreView::default() };
        case.store = Seen::Fresh { at: START, value };
    });
    assert_snapshot!(plan, @"Delete store frames beyond 10630044058 bytes -- frames exceed maxBytes");
}

#[test]
fn nothing_is_deleted_from_a_store_that_cannot_be_read() {
    let plan = check(|case| {
        case.wall("2026-01-05T04:10:00Z");
        case.store = Seen::Unreadable { since: START, why: "no such host".to_owned() };
    });
    assert_snapshot!(plan, @"");
}

#[test]
fn a_deletion_that_failed_backs_off_and_others_do_not() {
    let plan = check(|case| {
        case.wall("2026-01-05T04:10:00Z");
        let at = Some("2025-10-01T00:00:00Z".parse().unwrap());
        let value =
            StoreView { oldest_no_event_frame: at, oldest_sweep: at, ..StoreView::default() };
        case.store = Seen::Fresh { at: START, value };
        for _ in 0..3 {
            let key = key(&crate::model::plan::Garbage::Sweeps(case.now.wall)).to_owned();
            case.fold(Outcome::Tried { key, ok: false });
        }
    });
    assert_snapshot!(plan, @"
    Delete store no-event frames before 2025-12-22T04:10:00Z -- it is past its retention
    held Delete store BackingOff until +4s: failed 3 times in a row
    look +4s
    ");
}

#[test]
fn pictures_from_the_future_have_no_age() {
    let plan = check(|case| {
        case.wall("2026-01-05T04:10:00Z");
        old(case, -400, 0);
    });
    assert_snapshot!(plan, @"");
}
