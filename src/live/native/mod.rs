//! The native live engine: one RTSP session for each camera and quality that is watched, shared by
//! all its viewers as fragmented MP4.
//!
//! ```text
//! NativeEngine   which streams there are          viewer   what one viewer gets next
//!   run          a stream's task: open, wait, again stream   what its viewers share
//!     session    one session, from slot to TEARDOWN slot     when the camera may be asked
//! ```
//!
//! It admits nobody: whoever asks may watch. It gives no slots: it asks the gate for them.

mod counters;
mod run;
mod session;
mod slot;
mod stream;
mod viewer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::counters::Counters;
pub use self::counters::Counts;
use self::stream::{Stream, StreamKey};
use self::viewer::NativeViewer;
use super::codecs::is_deaf;
use super::engine::{Engine, ViewEnd, Viewer, Watch};
use crate::clock::Clock;
use crate::live::refusals::Refusals;
use crate::live::target::Target;
use crate::model::desired::{Camera, Desired, Device};
use crate::model::failure::Failure;
use crate::model::lease::Quality;
use crate::model::names::CameraName;
use crate::model::picture::KeyPicture;
use crate::model::secret::Redactor;
use crate::model::stream::Stream as Shown;
use crate::model::time::{Mono, Now};
use crate::world::camera::classify::{Surroundings, judge};
use crate::world::camera::doubts::Doubts;
use crate::world::camera::gate::{Gate, Waiting};
use crate::world::camera::request::Source;

/// What sessions get to end in order when the program ends; the rest is cut.
const ORDERLY: Duration = Duration::from_millis(1700);

/// A camera that ended a session when it was asked for its sound is not asked again for so long,
/// unless manifests change before.
const SPARED: Duration = Duration::from_hours(1);

/// The engine. Its sessions are tasks that [`Engine::shut_down`] awaits.
#[derive(Debug)]
pub struct NativeEngine {
    shared: Arc<Shared>,
}

/// What the engine, its tasks and its viewers share.
#[derive(Debug)]
struct Shared {
    gate: Arc<dyn Gate>,
    clock: Clock,
    counters: Counters,
    tasks: TaskTracker,
    /// Sessions end in order.
    stop: CancellationToken,
    /// Sessions end at once.
    cut: CancellationToken,
    refusals: Refusals,
    doubts: Arc<Doubts>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    cameras: BTreeMap<CameraName, Arc<Camera>>,
    redactor: Redactor,
    /// One task belongs to each.
    streams: BTreeMap<StreamKey, Arc<Stream>>,
    /// Streams whose cameras did not bear to be asked for the sound, and until when they are not.
    mute: BTreeMap<StreamKey, Mono>,
}

impl State {
    /// The stream that stands for a quality.
    fn target(&self, camera: &CameraName, quality: Quality) -> Result<(Quality, Target), ViewEnd> {
        let declared = self.cameras.get(camera).ok_or(ViewEnd::Removed)?;
        Target::of(declared, quality).ok_or(ViewEnd::Removed)
    }
}

