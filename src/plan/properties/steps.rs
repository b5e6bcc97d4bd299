//! The steps by which properties reach their states, and the fleet that they are taken with.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::processes::{ProcessStep, process_step};
use crate::model::desired::Backend;
use crate::model::lease::ViewKind;
use crate::model::observed::{ConnectionOwner, Seen, StoreView};
use crate::model::outcome::Outcome;
use crate::model::slot::SlotState;
use crate::plan::testkit::{Case, device, lease};

/// What may happen between two plans.
#[derive(Debug, Clone)]
pub(super) enum Step {
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

pub(super) fn step() -> impl Strategy<Value = Step> {
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
pub(super) fn fleet(concurrency: u16, rest: u64) -> Case {
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

pub(super) fn pick<'a, T>(from: impl Iterator<Item = &'a T>, n: usize) -> Option<T>
where
    T: Clone + 'a,
{
    let all: Vec<&T> = from.collect();
    all.get(n % all.len().max(1)).map(|one| (*one).clone())
}

pub(super) fn subnet(is_farm: bool) -> &'static str {
    if is_farm { "farm" } else { "shop" }
}

pub(super) fn take(case: &mut Case, step: &Step) {
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
        Step::Process(ref step) => super::processes::take(case, step),
        Step::Suspend(farm) => {
            if case.desired.subnets.contains_key(subnet(farm)) {
                case.sweep(subnet(farm), |sweep| sweep.suspend = !sweep.suspend);
            }
        }
        Step::Limit(n, max) => case.limits(device(n), |limits| limits.max_connections = max),
        Step::Request(farm) => {
            let subnet = crate::plan::testkit::subnet_name(subnet(farm));
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

pub(super) fn end_one(case: &mut Case, step: &Step, n: usize) {
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

pub(super) fn redeclare(case: &mut Case, step: &Step) {
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
