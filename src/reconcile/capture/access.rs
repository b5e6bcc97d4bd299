//! The right to reach a camera, for a capture that somebody else makes: a child, a gateway.
//!
//! A grant of the relay, which then takes the slot at each dial; or a slot of this capture, for
//! what opens the connection itself. It opens none.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{CaptureContext, CaptureOrder, Missed, Way, login, slot};
use crate::chain::Chain;
use crate::model::failure::{Failure, FailureKind};
use crate::model::slot::{ConnectionEnd, Holder, Purpose};
use crate::reconcile::keeper::SlotGuard;
use crate::world::camera::relay::{Grant, GrantSpec, GrantStatus, SessionLimits};
use crate::world::camera::request::Source;

/// The right to reach the camera of one capture.
pub(super) enum Access {
    /// Through the relay.
    Relay(Grant),
    /// Past it, under this slot.
    Itself(SlotGuard),
}

/// Why an access has to be given up before its capture has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Halt {
    /// The capture is not wanted any more.
    Cancelled,
    /// The device has too many connections.
    Cut,
    /// Somebody with a stronger claim takes the connection.
    Yielded,
}

impl Access {
    /// One session of the camera through the relay.
    pub(super) fn relay(
        context: &CaptureContext,
        order: &CaptureOrder,
        way: &Way,
    ) -> Result<Grant, Missed> {
        let granted = context.relay.grant(GrantSpec {
            source: source(order, way)?,
            holder: Holder { camera: order.camera.name.clone(), purpose: Purpose::Sweep },
            sessions: 1,
            // The planner has seen that there is room; a sweep does not queue for it.
            wait: Duration::ZERO,
            bytes: None,
            limits: SessionLimits::default(),
        });
        granted.map_err(|error| Missed::host(Chain(&error).to_string()))
    }

    /// One connection that somebody else opens.
    pub(super) fn itself(
        context: &CaptureContext,
        order: &CaptureOrder,
        way: &Way,
    ) -> Result<Self, Missed> {
        slot(context, order, way).map(Self::Itself)
    }

    /// Waits until it has to be given up, and says why.
    pub(super) async fn halted(&self, stop: &CancellationToken) -> Halt {
        match self {
            // The relay cuts its sessions itself, and tells of that at the end.
            Self::Relay(grant) => tokio::select! {
                biased;
                () = stop.cancelled() => Halt::Cancelled,
                () = grant.yielded() => Halt::Yielded,
            },
            Self::Itself(guard) => tokio::select! {
                biased;
                () = stop.cancelled() => Halt::Cancelled,
                () = guard.cut().cancelled() => Halt::Cut,
                () = guard.yielding().cancelled() => Halt::Yielded,
            },
        }
    }

    /// No session is opened with it any more, and one that there is ends; as far as that can be
    /// seen to from here.
    pub(super) fn revoke(&self) {
        match self {
            Self::Relay(grant) => grant.revoke(),
            Self::Itself(_) => {}
        }
    }

    /// Gives it back, once nobody uses it any more; `end` is how the connection past the relay
    /// ended. What the relay saw, where it was one of the relay.
    pub(super) async fn end(self, end: ConnectionEnd) -> Option<GrantStatus> {
        match self {
            Self::Relay(grant) => Some(grant.end().await),
            Self::Itself(guard) => {
                guard.end(end);
                None
            }
        }
    }
}

impl From<Halt> for Missed {
    fn from(halt: Halt) -> Self {
        let cancelled = |message| Self::Failed(Failure::new(FailureKind::Cancelled, message));
        match halt {
            Halt::Yielded => Self::Yielded,
            Halt::Cancelled => cancelled("the capture was cancelled"),
            Halt::Cut => cancelled("its connection was cut: the device has too many"),
        }
    }
}

/// Where the camera's stream is, and how to get in.
pub(super) fn source(order: &CaptureOrder, way: &Way) -> Result<Source, Missed> {
    Ok(Source {
        url: way.url.clone(),
        device: way.device,
        login: login(&order.camera)?,
        transport: order.camera.capture.transport,
    })
}

/// Why there is no picture, as far as the relay saw that.
pub(super) fn seen(status: &GrantStatus) -> Option<Missed> {
    match (&status.refusal, &status.failure) {
        (Some(refusal), _) if status.dials == 0 => Some(Missed::NoSlot(refusal.clone())),
        (_, Some(failure)) => Some(Missed::Failed(failure.clone())),
        (Some(_) | None, None) => None,
    }
}

/// Does the work of a capture in a task of its own, which goes on to its orderly end when the
/// capture is dropped.
pub(super) async fn apart<T: Send + 'static>(
    context: &CaptureContext,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Missed> {
    let done = context.children.spawn(work).await;
    done.map_err(|error| Missed::host(format!("the capture ended abnormally: {error}")))
}
