//! The ways that open the camera from this process: `native` and `http`.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{CANCEL_PATIENCE, CaptureContext, CaptureOrder, Missed, Taken, Way, login, slot};
use crate::model::desired::{Backend, Device};
use crate::model::failure::{Failure, FailureKind};
use crate::model::slot::ConnectionEnd;
use crate::reconcile::keeper::SlotGuard;
use crate::world::camera::classify::{Surroundings, judge};
use crate::world::camera::connection::SocketHook;
use crate::world::camera::http::capture_http;
use crate::world::camera::native::capture_native;
use crate::world::camera::request::{CaptureRequest, Captured, Limits, Source};

/// Takes the slot, opens the device and reads one encoded picture.
pub(super) async fn open(
    context: &CaptureContext,
    order: &CaptureOrder,
    way: &Way,
    deadline: Instant,
) -> Result<Taken, Missed> {
    let request = request(context, order, way, deadline)?;
    let guard = slot(context, order, way)?;
    let (captured, end) = match attend(&request, way, &guard, &order.cancel).await {
        Attended::Ended(captured, end) => (captured, end),
        Attended::Yielded(end) => {
            guard.end(end);
            return Err(Missed::Yielded);
        }
        // The dropped future has reset its socket; the guard's drop says that the camera may not
        // know.
        Attended::Cut => {
            let message = "its connection was cut: the device has too many";
            return Err(Missed::Failed(Failure::new(FailureKind::Cancelled, message)));
        }
    };
    let surroundings = surroundings(context, order, way.device);
    guard.end(end);
    match captured {
        Ok(Captured { picture, received_at, .. }) => {
            let codec = Some(picture.codec.as_str());
            Ok(Taken { picture, received_at, codec })
        }
        Err(failure) => Err(Missed::Failed(judge(failure, surroundings))),
    }
}

/// What became of a session while its slot was watched.
enum Attended {
    /// It ended by itself.
    Ended(Result<Captured, Failure>, ConnectionEnd),
    /// It was ended for a viewer before it brought a picture.
    Yielded(ConnectionEnd),
    /// It was cut.
    Cut,
}

async fn attend(
    request: &CaptureRequest,
    way: &Way,
    guard: &SlotGuard,
    cancel: &CancellationToken,
) -> Attended {
    let stop = cancel.child_token();
    let hook = Hook { guard, stop: &stop };
    let mut reading = std::pin::pin!(read(request, way, &hook));
    tokio::select! {
        biased;
        () = guard.cut().cancelled() => return Attended::Cut,
        (captured, end) = &mut reading => return Attended::Ended(captured, end),
        () = guard.yielding().cancelled() => stop.cancel(),
    }
    match tokio::time::timeout(CANCEL_PATIENCE, reading).await {
        Ok((Ok(captured), end)) => Attended::Ended(Ok(captured), end),
        Ok((Err(_), end)) => Attended::Yielded(end),
        Err(_) => Attended::Yielded(ConnectionEnd::Unacknowledged),
    }
}

fn request(
    context: &CaptureContext,
    order: &CaptureOrder,
    way: &Way,
    deadline: Instant,
) -> Result<CaptureRequest, Missed> {
    let clock = context.clock.clone();
    let limits = order.limits.iter().find(|(device, _)| *device == way.device);
    let reconnect = limits.map_or(Duration::ZERO, |(_, limits)| limits.min_reconnect_interval);
    Ok(CaptureRequest {
        source: Source {
            url: way.url.clone(),
            device: way.device,
            login: login(&order.camera)?,
            transport: order.camera.capture.transport,
        },
        deadline,
        limits: Limits { reconnect, ..Limits::default() },
        clock: Arc::new(move || clock.now()),
    })
}

async fn read(
    request: &CaptureRequest,
    way: &Way,
    hook: &Hook<'_>,
) -> (Result<Captured, Failure>, ConnectionEnd) {
    match way.backend {
        Backend::Http => tokio::select! {
            biased;
            () = hook.stop.cancelled() => {
                let failure = Failure::new(FailureKind::Cancelled, "the capture was cancelled");
                (Err(failure), ConnectionEnd::Unacknowledged)
            }
            done = capture_http(request, hook) => done,
        },
        Backend::Native | Backend::Live | Backend::Gateway | Backend::Ffmpeg => {
            capture_native(request, hook).await
        }
    }
}

/// The same with its failure judged by what else is connected to the device.
pub(super) fn judged(
    missed: Missed,
    context: &CaptureContext,
    order: &CaptureOrder,
    way: &Way,
) -> Missed {
    match missed {
        Missed::Failed(failure) => {
            Missed::Failed(judge(failure, surroundings(context, order, way.device)))
        }
        other @ (Missed::NotOpen
        | Missed::NoSlot(_)
        | Missed::Busy(_)
        | Missed::Unavailable(_)
        | Missed::Yielded) => other,
    }
}

/// What else is connected to the device, the slot of this capture included.
fn surroundings(context: &CaptureContext, order: &CaptureOrder, device: Device) -> Surroundings {
    Surroundings::new(context.keeper.crowd(device), order.worked_before)
}

/// Tells the slot which socket it is for.
struct Hook<'a> {
    guard: &'a SlotGuard,
    stop: &'a CancellationToken,
}

impl SocketHook for Hook<'_> {
    fn connecting(&self) {
        self.guard.dialling();
    }

    fn connected(&self, local: std::net::SocketAddr) {
        self.guard.connecting(local);
    }

    fn ended(&self) {}

    fn stop(&self) -> Option<&CancellationToken> {
        Some(self.stop)
    }
}
