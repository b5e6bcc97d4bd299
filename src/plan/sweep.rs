//! Decides about sweeps: start, captures in the line, destruct, end.

use std::collections::BTreeSet;
use std::time::Duration;

use super::children::{self, Child};
use super::connections;
use super::draft::{Draft, Inputs};
use super::schedule::{next_start, quiet_until};
use crate::model::desired::{Backend, Camera, Device, Subnet};
use crate::model::history::{SubnetHistory, SweepRun};
use crate::model::names::{CameraName, SubnetName};
use crate::model::observed::{Connection, ConnectionOwner};
use crate::model::plan::{Action, Held};
use crate::model::slot::{Purpose, Refusal, Slot, SlotState};
use crate::model::time::Mono;

/// Failures in a row after which a camera leaves its sweep's line.
pub const LINE_FAILURES_MAX: u32 = 3;

/// How long a sweep's end waits for sockets to go; what is left then is recorded.
const DESTRUCT_MAX: Duration = Duration::from_secs(3);

/// Between looks while a destruct waits.
const DESTRUCT_LOOK: Duration = Duration::from_millis(200);

/// Why a subnet is not to be captured from now.
pub(super) fn pause(inputs: Inputs<'_>, subnet: &Subnet) -> Option<Held> {
    let held = |reason, message: &str, until| Held {
        kind: "StartSweep",
        object: format!("subnet/{}", subnet.name),
        reason,
        message: message.to_owned(),
        until,
    };
    if subnet.sweep.suspend {
        return Some(held("Suspended", "sweeps are suspended in the manifest", None));
    }
    let zone = &inputs.desired.server.timezone;
    let until = quiet_until(&subnet.sweep.quiet_hours, zone, inputs.now)?;
    Some(held("QuietHours", "quiet hours of the manifest", Some(until)))
}

/// Plans every subnet's sweep.
pub(super) fn plan(draft: &mut Draft, inputs: Inputs<'_>) {
    let nothing = SubnetHistory::default();
    for subnet in inputs.desired.subnets.values() {
        let history = inputs.history.subnets.get(&subnet.name).unwrap_or(&nothing);
        match &history.run {
            Some(run) => go_on(draft, inputs, subnet, run),
            None => start(draft, inputs, subnet, history),
        }
    }
    for (name, history) in &inputs.history.subnets {
        if let Some(run) = &history.run
            && !inputs.desired.subnets.contains_key(name)
        {
            let action = Action::AbortSweep { subnet: name.clone(), sweep: run.id };
            draft.act(action, "the subnet is no longer declared");
        }
    }
}

fn start(draft: &mut Draft, inputs: Inputs<'_>, subnet: &Subnet, history: &SubnetHistory) {
    if let Some(held) = pause(inputs, subnet)
        && !(history.requested && held.reason == "QuietHours")
    {
        draft.hold(held);
        return;
    }
    let cameras = line(inputs, &subnet.name);
    let due = next_start(&subnet.sweep, history, inputs.now);
    let reason = if history.requested {
        "somebody asked for it"
    } else if due.at <= inputs.now.mono {
        "it is due"
    } else {
        draft.look_at(due.at);
        return;
    };
    if inputs.desired.cameras.values().all(|c| c.subnet != subnet.name || !c.enabled) {
        return;
    }
    if let Some(held) = children::hold(draft, inputs) {
        draft.hold(Held { object: format!("subnet/{}", subnet.name), ..held });
        return;
    }
    let overrun = if history.requested { 0 } else { due.skipped };
    draft.act(Action::StartSweep { subnet: subnet.name.clone(), cameras, overrun }, reason);
}

/// The cameras of a sweep's line, those whose picture is oldest first.
fn line(inputs: Inputs<'_>, subnet: &SubnetName) -> Vec<CameraName> {
    let mut cameras: Vec<_> = inputs
        .desired
        .cameras
        .values()
        .filter(|camera| camera.enabled && camera.subnet == *subnet)
        .map(|camera| {
            let history = inputs.history.cameras.get(&camera.name);
            let failures = history.map_or(0, |h| h.failures);
            (history.and_then(|h| h.last_start), camera.name.clone(), failures)
        })
        .filter(|(.., failures)| *failures < LINE_FAILURES_MAX)
        .collect();
    cameras.sort();
    cameras.into_iter().map(|(_, name, _)| name).collect()
}

fn go_on(draft: &mut Draft, inputs: Inputs<'_>, subnet: &Subnet, run: &SweepRun) {
    let mut free = usize::from(subnet.sweep.concurrency).saturating_sub(run.running.len());
    let mut left = run.pending.len();
    let mut waits: Option<Held> = None;
    for name in &run.pending {
        if free == 0 {
            break;
        }
        if draft.is_full() {
            draft.look_at(inputs.now.mono);
            break;
        }
        match next_step(draft, inputs, subnet, name) {
            Step::Capture { device, children } => {
                let action = Action::Capture {
                    camera: name.clone(),
                    subnet: subnet.name.clone(),
                    sweep: Some(run.id),
                    beside: false,
                    children,
                };
                draft.act(action, "the sweep has come to it");
                draft.start(name, device);
                free -= 1;
                left -= 1;
            }
            Step::Skip { reason, message } => {
                let action = Action::SkipCamera {
                    camera: name.clone(),
                    subnet: subnet.name.clone(),
                    sweep: run.id,
                    reason,
                    message,
                };
                draft.act(action, "the sweep has come to it and goes on");
                left -= 1;
            }
            Step::Wait { reason, message, until } => {
                waits.get_or_insert_with(|| Held {
                    kind: "Capture",
                    object: format!("camera/{name}"),
                    reason,
                    message,
                    until,
                });
            }
        }
    }
    if let Some(held) = waits {
        draft.hold(held);
    }
    if left == 0 && run.running.is_empty() && draft_is_idle(run, subnet, free) {
        end(draft, inputs, subnet, run);
    }
}

