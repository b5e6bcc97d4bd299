//! Keeps a stream's session with its camera open although nobody watches: a seat that wants the
//! stream read, and takes nothing of it.
//!
//! Viewers and captures share the session; its slot is a suggestion's, so whoever opens another
//! stream of the camera goes before it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::entry::{Guest, Way, Wish};
use super::gateway::Gateway;
use crate::model::gateway::Agent;
use crate::model::lease::Quality;
use crate::model::names::CameraName;
use crate::model::slot::Purpose;

/// The pause after its grant was refused.
const PAUSE: Duration = Duration::from_secs(30);
/// The pause after it was given up: to be declared otherwise, with a viewer who watched past this
/// server, for a stream that goes before it.
const AGAIN: Duration = Duration::from_secs(1);

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
                let purpose = Purpose::Suggest;
                let guest = Guest { wish: Wish::AlwaysOn, purpose, way: Way::Shared };
                let pause = match gateway.join((&camera, quality), (agent, guest)) {
                    Ok((seat, _feed)) => {
                        seat.gone.cancelled().await;
                        AGAIN
                    }
                    Err(why) => {
                        tracing::debug!(%camera, %why, "a stream cannot be kept open");
                        PAUSE
                    }
                };
                sleep(pause).await;
            }
        });
        Self { _task: task }
    }
}
