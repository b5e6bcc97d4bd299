//! The `go2rtc` live engine: cameras' streams through gateways that this server starts.
//!
//! ```text
//! Go2rtcEngine   which gateways there are, one a subnet
//!   gateway      one task for each: process, streams, ghosts
//!   viewer       one consumer for each viewer      queue   what waits for it
//! grants         the right to reach a camera   relayed   as the relay gives it
//! launch         who starts the processes
//! ```
//!
//! It admits nobody: whoever asks may watch. It touches no camera: go2rtc does, through grants.

mod entry;
mod gateway;
mod grants;
mod launch;
mod queue;
mod ready;
mod relayed;
mod viewer;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::entry::Guest;
use self::gateway::{Gateway, Settings};
pub use self::grants::{Granted, Grants};
pub use self::launch::Launcher;
pub use self::relayed::RelayGrants;
use self::viewer::{GatewayViewer, Seat};
use crate::clock::Clock;
use crate::live::engine::{Engine, ViewEnd, Viewer, Watch};
use crate::live::target::Target;
use crate::model::desired::{Camera, Desired};
use crate::model::gateway::{Agent, StreamName};
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
use crate::world::gateway::source::GatewaySource;

/// What gateways get to end; SIGTERM allows two seconds.
const ENDING: Duration = Duration::from_millis(1900);

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
    tasks: TaskTracker,
    stop: CancellationToken,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Enabled cameras.
    cameras: BTreeMap<CameraName, Arc<Camera>>,
    /// One task belongs to each; cancelling ends it.
    gateways: BTreeMap<SubnetName, (Arc<Gateway>, CancellationToken)>,
}

impl Go2rtcEngine {
    /// An engine that knows no camera yet.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            captures: AtomicU64::new(0),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            state: Mutex::default(),
        }
    }

    fn begin(&self, subnet: &SubnetName, settings: Settings) -> (Arc<Gateway>, CancellationToken) {
        let Parts { launch, grants, clock, .. } = self.parts.clone();
        let gateway = Arc::new(Gateway::new(subnet.clone(), settings, (launch, grants), clock));
        let stop = self.stop.child_token();
        // The tracker is awaited by `shut_down`.
        drop(self.tasks.spawn(Arc::clone(&gateway).run(stop.clone())));
        (gateway, stop)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        let (gateway, _) = state.gateways.get(&camera.subnet).ok_or(ViewEnd::Removed)?;
        Ok((Arc::clone(gateway), quality))
    }

    fn seat(&self, of: (&CameraName, Quality), viewer: (Agent, Guest)) -> Result<Seat, ViewEnd> {
        let (gateway, quality) = self.gateway(of.0, of.1)?;
        let of = (of.0, quality);
        let name = self.name(of.0, of.1);
        let (agent, purpose) = (viewer.0.clone(), viewer.1.purpose);
        let gone = gateway.join(&name, of, viewer, || {
            let grant = self.parts.grants.grant(of.0, of.1, purpose)?;
            let source = GatewaySource::new(grant.url())
                .map_err(|error| ViewEnd::Engine(error.to_string()))?;
            Ok((grant, source))
        })?;
        Ok(Seat { gateway, name, agent, gone })
    }

    /// The gateway and quality of a stream of a camera that somebody watches.
    fn watched(&self, camera: &CameraName) -> Option<(Arc<Gateway>, Quality)> {
        let state = self.lock();
        let (gateway, _) = state.gateways.get(&state.cameras.get(camera)?.subnet)?;
        let entries = gateway.entries();
        let mut qualities = [Quality::Main, Quality::Sub].into_iter();
        let quality = qualities.find(|quality| {
            let entry = entries.get(&self.name(camera, *quality));
            entry.is_some_and(|entry| !entry.viewers.is_empty())
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
        let taking = async {
            let guest = Guest { lease: None, purpose: Purpose::Sweep };
            let seat = self.seat((camera, quality), (agent, guest))?;
            let mut ready = seat.gateway.ready.subscribe();
            let is_there = ready.wait_for(|ready| ready.streams.contains(&seat.name)).await;
            let endpoint = is_there.ok().and_then(|ready| ready.endpoint.clone());
            let endpoint = endpoint.ok_or_else(|| seat.gateway.absent())?;
            let taken = snapshot::key_picture(&endpoint, &seat.name, &seat.agent, deadline).await;
            let picture = taken.map_err(|error| ViewEnd::Camera(error.to_string()))?;
            Ok((picture, self.parts.clock.now()))
        };
        let late = || Err(ViewEnd::Camera("no key picture in time".to_owned()));
        Some(timeout(patience, taking).await.unwrap_or_else(|_| late()))
    }
}

impl Engine for Go2rtcEngine {
    fn watch(&self, watch: Watch) -> Waiting<'_, Result<Box<dyn Viewer>, ViewEnd>> {
        Box::pin(async move {
            let agent = Agent::of_lease(&watch.lease);
            let of = (&watch.camera, watch.quality);
            let guest = Guest { lease: Some(watch.lease.clone()), purpose: watch.purpose };
            let seat = self.seat(of, (agent, guest))?;
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
        state.gateways.retain(|subnet, (gateway, stop)| {
            gateway.keep(|camera| cameras.get(camera).is_some_and(|c| c.subnet == *subnet));
            let is_wanted = subnets.contains(subnet);
            if !is_wanted {
                stop.cancel();
            }
            is_wanted
        });
        for subnet in subnets {
            if !state.gateways.contains_key(subnet) {
                let begun = self.begin(subnet, settings.clone());
                state.gateways.insert(subnet.clone(), begun);
            }
        }
        state.cameras = cameras;
    }

    fn streams(&self) -> Vec<Stream> {
        let gateways: Vec<_> =
            self.lock().gateways.values().map(|(gateway, _)| Arc::clone(gateway)).collect();
        let mut all = Vec::new();
        for gateway in gateways {
            let ready = gateway.ready.borrow().clone();
            for (name, entry) in gateway.entries().iter() {
                let leases = entry.viewers.values().filter_map(|guest| guest.lease.as_ref());
                all.push(Stream {
                    name: name.shared(),
                    camera: entry.camera.clone(),
                    quality: entry.quality,
                    engine: server::Engine::Go2rtc,
                    wanted_by: leases.map(|lease| format!("lease/{lease}").into()).collect(),
                    present: ready.streams.contains(name),
                    consumers: u32::try_from(entry.viewers.len()).unwrap_or(u32::MAX),
                    since: entry.since,
                });
            }
        }
        all
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
            self.tasks.close();
            // What has not ended by then is ended by whoever starts processes.
            drop(timeout(ENDING, self.tasks.wait()).await);
        })
    }
}
