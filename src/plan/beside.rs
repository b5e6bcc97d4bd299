//! Decides about cameras that left their sweep's line, and about captures that must end.

use std::collections::BTreeMap;
use std::time::Duration;

use super::children::{self, Child};
use super::connections;
use super::draft::{Draft, Inputs};
use super::sweep::{LINE_FAILURES_MAX, pause};
use crate::model::desired::Camera;
use crate::model::names::{CameraName, SubnetName};
use crate::model::plan::{Action, Held};
use crate::model::slot::Purpose;
use crate::model::time::Mono;

/// Captures beside the line at once, in each subnet.
const BESIDE_MAX: usize = 4;

/// Plans captures beside the line.
pub(super) fn plan(draft: &mut Draft, inputs: Inputs<'_>) {
    let mut going: BTreeMap<&SubnetName, usize> = BTreeMap::new();
    for (name, history) in &inputs.history.cameras {
        if history.in_flight.is_some_and(|capture| capture.beside)
            && let Some(camera) = inputs.desired.cameras.get(name)
        {
            *going.entry(&camera.subnet).or_default() += 1;
        }
    }
    for (due, name, camera) in out_of_line(draft, inputs) {
        let failures = inputs.history.cameras.get(name).map_or(0, |history| history.failures);
        let held = |reason, message: String, until| Held {
            kind: "Capture",
            object: format!("camera/{name}"),
            reason,
            message,
            until,
        };
        if due > inputs.now.mono {
            let tries = format!("failed {failures} times in a row");
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
        let taken = match draft.admit_capture(inputs, camera) {
            Ok(taken) => taken,
            Err(refusal) => {
                let until = refusal.until().or_else(|| draft.changes_at(device));
                let message = connections::refusal(refusal.to_string(), inputs.observed, device);
                draft.hold(held("WaitsForSlot", message, until));
                continue;
            }
        };
        if let Some(waits) = children::hold(draft, inputs) {
            draft.hold(held(waits.reason, waits.message, waits.until));
            continue;
        }
        let children = match children::for_camera(draft, inputs, camera) {
            Child::May(children) => children,
            Child::Wait { reason, message } | Child::Without { reason, message } => {
                draft.hold(held(reason, message, None));
                continue;
            }
        };
        *count += 1;
        draft.start(name, taken);
        let run = inputs.history.subnets.get(&camera.subnet).and_then(|h| h.run.as_ref());
        let action = Action::Capture {
            camera: name.clone(),
            subnet: camera.subnet.clone(),
            sweep: run.map(|run| run.id),
            beside: true,
            children,
        };
        draft.act(action, format!("failed {failures} times in a row and is due again"));
    }
}

/// The cameras out of their line that are not being captured, with the moment from which each may
/// be tried again; those that have waited longest first, or a few would take every turn.
fn out_of_line<'a>(draft: &Draft, inputs: Inputs<'a>) -> Vec<(Mono, &'a CameraName, &'a Camera)> {
    let mut out = Vec::new();
    for (name, history) in &inputs.history.cameras {
        let busy = history.in_flight.is_some();
        if history.failures < LINE_FAILURES_MAX || busy || draft.captures(name) {
            continue;
        }
        let Some(camera) = inputs.desired.cameras.get(name).filter(|c| c.enabled) else { continue };
        let Some(subnet) = inputs.desired.subnets.get(&camera.subnet) else { continue };
        if pause(inputs, subnet).is_some() {
            continue;
        }
        let wait = Duration::from_millis(history.retry_ms.unwrap_or(0));
        let due = history.last_start.map_or(inputs.now.mono, |start| start.plus(wait));
        out.push((due, name, &**camera));
    }
    out.sort_by_key(|(due, name, _)| (*due, *name));
    out
}

/// Ends captures of cameras that are no longer wanted, and forgets cameras that are gone.
pub(super) fn remove(draft: &mut Draft, inputs: Inputs<'_>) {
    // Both maps are in order of name: walking them side by side spares a search for each camera,
    // which would be most of a pass over a large fleet.
    let mut declared = inputs.desired.cameras.iter().peekable();
    for (name, history) in &inputs.history.cameras {
        while declared.next_if(|(other, _)| *other < name).is_some() {}
        let camera = declared.next_if(|(other, _)| *other == name).map(|(_, camera)| camera);
        if camera.is_some_and(|camera| camera.enabled) {
            continue;
        }
        if let Some(capture) = history.in_flight {
            if capture.cancelled {
                continue;
            }
            let reason =
                if camera.is_some() { "the camera is disabled" } else { "no longer declared" };
            draft.act(Action::CancelCapture { camera: name.clone() }, reason);
            draft.close(|slot| {
                let holder = slot.holder.as_ref();
                holder.is_some_and(|h| h.camera == *name && h.purpose == Purpose::Sweep)
            });
        } else if camera.is_none() {
            draft.act(Action::Forget { camera: name.clone() }, "no longer declared");
        }
    }
}
