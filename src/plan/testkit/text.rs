//! A plan as text, for snapshots that people read.

use std::fmt::Write as _;
use std::time::Duration;

use super::START;
use crate::model::names::CameraName;
use crate::model::plan::{Action, Garbage, Plan};
use crate::model::time::Mono;

/// A plan as text: one line for each step with its reason, for each held one, and for the look.
pub(in crate::plan) fn text(plan: &Plan) -> String {
    let mut out = String::new();
    for planned in &plan.actions {
        let action = &planned.action;
        let detail = detail(action);
        let (kind, object) = (action.kind(), action.object());
        writeln!(out, "{kind} {object}{detail} -- {}", planned.reason).unwrap();
    }
    for held in &plan.held {
        let until = held.until.map_or(String::new(), |at| format!(" until {}", offset(at)));
        let (kind, object, reason) = (held.kind, &held.object, held.reason);
        writeln!(out, "held {kind} {object} {reason}{until}: {}", held.message).unwrap();
    }
    if let Some(at) = plan.next_look {
        writeln!(out, "look {}", offset(at)).unwrap();
    }
    out
}

fn offset(at: Mono) -> String {
    format!("+{}s", Duration::from_millis(at.0.saturating_sub(START.0)).as_secs_f64())
}

fn detail(action: &Action) -> String {
    match action {
        Action::StartSweep { cameras, overrun, .. } => {
            let names: Vec<&str> = cameras.iter().map(CameraName::as_str).collect();
            let late = if *overrun > 0 { format!(" overrun {overrun}") } else { String::new() };
            format!("{late} [{}]", names.join(" "))
        }
        Action::Capture { sweep, beside, children, .. } => {
            let sweep = sweep.map_or(String::new(), |id| format!(" sweep {id}"));
            let children = if *children { " children" } else { "" };
            format!("{}{sweep}{children}", if *beside { " beside" } else { "" })
        }
        Action::SkipCamera { reason, message, .. } => format!(" {reason} ({message})"),
        Action::FinishSweep { clean, .. } => format!(" clean {clean:?}"),
        Action::EndLease { camera, reason, .. } => format!(" of {camera} {}", reason.as_str()),
        Action::CutSlot { slot, .. } => format!(" slot {slot}"),
        Action::Delete { what } => match what {
            Garbage::NoEventFrames(at) => format!(" no-event frames before {at}"),
            Garbage::Events(at) => format!(" events before {at}"),
            Garbage::Sweeps(at) => format!(" sweeps before {at}"),
            Garbage::ConfigRevisions(at) => format!(" config revisions before {at}"),
            Garbage::Leases(at) => format!(" leases before {at}"),
            Garbage::FramesBeyond(bytes) => format!(" frames beyond {bytes} bytes"),
        },
        Action::SignalProcess { signal, cause, .. } => {
            format!(" {} {}", signal.as_str(), cause.as_str())
        }
        Action::ReapProcess { .. }
        | Action::Destruct { .. }
        | Action::AbortSweep { .. }
        | Action::CancelCapture { .. }
        | Action::Forget { .. } => String::new(),
    }
}
