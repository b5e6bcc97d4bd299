//! One viewer: a consumer of its own in go2rtc, opened again when the gateway comes back.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::gateway::Gateway;
use super::queue::Queue;
use crate::live::engine::{Media, ViewEnd, Viewer};
use crate::model::gateway::{Agent, StreamName};
use crate::world::camera::gate::Waiting;
use crate::world::gateway::endpoint::Endpoint;
use crate::world::gateway::error::{GatewayError, LiveError};
use crate::world::gateway::live::{Accepts, Live, Opening, Piece};

/// Longest time without media, dials and restarts included, before the view ends.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// Longest time without media before the consumer is opened again.
const SILENCE: Duration = Duration::from_secs(8);
/// Between two attempts.
const REST: Duration = Duration::from_millis(300);

/// Which viewer of what.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) gateway: Arc<Gateway>,
    pub(super) name: StreamName,
    pub(super) agent: Agent,
    pub(super) gone: CancellationToken,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.gateway.leave(&self.name, &self.agent);
    }
}

/// One viewer; dropping it ends its consumer.
#[derive(Debug)]
pub(super) struct GatewayViewer {
    queue: Arc<Queue>,
    _pump: JoinSet<()>,
}

impl GatewayViewer {
    pub(super) fn new(seat: Seat, accepts: Accepts) -> Self {
        let queue = Arc::new(Queue::default());
        let mut pump = JoinSet::new();
        let target = Arc::clone(&queue);
        pump.spawn(async move {
            let end = tokio::select! {
                biased;
                () = seat.gone.cancelled() => ViewEnd::Removed,
                end = reserved(&seat, accepts, &target) => end,
            };
            target.end(end);
        });
        Self { queue, _pump: pump }
    }
}

impl Viewer for GatewayViewer {
    fn next(&mut self) -> Waiting<'_, Result<Media, ViewEnd>> {
        Box::pin(self.queue.next())
    }
}

/// Reads under the slot of the stream, where it needs one of its own; says why the view is over.
async fn reserved(seat: &Seat, accepts: Accepts, queue: &Queue) -> ViewEnd {
    let Some(slot) = seat.gateway.slot(&seat.name) else { return run(seat, accepts, queue).await };
    if let Err(end) = slot.take().await {
        return end;
    }
    seat.gateway.look_again();
    tokio::select! {
        biased;
        end = slot.lost() => end,
        end = run(seat, accepts, queue) => end,
    }
}

/// Reads until the view is over; says why.
async fn run(seat: &Seat, accepts: Accepts, queue: &Queue) -> ViewEnd {
    let mut heard = Instant::now();
    loop {
        let end = match endpoint(seat, heard + PATIENCE).await {
            Some(endpoint) => {
                watch(seat, &endpoint, accepts, |piece| queue.push(piece), &mut heard).await
            }
            None => return seat.gateway.absent(),
        };
        if let Some(end) = verdict(&end) {
            return end;
        }
        // What the relay knows of the camera is truer than what the gateway says of it.
        if let Some(ViewEnd::NoSlot(why)) = seat.gateway.failure(&seat.name) {
            return ViewEnd::NoSlot(why);
        }
        if heard.elapsed() >= PATIENCE {
            let known = seat.gateway.failure(&seat.name);
            return known.unwrap_or_else(|| ViewEnd::Camera(end.to_string()));
        }
        sleep(REST).await;
    }
}

/// The gateway's API, when the stream is there.
pub(super) async fn endpoint(seat: &Seat, until: Instant) -> Option<Endpoint> {
    let mut ready = seat.gateway.ready.subscribe();
    let is_decided = ready.wait_for(|ready| {
        let needs_help = ready.trouble.as_ref().is_some_and(|trouble| trouble.needs_help);
        needs_help || ready.streams.contains(&seat.name)
    });
    let ready = timeout_at(until, is_decided).await.ok()?.ok()?;
    ready.endpoint.clone()
}

/// Receives until that ends, and says why; `heard` is when a picture came last.
pub(super) async fn watch(
    seat: &Seat,
    endpoint: &Endpoint,
    accepts: Accepts,
    mut take: impl FnMut(Piece),
    heard: &mut Instant,
) -> GatewayError {
    let opening = Opening { name: &seat.name, agent: &seat.agent, accepts, silence: SILENCE };
    let mut live = match Live::open(endpoint, opening).await {
        Ok(live) => live,
        Err(error) => return error,
    };
    loop {
        match live.next().await {
            Ok(piece) => {
                if matches!(piece, Piece::Fragment { .. }) {
                    *heard = Instant::now();
                }
                take(piece);
            }
            Err(error) => return error.into(),
        }
    }
}

/// Whether an error ends the view at once.
pub(super) fn verdict(error: &GatewayError) -> Option<ViewEnd> {
    match error {
        GatewayError::Live(LiveError::Codecs(codecs)) => Some(ViewEnd::Codec(codecs.to_string())),
        GatewayError::Live(LiveError::Auth) => {
            Some(ViewEnd::Camera("it does not accept the credentials".to_owned()))
        }
        GatewayError::Live(
            LiveError::NotFound
            | LiveError::Dial(_)
            | LiveError::Said(_)
            | LiveError::Silent(_)
            | LiveError::Ended
            | LiveError::Malformed(_)
            | LiveError::TooLarge(_)
            | LiveError::NoKeyPicture,
        )
        | GatewayError::Prepare { .. }
        | GatewayError::Client(_)
        | GatewayError::Unreachable(_)
        | GatewayError::Timeout
        | GatewayError::Auth
        | GatewayError::Status(_)
        | GatewayError::TooLong(_)
        | GatewayError::Nonsense(_)
        | GatewayError::Alias
        | GatewayError::NotAsAsked
        | GatewayError::StillThere
        | GatewayError::InUse(_)
        | GatewayError::Closed => None,
    }
}
