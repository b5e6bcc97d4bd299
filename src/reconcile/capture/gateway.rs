//! The way that asks a gateway: `gateway`.
//!
//! go2rtc has no deadline of its own, forgets no camera by itself and ignores who has left. So it
//! is given a grant of the relay for this one picture, which ends with the capture whatever it
//! does; or, where it cannot reach the relay, the camera's own URL under a slot of this capture.
//! As with a child, all of it lives in a task of its own that ends it in order.

use std::sync::Arc;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::access::{Access, Halt, apart, seen, source};
use super::direct::judged;
use super::{CANCEL_PATIENCE, CaptureContext, CaptureOrder, Missed, Taken, Way, is_exclusive};
use crate::model::desired::Profile;
use crate::model::failure::{Failure, FailureKind, Stage};
use crate::model::lease::Quality;
use crate::model::picture::KeyPicture;
use crate::model::slot::ConnectionEnd;
use crate::world::camera::relay::GrantStatus;
use crate::world::camera::sharing::{Lent, Reach, Returned, Unopened};

/// Takes one picture through the camera's gateway.
pub(super) async fn open(
    context: &Arc<CaptureContext>,
    order: &CaptureOrder,
    way: &Way,
    deadline: Instant,
) -> Result<Taken, Missed> {
    let Some(reach) = context.gateways.reach(&order.camera.name) else {
        let message = "there is no gateway for this camera";
        return Err(Missed::Unavailable(Failure::new(FailureKind::Host, message)));
    };
    if let Some(taken) = watched(context, order, deadline).await {
        return taken;
    }
    let (access, lent) = access(context, order, way, (reach, deadline))?;
    let stop = order.cancel.child_token();
    let _ends_with_us = stop.clone().drop_guard();
    let work = Work { context: Arc::clone(context), access, lent, stop };
    let done = apart(context, work.run()).await?;
    let received_at = context.clock.now();
    match done {
        Done { how: Ended::Returned(Ok(picture)), .. } => {
            let codec = Some(picture.codec.as_str());
            Ok(Taken { picture, received_at, codec })
        }
        Done { how, left } => Err(judged(missed(how, left), context, order, way)),
    }
}

/// The picture of a view that goes through the gateway anyway; `None` where there is none.
pub(super) async fn watched(
    context: &CaptureContext,
    order: &CaptureOrder,
    deadline: Instant,
) -> Option<Result<Taken, Missed>> {
    // Sharing the stream of an exclusive device is what its makers cannot do.
    if is_exclusive(order, order.camera.device()) {
        return None;
    }
    let patience = deadline.saturating_duration_since(Instant::now());
    let asked = context.gateways.watched(&order.camera.name, order.not_before, patience).await?;
    Some(match asked {
        Ok((picture, received_at)) => {
            let codec = Some(picture.codec.as_str());
            Ok(Taken { picture, received_at, codec })
        }
        Err(failure) => Err(Missed::Failed(failure)),
    })
}

/// A grant, or a slot for what the gateway opens itself.
fn access(
    context: &CaptureContext,
    order: &CaptureOrder,
    way: &Way,
    (reach, until): (Reach, Instant),
) -> Result<(Access, Lent), Missed> {
    let (access, url) = match reach {
        Reach::Relay => {
            let grant = Access::relay(context, order, way)?;
            let url = grant.url().parse().map_err(|_| Missed::host("the grant is no URL"))?;
            (Access::Relay(grant), url)
        }
        Reach::Itself => {
            let url = source(order, way)?.url_with_login();
            let url = url.map_err(|fault| Missed::host(fault.to_string()))?;
            (Access::itself(context, order, way)?, url)
        }
    };
    let quality = match order.camera.capture_stream() {
        Some((Profile::Main, _)) => Quality::Main,
        Some((Profile::Sub, _)) | None => Quality::Sub,
    };
    let lent = Lent {
        camera: order.camera.name.clone(),
        quality,
        url,
        sweep: order.sweep,
        until,
        stop: CancellationToken::new(),
        see_end: reach == Reach::Itself,
    };
    Ok((access, lent))
}

/// One gateway at work.
struct Work {
    context: Arc<CaptureContext>,
    access: Access,
    lent: Lent,
    stop: CancellationToken,
}

/// How a gateway's work ended.
enum Ended {
    Returned(Result<KeyPicture, Unopened>),
    Halted(Halt),
}

/// What became of the gateway's work and of its access.
struct Done {
    how: Ended,
    left: Option<GrantStatus>,
}

