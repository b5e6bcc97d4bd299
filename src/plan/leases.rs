//! Decides when the lease of a live view ends by itself.
//!
//! What users and operators end is ended where they ask; both ways lead to the same keeper.

use super::admission::device_of;
use super::draft::{Draft, Inputs};
use crate::model::desired::Desired;
use crate::model::lease::{EndReason, Lease, ViewKind};
use crate::model::plan::Action;
use crate::model::server::AdmissionSpec;
use crate::model::time::Mono;

/// Plans the ends of leases, and when the next one is due.
pub(super) fn plan(draft: &mut Draft, inputs: Inputs<'_>) {
    for lease in inputs.observed.leases.iter() {
        match due(lease, inputs.desired, inputs.now.mono) {
            Some(reason) => {
                let (id, camera) = (lease.id.clone(), lease.camera.clone());
                draft.act(Action::EndLease { lease: id, camera, reason }, why(reason));
            }
            None => draft.look_at(due_at(lease, &inputs.desired.server.admission).0),
        }
    }
}

/// Why a lease has to end now, if it has to.
pub fn due(lease: &Lease, desired: &Desired, now: Mono) -> Option<EndReason> {
    let camera = desired.cameras.get(&lease.camera).filter(|camera| camera.enabled);
    if camera.is_none_or(|camera| device_of(camera, lease.quality).is_none()) {
        return Some(EndReason::CameraRemoved);
    }
    if lease.kind == ViewKind::Suggest && !desired.server.suggest.enabled {
        return Some(EndReason::Revoked);
    }
    let (at, reason) = due_at(lease, &desired.server.admission);
    (at <= now).then_some(reason)
}

/// When a lease ends if nothing is heard of its user any more, and why it will.
pub fn due_at(lease: &Lease, spec: &AdmissionSpec) -> (Mono, EndReason) {
    let silent = lease.heartbeat.plus(spec.grace);
    // A view of the suggestion has no other end than silence.
    if lease.kind == ViewKind::Modal && lease.expires <= silent {
        return (lease.expires, EndReason::Expired);
    }
    (silent, EndReason::Heartbeat)
}

fn why(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Expired => "its time is over and nobody renewed it",
        EndReason::Heartbeat => "its user has given no sign of life",
        EndReason::CameraRemoved => "the camera or this stream of it is no longer declared",
        EndReason::Revoked => "the manifests turn the suggestion off",
        EndReason::Released | EndReason::Preempted | EndReason::Shutdown => "somebody ended it",
    }
}
