//! What holds for every plan, whatever was declared, seen and remembered.
//!
//! States are reached by random steps, so that they are such as can be; how long things take and
//! what cameras believe is the simulation's part.

mod captures;
mod processes;
mod steps;

use proptest::prelude::*;

use steps::{Step, fleet, step, take};

use super::plan;
use super::testkit::{Case, START};
use crate::model::lease::EndReason;
use crate::model::names::CameraName;
use crate::model::observed::{ConnectionOwner, Observed, Seen, StoreView};
use crate::model::plan::{Action, Plan};
use crate::model::time::{Mono, Now};

/// What holds for each single plan.
fn check(case: &Case, observed: &Observed, plan: &Plan) {
    if let Some(look) = plan.next_look {
        assert!(look > case.now.mono);
    }
    for until in plan.held.iter().filter_map(|held| held.until) {
        assert!(plan.next_look.is_some_and(|look| look <= until.max(Mono(case.now.mono.0 + 1))));
    }
    captures::check(case, observed, plan);
    processes::check(case, observed, plan);
    for planned in &plan.actions {
        match &planned.action {
            Action::StartSweep { subnet, cameras, .. } => {
                assert!(case.desired.subnets.contains_key(subnet));
                assert!(cameras.iter().all(|name| case.desired.cameras[name].enabled));
            }
            Action::Capture { camera, subnet, .. } => {
                let declared = &case.desired.cameras[camera];
                assert!(declared.enabled && declared.subnet == *subnet);
            }
            Action::EndLease { lease, reason, .. } => {
                let lease = case.leases.iter().find(|own| own.id == *lease).unwrap();
                let declared = case.desired.cameras.get(&lease.camera).is_some_and(|c| c.enabled);
                assert_eq!(declared, *reason != EndReason::CameraRemoved);
            }
            Action::CutSlot { .. } => assert!(!case.blind, "cut without a look"),
            Action::AbortSweep { subnet, .. } => {
                assert!(!case.desired.subnets.contains_key(subnet));
            }
            Action::CancelCapture { camera } => {
                let unwanted = case.desired.cameras.get(camera).is_none_or(|c| !c.enabled);
                assert!(unwanted || has_child_connection(case, camera), "{camera}");
            }
            Action::Forget { camera } => assert!(!case.desired.cameras.contains_key(camera)),
            Action::Delete { .. } => assert!(case.store.fresh().is_some()),
            Action::SignalProcess { .. }
            | Action::ReapProcess { .. }
            | Action::SkipCamera { .. }
            | Action::Destruct { .. }
            | Action::FinishSweep { .. } => {}
        }
    }
}

/// Whether a child of the camera has a connection of its own, which may be one too many.
fn has_child_connection(case: &Case, camera: &CameraName) -> bool {
    case.connections.iter().any(|connection| {
        let ConnectionOwner::Child { unit, .. } = &connection.owner else { return false };
        unit.camera() == Some(camera)
    })
}

fn without_deletions(plan: &Plan) -> Vec<&Action> {
    let actions = plan.actions.iter().map(|planned| &planned.action);
    actions.filter(|action| !matches!(action, Action::Delete { .. })).collect()
}

/// Walks the steps; after each, everything that a plan must be is checked.
fn walk(case: &mut Case, steps: &[Step], each: impl Fn(&mut Case)) {
    for step in steps {
        take(case, step);
        each(case);
    }
}

/// Until the next look, `share` thousandths of the way to it, time alone changes nothing.
fn assert_nothing_is_due_early(case: &mut Case, share: u64) {
    let settled = case.settle();
    let observed = case.observed();
    let look = settled.next_look.map_or(case.now.mono.0 + 7_200_000, |at| at.0 - 1);
    let mono = Mono(case.now.mono.0 + (look - case.now.mono.0) * share / 999);
    let later = Now { mono, wall: case.now.wall };
    let then = plan(&case.desired, &observed, &case.history, later);
    assert!(then.actions.is_empty(), "{} ms early: {:?}", look + 1 - mono.0, then.actions);
}