impl Work {
    /// Has the picture taken. When this returns, nothing of it is left.
    async fn run(self) -> Done {
        let Self { context, access, lent, stop } = self;
        let give_up = lent.stop.clone();
        let mut opening = context.gateways.open(lent);
        let why = tokio::select! {
            biased;
            returned = &mut opening => Err(returned),
            halt = access.halted(&stop) => Ok(halt),
        };
        let (how, ended) = match why {
            Err(Returned { picture, ended }) => (Ended::Returned(picture), ended),
            Ok(halt) => {
                // Before its session ends, or the gateway would dial again.
                access.revoke();
                give_up.cancel();
                let returned = timeout(CANCEL_PATIENCE, opening).await;
                (Ended::Halted(halt), returned.is_ok_and(|returned| returned.ended))
            }
        };
        let end = match how {
            // Without a consumer it does not dial.
            Ended::Returned(Err(Unopened::Unavailable(_))) => ConnectionEnd::NeverConnected,
            _ if ended => ConnectionEnd::Acknowledged,
            Ended::Returned(_) | Ended::Halted(_) => ConnectionEnd::Unacknowledged,
        };
        let left = access.end(end).await;
        Done { how, left }
    }
}

/// Why there is no picture. The relay knows best, then the gateway's own words.
fn missed(how: Ended, left: Option<GrantStatus>) -> Missed {
    let host = |message: String| Failure::new(FailureKind::Host, message);
    let is_relayed = left.is_some();
    let status = left.unwrap_or_default();
    if status.yielded {
        return Missed::Yielded;
    }
    let unopened = match how {
        Ended::Halted(halt) => return halt.into(),
        Ended::Returned(Ok(_)) => return Missed::NotOpen,
        Ended::Returned(Err(unopened)) => unopened,
    };
    let failure = match unopened {
        Unopened::Unavailable(why) => return Missed::Unavailable(host(why)),
        Unopened::Failed(failure) => failure,
    };
    if let Some(missed) = seen(&status) {
        return missed;
    }
    let is_undialled = is_relayed && status.dials == 0;
    let kind = failure.kind;
    Missed::Failed(if kind == FailureKind::Timeout && status.played {
        let message = "the camera played, and no key picture came through the gateway in time";
        Failure::at(FailureKind::NoKeyFrame, Stage::Stream, message)
    } else if kind == FailureKind::Timeout && is_undialled {
        host("the gateway did not open the camera in time".to_owned())
    } else if kind == FailureKind::CameraError && is_undialled {
        host(format!("the gateway did not reach this server's relay: {failure}"))
    } else {
        failure
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::slot::Refusal;

    fn timeout() -> Ended {
        let failure = Failure::at(FailureKind::Timeout, Stage::Stream, "no picture in time");
        Ended::Returned(Err(Unopened::Failed(failure)))
    }

    fn kind(how: Ended, status: GrantStatus) -> FailureKind {
        match missed(how, Some(status)) {
            Missed::Failed(failure) => failure.kind,
            Missed::NotOpen
            | Missed::NoSlot(_)
            | Missed::Busy(_)
            | Missed::Unavailable(_)
            | Missed::Yielded => panic!("no failure"),
        }
    }

    #[test]
    fn what_the_relay_saw_goes_before_what_the_gateway_says() {
        let nothing = GrantStatus::default();
        assert_eq!(kind(timeout(), nothing.clone()), FailureKind::Host, "it never dialled");
        let played = GrantStatus { dials: 1, played: true, ..nothing.clone() };
        assert_eq!(kind(timeout(), played), FailureKind::NoKeyFrame);
        let silent = GrantStatus { dials: 1, ..nothing.clone() };
        assert_eq!(kind(timeout(), silent), FailureKind::Timeout);
        let refused = Some(Failure::new(FailureKind::AuthFailed, "wrong password"));
        let refused = GrantStatus { dials: 1, failure: refused, ..nothing.clone() };
        assert_eq!(kind(timeout(), refused), FailureKind::AuthFailed);
        let full = Some(Refusal::NotObserved);
        let full = GrantStatus { refusal: full, ..nothing.clone() };
        assert!(matches!(missed(timeout(), Some(full)), Missed::NoSlot(_)));
        let yielded = GrantStatus { dials: 1, yielded: true, ..nothing };
        assert!(matches!(missed(timeout(), Some(yielded)), Missed::Yielded));
        let gone = Ended::Returned(Err(Unopened::Unavailable("not there".to_owned())));
        assert!(matches!(missed(gone, None), Missed::Unavailable(_)));
    }
}
