//! One stream of one camera, as its session and its viewers share it.
//!
//! A lock around plain data and three bells. Who is served by which connection is decided in
//! `run`; nothing here waits for a camera.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::live::codecs::{name_of, plays};
use crate::live::engine::{ViewEnd, Watch};
use crate::live::mp4::Packaged;
use crate::live::ring::Ring;
use crate::live::target::Target;
use crate::model::desired::Device;
use crate::model::lease::Quality;
use crate::model::names::CameraName;
use crate::model::picture::{Codec, KeyPicture};
use crate::model::server::Engine;
use crate::model::slot::Purpose;
use crate::model::stream;
use crate::model::time::{Mono, Now};

/// The session is ended when the last viewer has been gone for so long.
pub(super) const LINGER: Duration = Duration::from_secs(5);

/// Which stream.
pub(super) type StreamKey = (CameraName, Quality);

/// Why a session should end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unwanted {
    /// Nobody watches.
    Idle,
    /// Its settings have changed.
    Changed,
    /// It is no longer declared.
    Removed,
    /// The program ends.
    ShutDown,
}

/// One viewer, as the stream knows it.
#[derive(Debug)]
struct Attached {
    watch: Watch,
    // Its view is over; it has yet to notice.
    ended: Option<ViewEnd>,
}

/// What is known of a stream. Only data: whoever holds the lock does not wait.
#[derive(Debug)]
pub(super) struct Inner {
    target: Option<Arc<Target>>,
    version: u64,
    always_on: bool,
    viewers: BTreeMap<u64, Attached>,
    /// Without viewers the session ends then.
    idle_until: Instant,
    since: Mono,
    playing: bool,
    /// A session with these settings has played.
    worked: bool,
    codec: Option<Codec>,
    pub(super) ring: Ring,
    key: Option<(KeyPicture, Now)>,
    trouble: Option<(String, Instant)>,
}

/// A stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) key: StreamKey,
    name: Arc<str>,
    inner: Mutex<Inner>,
    /// Rings for viewers.
    news: watch::Sender<()>,
    /// Rings for the session.
    demand: Notify,
    /// Counts viewers that came, for the session.
    arrivals: watch::Sender<u64>,
    /// The highest purpose of those who watch; with nobody watching it is the lowest of viewers.
    purpose: watch::Sender<Purpose>,
}

