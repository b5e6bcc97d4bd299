//! What holds for every plan, whatever was declared, seen and remembered.
//!
//! States are reached by random steps, so that they are such as can be; how long things take and
//! what cameras believe is the simulation's part.

mod captures;
mod processes;

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use processes::{ProcessStep, process_step};

use super::plan;
use super::testkit::{Case, START, device, lease};
use crate::model::desired::Backend;
use crate::model::lease::{EndReason, ViewKind};
use crate::model::names::CameraName;
use crate::model::observed::{ConnectionOwner, Observed, Seen, StoreView};
use crate::model::outcome::Outcome;
use crate::model::plan::{Action, Plan};
use crate::model::slot::SlotState;
use crate::model::time::{Mono, Now};

/// What may happen between two plans.
#[derive(Debug, Clone)]
enum Step {
    Pass,
    Settle,
    Wait(u32),
    Ok(usize),
    Hangs(usize),
    Refused(usize),
    /// A capture ends well, and its socket stays in the kernel.
    Lingers(usize),
    /// Sockets that stayed are gone.
    SocketsGo,
    Foreign(u8),
    Stray(u8),
    OthersGo,
    Viewer(usize),
    Blind(bool),
    Turn(usize),
    Remove(usize),
    Move(usize),
    RemoveSubnet(bool),
    Suspend(bool),
    Limit(u8, u16),
    Request(bool),
    Fails(usize, u32),
    OldFrames(bool),
    Process(ProcessStep),
    Watch(usize, usize),
    Heartbeat(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let n = 0usize..8;
    let d = 1u8..=5;
    prop_oneof![
        6 => Just(Step::Pass),
        4 => Just(Step::Settle),
        6 => prop_oneof![0u32..4000, 0u32..200_000].prop_map(Step::Wait),
        6 => n.clone().prop_map(Step::Ok),
        3 => n.clone().prop_map(Step::Hangs),
        3 => n.clone().prop_map(Step::Refused),
        2 => n.clone().prop_map(Step::Lingers),
        2 => Just(Step::SocketsGo),
        2 => d.clone().prop_map(Step::Foreign),
        1 => d.clone().prop_map(Step::Stray),
        1 => Just(Step::OthersGo),
        1 => n.clone().prop_map(Step::Viewer),
        1 => any::<bool>().prop_map(Step::Blind),
        1 => n.clone().prop_map(Step::Turn),
        1 => n.clone().prop_map(Step::Remove),
        1 => n.clone().prop_map(Step::Move),
        1 => any::<bool>().prop_map(Step::RemoveSubnet),
        1 => any::<bool>().prop_map(Step::Suspend),
        1 => (d, 1u16..4).prop_map(|(d, max)| Step::Limit(d, max)),
        1 => any::<bool>().prop_map(Step::Request),
        2 => (n, 1u32..6).prop_map(|(n, times)| Step::Fails(n, times)),
        1 => any::<bool>().prop_map(Step::OldFrames),
        10 => process_step().prop_map(Step::Process),
        2 => (0usize..4, 0usize..8).prop_map(|(user, n)| Step::Watch(user, n)),
        1 => (0usize..4).prop_map(Step::Heartbeat),
    ]
}

/// Two subnets; eight cameras on five devices.
fn fleet(concurrency: u16, rest: u64) -> Case {
    let mut case = Case::new();
    for (name, concurrency) in [("farm", 1), ("shop", concurrency)] {
        case.subnet(name, 0);
        case.sweep(name, |sweep| sweep.concurrency = concurrency);
    }
    for n in 1..=8u8 {
        let home = if n % 3 == 0 { "farm" } else { "shop" };
        case.camera(&format!("cam-{n}"), home, device(n.min(5)));
        case.edit(&format!("cam-{n}"), |camera| {
            camera.capture.order = match n % 3 {
                0 => vec![Backend::Ffmpeg],
                1 => vec![Backend::Native],
                _ => vec![Backend::Native, Backend::Ffmpeg],
            };
        });
    }
    case.limits(device(2), |limits| limits.max_connections = 1);
    case.limits(device(4), |limits| limits.exclusive = true);
    case.limits(device(5), |limits| limits.min_reconnect_interval = Duration::from_secs(rest));
    case
}

fn pick<'a, T>(from: impl Iterator<Item = &'a T>, n: usize) -> Option<T>
where
    T: Clone + 'a,
{
    let all: Vec<&T> = from.collect();
    all.get(n % all.len().max(1)).map(|one| (*one).clone())
}

