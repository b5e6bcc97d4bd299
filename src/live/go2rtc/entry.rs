//! One stream that is wanted of a gateway: who wants it, and what leads to its camera.
//!
//! It tells the gateway nothing; the gateway's task does.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use super::ViewEnd;
use super::grants::Granted;
use crate::model::frame::SweepId;
use crate::model::gateway::Agent;
use crate::model::lease::{LeaseId, Quality};
use crate::model::names::CameraName;
use crate::model::time::Mono;
use crate::world::gateway::source::GatewaySource;

/// One stream that is wanted.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) camera: CameraName,
    pub(super) quality: Quality,
    pub(super) since: Mono,
    pub(super) viewers: BTreeMap<Agent, Option<LeaseId>>,
    /// The sweep whose capture wants it.
    pub(super) sweep: Option<SweepId>,
    /// Since when nobody has.
    pub(super) idle_since: Option<Mono>,
    pub(super) source: GatewaySource,
    pub(super) grant: Box<dyn Granted>,
    /// The gateway was not told of this source yet, though it may know the stream.
    pub(super) is_news: bool,
    /// Somebody watched over WebRTC, whom only the end of the session ends.
    pub(super) is_past_us: bool,
    /// Cancelled with the entry.
    pub(super) gone: CancellationToken,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.gone.cancel();
    }
}

impl Entry {
    /// A stream that nobody has joined yet.
    pub(super) fn new(
        (camera, quality): (CameraName, Quality),
        since: Mono,
        (grant, source): (Box<dyn Granted>, GatewaySource),
    ) -> Self {
        Self {
            camera,
            quality,
            since,
            viewers: BTreeMap::new(),
            sweep: None,
            idle_since: None,
            source,
            grant,
            is_news: true,
            is_past_us: false,
            gone: CancellationToken::new(),
        }
    }

    /// Adds a viewer, who hears of the entry's end.
    pub(super) fn add(&mut self, (agent, lease): (Agent, Option<LeaseId>)) -> CancellationToken {
        self.viewers.insert(agent, lease);
        self.idle_since = None;
        self.gone.clone()
    }

    /// Sees to it that its grant is right; `false` when there is none any more.
    pub(super) fn renew(&mut self) -> bool {
        let Some(renewed) = self.grant.renewed() else { return true };
        let renewed = renewed.and_then(|grant| {
            let source = GatewaySource::new(grant.url());
            let source = source.map_err(|error| ViewEnd::Engine(error.to_string()))?;
            Ok((grant, source))
        });
        match renewed {
            Ok((grant, source)) => {
                // The session through the grant before ends with it.
                (self.grant, self.source, self.is_news) = (grant, source, true);
                true
            }
            Err(why) => {
                tracing::warn!(camera = %self.camera, %why, "a stream is given up");
                false
            }
        }
    }
}
