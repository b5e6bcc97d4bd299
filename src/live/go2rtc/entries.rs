//! One stream that is wanted of a gateway, with those who want it and the grant behind it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::grants::Granted;
use crate::live::engine::ViewEnd;
use crate::model::gateway::Agent;
use crate::model::lease::{LeaseId, Quality};
use crate::model::names::CameraName;
use crate::model::time::Mono;
use crate::world::gateway::source::GatewaySource;

/// Why somebody is attached to a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// Watches on this lease.
    Lease(LeaseId),
    /// Takes one picture.
    Capture,
    /// Keeps the session open.
    AlwaysOn,
}

impl Wish {
    /// The word of the API; a capture has none.
    fn why(&self) -> Option<Arc<str>> {
        match self {
            Self::Lease(lease) => Some(format!("lease/{lease}").into()),
            Self::Capture => None,
            Self::AlwaysOn => Some("alwaysOn".into()),
        }
    }
}

/// One stream that is wanted.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) camera: CameraName,
    pub(super) quality: Quality,
    pub(super) since: Mono,
    pub(super) viewers: BTreeMap<Agent, Wish>,
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
    /// Why it should be there.
    pub(super) fn wanted_by(&self) -> Vec<Arc<str>> {
        self.viewers.values().filter_map(Wish::why).collect()
    }

    /// How many receive it, apart from who only keeps it open.
    pub(super) fn consumers(&self) -> usize {
        self.viewers.values().filter(|wish| **wish != Wish::AlwaysOn).count()
    }

    /// Whether it has, or may be about to have, a session with its camera.
    pub(super) fn is_held(&self) -> bool {
        !self.viewers.is_empty() && self.grant.failure().is_none()
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
