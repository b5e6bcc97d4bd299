//! Compares each published state with the one before and writes each change down once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::MissedTickBehavior;

use super::hub::{Hub, Item, Told};
use crate::http::state::AppState;
use crate::http::wire::{Event, Push, Status, Time, View};
use crate::model::frame::SweepRecord;
use crate::model::snapshot::{Snapshot, SubnetStatus};

/// The server's status is sent at most this often.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// Between two signs of life, in ticks of [`STATUS_EVERY`].
const HEARTBEAT_TICKS: u32 = 15;

/// Writes a message down.
pub(super) fn text(push: &Push) -> Option<Utf8Bytes> {
    match serde_json::to_string(push) {
        Ok(text) => Some(text.into()),
        Err(error) => {
            tracing::error!(%error, "a message to browsers could not be written");
            None
        }
    }
}

/// Pushes until the server ends; sleeps while nobody is connected.
pub(in crate::http) async fn run(state: AppState) {
    loop {
        tokio::select! {
            () = state.closing().cancelled() => return,
            () = state.hub().awake.notified() => {}
        }
        if while_somebody_listens(&state).await.is_none() {
            return;
        }
    }
}

/// `None` when there will be nothing to push any more.
async fn while_somebody_listens(state: &AppState) -> Option<()> {
    let mut states = state.handle().watch();
    let mut events = state.handle().events().subscribe();
    let mut tick = tokio::time::interval(STATUS_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ticks = 0_u32;
    while state.hub().told().clients > 0 {
        // Whatever woke us, everything is published: a lost wake-up costs a second at most.
        publish_events(state);
        publish_state(state);
        // Each arm only waits; losing one half-way loses nothing.
        tokio::select! {
            () = state.closing().cancelled() => return None,
            changed = states.changed() => changed.ok()?,
            event = events.recv() => match event {
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            },
            _ = tick.tick() => {
                publish_status(state);
                ticks += 1;
                if ticks.is_multiple_of(HEARTBEAT_TICKS) {
                    let now = Time(state.now().wall);
                    send(state.hub(), &Push::Heartbeat { server_time: now });
                }
            }
        }
    }
    Some(())
}

fn publish_events(state: &AppState) {
    let hub = state.hub();
    let mut told = hub.told();
    let Some(events) = state.handle().events().since(told.seq) else {
        told.seq = state.handle().events().last_seq();
        hub.send(Item::Resync);
        return;
    };
    let redactor = state.redactor();
    for event in events {
        told.seq = event.seq;
        send(hub, &Push::Event { event: Event::new(&event, &redactor) });
    }
}

fn publish_state(state: &AppState) {
    let view = state.view();
    let hub = state.hub();
    let mut told = hub.told();
    let next = Arc::clone(&view.snapshot);
    let Some(base) = told.base.replace(next) else { return };
    if base.version == view.snapshot.version {
        return;
    }
    publish_cameras(hub, &base, &view);
    publish_subnets(hub, &base, &view);
}

fn publish_cameras(hub: &Hub, base: &Snapshot, view: &View) {
    let next = &view.snapshot;
    for (name, status) in &next.cameras {
        let same_status = base.cameras.get(name).is_some_and(|old| same(old, status));
        let declared = base.desired.cameras.get(name).zip(next.desired.cameras.get(name));
        if same_status && declared.is_some_and(|(old, new)| same(old, new)) {
            continue;
        }
        if let Some(camera) = view.camera(name) {
            send(hub, &Push::Camera { camera: Box::new(camera) });
        }
    }
    for name in removed(&base.cameras, &next.cameras) {
        send(hub, &Push::CameraRemoved { name: name.as_str().to_owned() });
    }
}

fn publish_subnets(hub: &Hub, base: &Snapshot, view: &View) {
    let next = &view.snapshot;
    for (name, status) in &next.subnets {
        let same_status = base.subnets.get(name).is_some_and(|old| same_subnet(old, status));
        let declared = base.desired.subnets.get(name).zip(next.desired.subnets.get(name));
        if same_status && declared.is_some_and(|(old, new)| same(old, new)) {
            continue;
        }
        if let Some(subnet) = view.subnet(name, false) {
            send(hub, &Push::Subnet { subnet: Box::new(subnet) });
        }
    }
    for name in removed(&base.subnets, &next.subnets) {
        send(hub, &Push::SubnetRemoved { name: name.as_str().to_owned() });
    }
}

fn publish_status(state: &AppState) {
    let view = state.view();
    let hub = state.hub();
    let mut told = hub.told();
    if told.status.is_some() && told.status_version == view.snapshot.version {
        return;
    }
    told.status_version = view.snapshot.version;
    let now = state.now().wall;
    let status = view.status(now);
    if changed(&mut told, &status) {
        send(hub, &Push::Status { status: Box::new(status) });
    }
}

fn changed(told: &mut Told, status: &Status) -> bool {
    let timeless = Status { server_time: status.started_at, ..status.clone() };
    let changed = told.status.as_ref() != Some(&timeless);
    told.status = Some(timeless);
    changed
}

fn same<T: PartialEq>(old: &Arc<T>, new: &Arc<T>) -> bool {
    Arc::ptr_eq(old, new) || old == new
}

/// Whether a browser would see no difference: results of sweeps are not pushed.
fn same_subnet(old: &Arc<SubnetStatus>, new: &Arc<SubnetStatus>) -> bool {
    let sweep = |record: &Option<SweepRecord>| {
        record.as_ref().map(|record| (record.id, record.state, record.ended_at, record.clean))
    };
    let facts = |status: &SubnetStatus| {
        let counts = (status.cameras, status.ready, status.sweeping, status.overruns);
        (counts, status.next_sweep, sweep(&status.run), sweep(&status.last_sweep))
    };
    Arc::ptr_eq(old, new) || (facts(old) == facts(new) && old.conditions == new.conditions)
}

fn removed<'a, K: Ord, V>(
    old: &'a BTreeMap<K, V>,
    new: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = &'a K> {
    old.keys().filter(|name| !new.contains_key(name))
}

fn send(hub: &Hub, push: &Push) {
    if let Some(text) = text(push) {
        hub.send(Item::Text(text));
    }
}
