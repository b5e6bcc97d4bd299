//! The one consumer of a stream in go2rtc, for all its viewers, opened again when it ends.
//!
//! go2rtc keeps no pictures: a consumer of its own would make each viewer wait for the next key
//! picture. It is read all the time: one that is not read for 5 s is dropped there and stays
//! listed. go2rtc has a session only while somebody receives it, so a stream that is `alwaysOn` is
//! read without viewers too.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::feed::Feed;
use super::gateway::Gateway;
use super::ready::Absent;
use super::why::{passing, verdict};
use crate::live::backoff::Backoff;
use crate::live::engine::ViewEnd;
use crate::model::gateway::{Agent, StreamName};
use crate::world::gateway::api::GatewayApi;
use crate::world::gateway::error::{GatewayError, LiveError};
use crate::world::gateway::live::{Live, Opening, Piece};

/// Longest wait for a stream to be there.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// Longest time without media before the consumer is opened again.
const SILENCE: Duration = Duration::from_secs(8);
/// Between two attempts while somebody watches.
const REST: Duration = Duration::from_millis(300);

/// The consumer of a stream; dropping it ends it.
#[derive(Debug)]
pub(super) struct Reader {
    /// As whom go2rtc knows it.
    pub(super) agent: Agent,
    /// What it reads goes there.
    pub(super) feed: Arc<Feed>,
    again: Arc<Notify>,
    _task: JoinSet<()>,
}

impl Reader {
    /// Begins to read a stream. Called within the runtime.
    pub(super) fn new(gateway: Arc<Gateway>, name: StreamName, agent: Agent) -> Self {
        let feed = Arc::<Feed>::default();
        let again = Arc::<Notify>::default();
        let (own, bell) = (Arc::clone(&feed), Arc::clone(&again));
        let source = Source { gateway, name, agent: agent.clone(), feed: own, again: bell };
        let mut task = JoinSet::new();
        task.spawn(source.run());
        Self { agent, feed, again, _task: task }
    }

    /// The stream leads elsewhere from now on: the present consumer leaves it, so that the gateway
    /// can be told.
    pub(super) fn begin_anew(&self) {
        self.again.notify_one();
    }
}

/// What is read, and for whom.
struct Source {
    gateway: Arc<Gateway>,
    name: StreamName,
    agent: Agent,
    feed: Arc<Feed>,
    again: Arc<Notify>,
}

/// How an attempt ended.
enum Attempt {
    /// It may go better next time; for how long there was media.
    Failed(ViewEnd, Duration),
    /// Nobody who watches needs to wait any longer.
    Over(ViewEnd),
    /// It would end the same way until somebody changes something.
    Final(ViewEnd),
}

impl Source {
    /// Goes on until it is dropped.
    async fn run(self) {
        let mut backoff = Backoff::default();
        loop {
            let pause = match self.under_slot().await {
                Attempt::Failed(why, received) => {
                    self.feed.fail(why);
                    backoff.after(false, received)
                }
                Attempt::Over(why) => {
                    self.feed.end(why);
                    backoff.after(false, Duration::ZERO)
                }
                Attempt::Final(why) => {
                    self.gateway.refused(&self.name, &why);
                    self.feed.end(why);
                    backoff.after(true, Duration::ZERO)
                }
            };
            tokio::select! {
                biased;
                // Elsewhere it may go better.
                () = self.again.notified() => backoff = Backoff::default(),
                () = self.rest(pause) => {}
            }
        }
    }

    /// Waits before the next attempt; short while somebody watches, or as soon as somebody does.
    async fn rest(&self, pause: Duration) {
        if self.feed.is_watched() {
            sleep(REST).await;
        } else {
            // In time or not, it is tried again.
            drop(timeout(pause, self.feed.watched()).await);
        }
    }

    /// Reads under the slot of the stream, where it needs one of its own.
    async fn under_slot(&self) -> Attempt {
        let Some(slot) = self.gateway.slot(&self.name) else { return self.attempt().await };
        if let Err(why) = slot.take().await {
            return Attempt::Over(why);
        }
        self.gateway.look_again();
        tokio::select! {
            biased;
            why = slot.lost() => Attempt::Over(why),
            attempt = self.attempt() => attempt,
        }
    }

    /// One consumer, from its beginning to its end.
    async fn attempt(&self) -> Attempt {
        // Whatever it leads to now, it is this attempt that finds out.
        let _stale = self.again.notified().now_or_never();
        let until = Instant::now() + PATIENCE;
        let api = match self.gateway.registered(&self.name, until).await {
            Ok(api) => api,
            Err(Absent::NotYet(why)) => return Attempt::Failed(why, Duration::ZERO),
            Err(Absent::NeedsHelp(why)) => return Attempt::Over(why),
        };
        let begun = Instant::now();
        let mut heard = begun;
        let Err(error) = self.receive(&api, &mut heard).await;
        // What the relay knows of the camera is truer than what the gateway says of it.
        let known = self.gateway.failure(&self.name);
        let verdict = verdict(&self.gateway, &self.name, &error);
        match (verdict, known) {
            (Some(said), known) => Attempt::Final(known.unwrap_or(said)),
            (None, Some(why @ ViewEnd::NoSlot(_))) => Attempt::Over(why),
            (None, known) => {
                let why = known.unwrap_or_else(|| passing(&error));
                Attempt::Failed(why, heard.duration_since(begun))
            }
        }
    }

    /// Receives until that fails; `heard` is when a picture came last.
    async fn receive(
        &self,
        api: &GatewayApi,
        heard: &mut Instant,
    ) -> Result<Infallible, GatewayError> {
        let (name, agent) = (&self.name, &self.agent);
        let opening = Opening { name, agent, silence: SILENCE };
        let mut live = Live::open(api, opening).await?;
        loop {
            let piece = tokio::select! {
                biased;
                () = self.again.notified() => return Err(LiveError::Ended.into()),
                piece = live.next() => piece?,
            };
            if matches!(piece, Piece::Fragment { .. }) {
                *heard = Instant::now();
            }
            let key = live.key_picture(&piece).ok().flatten();
            self.feed.push(piece);
            if let Some(key) = key {
                self.feed.keep_key(key, self.gateway.clock.now());
            }
        }
    }
}
