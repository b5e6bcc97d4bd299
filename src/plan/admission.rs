//! Decides whether one more live view is allowed. Pure; who asks it carries the answer out.
//!
//! Knows nothing of sockets, cookies or engines.

use std::time::Duration;

use crate::model::admission::{CapacityLimit, Overloaded, Refusal};
use crate::model::desired::{Camera, Desired, Device, DeviceLimits};
use crate::model::lease::{Lease, LeaseId, Quality, ViewKind};
use crate::model::names::CameraName;
use crate::model::server::AdmissionSpec;
use crate::model::slot::{self, Holder, Purpose, SlotState, SlotView};
use crate::model::time::Mono;

use super::slots;

/// A rest that is over by then is worth waiting for, with the player open.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// By whom.
    pub user: &'a str,
    /// Of which camera.
    pub camera: &'a CameraName,
    /// Which stream; `None` for the smaller one of those that there are.
    pub quality: Option<Quality>,
    /// What for.
    pub kind: ViewKind,
    /// Whether the user's other modal view is to end for it.
    pub take_over: bool,
}

/// What the answer depends on.
#[derive(Debug, Clone, Copy)]
pub struct State<'a> {
    /// What is declared.
    pub desired: &'a Desired,
    /// The leases in force; none of them overdue.
    pub leases: &'a [&'a Lease],
    /// Why this host takes no more, if so.
    pub overload: Option<Overloaded>,
    /// Who has the connections to devices.
    pub slots: &'a SlotView,
    /// Cameras' streams that an engine holds a session of.
    pub open: &'a [(CameraName, Quality)],
}

/// A view that is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Which stream.
    pub quality: Quality,
    /// The views that end for it: the user's older one, and panes on a device that must not be
    /// shared.
    pub replaces: Vec<LeaseId>,
}

/// Allows one more view, or says why not.
pub fn admit(request: Request<'_>, state: State<'_>, now: Mono) -> Result<Grant, Refusal> {
    let spec = &state.desired.server.admission;
    if request.kind == ViewKind::Suggest && !state.desired.server.suggest.enabled {
        return Err(Refusal::SuggestDisabled);
    }
    let (camera, quality) = stream(request, state.desired)?;
    let own = |lease: &&&Lease| lease.kind == request.kind && &*lease.user == request.user;
    let older = state.leases.iter().find(own).copied();
    if let Some(older) = older
        && request.kind == ViewKind::Modal
        && !request.take_over
    {
        return Err(Refusal::UserHasModal { camera: older.camera.clone() });
    }
    // A view that takes the place of as much adds no load.
    let adds = older.is_none_or(|older| older.quality.units() < quality.units());
    if let Some(overloaded) = state.overload.filter(|_| adds) {
        return Err(Refusal::Overloaded(overloaded));
    }
    let others = state.leases.iter().filter(|lease| older.is_none_or(|old| old.id != lease.id));
    capacity(request.kind, quality, others.clone().copied(), spec)?;
    let asked = Asked { camera, quality, kind: request.kind };
    let sharers = sharers(asked, state, others.clone().copied()).map_err(Refusal::NoSlot)?;
    let is_open = state.open.iter().any(|(name, open)| name == request.camera && *open == quality);
    if !is_open {
        let is_watched = |name: &CameraName| others.clone().any(|lease| lease.camera == *name);
        room(asked, state, is_watched, now).map_err(Refusal::NoSlot)?;
    }
    let replaces = older.map(|older| older.id.clone()).into_iter().chain(sharers).collect();
    Ok(Grant { quality, replaces })
}

/// The camera and the stream of it that is meant.
fn stream<'a>(
    request: Request<'_>,
    desired: &'a Desired,
) -> Result<(&'a Camera, Quality), Refusal> {
    let name = request.camera;
    let camera = desired.cameras.get(name).ok_or_else(|| Refusal::UnknownCamera(name.clone()))?;
    if !camera.enabled {
        return Err(Refusal::CameraDisabled(name.clone()));
    }
    let smaller = if camera.sub.is_some() { Quality::Sub } else { Quality::Main };
    let quality = request.quality.unwrap_or(smaller);
    if device_of(camera, quality).is_none() {
        return Err(Refusal::NoSuchStream(name.clone(), quality));
    }
    Ok((camera, quality))
}

/// The device that a stream of a camera is opened on; `None` when it is not declared.
pub fn device_of(camera: &Camera, quality: Quality) -> Option<Device> {
    let url = match quality {
        Quality::Sub => camera.sub.as_ref(),
        Quality::Main => camera.main.as_ref(),
    };
    url.map(|url| camera.device_of(url))
}