impl NativeEngine {
    /// An engine that knows no camera yet. Slots come from `gate`; `doubts` are those of the relay,
    /// too.
    pub fn new(gate: Arc<dyn Gate>, doubts: Arc<Doubts>, clock: Clock) -> Self {
        let shared = Shared {
            gate,
            clock,
            counters: Counters::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
            refusals: Refusals::default(),
            doubts,
            state: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        self.shared.counters.read()
    }

    /// Ends all views, whose viewers go over to another engine, and every session.
    pub fn retire(&self) {
        let mut state = self.shared.lock();
        state.cameras.clear();
        let end = ViewEnd::Engine("another live engine takes the place of this one".to_owned());
        for stream in state.streams.values() {
            stream.end_views(&end);
            stream.set_target(None, false);
        }
    }

    async fn key_picture_in(
        &self,
        camera: &CameraName,
        not_before: Now,
        until: Instant,
    ) -> Option<Result<(KeyPicture, Now), ViewEnd>> {
        loop {
            let streams = self.shared.streams_of(camera);
            let mut news: Vec<_> = streams.iter().map(|stream| stream.subscribe()).collect();
            let sessions = streams.iter().filter_map(|stream| stream.latest_key().ok());
            let keys: Vec<Option<(KeyPicture, Now)>> = sessions.collect();
            if keys.is_empty() {
                return None;
            }
            let latest = keys.into_iter().flatten().max_by_key(|(_, at)| at.mono);
            if let Some(latest) = latest.filter(|(_, at)| at.mono >= not_before.mono) {
                return Some(Ok(latest));
            }
            let changes = news.iter_mut().map(|news| Box::pin(news.changed()));
            if timeout_at(until, futures::future::select_all(changes)).await.is_err() {
                return Some(Err(ViewEnd::Camera("no key picture in time".to_owned())));
            }
        }
    }
}

impl Engine for NativeEngine {
    fn watch(&self, watch: Watch) -> Waiting<'_, Result<Box<dyn Viewer>, ViewEnd>> {
        Box::pin(async move {
            let viewer = self.shared.watch(watch)?;
            Ok(Box::new(viewer) as Box<dyn Viewer>)
        })
    }

    fn apply(&self, desired: &Desired) {
        self.shared.apply(desired);
    }

    fn streams(&self) -> Vec<Shown> {
        self.shared.lock().streams.values().map(|stream| stream.shown()).collect()
    }

    fn key_picture<'a>(
        &'a self,
        camera: &'a CameraName,
        not_before: Now,
        patience: Duration,
    ) -> Waiting<'a, Option<Result<(KeyPicture, Now), ViewEnd>>> {
        Box::pin(self.key_picture_in(camera, not_before, Instant::now() + patience))
    }

    fn shut_down(&self) -> Waiting<'_, ()> {
        Box::pin(async move {
            let shared = &self.shared;
            let streams: Vec<_> = {
                let mut state = shared.lock();
                state.closed = true;
                state.streams.values().cloned().collect()
            };
            for stream in streams {
                stream.end_views(&ViewEnd::Engine("the server is ending".to_owned()));
            }
            shared.stop.cancel();
            shared.tasks.close();
            if timeout(ORDERLY, shared.tasks.wait()).await.is_err() {
                shared.cut.cancel();
                shared.tasks.wait().await;
            }
        })
    }
}

