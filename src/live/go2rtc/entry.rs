//! One stream that is wanted of a gateway: who watches, and the grant that leads to its camera.
//!
//! It asks no gateway.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use super::grants::Granted;
use crate::live::engine::ViewEnd;
use crate::model::gateway::Agent;
use crate::model::lease::{LeaseId, Quality};
use crate::model::names::CameraName;
use crate::model::slot::Purpose;
use crate::model::time::Mono;
use crate::world::gateway::source::GatewaySource;

/// Whom a consumer is for.
#[derive(Debug)]
pub(super) struct Guest {
    /// `None` for a capture.
    pub(super) lease: Option<LeaseId>,
    pub(super) purpose: Purpose,
}

/// One stream that is wanted.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) camera: CameraName,
    pub(super) quality: Quality,
    pub(super) since: Mono,
    pub(super) viewers: BTreeMap<Agent, Guest>,
    pub(super) idle_since: Option<Mono>,
    pub(super) source: GatewaySource,
    pub(super) grant: Box<dyn Granted>,
    /// The gateway was not told of this source yet, though it may know the stream.
    pub(super) is_news: bool,
    /// Cancelled with the entry.
    pub(super) gone: CancellationToken,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.gone.cancel();
    }
}

impl Entry {
    /// Says what its connection is for. One that waits for viewers is of their lowest.
    pub(super) fn weigh(&mut self) {
        let highest = self.viewers.values().map(|guest| guest.purpose).max();
        self.grant.serve(highest.unwrap_or(Purpose::Suggest).max(Purpose::Suggest));
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
