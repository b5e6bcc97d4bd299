//! Key pictures for captures, of streams that somebody receives anyway.
//!
//! What is read of a stream for its viewers has the latest one: a capture takes that, or waits for
//! the next, and go2rtc has no further consumer. Only where nothing is read, since all who watch do
//! so past this server, a consumer is opened for it.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::entry::{Entry, Guest, Way, Wish};
use super::feed::Feed;
use super::gateway::Gateway;
use super::{Go2rtcEngine, capture, why};
use crate::live::engine::ViewEnd;
use crate::model::gateway::Agent;
use crate::model::lease::Quality;
use crate::model::names::CameraName;
use crate::model::picture::KeyPicture;
use crate::model::slot::Purpose;
use crate::model::time::Now;
use crate::world::gateway::snapshot;

/// A key picture, with when it came.
type Key = (KeyPicture, Now);
/// The latest of a stream that is read, or why nothing comes of it.
type Known = Result<Option<Key>, ViewEnd>;

impl Go2rtcEngine {
    /// The latest key picture of a stream of the camera that somebody receives, or the next one by
    /// `until` when that is older than `not_before`. `None` at once when nobody does.
    pub(super) async fn key_picture_by(
        &self,
        camera: &CameraName,
        not_before: Now,
        until: Instant,
    ) -> Option<Result<Key, ViewEnd>> {
        loop {
            // Nothing that is read is kept over the wait: when its last viewer leaves, that is seen.
            let (mut news, keys) = self.read_of(camera);
            if keys.is_empty() {
                return self.next_key(camera, until).await;
            }
            let latest = keys.iter().flatten().flatten().max_by_key(|(_, at)| at.mono);
            if let Some(latest) = latest.filter(|(_, at)| at.mono >= not_before.mono) {
                return Some(Ok(latest.clone()));
            }
            let trouble = keys.iter().find_map(|key| key.as_ref().err());
            // Another way may do better than waiting.
            if let Some(why) = trouble
                && keys.iter().all(|key| matches!(key, Err(ViewEnd::Codec(_))))
            {
                return Some(Err(why.clone()));
            }
            let changes = news.iter_mut().map(|news| Box::pin(news.changed()));
            if timeout_at(until, futures::future::select_all(changes)).await.is_err() {
                let silent = || ViewEnd::Camera("no key picture in time".to_owned());
                return Some(Err(trouble.cloned().unwrap_or_else(silent)));
            }
        }
    }

    /// What is known of each stream of a camera that is read, with the bell of each.
    fn read_of(&self, camera: &CameraName) -> (Vec<watch::Receiver<()>>, Vec<Known>) {
        let feeds = self.feeds(camera);
        // Before the look, so that what comes after it is not missed.
        let news = feeds.iter().map(|feed| feed.subscribe()).collect();
        (news, feeds.iter().map(|feed| feed.latest_key()).collect())
    }

    fn feeds(&self, camera: &CameraName) -> Vec<Arc<Feed>> {
        let held = self.held(camera, |entry| entry.read().map(Arc::clone));
        let feeds = held.into_iter().filter_map(|(_, _, feed)| feed);
        // What the gateway does is not the camera's trouble.
        feeds.filter(|feed| !matches!(feed.latest_key(), Err(ViewEnd::Engine(_)))).collect()
    }

    /// The streams of a camera that somebody receives and the gateway has, the best first. One
    /// that is wanted of a gateway which is not there is no session.
    fn held<T>(
        &self,
        camera: &CameraName,
        what: impl Fn(&Entry) -> T,
    ) -> Vec<(Arc<Gateway>, Quality, T)> {
        let state = self.lock();
        let Some((_, gateway)) = state.of(camera) else { return Vec::new() };
        let entries = gateway.entries();
        let found = [Quality::Main, Quality::Sub].into_iter().filter_map(|quality| {
            let name = gateway.name(camera, quality);
            let entry = entries.get(&name).filter(|entry| entry.is_held())?;
            gateway.ready.borrow().api_of(&name).ok()?;
            Some((Arc::clone(gateway), quality, what(entry)))
        });
        found.collect()
    }

    /// The next key picture, through a consumer of its own.
    async fn next_key(&self, camera: &CameraName, until: Instant) -> Option<Result<Key, ViewEnd>> {
        let (gateway, quality, ()) = self.held(camera, |_| ()).into_iter().next()?;
        let agent = Agent::of_capture(&self.parts.instance, self.number());
        let guest = Guest { wish: Wish::Capture(None), purpose: Purpose::Sweep, way: Way::Own };
        let seat = match gateway.sit((camera, quality), (agent, guest)) {
            Ok(seat) => seat,
            Err(end) => return Some(Err(end)),
        };
        let taking = async {
            // Wanted and not there is no session.
            let api = capture::registered(&seat, until).await.ok()?;
            Some(snapshot::key_picture(&api, &seat.name, &seat.agent, until).await)
        };
        let taken = tokio::select! {
            biased;
            // With its last viewer: go2rtc would dial for it in vain.
            () = seat.gone.cancelled() => None,
            taken = taking => taken,
        }?;
        let taken = taken.map_err(|error| why::passing(&error));
        Some(taken.map(|picture| (picture, self.parts.clock.now())))
    }
}
