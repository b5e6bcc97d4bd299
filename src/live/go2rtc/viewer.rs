//! One viewer: its seat, and its way through the pictures that all viewers of the stream share.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::feed::FeedViewer;
use super::gateway::Gateway;
use crate::live::engine::{Media, ViewEnd, Viewer};
use crate::model::gateway::{Agent, StreamName};
use crate::model::lease::Quality;
use crate::model::names::CameraName;
use crate::world::camera::gate::Waiting;

/// Which viewer of what.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) gateway: Arc<Gateway>,
    pub(super) name: StreamName,
    /// Of which camera.
    pub(super) of: (CameraName, Quality),
    pub(super) agent: Agent,
    pub(super) gone: CancellationToken,
}

impl Seat {
    /// Waits until its stream is given up, and says why.
    pub(super) async fn given_up(&self) -> ViewEnd {
        self.gone.cancelled().await;
        self.gateway.given_up((&self.of.0, self.of.1))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.gateway.leave(&self.name, &self.agent);
    }
}

/// One viewer; dropping it gives its place up, and with the last one the stream's consumer ends.
#[derive(Debug)]
pub(super) struct GatewayViewer {
    // Dropped before the seat: with that the reader may end.
    pub(super) feed: FeedViewer,
    pub(super) seat: Seat,
}

impl Viewer for GatewayViewer {
    fn next(&mut self) -> Waiting<'_, Result<Media, ViewEnd>> {
        Box::pin(async {
            tokio::select! {
                biased;
                next = self.feed.next() => next,
                end = self.seat.given_up() => Err(end),
            }
        })
    }
}
