//! Keeps a stream's session with its camera open although nobody watches: a consumer of our own,
//! whose media is thrown away.
//!
//! go2rtc has a session only while somebody receives it. Viewers and captures share this one; its
//! slot is a suggestion's, so whoever opens another stream of the camera goes before it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::entry::{Guest, Wish};
use super::gateway::Gateway;
use super::viewer::{Seat, endpoint, watch};
use crate::model::gateway::Agent;
use crate::model::lease::Quality;
use crate::model::names::CameraName;
use crate::model::slot::Purpose;
use crate::world::gateway::error::{GatewayError, LiveError};
use crate::world::gateway::live::Accepts;

/// The first pause between attempts, and the longest.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The pause after what does not pass by itself: a refused password tried too often locks the
/// account.
const PAUSE_FINAL: Duration = Duration::from_mins(5);
/// A consumer is opened again at once when it received for so long.
const STEADY: Duration = Duration::from_secs(10);
/// Longest wait for a gateway that starts, before it is looked for anew.
const PATIENCE: Duration = Duration::from_mins(1);

/// One stream that is kept; dropping it lets the session go.
#[derive(Debug)]
pub(super) struct Kept {
    _task: JoinSet<()>,
}

impl Kept {
    /// Begins to keep a camera's stream.
    pub(super) fn new(gateway: &Arc<Gateway>, camera: &CameraName, quality: Quality) -> Self {
        let (gateway, camera) = (Arc::clone(gateway), camera.clone());
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                let agent = Agent::of_kept(&gateway.name(&camera, quality));
                let guest = Guest { wish: Wish::AlwaysOn, purpose: Purpose::Suggest };
                match gateway.sit((&camera, quality), (agent, guest), false) {
                    Ok(seat) => keep_under_slot(&seat).await,
                    Err(why) => tracing::debug!(%camera, %why, "a stream cannot be kept open"),
                }
                // Its grant was refused, or it was given up to be declared otherwise.
                sleep(PAUSE_MAX).await;
            }
        });
        Self { _task: task }
    }
}

/// Keeps it under the slot of the stream, where it needs one of its own.
async fn keep_under_slot(seat: &Seat) {
    let Some(slot) = seat.gateway.slot(&seat.name) else { return keep(seat).await };
    if let Err(why) = slot.take().await {
        tracing::debug!(%why, "a stream that is kept open has no slot");
        return;
    }
    seat.gateway.look_again();
    tokio::select! {
        biased;
        why = slot.lost() => tracing::debug!(%why, "a stream that is kept open lost its slot"),
        () = keep(seat) => {}
    }
}

/// Receives until the stream is given up.
async fn keep(seat: &Seat) {
    let mut pause = PAUSE_MIN;
    loop {
        let begun = Instant::now();
        let attempt = async {
            match endpoint(seat, begun + PATIENCE).await {
                Some(endpoint) => {
                    let mut heard = begun;
                    let why = watch(seat, &endpoint, Accepts::ALL, |_| {}, &mut heard).await;
                    Some((why, heard.duration_since(begun)))
                }
                None => None,
            }
        };
        let ended = tokio::select! {
            biased;
            () = seat.gone.cancelled() => return,
            ended = attempt => ended,
        };
        let rest = match ended {
            Some((why, _)) if is_final(&why) => PAUSE_FINAL,
            Some((_, received)) if received >= STEADY => {
                pause = PAUSE_MIN;
                Duration::ZERO
            }
            Some(_) | None => {
                let rest = pause;
                pause = (pause * 2).min(PAUSE_MAX);
                rest
            }
        };
        tokio::select! {
            biased;
            () = seat.gone.cancelled() => return,
            () = sleep(rest) => {}
        }
    }
}

/// Whether it would end the same way until somebody changes something.
fn is_final(error: &GatewayError) -> bool {
    matches!(error, GatewayError::Live(LiveError::Codecs(_) | LiveError::Auth))
}
