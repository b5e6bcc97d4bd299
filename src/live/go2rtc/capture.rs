//! Captures through gateways: a stream that is there for one picture and no longer.
//!
//! It takes no slot and makes no grant: whoever asks brings a URL that leads to the camera. Each
//! capture has a stream of a name of its own, so that one that is still ending is never taken for
//! the next, nor for a viewer's.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use url::Url;

use super::entry::{Guest, Way, Wish};
use super::gateway::Gateway;
use super::grants::Granted;
use super::ready::{Absent, Ready};
use super::viewer::Seat;
use super::{Go2rtcEngine, ViewEnd};
use crate::chain::Chain;
use crate::model::failure::{Failure, FailureKind, Stage};
use crate::model::gateway::{Agent, StreamName};
use crate::model::names::CameraName;
use crate::model::picture::KeyPicture;
use crate::model::slot::Purpose;
use crate::model::time::Now;
use crate::world::camera::gate::Waiting;
use crate::world::camera::sharing::{Gateways, Lent, Reach, Returned, Unopened};
use crate::world::gateway::api::GatewayApi;
use crate::world::gateway::error::{GatewayError, LiveError};
use crate::world::gateway::snapshot;
use crate::world::gateway::source::GatewaySource;

/// Longest wait for a gateway to know the stream: a restart takes less.
const REGISTER: Duration = Duration::from_secs(5);
/// Longest wait for it to say that the stream has no session any more.
const SEE_END: Duration = Duration::from_secs(3);
/// The same, where only manners ask for it: cut off while it has a consumer, it would dial once
/// more, with a grant that is none any more.
const MANNERS: Duration = Duration::from_secs(1);

/// The URL that a capture brought.
#[derive(Debug)]
struct Brought(Url);

impl Granted for Brought {
    fn url(&self) -> &Url {
        &self.0
    }

    // Its slot is the capture's business.
    fn serve(&mut self, _: Purpose) {}

    // Whoever brought it knows better.
    fn failure(&self) -> Option<ViewEnd> {
        None
    }

    fn renewed(&self) -> Option<Result<Box<dyn Granted>, ViewEnd>> {
        None
    }
}

impl Go2rtcEngine {
    /// Opens the stream, takes the picture, gives the stream up.
    async fn taken(&self, lent: Lent) -> Returned {
        let none = |unopened| Returned { picture: Err(unopened), ended: true };
        let Ok((gateway, _)) = self.gateway(&lent.camera, lent.quality) else {
            return none(Unopened::Unavailable("there is no gateway for this camera".to_owned()));
        };
        let seat = match sit(&gateway, &lent, (&self.parts.instance, self.number())) {
            Ok(seat) => seat,
            Err(error) => return none(Unopened::Failed(host(Chain(&error).to_string()))),
        };
        let picture = tokio::select! {
            biased;
            () = lent.stop.cancelled() => Err(cancelled("the capture was ended")),
            () = seat.gone.cancelled() => Err(cancelled("the camera is no longer declared")),
            picture = still(&seat, lent.until) => picture,
        };
        let (ready, name) = (seat.gateway.ready.subscribe(), seat.name.clone());
        drop(seat);
        let patience = match &picture {
            _ if lent.see_end => SEE_END,
            Err(Unopened::Failed(_)) => MANNERS,
            Ok(_) | Err(Unopened::Unavailable(_)) => return Returned { picture, ended: false },
        };
        let ended = is_gone(ready, &name, patience).await;
        Returned { picture, ended }
    }
}

impl Gateways for Go2rtcEngine {
    fn reach(&self, camera: &CameraName) -> Option<Reach> {
        self.lock().of(camera).map(|(_, gateway)| gateway.reach())
    }