impl Drop for NativeEngine {
    fn drop(&mut self) {
        // Without `shut_down` nobody waits for an order: the tasks end, and their sockets with RST.
        self.shared.stop.cancel();
        self.shared.cut.cancel();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn streams_of(&self, camera: &CameraName) -> Vec<Arc<Stream>> {
        let state = self.lock();
        let of_camera = state.streams.iter().filter(|(key, _)| key.0 == *camera);
        of_camera.map(|(_, stream)| Arc::clone(stream)).collect()
    }

    /// Ends sessions to a device that only wait for viewers to come back, and waits until they
    /// have ended, at the latest until `until`.
    async fn clear_way(&self, device: Device, until: Instant) {
        let idle: Vec<_> = {
            let state = self.lock();
            let of_device = state.streams.values().filter(|s| s.device() == Some(device));
            of_device.filter(|stream| stream.dismiss()).map(Arc::clone).collect()
        };
        for stream in idle {
            let mut news = stream.subscribe();
            while self.has(&stream) && !stream.lock().is_wanted() {
                if !matches!(timeout_at(until, news.changed()).await, Ok(Ok(()))) {
                    return;
                }
            }
        }
    }

    fn has(&self, stream: &Arc<Stream>) -> bool {
        self.lock().streams.get(&stream.key).is_some_and(|other| Arc::ptr_eq(other, stream))
    }

    fn watch(self: &Arc<Self>, watch: Watch) -> Result<NativeViewer, ViewEnd> {
        let mut state = self.lock();
        let (quality, _) = state.target(&watch.camera, watch.quality)?;
        if let Some(why) = self.refusals.of(&watch.camera, quality) {
            return Err(why);
        }
        let stream = self.stream_for(&mut state, &watch.camera, watch.quality)?;
        let mute = is_deaf(&watch.codecs);
        let attached = stream.attach(watch);
        if attached.is_err() {
            // It may have been made just now: its task ends by itself.
            stream.demand();
        }
        drop(state);
        Ok(NativeViewer::new(Arc::clone(self), stream, attached?, mute))
    }

    /// The stream for a quality, with its task.
    fn stream_for(
        self: &Arc<Self>,
        state: &mut State,
        camera: &CameraName,
        quality: Quality,
    ) -> Result<Arc<Stream>, ViewEnd> {
        if state.closed {
            return Err(ViewEnd::Engine("the server is ending".to_owned()));
        }
        let (quality, target) = state.target(camera, quality)?;
        let key = (camera.clone(), quality);
        if let Some(stream) = state.streams.get(&key) {
            return Ok(Arc::clone(stream));
        }
        let stream = Arc::new(Stream::new(key.clone(), target, self.clock.now().mono));
        state.streams.insert(key, Arc::clone(&stream));
        self.tasks.spawn(run::run(Arc::clone(self), Arc::clone(&stream)));
        Ok(stream)
    }

    fn apply(self: &Arc<Self>, desired: &Desired) {
        let mut state = self.lock();
        state.redactor = Redactor::new(desired.secrets());
        state.cameras.clone_from(&desired.cameras);
        state.mute.clear();
        self.refusals.forget();
        let kept = |camera: &Camera, quality| Target::always_on(camera) == Some(quality);
        for ((camera, quality), stream) in &state.streams {
            let camera = desired.cameras.get(camera);
            let target = camera.and_then(|camera| Target::of(camera, *quality));
            // The stream of this quality itself, not the one that stands in for it.
            let target = target.filter(|(other, _)| other == quality).map(|(_, target)| target);
            stream.set_target(target, camera.is_some_and(|camera| kept(camera, *quality)));
        }
        for (name, camera) in &desired.cameras {
            let Some(quality) = Target::always_on(camera) else { continue };
            if let Ok(stream) = self.stream_for(&mut state, name, quality) {
                stream.keep_on();
            }
        }
    }

    /// Forgets a stream whose task is about to end; `false` when it is wanted again.
    fn retire(&self, stream: &Arc<Stream>) -> bool {
        let mut state = self.lock();
        if !state.closed && stream.lock().is_wanted() {
            return false;
        }
        Self::forget(&mut state, stream);
        true
    }

    fn forget(state: &mut State, stream: &Arc<Stream>) {
        if state.streams.get(&stream.key).is_some_and(|other| Arc::ptr_eq(other, stream)) {
            state.streams.remove(&stream.key);
        }
    }

    /// Whether to ask the camera for the sound of a stream.
    fn wants_sound(&self, stream: &StreamKey) -> bool {
        let now = self.clock.now().mono;
        self.lock().mute.get(stream).is_none_or(|until| *until <= now)
    }

    /// The camera did not bear to be asked for the sound.
    fn spare(&self, stream: &StreamKey) {
        let until = self.clock.now().mono.plus(SPARED);
        self.lock().mute.insert(stream.clone(), until);
    }

    /// A failure of a stream's session, seen together with what else is connected to the device.
    fn judged(&self, plain: Failure, stream: &Stream, source: &Source) -> Failure {
        // Both streams of a camera have the same credentials.
        let worked = self.streams_of(&stream.key.0).iter().any(|stream| stream.has_worked());
        let around = Surroundings::new(self.gate.crowd(source.device), worked);
        self.doubts.settle(judge(plain.clone(), around), plain, source.leads_to())
    }

    /// A text without the secrets that a camera may have repeated in it.
    fn redacted(&self, text: &str) -> String {
        self.lock().redactor.redact(text)
    }
}
