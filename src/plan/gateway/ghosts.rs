//! What a gateway should not have or do, and for how many looks it has been so.
//!
//! Only what go2rtc shows is judged here. What it hides (a deleted stream that goes on) is seen and
//! cut at the relay; that it keeps dialling there is told to this watch as a number.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::model::gateway::{Agent, ConsumerView, StreamName, StreamView};
use crate::model::time::Mono;

/// Fresh looks in a row that must show the same.
const LOOKS: u32 = 3;
/// What is only seen for less than this is none: leases end a moment before their consumers, and
/// looks follow each other quickly while streams come and go.
const STRAY_TIME: Duration = Duration::from_secs(10);
/// Bytes that a camera must have sent while a consumer got nothing. One that hangs goes on sending
/// a few now and then: it answers, and reports to itself (RTCP).
const SEVERED_BYTES: u64 = 64 << 10;
/// Most consumers that may stay on streams which were given up. Until the browser of such a one
/// leaves, go2rtc dials for it in vain, and shows it nothing: no reason to take the video of every
/// other viewer away, nor to use up the restart that a real ghost may need.
const LEFTOVERS_MAX: usize = 16;
/// Most suspicions that are followed at once.
const SUSPICIONS_MAX: usize = 1_000;

/// Something that should not be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ghost {
    /// A stream that nobody wants has a session with its camera.
    Session(Arc<str>),
    /// A consumer that is nobody's.
    Consumer {
        /// Of which stream.
        stream: Arc<str>,
        /// Its number.
        id: u64,
    },
    /// The camera sends, and this consumer of ours gets nothing more (a change of codec on a
    /// reconnect severs consumers silently). One that never got anything waits for a key picture.
    Severed {
        /// Of which stream.
        stream: Arc<str>,
        /// The consumer's number.
        id: u64,
    },
    /// It goes on dialling with grants that were revoked, and no few consumers that stayed are the
    /// cause.
    Redialling,
}

impl Ghost {
    /// The CamelCase word of events and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Session(_) => "GhostSession",
            Self::Consumer { .. } => "GhostConsumer",
            Self::Severed { .. } => "SeveredConsumer",
            Self::Redialling => "GhostDials",
        }
    }
}

/// What should be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Streams.
    pub streams: BTreeSet<StreamName>,
    /// Consumers: of leases, and of captures in progress.
    pub agents: BTreeSet<Agent>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Suspicion {
    since: Mono,
    looks: u32,
}

/// What a consumer has got, and what its session had received when it was first seen so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counted {
    session: Option<u64>,
    sent: u64,
    received: u64,
}

/// Follows suspicions from look to look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GhostWatch {
    suspicions: BTreeMap<Ghost, Suspicion>,
    counted: BTreeMap<(Arc<str>, u64), Counted>,
    /// What streams that nobody wants had received at the look before.
    received: BTreeMap<Arc<str>, u64>,
    /// Consumers of streams that were given up, and since when.
    leftovers: BTreeMap<(Arc<str>, u64), Mono>,
    late_dials: Option<u64>,
    newest: Mono,
}