/// Found by the property below: a sweep gave a connection up that did not close, and nobody looked.
#[test]
fn a_rest_behind_a_connection_that_does_not_close_is_looked_at_in_time() {
    let before = [Step::Blind(true), Step::Pass, Step::Pass, Step::Hangs(1), Step::Pass];
    let between = [Step::Ok(0), Step::Ok(0), Step::Pass, Step::Ok(0)];
    let last = [Step::Wait(3000), Step::Pass, Step::Ok(0)];
    let mut hung = fleet(1, 3);
    walk(&mut hung, &[&before[..], &between, &last].concat(), |_| {});
    assert_nothing_is_due_early(&mut hung, 667);

    let before = [Step::Pass, Step::Blind(true), Step::Viewer(1), Step::Pass, Step::Lingers(3)];
    let last = [Step::Pass, Step::Ok(0), Step::Wait(1203), Step::Wait(2725)];
    let mut lingering = fleet(3, 2);
    walk(&mut lingering, &[&before[..], &last].concat(), |_| {});
    assert_nothing_is_due_early(&mut lingering, 536);
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn every_plan_keeps_the_rules(steps in steps(), concurrency in 1u16..6, rest in 0u64..4) {
        walk(&mut fleet(concurrency, rest), &steps, |case| {
            let plan = case.plan();
            check(case, &case.observed(), &plan);
        });
    }

    #[test]
    fn the_same_inputs_give_the_same_plan(steps in steps(), concurrency in 1u16..6) {
        walk(&mut fleet(concurrency, 2), &steps, |case| {
            let first = case.plan();
            case.connections.reverse();
            case.processes.table.processes.reverse();
            assert_eq!(first, case.plan(), "the order in which sockets are listed means nothing");
            case.connections.reverse();
            case.processes.table.processes.reverse();
        });
    }

    #[test]
    fn a_plan_that_was_carried_out_leaves_only_timers(steps in steps(), concurrency in 1u16..6) {
        let mut case = fleet(concurrency, 2);
        walk(&mut case, &steps, |_| {});
        let rest = case.settle();
        assert_eq!(rest, case.pass());
    }

    /// Nothing that nobody owns stays once it can be ended, and what is remembered of it goes.
    #[test]
    fn what_nobody_owns_is_gone_soon_after_the_faults(steps in steps()) {
        let mut case = fleet(2, 0);
        walk(&mut case, &steps, |case| drop(case.settle()));
        processes::heal(&mut case);
        case.live(40);
        assert_eq!(processes::left_over(&case), Vec::new());
        let own = &case.history.processes;
        assert!(own.ending.is_empty() && own.zombies.is_empty() && own.cleared.is_some());
    }

    /// What the loop sleeps on: until the next look, time alone changes nothing.
    #[test]
    fn nothing_becomes_due_before_the_next_look(
        steps in steps(),
        concurrency in 1u16..6,
        rest in 0u64..4,
        share in 0u64..1000,
    ) {
        let mut case = fleet(concurrency, rest);
        walk(&mut case, &steps, |_| {});
        assert_nothing_is_due_early(&mut case, share);
    }

    #[test]
    fn a_step_of_the_wall_clock_changes_no_decision_about_cameras(
        steps in steps(),
        hours in -24i64..=24,
    ) {
        walk(&mut fleet(3, 2), &steps, |case| {
            let before = case.plan();
            let observed = case.observed();
            let step = jiff::SignedDuration::from_hours(hours);
            let now = Now { wall: case.now.wall.checked_add(step).unwrap(), ..case.now };
            let after = plan(&case.desired, &observed, &case.history, now);
            assert_eq!(without_deletions(&before), without_deletions(&after));
            assert_eq!(before.next_look, after.next_look);
        });
    }

    /// A step of a day deletes at most what is a day short of its time.
    #[test]
    fn a_step_of_the_wall_clock_deletes_at_most_a_day_too_much(
        age in 0i64..60 * 24,
        hours in -24i64..=24,
    ) {
        let mut case = Case::new();
        let hour = |n: i64| jiff::SignedDuration::from_hours(n);
        let oldest = case.now.wall.checked_sub(hour(age)).unwrap();
        let value = StoreView { oldest_no_event_frame: Some(oldest), ..StoreView::default() };
        case.store = Seen::Fresh { at: START, value };
        case.now.wall = case.now.wall.checked_add(hour(hours)).unwrap();
        let deletes = !case.plan().actions.is_empty();
        prop_assert!(!deletes || age > 13 * 24, "{age} h old and deleted");
    }
}
