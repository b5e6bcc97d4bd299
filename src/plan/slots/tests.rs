//! The life of a slot, and everything that refuses one.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::names::CameraName;
use crate::model::observed::TcpState;
use crate::model::slot::Purpose;

pub(super) fn device() -> Device {
    "127.125.0.19:554".parse().unwrap()
}

pub(super) fn limits(max: u16) -> DeviceLimits {
    DeviceLimits {
        max_connections: max,
        min_reconnect_interval: Duration::from_secs(2),
        quarantine: Duration::from_secs(10),
        exclusive: false,
        cameras: Vec::new(),
    }
}

fn holder() -> Holder {
    holder_for(Purpose::Sweep)
}

pub(super) fn holder_for(purpose: Purpose) -> Holder {
    Holder { camera: CameraName::parse("cam").unwrap(), purpose }
}

/// A table that has looked at an empty world, with a device that needs no rest.
pub(super) fn observed_table(max: u16) -> SlotTable {
    observed(max).0
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn seen(port: u16, owner: ConnectionOwner) -> Connection {
    Connection {
        device: device(),
        local: local(port),
        state: TcpState::Established,
        inode: 1,
        owner,
        since: Mono(0),
    }
}

fn observed(max: u16) -> (SlotTable, DeviceLimits, BTreeMap<Device, DeviceLimits>) {
    let mut table = SlotTable::new(None);
    let all = BTreeMap::from([(device(), limits(max))]);
    table.observe(Mono(1), &[], &all);
    (table, limits(max), all)
}

#[test]
fn nothing_is_given_before_the_first_look() {
    let mut table = SlotTable::new(None);
    let refusal = table.acquire(&limits(2), device(), holder(), Mono(5));
    assert_eq!(refusal, Err(Refusal::NotObserved));
}

#[test]
fn a_slot_is_free_only_when_its_socket_is_gone() {
    let (mut table, limits, all) = observed(1);
    let id = table.acquire(&limits, device(), holder(), Mono(10)).unwrap();
    table.connecting(id, local(4000));
    table.done(id, ConnectionEnd::Acknowledged, Mono(20));
    let still = [seen(4000, ConnectionOwner::Slot(id))];
    table.observe(Mono(30), &still, &all);
    let refusal = table.acquire(&limits, device(), holder(), Mono(9000));
    assert_eq!(refusal, Err(Refusal::Full { limit: 1, ours: 1, others: 0 }));
    table.observe(Mono(15), &[], &all);
    assert!(table.get(id).is_some(), "a look from before the end proves nothing");
    table.observe(Mono(40), &[], &all);
    let refusal = table.acquire(&limits, device(), holder(), Mono(50));
    assert_eq!(refusal, Err(Refusal::Resting { until: Mono(2040) }));
    assert!(table.acquire(&limits, device(), holder(), Mono(2040)).is_ok());
}

#[test]
fn an_end_that_was_not_acknowledged_is_quarantined() {
    let (mut table, limits, _) = observed(1);
    let id = table.acquire(&limits, device(), holder(), Mono(10)).unwrap();
    table.connecting(id, local(4000));
    table.done(id, ConnectionEnd::Unacknowledged, Mono(20));
    table.gone(id, Some(&limits), Mono(25));
    assert_eq!(table.get(id).unwrap().state, SlotState::Quarantined { until: Mono(10_025) });
    assert!(table.acquire(&limits, device(), holder(), Mono(10_024)).is_err());
    assert!(table.acquire(&limits, device(), holder(), Mono(10_025)).is_ok());
}

#[test]
fn foreign_connections_take_room_and_connecting_strays_do_not() {
    let (mut table, limits, all) = observed(2);
    table.observe(
        Mono(5),
        &[seen(1, ConnectionOwner::Foreign { pid: 9, command: "vlc".into() })],
        &all,
    );
    table.acquire(&limits, device(), holder(), Mono(6)).unwrap();
    let full = table.acquire(&limits, device(), holder(), Mono(7));
    assert_eq!(full, Err(Refusal::Full { limit: 2, ours: 1, others: 1 }));
    table.observe(Mono(8), &[seen(2, ConnectionOwner::Stray)], &all);
    assert!(table.acquire(&limits, device(), holder(), Mono(9)).is_ok(), "the stray is the slot");
    table.observe(Mono(10), &[2, 3, 4].map(|p| seen(p, ConnectionOwner::Stray)), &all);
    assert_eq!(table.view().others.get(&device()), Some(&1));
}

#[test]
fn a_look_from_before_the_end_of_a_slot_does_not_bring_its_connection_back() {
    let (mut table, limits, all) = observed(1);
    let id = table.acquire(&limits, device(), holder(), Mono(2)).unwrap();
    table.connecting(id, local(4000));
    let before = [seen(4000, ConnectionOwner::Slot(id))];
    table.done(id, ConnectionEnd::Acknowledged, Mono(4));
    table.gone(id, Some(&limits), Mono(5));
    table.observe(Mono(3), &before, &all);
    assert!(table.acquire(&limits, device(), holder(), Mono(9000)).is_ok());
}

#[test]
fn a_slot_of_a_dead_run_rests_after_its_socket_is_gone() {
    let (mut table, limits, all) = observed(1);
    let id = table.inherit(device(), Some(local(7)), Mono(10));
    table.observe(Mono(11), &[seen(7, ConnectionOwner::Unattributable)], &all);
    assert!(matches!(table.get(id).unwrap().state, SlotState::Closing { .. }));
    table.observe(Mono(12), &[], &all);
    assert!(table.acquire(&limits, device(), holder(), Mono(10_011)).is_err());
    assert!(table.acquire(&limits, device(), holder(), Mono(10_012)).is_ok());
}

#[test]
fn the_rest_begins_at_the_end_of_a_connection_that_is_still_closing() {
    let (mut table, limits, all) = observed(2);
    let id = table.acquire(&limits, device(), holder(), Mono(10)).unwrap();
    table.connecting(id, local(4000));
    table.done(id, ConnectionEnd::Acknowledged, Mono(20));
    let refusal = table.acquire(&limits, device(), holder(), Mono(20));
    assert_eq!(refusal, Err(Refusal::Resting { until: Mono(2020) }));
    table.observe(Mono(30), &[], &all);
    assert!(table.acquire(&limits, device(), holder(), Mono(2029)).is_err());
    assert!(table.acquire(&limits, device(), holder(), Mono(2030)).is_ok());
}

#[test]
fn a_device_that_left_the_manifests_rests_all_the_same() {
    let (mut table, limits, all) = observed(1);
    let id = table.acquire(&limits, device(), holder(), Mono(10)).unwrap();
    table.connecting(id, local(4000));
    table.done(id, ConnectionEnd::Unacknowledged, Mono(20));
    table.observe(Mono(30), &[], &BTreeMap::new());
    table.observe(Mono(40), &[], &all);
    assert!(table.acquire(&limits, device(), holder(), Mono(10_029)).is_err());
    assert!(table.acquire(&limits, device(), holder(), Mono(10_030)).is_ok());
}

#[test]
fn an_exclusive_device_is_not_shared() {
    let (mut table, mut limits, _) = observed(2);
    limits.exclusive = true;
    table.acquire(&limits, device(), holder(), Mono(10)).unwrap();
    let refusal = table.acquire(&limits, device(), holder(), Mono(11));
    assert_eq!(refusal, Err(Refusal::Exclusive { holder: Some(holder()) }));
}

#[test]
fn after_a_reboot_every_device_rests() {
    let mut table = SlotTable::new(Some(Mono(60_000)));
    table.observe(Mono(1), &[], &BTreeMap::new());
    let refusal = table.acquire(&limits(2), device(), holder(), Mono(59_999));
    assert_eq!(refusal, Err(Refusal::Resting { until: Mono(60_000) }));
    assert!(table.acquire(&limits(2), device(), holder(), Mono(60_000)).is_ok());
}

/// A device that really accepts connections, and everything that can happen to them.
#[derive(Debug, Clone)]
enum Step {
    Acquire,
    Connect(usize),
    Done(usize, bool),
    SocketGoes(usize),
    Look,
    ForeignComes,
    ForeignGoes,
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Acquire),
        4 => (0usize..4).prop_map(Step::Connect),
        4 => ((0usize..4), any::<bool>()).prop_map(|(i, ack)| Step::Done(i, ack)),
        4 => (0usize..4).prop_map(Step::SocketGoes),
        4 => Just(Step::Look),
        1 => Just(Step::ForeignComes),
        1 => Just(Step::ForeignGoes),
        2 => (0u16..15_000).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever happens in whatever order: never more sockets of ours than the limit, and no new
    /// socket of ours while foreign ones that were seen fill the device.
    #[test]
    fn never_more_connections_of_ours_than_the_limit(
        max in 1u16..4,
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let (mut table, limits, all) = observed(max);
        let mut now = Mono(100);
        let mut port = 5000;
        let mut foreign = 0u16;
        // (slot, its socket while the kernel has it, whether its holder goes on)
        let mut mine: Vec<(SlotId, Option<u16>, bool)> = Vec::new();
        for step in steps {
            now = now.plus(Duration::from_millis(1));
            match step {
                Step::Acquire => {
                    if let Ok(id) = table.acquire(&limits, device(), holder(), now) {
                        mine.push((id, None, true));
                    }
                }
                Step::Connect(i) => {
                    if let Some((id, socket @ None, true)) = mine.get_mut(i) {
                        port += 1;
                        *socket = Some(port);
                        table.connecting(*id, local(port));
                    }
                }
                Step::Done(i, acknowledged) => {
                    if let Some((id, socket, going @ true)) = mine.get_mut(i) {
                        *going = false;
                        let end = match (&socket, acknowledged) {
                            (None, _) => ConnectionEnd::NeverConnected,
                            (Some(_), true) => ConnectionEnd::Acknowledged,
                            (Some(_), false) => ConnectionEnd::Unacknowledged,
                        };
                        table.done(*id, end, now);
                    }
                }
                Step::SocketGoes(i) => {
                    if let Some((_, socket, false)) = mine.get_mut(i) {
                        *socket = None;
                    }
                }
                Step::Look => {
                    let mut connections: Vec<_> = mine
                        .iter()
                        .filter_map(|(id, socket, _)| Some((*id, (*socket)?)))
                        .map(|(id, port)| seen(port, ConnectionOwner::Slot(id)))
                        .collect();
                    for n in 0..foreign {
                        connections.push(seen(n, ConnectionOwner::Unattributable));
                    }
                    table.observe(now, &connections, &all);
                }
                Step::ForeignComes => foreign += 1,
                Step::ForeignGoes => foreign = foreign.saturating_sub(1),
                Step::Wait(ms) => now = now.plus(Duration::from_millis(ms.into())),
            }
            mine.retain(|(_, socket, going)| *going || socket.is_some());
            let sockets = mine.iter().filter(|(_, socket, _)| socket.is_some()).count();
            prop_assert!(sockets <= usize::from(max), "{sockets} sockets, limit {max}");
            prop_assert!(mine.len() <= usize::from(max));
        }
    }
}