impl GhostWatch {
    /// Takes in what a look that began at `began` showed. `late_dials` is how often this
    /// gateway has dialled with a grant that was revoked so far.
    ///
    /// A look that began before `settled`, the last thing done to this gateway, shows the past and
    /// is dropped.
    pub fn looked(
        &mut self,
        wanted: &Wanted,
        listed: &[StreamView],
        late_dials: u64,
        (began, settled): (Mono, Mono),
    ) {
        if began < settled || began <= self.newest {
            return;
        }
        self.newest = began;
        let mut seen = BTreeSet::new();
        let mut counted = BTreeMap::new();
        let mut received = BTreeMap::new();
        let mut leftovers = BTreeMap::new();
        for stream in listed {
            if is_wanted(stream, wanted) {
                self.judge(stream, wanted, &mut seen, &mut counted);
                continue;
            }
            let (name, bytes) = (|| Arc::clone(&stream.name), stream.received());
            let grows = self.received.get(&stream.name).is_some_and(|before| *before < bytes);
            received.insert(name(), bytes);
            // While it dials in vain, it goes on showing the session that was cut.
            if stream.is_active() && (grows || stream.consumers.is_empty()) {
                seen.insert(Ghost::Session(name()));
            } else {
                for id in stream.consumers.iter().filter_map(|consumer| consumer.id) {
                    let since = self.leftovers.get(&(name(), id)).copied().unwrap_or(began);
                    leftovers.insert((name(), id), since);
                }
            }
        }
        let is_stale = |since: &&Mono| began.since(**since) >= STRAY_TIME;
        let are_many = leftovers.values().filter(is_stale).count() > LEFTOVERS_MAX;
        let is_dialling = self.late_dials.is_some_and(|before| late_dials > before);
        if are_many || (is_dialling && leftovers.is_empty()) {
            seen.insert(Ghost::Redialling);
        }
        self.late_dials = Some(late_dials);
        (self.counted, self.received, self.leftovers) = (counted, received, leftovers);
        self.suspicions.retain(|ghost, _| seen.contains(ghost));
        for ghost in seen.into_iter().take(SUSPICIONS_MAX) {
            let fresh = Suspicion { since: began, looks: 0 };
            self.suspicions.entry(ghost).or_insert(fresh).looks += 1;
        }
    }

    /// Forgets everything: the process is another one.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Those that have been seen often and long enough.
    pub fn ghosts(&self, now: Mono) -> impl Iterator<Item = &Ghost> {
        let is_certain = move |suspicion: &Suspicion| {
            suspicion.looks >= LOOKS && now.since(suspicion.since) >= STRAY_TIME
        };
        let certain = self.suspicions.iter().filter(move |(_, suspicion)| is_certain(suspicion));
        certain.map(|(ghost, _)| ghost)
    }

    /// Judges the consumers of a stream that is wanted.
    fn judge(
        &self,
        stream: &StreamView,
        wanted: &Wanted,
        seen: &mut BTreeSet<Ghost>,
        counted: &mut BTreeMap<(Arc<str>, u64), Counted>,
    ) {
        let name = || Arc::clone(&stream.name);
        let session = stream.producers.iter().find_map(|producer| producer.id);
        let received = stream.received();
        for consumer in &stream.consumers {
            let Some(id) = consumer.id else { continue };
            // It gets nothing until its browser has been reached; go2rtc gives up after half a
            // minute. Nobody is shown anything by it, and nothing severed it.
            if is_unconnected(consumer) {
                continue;
            }
            let agent = consumer.agent.as_deref();
            let is_ours = wanted.agents.iter().any(|known| Some(known.as_str()) == agent);
            if !is_ours {
                seen.insert(Ghost::Consumer { stream: name(), id });
                continue;
            }
            let is_same =
                |before: &&Counted| before.session == session && before.sent == consumer.bytes_sent;
            let fresh = Counted { session, sent: consumer.bytes_sent, received };
            let first = self.counted.get(&(name(), id)).filter(is_same).copied().unwrap_or(fresh);
            let missed = received.saturating_sub(first.received);
            if first.sent > 0 && missed >= SEVERED_BYTES {
                seen.insert(Ghost::Severed { stream: name(), id });
            }
            counted.insert((name(), id), first);
        }
    }
}

fn is_wanted(stream: &StreamView, wanted: &Wanted) -> bool {
    StreamName::parse(&stream.name).is_some_and(|name| wanted.streams.contains(&name))
}

/// Whether a WebRTC consumer has not got anything yet.
fn is_unconnected(consumer: &ConsumerView) -> bool {
    let is_webrtc = consumer.format.as_deref().is_some_and(|format| format.starts_with("webrtc"));
    is_webrtc && consumer.bytes_sent == 0
}
