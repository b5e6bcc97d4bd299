//! The `go2rtc` live engine: cameras' streams through gateways that this server starts.
//!
//! ```text
//! Go2rtcEngine   which gateways there are, one a subnet
//!   gateway      what is wanted of one      entries  each stream of it
//!   run          its task: process, streams, ghosts      report   what that says
//!   viewer       one consumer for each viewer      queue   what waits for it
//!   kept         one for each camera that is alwaysOn
//! grants         the right to reach a camera   relayed   as the relay gives it
//! launch         who starts the processes
//! ```
//!
//! It admits nobody: whoever asks may watch. It touches no camera: go2rtc does, through grants.

mod entries;
mod gateway;
mod grants;
mod kept;
mod launch;
mod queue;
mod ready;
mod relayed;
mod report;
mod run;
mod viewer;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::entries::{Entry, Wish};
use self::gateway::{Gateway, Settings};
pub use self::grants::{Granted, Grants};
use self::kept::Kept;
pub use self::launch::Launcher;
pub use self::relayed::RelayGrants;
use self::viewer::{GatewayViewer, Seat};
use crate::clock::Clock;
use crate::live::engine::{Engine, ViewEnd, Viewer, Watch};
use crate::live::target::Target;
use crate::model::desired::{Camera, Desired};
use crate::model::gateway::{Agent, GatewayView, StreamName};
use crate::model::lease::Quality;
use crate::model::names::{CameraName, SubnetName};
use crate::model::picture::KeyPicture;
use crate::model::server;
use crate::model::slot::Purpose;
use crate::model::stream::Stream;
use crate::model::time::Now;
use crate::world::camera::gate::Waiting;
use crate::world::gateway::config::Offers;
use crate::world::gateway::instance::Launch;
use crate::world::gateway::live::Accepts;
use crate::world::gateway::snapshot;

/// What gateways get to end; SIGTERM allows two seconds.
const ENDING: Duration = Duration::from_millis(1900);
/// How long a capture waits for a gateway that has just ended to have its streams again.
const BACK: Duration = Duration::from_secs(5);

/// What the engine is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Who starts the processes.
    pub launch: Arc<dyn Launch>,
    /// Who lets them reach cameras.
    pub grants: Arc<dyn Grants>,
    /// The clock.
    pub clock: Clock,
    /// The data directory, where gateways have their files.
    pub data_dir: PathBuf,
    /// The data directory's own random name: stream names are made of it.
    pub installation: Arc<str>,
    /// This run: names of short-lived consumers are made of it.
    pub instance: Arc<str>,
}

/// The engine. Its tasks are awaited by [`Engine::shut_down`].
#[derive(Debug)]
pub struct Go2rtcEngine {
    parts: Parts,
    captures: AtomicU64,
    /// Rings when a gateway is otherwise than it was.
    news: Arc<Notify>,
    tasks: TaskTracker,
    stop: CancellationToken,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Enabled cameras.
    cameras: BTreeMap<CameraName, Arc<Camera>>,
    gateways: BTreeMap<SubnetName, Begun>,
}

/// A gateway that was begun.
#[derive(Debug)]
struct Begun {
    gateway: Arc<Gateway>,
    /// Ends its task.
    stop: CancellationToken,
    /// Streams of cameras that are `alwaysOn`.
    kept: BTreeMap<StreamName, Kept>,
}

