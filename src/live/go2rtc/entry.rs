//! One stream that is wanted of a gateway: who wants it, and the grant that leads to its camera.
//!
//! It tells the gateway nothing; the gateway's task does. When it is dropped its grant is revoked,
//! which cuts the session, and its viewers are told.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::grants::Granted;
use crate::live::engine::ViewEnd;
use crate::model::frame::SweepId;
use crate::model::gateway::Agent;
use crate::model::lease::{LeaseId, Quality};
use crate::model::names::CameraName;
use crate::model::slot::Purpose;
use crate::model::time::Mono;
use crate::world::gateway::source::GatewaySource;

/// Why somebody is attached to a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// Watches on this lease.
    Lease(LeaseId),
    /// Takes one picture, for this sweep.
    Capture(Option<SweepId>),
    /// Keeps the session open.
    AlwaysOn,
}

impl Wish {
    /// The word of the API; a capture beside the sweeps has none.
    fn why(&self) -> Option<Arc<str>> {
        match self {
            Self::Lease(lease) => Some(format!("lease/{lease}").into()),
            Self::Capture(sweep) => sweep.map(|sweep| format!("sweep/{sweep}").into()),
            Self::AlwaysOn => Some("alwaysOn".into()),
        }
    }
}

/// Whom a consumer is for.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) wish: Wish,
    pub(super) purpose: Purpose,
}

/// One stream that is wanted.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) camera: CameraName,
    pub(super) quality: Quality,
    pub(super) since: Mono,
    pub(super) viewers: BTreeMap<Agent, Guest>,
    /// Since when nobody has wanted it.
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
            idle_since: None,
            source,
            grant,
            is_news: true,
            is_past_us: false,
            gone: CancellationToken::new(),
        }
    }

    /// Adds somebody, who hears of the entry's end.
    pub(super) fn add(&mut self, (agent, guest): (Agent, Guest)) -> CancellationToken {
        self.viewers.insert(agent, guest);
        self.idle_since = None;
        self.weigh();
        self.gone.clone()
    }

    /// Takes somebody away.
    pub(super) fn remove(&mut self, agent: &Agent, now: Mono) {
        self.viewers.remove(agent);
        if self.viewers.is_empty() {
            self.idle_since = Some(now);
        }
        self.weigh();
    }

    /// Says what its connection is for. One that waits for viewers is of their lowest.
    fn weigh(&mut self) {
        let highest = self.viewers.values().map(|guest| guest.purpose).max();
        self.grant.serve(highest.unwrap_or(Purpose::Suggest).max(Purpose::Suggest));
    }

    /// Whether somebody watches it on a lease.
    pub(super) fn is_leased(&self) -> bool {
        self.viewers.values().any(|guest| matches!(guest.wish, Wish::Lease(_)))
    }

    /// Why it should be there.
    pub(super) fn wanted_by(&self) -> Vec<Arc<str>> {
        self.viewers.values().filter_map(|guest| guest.wish.why()).collect()
    }

    /// How many receive it, apart from who only keeps it open.
    pub(super) fn consumers(&self) -> usize {
        self.viewers.values().filter(|guest| guest.wish != Wish::AlwaysOn).count()
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
