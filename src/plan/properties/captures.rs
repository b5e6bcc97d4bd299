//! What holds for the captures that a plan starts.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::desired::Device;
use crate::model::names::CameraName;
use crate::model::observed::Observed;
use crate::model::plan::{Action, Plan};
use crate::plan::testkit::Case;

fn captures(plan: &Plan) -> impl Iterator<Item = (&CameraName, &str, bool)> {
    plan.actions.iter().filter_map(|planned| {
        let Action::Capture { camera, subnet, beside, .. } = &planned.action else { return None };
        Some((camera, subnet.as_str(), *beside))
    })
}

/// No camera twice, no device and no line beyond its bound.
pub(super) fn check(case: &Case, observed: &Observed, plan: &Plan) {
    let mut seen = BTreeSet::new();
    let mut by_device: BTreeMap<Device, usize> = BTreeMap::new();
    let mut line: BTreeMap<&str, usize> = BTreeMap::new();
    let mut beside: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, run) in case.history.subnets.iter().filter_map(|(n, s)| Some((n, s.run.as_ref()?))) {
        line.insert(name.as_str(), run.running.len());
    }
    for (name, history) in &case.history.cameras {
        if history.in_flight.is_some_and(|capture| capture.beside)
            && let Some(camera) = case.desired.cameras.get(name)
        {
            *beside.entry(camera.subnet.as_str()).or_default() += 1;
        }
    }
    for (camera, subnet, is_beside) in captures(plan) {
        assert!(seen.insert(camera), "{camera} twice");
        assert!(!case.going.contains_key(camera), "{camera} is being captured");
        let going = if is_beside { &mut beside } else { &mut line };
        *going.entry(subnet).or_default() += 1;
        let most =
            if is_beside { 4 } else { case.desired.subnets[subnet].sweep.concurrency.into() };
        assert!(going[subnet] <= most, "{subnet}: {} at once", going[subnet]);
        *by_device.entry(case.desired.cameras[camera].capture_device()).or_default() += 1;
    }
    for (device, planned) in by_device {
        let held = observed.slots.slots.iter().filter(|slot| slot.device == device).count();
        let others = usize::from(observed.slots.others.get(&device).copied().unwrap_or(0));
        let limit = usize::from(case.desired.devices[&device].max_connections);
        assert!(planned + held + others <= limit, "{planned} + {held} + {others} > {limit}");
    }
}
