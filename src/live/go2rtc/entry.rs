//! One stream that is wanted of a gateway: who wants it, and the grant that leads to its camera.
//!
//! It tells the gateway nothing; the gateway's task does. When it is dropped its grant is revoked,
//! which cuts the session, and its viewers are told.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::feed::Feed;
use super::grants::Granted;
use super::reader::Reader;
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

/// How media gets to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Through the one consumer that the stream has for all of these.
    Shared,
    /// Through a consumer of its own.
    Own,
    /// Through a consumer of its own, past this server: over WebRTC.
    PastUs,
}

/// Somebody who is attached to a stream.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) wish: Wish,
    pub(super) purpose: Purpose,
    pub(super) way: Way,
}

/// One stream that is wanted.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) camera: CameraName,
    pub(super) quality: Quality,
    pub(super) since: Mono,
    pub(super) viewers: BTreeMap<Agent, Guest>,
    /// Reads it while somebody receives it that way.
    reader: Option<Reader>,
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
            reader: None,
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
        self.is_past_us |= guest.way == Way::PastUs;
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
        if !self.viewers.values().any(|guest| guest.way == Way::Shared) {
            self.reader = None;
        }
        self.weigh();
    }

    /// What is read of it, by the reader that it has or gets.
    pub(super) fn feed(&mut self, reader: impl FnOnce() -> Reader) -> Arc<Feed> {
        Arc::clone(&self.reader.get_or_insert_with(reader).feed)
    }

    /// What is read of it, where somebody receives it that way.
    pub(super) fn read(&self) -> Option<&Arc<Feed>> {
        self.reader.as_ref().map(|reader| &reader.feed)
    }

    /// As whom consumers of it may be known to the gateway.
    pub(super) fn agents(&self) -> impl Iterator<Item = &Agent> {
        let own = self.viewers.iter().filter(|(_, guest)| guest.way != Way::Shared);
        own.map(|(agent, _)| agent).chain(self.reader.as_ref().map(|reader| &reader.agent))
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

    /// Sees to it that its grant is right: whether that is another one now; `None` when there is
    /// none any more.
    pub(super) fn renew(&mut self) -> Option<bool> {
        let Some(renewed) = self.grant.renewed() else { return Some(false) };
        let renewed = renewed.and_then(|grant| {
            let source = GatewaySource::new(grant.url());
            let source = source.map_err(|error| ViewEnd::Engine(error.to_string()))?;
            Ok((grant, source))
        });
        match renewed {
            Ok((grant, source)) => {
                // The session through the grant before ends with it.
                (self.grant, self.source, self.is_news) = (grant, source, true);
                if let Some(reader) = &self.reader {
                    reader.begin_anew();
                }
                Some(true)
            }
            Err(why) => {
                tracing::warn!(camera = %self.camera, %why, "a stream is given up");
                None
            }
        }
    }
}
