//! What is different about a gateway that somebody else runs: nobody here can restart it, and where
//! it dials cameras by itself, their slots are taken before and kept until it has let go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use super::gateway::Gateway;
use super::ready::{Ready, Trouble};
use super::report::UNREACHABLE;
use super::reserved::Reservation;
use super::run::Memory;
use crate::chain::Chain;
use crate::model::gateway::{StreamName, StreamView};
use crate::model::slot::ConnectionEnd;
use crate::model::time::Mono;
use crate::plan::gateway::{Ghost, GhostWatch, StreamStep};
use crate::world::gateway::error::GatewayError;

/// Between the first two looks at one that does not answer; doubles.
const BACKOFF: Duration = Duration::from_secs(1);
/// Longest time between two looks. Somebody who wants to watch makes it look at once.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// How long viewers wait for it to come back before they are told that it is not there.
const PATIENCE: Duration = Duration::from_secs(5);
/// One that has not answered for so long has lost its consumers, and with them its sessions: this
/// server was the only one to have some.
const LOST: Duration = Duration::from_mins(2);

impl Gateway {
    pub(super) fn slots(&self) -> MutexGuard<'_, BTreeMap<StreamName, Arc<Reservation>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slot of a stream that the gateway dials by itself.
    pub(super) fn slot(&self, name: &StreamName) -> Option<Arc<Reservation>> {
        self.slots().get(name).map(Arc::clone)
    }

    /// Whether a step may be taken: a gateway is told of a camera only when its slot is taken.
    pub(super) fn may(&self, step: &StreamStep) -> bool {
        match step {
            StreamStep::Put(name) => self.slots().get(name).is_none_or(|slot| slot.is_taken()),
            StreamStep::Remove(_) | StreamStep::Drain(_) => true,
        }
    }

    /// The names that say something about this gateway. In somebody else's, other people's streams
    /// are nobody's business here.
    pub(super) fn concerning(&self, listed: &[StreamView]) -> BTreeSet<Arc<str>> {
        let is_others = |name: &str| self.how().is_external() && self.owner.parse(name).is_none();
        let names = listed.iter().map(|stream| &stream.name).filter(|name| !is_others(name));
        names.map(Arc::clone).collect()
    }

    /// Wanted streams that others receive. Nothing here can end them.
    pub(super) fn strangers(&self, ghosts: &GhostWatch, now: Mono) -> BTreeSet<StreamName> {
        let received = ghosts.ghosts(now).filter_map(|ghost| match ghost {
            Ghost::Consumer { stream, .. } => self.owner.parse(stream),
            Ghost::Session(_) | Ghost::Severed { .. } | Ghost::Redialling => None,
        });
        received.filter(|_| self.how().is_external()).collect()
    }

    /// Gives back the slots of streams that nobody wants and that are not `there` any more.
    pub(super) fn give_back(&self, there: &BTreeSet<StreamName>, end: ConnectionEnd) {
        let entries = self.entries();
        self.slots().retain(|name, slot| {
            let is_kept = entries.contains_key(name) || there.contains(name);
            if !is_kept {
                slot.end(end);
            }
            is_kept
        });
    }

    /// Takes in that it does not answer; returns when to look again.
    pub(super) fn unreachable(&self, error: &GatewayError, memory: &mut Memory) -> Duration {
        let now = self.clock.now().mono;
        let (since, times) = memory.unanswered.unwrap_or((now, 0));
        memory.unanswered = Some((since, times.saturating_add(1)));
        (memory.report.listed, memory.read) = (None, None);
        let text = format!(
            "the gateway at gateway.url does not answer ({}): see that go2rtc runs there and lets \
             this server in",
            Chain(error)
        );
        if times == 0 {
            tracing::warn!(gateway = %self.subnet, text, "the gateway is not reached");
        }
        let needs_help = now.since(since) >= PATIENCE;
        if needs_help {
            memory.report.ended(UNREACHABLE, &text);
        }
        let trouble = Some(Trouble { text: text.into(), needs_help });
        self.ready.send_replace(Ready { trouble, ..Ready::default() });
        if now.since(since) >= LOST {
            self.give_back(&BTreeSet::new(), ConnectionEnd::Unacknowledged);
        }
        BACKOFF.saturating_mul(1 << times.min(5)).min(BACKOFF_MAX)
    }
}