/// Whether no capture was just planned for the line.
fn draft_is_idle(run: &SweepRun, subnet: &Subnet, free: usize) -> bool {
    free == usize::from(subnet.sweep.concurrency).saturating_sub(run.running.len())
}

enum Step {
    Capture { device: Device, children: bool },
    Skip { reason: &'static str, message: String },
    Wait { reason: &'static str, message: String, until: Option<Mono> },
}

fn next_step(draft: &mut Draft, inputs: Inputs<'_>, subnet: &Subnet, name: &CameraName) -> Step {
    let skip = |reason, message: &str| Step::Skip { reason, message: message.to_owned() };
    let Some(camera) = inputs.desired.cameras.get(name) else {
        return skip("Removed", "no longer declared");
    };
    if camera.subnet != subnet.name {
        return skip("Removed", "moved to another subnet");
    }
    if !camera.enabled {
        return skip("Disabled", "disabled in the manifest");
    }
    if inputs.history.cameras.get(name).is_some_and(|h| h.in_flight.is_some()) {
        return skip("Capturing", "a capture beside the sweep is going on");
    }
    let device = camera.capture_device();
    match draft.admit(inputs, device) {
        Ok(()) => match children::for_camera(draft, inputs, camera) {
            Child::May(children) => Step::Capture { device, children },
            Child::Wait { reason, message } => Step::Wait { reason, message, until: None },
            Child::Without { reason, message } => Step::Skip { reason, message },
        },
        // A viewer's session has the picture too, and costs the device nothing.
        Err(refusal) if shares(inputs, camera, &refusal) => {
            Step::Capture { device, children: false }
        }
        Err(refusal) if draft.is_own_doing(device, &refusal) => {
            let until = refusal.until().or_else(|| draft.changes_at(device));
            Step::Wait { reason: "WaitsForSlot", message: refusal.to_string(), until }
        }
        Err(refusal) => {
            let message = connections::refusal(refusal.to_string(), inputs.observed, device);
            Step::Skip { reason: "NoSlot", message }
        }
    }
}

/// Whether a view of this camera is open that a capture may take its picture from.
fn shares(inputs: Inputs<'_>, camera: &Camera, refusal: &Refusal) -> bool {
    let is_view = |slot: &Slot| {
        slot.device == camera.device()
            && slot.state == SlotState::Held
            && slot.holder.as_ref().is_some_and(|holder| {
                holder.camera == camera.name && holder.purpose > Purpose::Sweep
            })
    };
    camera.capture.order.contains(&Backend::Live)
        && !matches!(refusal, Refusal::Exclusive { .. })
        && inputs.observed.slots.slots.iter().any(is_view)
}

/// Destruct: all captures have ended; the sweep ends when their sockets have been seen gone.
fn end(draft: &mut Draft, inputs: Inputs<'_>, subnet: &Subnet, run: &SweepRun) {
    let Some(since) = run.destruct_since else {
        let action = Action::Destruct { subnet: subnet.name.clone(), sweep: run.id };
        draft.act(action, "all its captures have ended");
        return;
    };
    let finish = |clean| Action::FinishSweep { subnet: subnet.name.clone(), sweep: run.id, clean };
    let overdue = inputs.now.mono.since(since) >= DESTRUCT_MAX;
    let seen = inputs.observed.connections.fresh_at().filter(|(at, _)| *at >= since);
    match seen.map(|(_, connections)| leftovers(inputs, subnet, connections)) {
        Some(0) => draft.act(finish(Some(true)), "no connection is left"),
        Some(count) if overdue => {
            draft.act(finish(Some(false)), format!("{count} connections do not go"));
        }
        None if overdue => draft.act(finish(None), "the connections cannot be read"),
        Some(_) | None => {
            let until = inputs.now.mono.plus(DESTRUCT_LOOK).min(since.plus(DESTRUCT_MAX));
            draft.hold(Held {
                kind: "FinishSweep",
                object: format!("subnet/{}", subnet.name),
                reason: "WaitsForSockets",
                message: "connections of its captures are closing".to_owned(),
                until: Some(until),
            });
        }
    }
}

/// Connections to the subnet's devices that nobody who lives holds.
fn leftovers(inputs: Inputs<'_>, subnet: &Subnet, connections: &[Connection]) -> usize {
    let devices: BTreeSet<Device> = inputs
        .desired
        .cameras
        .values()
        .filter(|camera| camera.subnet == subnet.name)
        .flat_map(|camera| [Some(camera.device()), camera.snapshot_device()])
        .flatten()
        .collect();
    let slots = &inputs.observed.slots.slots;
    // The slots are newer than the connections: one that is no more has been seen gone since.
    let closing = |id| {
        slots.iter().any(|slot| slot.id == id && matches!(slot.state, SlotState::Closing { .. }))
    };
    // A capture beside the line that was just connecting then.
    let connecting = |connection: &Connection| {
        slots.iter().any(|slot| {
            slot.device == connection.device
                && slot.state == SlotState::Held
                && slot.local.is_none_or(|local| local == connection.local)
        })
    };
    connections
        .iter()
        .filter(|connection| devices.contains(&connection.device))
        .filter(|connection| match connection.owner {
            ConnectionOwner::Slot(id) => closing(id),
            ConnectionOwner::Stray | ConnectionOwner::Child { .. } => !connecting(connection),
            ConnectionOwner::Unattributable => connection.inode == 0,
            ConnectionOwner::Foreign { .. } => false,
        })
        .count()
}