/// Units of the budget that these views take; those of the suggestion come out of the reserve.
pub fn units<'a>(leases: impl Iterator<Item = &'a Lease>) -> u32 {
    let modal = leases.filter(|lease| lease.kind == ViewKind::Modal);
    modal.fold(0, |sum, lease| sum.saturating_add(lease.quality.units()))
}

/// How many views of the suggestion there are.
pub fn suggest_views<'a>(leases: impl Iterator<Item = &'a Lease>) -> u32 {
    let count = leases.filter(|lease| lease.kind == ViewKind::Suggest).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn capacity<'a>(
    kind: ViewKind,
    quality: Quality,
    others: impl Iterator<Item = &'a Lease>,
    spec: &AdmissionSpec,
) -> Result<(), Refusal> {
    let (limit, used, of, wanted) = match kind {
        ViewKind::Modal => {
            (CapacityLimit::Units, units(others), spec.modal_units(), quality.units())
        }
        ViewKind::Suggest => {
            (CapacityLimit::SuggestViews, suggest_views(others), spec.reserved_users, 1)
        }
    };
    if used.saturating_add(wanted) > of {
        return Err(Refusal::OverCapacity { limit, used, of, wanted });
    }
    Ok(())
}

/// The stream that is to be opened.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    camera: &'a Camera,
    quality: Quality,
    kind: ViewKind,
}

/// The views of an exclusive device that have to end for this one, which must not even share their
/// stream; refused where one of them does not stand back.
fn sharers<'a>(
    asked: Asked<'_>,
    state: State<'_>,
    others: impl Iterator<Item = &'a Lease>,
) -> Result<Vec<LeaseId>, slot::Refusal> {
    let devices = &state.desired.devices;
    let device = device_of(asked.camera, asked.quality);
    let is_exclusive =
        device.is_some_and(|device| devices.get(&device).is_some_and(|d| d.exclusive));
    if !is_exclusive {
        return Ok(Vec::new());
    }
    let on_device = |lease: &&Lease| {
        let camera = state.desired.cameras.get(&lease.camera);
        camera.and_then(|camera| device_of(camera, lease.quality)) == device
    };
    let purpose = asked.kind.purpose();
    let stands_back = |lease: &Lease| {
        let holder = Holder { camera: lease.camera.clone(), purpose: lease.kind.purpose() };
        if holder.purpose < purpose {
            return Ok(lease.id.clone());
        }
        Err(slot::Refusal::Exclusive { holder: Some(holder) })
    };
    others.filter(on_device).map(stands_back).collect()
}

/// Whether the camera's device would take one more connection for this view, now or after what
/// passes by itself: a rest, a socket that closes, a holder that has to make way.
///
/// An estimate: the slot itself is taken when the engine connects.
fn room(
    asked: Asked<'_>,
    state: State<'_>,
    is_watched: impl Fn(&CameraName) -> bool,
    now: Mono,
) -> Result<(), slot::Refusal> {
    let nowhere = slot::Refusal::UnknownDevice;
    let device = device_of(asked.camera, asked.quality).ok_or(nowhere.clone())?;
    let limits: &DeviceLimits = state.desired.devices.get(&device).ok_or(nowhere)?;
    let purpose = asked.kind.purpose();
    let Err(refusal) = slots::admit(state.slots, limits, device, purpose, now) else {
        return Ok(());
    };
    let makes_way = |holder: &Holder| {
        let is_watched = is_watched(&holder.camera);
        let is_kept = state.desired.cameras.get(&holder.camera).is_some_and(|c| c.always_on);
        // Without viewers the engine keeps it as a suggestion's, or only a little longer.
        let holds = if is_watched { holder.purpose } else { holder.purpose.min(Purpose::Suggest) };
        holds < purpose || !(is_watched || is_kept)
    };
    let passes = match &refusal {
        slot::Refusal::Resting { until } => until.since(now) <= WAIT_MAX,
        slot::Refusal::Full { .. } | slot::Refusal::Exclusive { .. } => {
            state.slots.slots.iter().filter(|slot| slot.device == device).any(|slot| {
                match slot.state {
                    SlotState::Held => slot.holder.as_ref().is_some_and(makes_way),
                    SlotState::Closing { .. } => true,
                    SlotState::Quarantined { until } => until.since(now) <= WAIT_MAX,
                }
            })
        }
        slot::Refusal::Wanted { .. }
        | slot::Refusal::UnknownDevice
        | slot::Refusal::NotObserved => false,
    };
    if passes { Ok(()) } else { Err(refusal) }
}

#[cfg(test)]
mod tests;