fn subnet(is_farm: bool) -> &'static str {
    if is_farm { "farm" } else { "shop" }
}

fn take(case: &mut Case, step: &Step) {
    match *step {
        Step::Pass => drop(case.pass()),
        Step::Settle => drop(case.settle()),
        Step::Wait(ms) => case.wait(Duration::from_millis(ms.into())),
        Step::Ok(n) | Step::Hangs(n) | Step::Refused(n) | Step::Lingers(n) => {
            end_one(case, step, n);
        }
        Step::SocketsGo => {
            let held: BTreeSet<u64> = case
                .slots
                .slots()
                .filter(|slot| slot.state == SlotState::Held)
                .map(|slot| slot.id)
                .collect();
            case.connections
                .retain(|c| !matches!(&c.owner, ConnectionOwner::Slot(id) if !held.contains(id)));
        }
        Step::Foreign(n) => case.foreign(device(n)),
        Step::Stray(n) => drop(case.connect(device(n), ConnectionOwner::Stray)),
        Step::OthersGo => {
            case.connections.retain(|c| matches!(c.owner, ConnectionOwner::Slot(_)));
        }
        Step::Viewer(n) => {
            if let Some(name) = pick(case.desired.cameras.keys(), n) {
                case.try_viewer(&name);
            }
        }
        Step::Blind(blind) => case.blind = blind,
        Step::Turn(_) | Step::Remove(_) | Step::Move(_) | Step::RemoveSubnet(_) => {
            redeclare(case, step);
        }
        Step::Process(ref step) => processes::take(case, step),
        Step::Suspend(farm) => {
            if case.desired.subnets.contains_key(subnet(farm)) {
                case.sweep(subnet(farm), |sweep| sweep.suspend = !sweep.suspend);
            }
        }
        Step::Limit(n, max) => case.limits(device(n), |limits| limits.max_connections = max),
        Step::Request(farm) => {
            let subnet = super::testkit::subnet_name(subnet(farm));
            if case.desired.subnets.contains_key(&subnet) {
                case.fold(Outcome::SweepRequested { subnet });
            }
        }
        Step::Fails(n, times) => {
            if let Some(name) = pick(case.desired.cameras.keys(), n) {
                case.remember_failures(&name, times);
            }
        }
        Step::Watch(user, n) => {
            if let Some(name) = pick(case.desired.cameras.keys(), n) {
                let (user, now) = (format!("user-{user}"), case.now.mono);
                case.leases.retain(|lease| *lease.user != *user);
                case.leases.push(lease(&user, &name, ViewKind::Modal, now));
            }
        }
        Step::Heartbeat(n) => {
            let now = case.now.mono;
            if let Some(lease) = case.leases.get_mut(n) {
                lease.heartbeat = now;
            }
        }
        Step::OldFrames(old) => {
            let month = jiff::SignedDuration::from_hours(30 * 24);
            let oldest = old.then(|| case.now.wall.checked_sub(month).unwrap());
            let value = StoreView { oldest_no_event_frame: oldest, ..StoreView::default() };
            case.store = Seen::Fresh { at: case.now.mono, value };
        }
    }
}

fn end_one(case: &mut Case, step: &Step, n: usize) {
    let Some(name) = pick(case.going.keys(), n) else { return };
    let before = case.connections.clone();
    if matches!(step, Step::Hangs(_)) {
        case.hangs(name.as_str());
    } else if matches!(step, Step::Refused(_)) {
        case.refused(name.as_str());
    } else {
        case.ok(name.as_str());
    }
    if matches!(step, Step::Lingers(_)) {
        case.connections = before;
    }
}

fn redeclare(case: &mut Case, step: &Step) {
    let (Step::Turn(n) | Step::Remove(n) | Step::Move(n)) = *step else {
        if let Step::RemoveSubnet(farm) = *step {
            case.remove_subnet(subnet(farm));
        }
        return;
    };
    let Some(name) = pick(case.desired.cameras.keys(), n) else { return };
    let subnets: Vec<_> = case.desired.subnets.keys().cloned().collect();
    if matches!(step, Step::Remove(_)) {
        case.remove(name.as_str());
    } else if matches!(step, Step::Turn(_)) {
        case.edit(name.as_str(), |camera| camera.enabled = !camera.enabled);
    } else {
        let home = subnets[n % subnets.len()].clone();
        case.edit(name.as_str(), |camera| camera.subnet = home);
    }
}

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
