//! Decides about cameras that left their sweep's line, and about captures that must end.

use std::collections::BTreeMap;

use super::draft::{Draft, Inputs};
use super::sweep::{LINE_FAILURES_MAX, pause};
use crate::model::names::SubnetName;
use crate::model::plan::{Action, Held};

/// Captures beside the line at once, in each subnet.
const BESIDE_MAX: usize = 4;

/// Plans captures beside the line.
pub(super) fn plan(draft: &mut Draft, inputs: Inputs<'_>) {
    let mut going: BTreeMap<&SubnetName, usize> = BTreeMap::new();
    for (name, history) in &inputs.history.cameras {
        if let Some(camera) = inputs.desired.cameras.get(name)
            && history.in_flight.is_some_and(|capture| capture.beside)
        {
            *going.entry(&camera.subnet).or_default() += 1;
        }
    }
    for (name, history) in &inputs.history.cameras {
        let Some(camera) = inputs.desired.cameras.get(name).filter(|c| c.enabled) else { continue };
        if history.failures < LINE_FAILURES_MAX || history.in_flight.is_some() {
            continue;
        }
        let Some(subnet) = inputs.desired.subnets.get(&camera.subnet) else { continue };
        if pause(inputs, subnet).is_some() {
            continue;
        }
        let wait = std::time::Duration::from_millis(history.retry_ms.unwrap_or(0));
        let due = history.last_start.map_or(inputs.now.mono, |start| start.plus(wait));
        let held = |reason, message: String, until| Held {
            kind: "Capture",
            object: format!("camera/{name}"),
            reason,
            message,
            until,
        };
        if due > inputs.now.mono {
            let tries = format!("failed {} times in a row", history.failures);
            draft.hold(held("BackingOff", tries, Some(due)));
            continue;
        }
        let count = going.entry(&camera.subnet).or_default();
        if *count >= BESIDE_MAX || draft.is_full() {
            let message = format!("{BESIDE_MAX} cameras are tried beside the sweep at once");
            draft.hold(held("WaitsForTurn", message, None));
            continue;
        }
        let device = camera.capture_device();
        if let Err(refusal) = draft.admit(inputs, device) {
            draft.hold(held("WaitsForSlot", refusal.to_string(), refusal.until()));
            continue;
        }
        *count += 1;
        draft.start(name, device);
        let run = inputs.history.subnets.get(&camera.subnet).and_then(|h| h.run.as_ref());
        let action = Action::Capture {
            camera: name.clone(),
            subnet: camera.subnet.clone(),
            sweep: run.map(|run| run.id),
            beside: true,
        };
        draft.act(action, format!("failed {} times in a row and is due again", history.failures));
    }
}

/// Ends captures of cameras that are no longer wanted, and forgets cameras that are gone.
pub(super) fn remove(draft: &mut Draft, inputs: Inputs<'_>) {
    for (name, history) in &inputs.history.cameras {
        let camera = inputs.desired.cameras.get(name);
        if camera.is_some_and(|camera| camera.enabled) {
            continue;
        }
        if history.in_flight.is_some() {
            let reason =
                if camera.is_some() { "the camera is disabled" } else { "no longer declared" };
            draft.act(Action::CancelCapture { camera: name.clone() }, reason);
        } else if camera.is_none() {
            draft.act(Action::Forget { camera: name.clone() }, "no longer declared");
        }
    }
}