    fn watched<'a>(
        &'a self,
        camera: &'a CameraName,
        not_before: Now,
        patience: Duration,
    ) -> Waiting<'a, Option<Result<(KeyPicture, Now), Failure>>> {
        Box::pin(async move {
            let until = Instant::now() + patience;
            let asked = self.key_picture_by(camera, not_before, until).await?;
            Some(asked.map_err(|end| {
                let is_unfit = matches!(end, ViewEnd::Codec(_));
                let kind =
                    if is_unfit { FailureKind::UnsupportedCodec } else { FailureKind::NoKeyFrame };
                Failure::at(kind, Stage::Stream, end.to_string())
            }))
        })
    }

    fn open(&self, lent: Lent) -> Waiting<'_, Returned> {
        Box::pin(self.taken(lent))
    }
}

/// Makes the stream wanted, for as long as the seat is kept.
fn sit(
    gateway: &Arc<Gateway>,
    lent: &Lent,
    (instance, number): (&str, u64),
) -> Result<Seat, GatewayError> {
    let source = GatewaySource::new(&lent.url)?;
    let name = gateway.owner.still(instance, number);
    let agent = Agent::of_capture(instance, number);
    let of = (&lent.camera, lent.quality);
    let grant: Box<dyn Granted> = Box::new(Brought(lent.url.clone()));
    let wish = Wish::Capture(lent.sweep);
    let guest = Guest { wish, purpose: Purpose::Sweep, way: Way::Own };
    Ok(gateway.sit_alone(name, of, (agent, guest), (grant, source)))
}

/// The gateway's API, as soon as the stream is there.
pub(super) async fn registered(seat: &Seat, until: Instant) -> Result<GatewayApi, Absent> {
    let until = until.min(Instant::now() + REGISTER);
    seat.gateway.registered(&seat.name, until).await
}

async fn still(seat: &Seat, until: Instant) -> Result<KeyPicture, Unopened> {
    let api = registered(seat, until).await;
    let api = api.map_err(|absent| Unopened::Unavailable(ViewEnd::from(absent).to_string()))?;
    let taken = snapshot::key_picture(&api, &seat.name, &seat.agent, until).await;
    taken.map_err(|error| Unopened::Failed(failure(&error)))
}

/// Waits until the gateway has been seen without the stream.
async fn is_gone(mut ready: watch::Receiver<Ready>, name: &StreamName, patience: Duration) -> bool {
    let gone = ready.wait_for(|ready| {
        ready.api.is_some() && !ready.streams.contains(name) && !ready.leaving.contains(name)
    });
    timeout(patience, gone).await.is_ok_and(|gone| gone.is_ok())
}

fn cancelled(message: &str) -> Unopened {
    Unopened::Failed(Failure::new(FailureKind::Cancelled, message))
}

fn host(message: String) -> Failure {
    Failure::new(FailureKind::Host, message)
}

/// What a gateway's error means for a capture.
fn failure(error: &GatewayError) -> Failure {
    let message = Chain(error).to_string();
    if matches!(error, GatewayError::Timeout) {
        return Failure::at(FailureKind::Timeout, Stage::Stream, message);
    }
    let GatewayError::Live(live) = error else { return host(message) };
    let (kind, stage) = match live {
        LiveError::Codecs(_) => (FailureKind::UnsupportedCodec, Stage::Describe),
        LiveError::HeldBack => (FailureKind::UnsupportedCodec, Stage::Stream),
        LiveError::Auth => (FailureKind::AuthFailed, Stage::Describe),
        LiveError::Dial(_) | LiveError::Said(_) => (FailureKind::CameraError, Stage::Describe),
        LiveError::Silent(_) => (FailureKind::Timeout, Stage::Stream),
        LiveError::NoKeyPicture => (FailureKind::NoKeyFrame, Stage::Stream),
        LiveError::Malformed(_) | LiveError::TooLarge(_) => {
            (FailureKind::ProtocolError, Stage::Stream)
        }
        LiveError::NotFound | LiveError::Ended => return host(message),
    };
    Failure::at(kind, stage, message)
}