impl Stream {
    pub(super) fn new(key: StreamKey, target: Target, now: Mono) -> Self {
        let inner = Inner {
            target: Some(Arc::new(target)),
            version: 0,
            always_on: false,
            viewers: BTreeMap::new(),
            idle_until: Instant::now() + LINGER,
            since: now,
            playing: false,
            worked: false,
            codec: None,
            ring: Ring::default(),
            key: None,
            trouble: None,
        };
        Self {
            name: format!("{}/{}", key.0.as_str(), key.1.as_str()).into(),
            key,
            inner: Mutex::new(inner),
            news: watch::Sender::new(()),
            demand: Notify::new(),
            arrivals: watch::Sender::new(0),
            purpose: watch::Sender::new(Purpose::Suggest),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to open, with the number of these settings.
    pub(super) fn target(&self) -> Option<(Arc<Target>, u64)> {
        let inner = self.lock();
        inner.target.clone().map(|target| (target, inner.version))
    }

    /// Other settings; `None` when the stream is no longer declared: its viewers' views end.
    pub(super) fn set_target(&self, target: Option<Target>, always_on: bool) {
        let mut inner = self.lock();
        inner.always_on = always_on;
        if inner.target.as_deref() != target.as_ref() {
            inner.target = target.map(Arc::new);
            inner.version += 1;
            inner.worked = false;
        }
        let removed = inner.target.is_none();
        drop(inner);
        if removed {
            self.end_views(&ViewEnd::Removed);
        }
        self.demand.notify_one();
    }

    /// The session stays open without viewers.
    pub(super) fn keep_on(&self) {
        self.lock().always_on = true;
        self.demand();
    }

    /// Makes the session's task look again.
    pub(super) fn demand(&self) {
        self.demand.notify_one();
    }

    /// Takes one more viewer in; hands back its number and its bell.
    pub(super) fn attach(&self, watch: Watch) -> Result<(u64, watch::Receiver<()>), ViewEnd> {
        let mut inner = self.lock();
        if let Some(codec) = inner.codec.filter(|codec| !plays(&watch.codecs, *codec)) {
            return Err(ViewEnd::Codec(name_of(codec).to_owned()));
        }
        let mut number = 0;
        self.arrivals.send_modify(|arrivals| {
            *arrivals += 1;
            number = *arrivals;
        });
        inner.viewers.insert(number, Attached { watch, ended: None });
        self.weigh(&inner);
        drop(inner);
        self.demand.notify_one();
        Ok((number, self.news.subscribe()))
    }

    /// Ends a session that only waits for viewers to come back; `false` when it has some.
    pub(super) fn dismiss(&self) -> bool {
        let mut inner = self.lock();
        if inner.is_wanted() {
            return false;
        }
        inner.idle_until = Instant::now();
        drop(inner);
        self.demand.notify_one();
        true
    }

    /// To which device it is, or is to be.
    pub(super) fn device(&self) -> Option<Device> {
        self.lock().target.as_ref().map(|target| target.device)
    }

    /// A viewer is gone.
    pub(super) fn detach(&self, viewer: u64) {
        let mut inner = self.lock();
        let gone = inner.viewers.remove(&viewer);
        if gone.is_some_and(|gone| gone.ended.is_none()) && !inner.has_viewers() {
            inner.idle_until = Instant::now() + LINGER;
        }
        self.weigh(&inner);
        drop(inner);
        self.demand.notify_one();
    }

    /// Ends the views of all who watch now.
    pub(super) fn end_views(&self, end: &ViewEnd) {
        self.end_views_where(end, |_| true);
    }

    fn end_views_where(&self, end: &ViewEnd, concerns: impl Fn(&Watch) -> bool) {
        let mut inner = self.lock();
        let watched = inner.has_viewers();
        for viewer in inner.viewers.values_mut() {
            if viewer.ended.is_none() && concerns(&viewer.watch) {
                viewer.ended = Some(end.clone());
            }
        }
        if watched && !inner.has_viewers() {
            inner.idle_until = Instant::now() + LINGER;
        }
        self.weigh(&inner);
        drop(inner);
        self.ring_for_all();
    }

    fn ring_for_all(&self) {
        self.news.send_replace(());
        self.demand.notify_one();
    }

    /// A session plays. Views end where the browser cannot decode it.
    pub(super) fn begin(&self, codec: Codec, now: Mono) {
        let mut inner = self.lock();
        inner.playing = true;
        inner.worked = true;
        inner.since = now;
        inner.codec = Some(codec);
        drop(inner);
        let end = ViewEnd::Codec(name_of(codec).to_owned());
        self.end_views_where(&end, |watch| !plays(&watch.codecs, codec));
    }

    /// The session is over: what comes next, comes from another one.
    pub(super) fn cease(&self, trouble: Option<String>, now: Mono) {
        let mut inner = self.lock();
        if inner.playing {
            inner.since = now;
        }
        inner.playing = false;
        inner.key = None;
        inner.ring.close();
        if let Some(text) = trouble {
            let since = inner.trouble.take().map_or_else(Instant::now, |(_, since)| since);
            inner.trouble = Some((text, since));
        }
        drop(inner);
        self.ring_for_all();
    }

    /// One more picture for all viewers.
    pub(super) fn publish(&self, packaged: Packaged) {
        let mut inner = self.lock();
        inner.ring.push(packaged);
        inner.trouble = None;
        drop(inner);
        self.news.send_replace(());
    }

    /// Something is missing: nobody can begin with what there was before.
    pub(super) fn interrupt(&self) {
        self.lock().ring.close();
    }

    /// Keeps a key picture for captures.
    pub(super) fn keep_key(&self, picture: KeyPicture, at: Now) {
        self.lock().key = Some((picture, at));
        self.news.send_replace(());
    }

    /// The latest key picture of the session, `Err` when there is no session.
    pub(super) fn latest_key(&self) -> Result<Option<(KeyPicture, Now)>, NoSession> {
        let inner = self.lock();
        if inner.playing { Ok(inner.key.clone()) } else { Err(NoSession) }
    }

    /// Whether the camera has played with the present settings, credentials among them.
    pub(super) fn has_worked(&self) -> bool {
        self.lock().worked
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    pub(super) fn arrivals(&self) -> watch::Receiver<u64> {
        self.arrivals.subscribe()
    }

    /// What the session's slot is for, now and whenever that changes.
    pub(super) fn purposes(&self) -> watch::Receiver<Purpose> {
        self.purpose.subscribe()
    }

    /// Looks again what the session's slot is for.
    fn weigh(&self, inner: &Inner) {
        let purposes = inner.watching().map(|viewer| viewer.watch.purpose);
        let highest = purposes.max().unwrap_or(Purpose::Suggest).max(Purpose::Suggest);
        self.purpose.send_if_modified(|purpose| std::mem::replace(purpose, highest) != highest);
    }

    /// Waits until the session with the settings of this number should end. For one waiter.
    pub(super) async fn unwanted(&self, version: u64, stop: &CancellationToken) -> Unwanted {
        loop {
            let until = {
                let inner = self.lock();
                if stop.is_cancelled() {
                    return Unwanted::ShutDown;
                }
                if inner.target.is_none() {
                    return Unwanted::Removed;
                }
                if inner.version != version {
                    return Unwanted::Changed;
                }
                (!inner.is_wanted()).then_some(inner.idle_until)
            };
            let demand = async {
                tokio::select! {
                    () = self.demand.notified() => {}
                    () = stop.cancelled() => {}
                }
            };
            match until {
                None => demand.await,
                Some(until) => {
                    if timeout_at(until, demand).await.is_err() {
                        return Unwanted::Idle;
                    }
                }
            }
        }
    }

    /// As others see it.
    pub(super) fn shown(&self) -> stream::Stream {
        let inner = self.lock();
        let leases = inner.watching().map(|viewer| format!("lease/{}", viewer.watch.lease).into());
        let kept = inner.always_on.then(|| "alwaysOn".into());
        stream::Stream {
            name: Arc::clone(&self.name),
            camera: self.key.0.clone(),
            quality: self.key.1,
            engine: Engine::Native,
            wanted_by: leases.chain(kept).collect(),
            present: inner.playing,
            consumers: u32::try_from(inner.watching().count()).unwrap_or(u32::MAX),
            since: inner.since,
        }
    }
}

/// No session of the stream plays.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoSession;

impl Inner {
    fn watching(&self) -> impl Iterator<Item = &Attached> {
        self.viewers.values().filter(|viewer| viewer.ended.is_none())
    }

    fn has_viewers(&self) -> bool {
        self.watching().next().is_some()
    }

    /// Whether a session should be there.
    pub(super) fn is_wanted(&self) -> bool {
        self.target.is_some() && (self.always_on || self.has_viewers())
    }

    /// Why a viewer's view is over, if it is.
    pub(super) fn end_of(&self, viewer: u64) -> Option<ViewEnd> {
        self.viewers.get(&viewer).and_then(|viewer| viewer.ended.clone())
    }

    /// Ends one view.
    pub(super) fn end_view(&mut self, viewer: u64, end: ViewEnd) {
        if let Some(viewer) = self.viewers.get_mut(&viewer) {
            viewer.ended.get_or_insert(end);
        }
        if !self.has_viewers() {
            self.idle_until = Instant::now() + LINGER;
        }
    }

    /// What is wrong with the camera, and since when.
    pub(super) fn trouble(&self) -> Option<&(String, Instant)> {
        self.trouble.as_ref()
    }
}
