//! One stream that is wanted of a gateway, with the right to reach its camera.
//!
//! It ends when it is dropped: its grant is revoked, which cuts the session, and its viewers are
//! told.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use super::grants::Granted;
use crate::live::engine::ViewEnd;
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
    /// One that nobody watches yet.
    pub(super) fn new(
        of: (&CameraName, Quality),
        since: Mono,
        (grant, source): (Box<dyn Granted>, GatewaySource),
    ) -> Self {
        let (camera, quality) = (of.0.clone(), of.1);
        let (viewers, gone) = Default::default();
        let (idle_since, is_news, is_past_us) = (None, true, false);
        Self {
            camera,
            quality,
            since,
            viewers,
            idle_since,
            source,
            grant,
            is_news,
            is_past_us,
            gone,
        }
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
