//! Makes the published state out of what is desired, observed and remembered.
//!
//! Objects that have not changed keep their `Arc`, so that readers can tell cheaply.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::condition::{ConditionType, Truth};
use crate::model::desired::Desired;
use crate::model::history::History;
use crate::model::names::{CameraName, SubnetName};
use crate::model::observed::Observed;
use crate::model::plan::Plan;
use crate::model::process::EndCause;
use crate::model::snapshot::{
    CameraStatus, ConfigStatus, GatewayStatus, RunInfo, Snapshot, SubnetStatus,
};
use crate::model::time::Now;
use crate::plan::status;

/// Everything that a snapshot is made of.
#[derive(Debug)]
pub(super) struct Sources<'a> {
    pub(super) desired: &'a Arc<Desired>,
    pub(super) observed: &'a Observed,
    pub(super) plan: &'a Arc<Plan>,
    pub(super) config: &'a Arc<ConfigStatus>,
    pub(super) run: &'a Arc<RunInfo>,
}

/// The state before anything has happened; every object is there already.
pub(super) fn first(sources: &Sources<'_>, history: &mut History, now: Now) -> Snapshot {
    let empty = empty(sources, now);
    next(&empty, sources, history, None, now)
}

fn empty(sources: &Sources<'_>, now: Now) -> Snapshot {
    Snapshot {
        at: now,
        version: 0,
        desired: Arc::clone(sources.desired),
        cameras: BTreeMap::new(),
        subnets: BTreeMap::new(),
        gateways: BTreeMap::new(),
        conditions: Vec::new(),
        plan: Arc::clone(sources.plan),
        connections: sources.observed.connections.clone(),
        processes: sources.observed.processes.clone(),
        orphans_killed: BTreeMap::new(),
        slots: Arc::default(),
        config: Arc::clone(sources.config),
        store: sources.observed.store.clone(),
        host: sources.observed.host.clone(),
        leases: Arc::clone(&sources.observed.leases),
        overload: None,
        run: Arc::clone(sources.run),
    }
}

/// The next state. Only the cameras in `touched` are looked at, all of them with `None`.
///
/// Writes the new conditions back into the history: their times depend on the ones before.
pub(super) fn next(
    before: &Snapshot,
    sources: &Sources<'_>,
    history: &mut History,
    touched: Option<&BTreeSet<CameraName>>,
    now: Now,
) -> Snapshot {
    let desired = sources.desired;
    let mut cameras = BTreeMap::new();
    for (name, camera) in &desired.cameras {
        let old = before.cameras.get(name);
        if let Some(old) = old
            && touched.is_some_and(|touched| !touched.contains(name))
        {
            cameras.insert(name.clone(), Arc::clone(old));
            continue;
        }
        let status = status::camera(desired, sources.observed, history, camera, now);
        if let Some(own) = history.cameras.get_mut(name) {
            own.conditions.clone_from(&status.conditions);
        }
        cameras.insert(name.clone(), keep(old, status));
    }
    let subnets = subnets(before, desired, &cameras, history, now);
    let gateways = gateways(before, sources, history, now);
    let config_valid = match (&sources.config.valid, &sources.config.held) {
        (true, None) => Ok(()),
        (_, Some(held)) => Err(held.message.clone()),
        (false, None) => {
            Err(format!("the newest manifests have {} errors", sources.config.errors.len()))
        }
    };
    let conditions = status::server(desired, sources.observed, config_valid, history, now);
    history.server.clone_from(&conditions);
    Snapshot {
        at: now,
        version: before.version + 1,
        desired: Arc::clone(desired),
        cameras,
        subnets,
        gateways,
        conditions,
        plan: Arc::clone(sources.plan),
        connections: sources.observed.connections.clone(),
        processes: sources.observed.processes.clone(),
        orphans_killed: killed(history),
        slots: Arc::new(sources.observed.slots.slots.clone()),
        config: Arc::clone(sources.config),
        store: sources.observed.store.clone(),
        host: sources.observed.host.clone(),
        leases: Arc::clone(&sources.observed.leases),
        overload: history.load.overloaded,
        run: Arc::clone(sources.run),
    }
}

fn subnets(
    before: &Snapshot,
    desired: &Desired,
    cameras: &BTreeMap<CameraName, Arc<CameraStatus>>,
    history: &mut History,
    now: Now,
) -> BTreeMap<SubnetName, Arc<SubnetStatus>> {
    let mut counts: BTreeMap<_, (u32, u32)> = BTreeMap::new();
    for camera in desired.cameras.values().filter(|camera| camera.enabled) {
        let count = counts.entry(&camera.subnet).or_default();
        count.0 += 1;
        count.1 += u32::from(cameras.get(&camera.name).is_some_and(|status| is_ready(status)));
    }
    let mut subnets = BTreeMap::new();
    for (name, subnet) in &desired.subnets {
        let count = counts.get(name).copied().unwrap_or_default();
        let status = status::subnet(desired, history, subnet, count, now);
        if let Some(own) = history.subnets.get_mut(name) {
            own.conditions.clone_from(&status.conditions);
        }
        subnets.insert(name.clone(), keep(before.subnets.get(name), status));
    }
    subnets
}

fn gateways(
    before: &Snapshot,
    sources: &Sources<'_>,
    history: &mut History,
    now: Now,
) -> BTreeMap<SubnetName, Arc<GatewayStatus>> {
    let mut gateways = BTreeMap::new();
    for (name, seen) in sources.observed.gateways.iter() {
        let own = history.gateways.entry(name.clone()).or_default();
        let conditions = status::gateway(seen, &own.conditions, sources.desired.generation, now);
        own.conditions.clone_from(&conditions);
        let status = GatewayStatus { seen: seen.clone(), conditions };
        gateways.insert(name.clone(), keep(before.gateways.get(name), status));
    }
    gateways
}

fn killed(history: &History) -> BTreeMap<EndCause, u64> {
    let count = |cause| history.processes.killed.get(&cause).copied().unwrap_or(0);
    EndCause::ALL.into_iter().map(|cause| (cause, count(cause))).collect()
}

fn is_ready(status: &CameraStatus) -> bool {
    let ready = |c: &crate::model::condition::Condition| {
        c.kind == ConditionType::Ready && c.status == Truth::True
    };
    status.conditions.iter().any(ready)
}

fn keep<T: PartialEq>(old: Option<&Arc<T>>, new: T) -> Arc<T> {
    match old {
        Some(old) if **old == new => Arc::clone(old),
        Some(_) | None => Arc::new(new),
    }
}