impl Go2rtcEngine {
    /// An engine that knows no camera yet.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            captures: AtomicU64::new(0),
            news: Arc::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            state: Mutex::default(),
        }
    }

    fn begin(&self, subnet: &SubnetName, settings: Settings) -> Begun {
        let Parts { launch, grants, clock, .. } = self.parts.clone();
        let shared = (clock, Arc::clone(&self.news));
        let gateway = Arc::new(Gateway::new(subnet.clone(), settings, (launch, grants), shared));
        let stop = self.stop.child_token();
        // The tracker is awaited by `shut_down`.
        drop(self.tasks.spawn(Arc::clone(&gateway).run(stop.clone())));
        Begun { gateway, stop, kept: BTreeMap::new() }
    }

    /// Keeps the sessions of those cameras of a gateway open that are `alwaysOn`, and no others.
    fn keep_open(&self, begun: &mut Begun, cameras: &BTreeMap<CameraName, Arc<Camera>>) {
        let Begun { gateway, kept, .. } = begun;
        let its = cameras.values().filter(|camera| camera.subnet == gateway.subnet);
        let wanted: BTreeMap<StreamName, (&CameraName, Quality)> = its
            .filter_map(|camera| {
                let quality = Target::always_on(camera)?;
                Some((self.name(&camera.name, quality), (&camera.name, quality)))
            })
            .collect();
        kept.retain(|name, _| wanted.contains_key(name));
        for (name, (camera, quality)) in wanted {
            kept.entry(name).or_insert_with_key(|name| Kept::new(gateway, name, camera, quality));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> Vec<Arc<Gateway>> {
        self.lock().gateways.values().map(|begun| Arc::clone(&begun.gateway)).collect()
    }

    fn name(&self, camera: &CameraName, quality: Quality) -> StreamName {
        StreamName::of(&self.parts.installation, camera, quality)
    }

    /// The gateway of a camera's subnet, and which of its streams stands for a quality.
    fn gateway(
        &self,
        camera: &CameraName,
        quality: Quality,
    ) -> Result<(Arc<Gateway>, Quality), ViewEnd> {
        let state = self.lock();
        if self.stop.is_cancelled() {
            return Err(ViewEnd::Engine("it is ending".to_owned()));
        }
        let camera = state.cameras.get(camera).ok_or(ViewEnd::Removed)?;
        // Where only one stream is declared, both qualities are one session.
        let (quality, _) = Target::of(camera, quality).ok_or(ViewEnd::Removed)?;
        let begun = state.gateways.get(&camera.subnet).ok_or(ViewEnd::Removed)?;
        Ok((Arc::clone(&begun.gateway), quality))
    }

    fn seat(
        &self,
        of: (&CameraName, Quality),
        purpose: Purpose,
        viewer: (Agent, Wish),
    ) -> Result<Seat, ViewEnd> {
        let (gateway, quality) = self.gateway(of.0, of.1)?;
        gateway.sit(self.name(of.0, quality), (of.0, quality), purpose, viewer)
    }

    /// The gateway and quality of a stream of a camera that somebody receives.
    fn watched(&self, camera: &CameraName) -> Option<(Arc<Gateway>, Quality)> {
        let state = self.lock();
        let gateway = &state.gateways.get(&state.cameras.get(camera)?.subnet)?.gateway;
        let entries = gateway.entries();
        let mut qualities = [Quality::Main, Quality::Sub].into_iter();
        let quality = qualities.find(|quality| {
            let entry = entries.get(&self.name(camera, *quality));
            entry.is_some_and(Entry::is_held)
        })?;
        Some((Arc::clone(gateway), quality))
    }

    async fn next_key(
        &self,
        camera: &CameraName,
        patience: Duration,
    ) -> Option<Result<(KeyPicture, Now), ViewEnd>> {
        let (_, quality) = self.watched(camera)?;
        let number = self.captures.fetch_add(1, Ordering::Relaxed);
        let agent = Agent::of_capture(&self.parts.instance, number);
        let deadline = Instant::now() + patience;
        let seat = match self.seat((camera, quality), Purpose::Sweep, (agent, Wish::Capture)) {
            Ok(seat) => seat,
            Err(end) => return Some(Err(end)),
        };
        // While the gateway is away it holds no session: the camera is free for other ways.
        let endpoint = viewer::endpoint(&seat, deadline.min(Instant::now() + BACK)).await?;
        let taking = snapshot::key_picture(&endpoint, &seat.name, &seat.agent, deadline);
        let taken = match timeout_at(deadline, taking).await {
            Ok(taken) => taken.map_err(|error| ViewEnd::Camera(error.to_string())),
            Err(_) => Err(ViewEnd::Camera("no key picture in time".to_owned())),
        };
        Some(taken.map(|picture| (picture, self.parts.clock.now())))
    }
}

impl Engine for Go2rtcEngine {
    fn watch(&self, watch: Watch) -> Waiting<'_, Result<Box<dyn Viewer>, ViewEnd>> {
        Box::pin(async move {
            let agent = Agent::of_lease(&watch.lease);
            let of = (&watch.camera, watch.quality);
            let seat = self.seat(of, watch.purpose, (agent, Wish::Lease(watch.lease.clone())))?;
            let accepts = Accepts::of_browser(&watch.codecs);
            Ok(Box::new(GatewayViewer::new(seat, accepts)) as Box<dyn Viewer>)
        })
    }

    /// Takes in what is declared: a gateway for each subnet with enabled cameras. Program and
    /// offers hold for gateways that begin from now on.
    fn apply(&self, desired: &Desired) {
        let server = &desired.server;
        let offers = Offers { webrtc: server.live.webrtc, hls: server.live.hls };
        let (program, data_dir) = (server.gateway.binary.clone(), self.parts.data_dir.clone());
        let settings = Settings { program, data_dir, offers };
        let enabled = desired.cameras.values().filter(|camera| camera.enabled);
        let cameras: BTreeMap<CameraName, Arc<Camera>> =
            enabled.map(|camera| (camera.name.clone(), Arc::clone(camera))).collect();
        let subnets: BTreeSet<&SubnetName> = cameras.values().map(|c| &c.subnet).collect();
        let mut state = self.lock();
        if self.stop.is_cancelled() {
            return;
        }
        self.parts.grants.declare(desired);
        state.gateways.retain(|subnet, begun| {
            let is_wanted = subnets.contains(subnet);
            if !is_wanted {
                begun.kept.clear();
                begun.gateway.keep(|_| false);
                begun.stop.cancel();
            }
            is_wanted
        });
        for subnet in subnets {
            let gateways = state.gateways.entry(subnet.clone());
            let begun = gateways.or_insert_with(|| self.begin(subnet, settings.clone()));
            self.keep_open(begun, &cameras);
            begun.gateway.keep(|camera| cameras.get(camera).is_some_and(|c| c.subnet == *subnet));
        }
        state.cameras = cameras;
        self.news.notify_one();
    }

    fn streams(&self) -> Vec<Stream> {
        let mut all = Vec::new();
        for gateway in self.all() {
            let ready = gateway.ready.borrow().clone();
            for (name, entry) in gateway.entries().iter() {
                all.push(Stream {
                    name: name.shared(),
                    camera: entry.camera.clone(),
                    quality: entry.quality,
                    engine: server::Engine::Go2rtc,
                    wanted_by: entry.wanted_by(),
                    present: ready.streams.contains(name),
                    consumers: u32::try_from(entry.consumers()).unwrap_or(u32::MAX),
                    since: entry.since,
                });
            }
        }
        all
    }

    fn gateways(&self) -> BTreeMap<SubnetName, GatewayView> {
        self.all().iter().map(|gateway| (gateway.subnet.clone(), gateway.view())).collect()
    }

    fn gateways_changed(&self) -> Waiting<'_, ()> {
        Box::pin(self.news.notified())
    }

    /// go2rtc keeps no picture, so it is always the next one, through the session that is there.
    fn key_picture<'a>(
        &'a self,
        camera: &'a CameraName,
        _not_before: Now,
        patience: Duration,
    ) -> Waiting<'a, Option<Result<(KeyPicture, Now), ViewEnd>>> {
        Box::pin(self.next_key(camera, patience))
    }

    fn shut_down(&self) -> Waiting<'_, ()> {
        Box::pin(async {
            self.stop.cancel();
            self.lock().gateways.clear();
            self.tasks.close();
            // What has not ended by then is ended by whoever starts processes.
            drop(timeout(ENDING, self.tasks.wait()).await);
        })
    }
}
