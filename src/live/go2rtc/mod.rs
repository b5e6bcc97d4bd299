//! The `go2rtc` live engine: cameras' streams through gateways that this server starts.
//!
//! ```text
//! Go2rtcEngine   which gateways there are, one a subnet
//!   gateway      what is wanted of one            entry      each stream of it
//!   begun        one with what is kept open through it
//!   run          its task: process, streams, ghosts      report     what that says
//!   attached     the process, or somebody else's         external   what differs with that
//!   reader       the one consumer of a stream            feed       its pictures, for all viewers
//!   viewer       one viewer of those                     kept       wants them without viewers
//!   peer         a viewer over WebRTC                    ports      where WebRTC is reached
//!   keys         pictures for captures, of what is read anyway
//!   capture      one stream for each capture that goes through a gateway
//! grants         the right to reach a camera   relayed   as the relay gives it
//!   reserved     the camera's own URL, under a slot
//! launch         who starts the processes
//! ```
//!
//! It admits nobody: whoever asks may watch. It touches no camera: go2rtc does, through grants.

mod attached;
mod begun;
mod capture;
mod entry;
mod external;
mod feed;
mod gateway;
mod grants;
mod kept;
mod keys;
mod launch;
mod peer;
mod ports;
mod reader;
mod ready;
mod relayed;
mod report;
mod reserved;
mod run;
mod viewer;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::attached::How;
use self::begun::Begun;
use self::entry::{Guest, Way, Wish};
use self::feed::FeedViewer;
use self::gateway::Gateway;
pub use self::grants::{Granted, Grants};
pub use self::launch::Launcher;
pub use self::relayed::RelayGrants;
pub use self::reserved::{Reservation, ReservedGrants};
use self::viewer::GatewayViewer;
use crate::clock::Clock;
use crate::live::engine::{self, Engine, Negotiated, ViewEnd, Viewer, Watch};
use crate::live::target::Target;
use crate::model::desired::{Backend, Camera, Desired};
use crate::model::gateway::{Agent, GatewayView, Owner};
use crate::model::lease::Quality;
use crate::model::names::{CameraName, SubnetName};
use crate::model::picture::KeyPicture;
use crate::model::sdp::Offer;
use crate::model::server;
use crate::model::stream::Stream;
use crate::model::time::Now;
use crate::world::camera::gate::Waiting;
use crate::world::camera::sharing::Reach;
use crate::world::gateway::config::Offers;
use crate::world::gateway::instance::Launch;

/// What gateways get to end; SIGTERM allows two seconds.
const ENDING: Duration = Duration::from_millis(1900);

/// What gateways are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// Viewers, and captures of all cameras.
    Views,
    /// Captures of cameras that name `gateway` in `capture.order`: viewers have another engine.
    Captures,
}

impl Serves {
    fn wants(self, camera: &Camera) -> bool {
        let is_captured = camera.capture.order.contains(&Backend::Gateway);
        camera.enabled && (self == Self::Views || is_captured)
    }
}

/// What the engine is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// What it is for.
    pub serves: Serves,
    /// Who starts the processes.
    pub launch: Arc<dyn Launch>,
    /// Who lets them reach cameras.
    pub grants: Arc<dyn Grants>,
    /// Who tells gateways that cannot be let through the relay where cameras are.
    pub reserved: Arc<dyn Grants>,
    /// The clock.
    pub clock: Clock,
    /// The data directory, where gateways have their files.
    pub data_dir: PathBuf,
    /// The data directory's own random name: stream names are made of it.
    pub installation: Arc<str>,
    /// This run: names of short-lived consumers are made of it.
    pub instance: Arc<str>,
    /// Where browsers reach this server, and so WebRTC too.
    pub host: IpAddr,
}

/// The engine. Its tasks are awaited by [`Engine::shut_down`].
#[derive(Debug)]
pub struct Go2rtcEngine {
    parts: Parts,
    /// Consumers so far: each has a number of its own.
    consumers: AtomicU64,
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
    /// What gateways are.
    how: Option<How>,
    /// Whether views may be had as HLS.
    hls: bool,
    gateways: BTreeMap<SubnetName, Begun>,
}

impl State {
    /// A camera with the gateway that serves it.
    fn of(&self, camera: &CameraName) -> Option<(&Camera, &Arc<Gateway>)> {
        let camera = self.cameras.get(camera)?;
        let place = self.how.as_ref()?.place(&camera.subnet);
        self.gateways.get(&place).map(|begun| (&**camera, &begun.gateway))
    }
}

impl Go2rtcEngine {
    /// An engine that knows no camera yet.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            consumers: AtomicU64::new(0),
            news: Arc::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            state: Mutex::default(),
        }
    }

    fn begin(&self, subnet: &SubnetName, how: How) -> Begun {
        let Parts { launch, grants, reserved, clock, installation, .. } = self.parts.clone();
        let grants = match how.reach() {
            Reach::Relay => grants,
            Reach::Itself => reserved,
        };
        let owner = Owner::of(&installation);
        let (of, news) = ((subnet.clone(), owner), Arc::clone(&self.news));
        let gateway = Arc::new(Gateway::new(of, how, (launch, grants), (clock, news)));
        let stop = self.stop.child_token();
        // The tracker is awaited by `shut_down`.
        drop(self.tasks.spawn(Arc::clone(&gateway).run(stop.clone())));
        Begun { gateway, stop, kept: BTreeMap::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> Vec<Arc<Gateway>> {
        self.lock().gateways.values().map(|begun| Arc::clone(&begun.gateway)).collect()
    }

    fn number(&self) -> u64 {
        self.consumers.fetch_add(1, Ordering::Relaxed)
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
        let (camera, gateway) = state.of(camera).ok_or(ViewEnd::Removed)?;
        // Where only one stream is declared, both qualities are one session.
        let (quality, _) = Target::of(camera, quality).ok_or(ViewEnd::Removed)?;
        Ok((Arc::clone(gateway), quality))
    }

    /// The same for a viewer, who is told at once what the camera has refused just now.
    fn viewed(&self, watch: &Watch) -> Result<(Arc<Gateway>, Quality), ViewEnd> {
        let (gateway, quality) = self.gateway(&watch.camera, watch.quality)?;
        match gateway.refusals.of(&watch.camera, quality) {
            Some(why) => Err(why),
            None => Ok((gateway, quality)),
        }
    }

    /// A view on a lease, as the gateway of its camera knows it.
    fn guest(&self, watch: &Watch, way: Way) -> (Agent, Guest) {
        let agent = Agent::of_lease(&watch.lease, self.number());
        let guest = Guest { wish: Wish::Lease(watch.lease.clone()), purpose: watch.purpose, way };
        (agent, guest)
    }
}

impl Engine for Go2rtcEngine {
    fn watch(&self, watch: Watch) -> Waiting<'_, Result<Box<dyn Viewer>, ViewEnd>> {
        Box::pin(async move {
            let (gateway, quality) = self.viewed(&watch)?;
            let guest = self.guest(&watch, Way::Shared);
            let (seat, feed) = gateway.join((&watch.camera, quality), guest)?;
            let feed = FeedViewer::new(feed, watch.codecs);
            Ok(Box::new(GatewayViewer { feed, seat }) as Box<dyn Viewer>)
        })
    }

    fn offers(&self, camera: &CameraName) -> engine::Offers {
        let gateway =
            self.gateway(camera, Quality::Sub).or_else(|_| self.gateway(camera, Quality::Main));
        gateway.map_or_else(
            |_| engine::Offers::default(),
            |(gateway, _)| {
                let webrtc = gateway.how.offers().webrtc.is_some();
                engine::Offers { webrtc, hls: self.lock().hls }
            },
        )
    }

    fn negotiate(&self, watch: Watch, offer: Offer) -> Waiting<'_, Negotiated> {
        Box::pin(async move {
            let (gateway, quality) = self.viewed(&watch)?;
            let Some(listen) = gateway.how.offers().webrtc else {
                return Err(ViewEnd::Engine("WebRTC is not declared".to_owned()));
            };
            let guest = self.guest(&watch, Way::PastUs);
            let seat = gateway.sit((&watch.camera, quality), guest)?;
            peer::negotiate(seat, &offer, listen).await
        })
    }

    /// Takes in what is declared: a gateway for each subnet with cameras that it serves, or the one
    /// that somebody else runs. Program and WebRTC hold for gateways that begin from now on.
    fn apply(&self, desired: &Desired) {
        let server = &desired.server;
        let (program, data_dir) = (server.gateway.binary.clone(), self.parts.data_dir.clone());
        let how = match &server.gateway.url {
            Some(url) => How::External(url.clone()),
            None => How::Managed { program, data_dir, offers: Offers::default() },
        };
        let is_there = server.gateway.is_declared();
        let purpose = self.parts.serves;
        let enabled = desired.cameras.values().filter(|c| is_there && purpose.wants(c));
        let cameras: BTreeMap<CameraName, Arc<Camera>> =
            enabled.map(|camera| (camera.name.clone(), Arc::clone(camera))).collect();
        let places: BTreeSet<SubnetName> = cameras.values().map(|c| how.place(&c.subnet)).collect();
        let mut state = self.lock();
        if self.stop.is_cancelled() {
            return;
        }
        self.parts.grants.declare(desired);
        self.parts.reserved.declare(desired);
        state.gateways.retain(|at, begun| {
            let is_wanted = places.contains(at) && begun.gateway.how.is_like(&how);
            if !is_wanted {
                begun.kept.clear();
                if places.contains(at) {
                    begun.gateway.replace();
                } else {
                    begun.gateway.keep(|_| false);
                }
                begun.stop.cancel();
            }
            is_wanted
        });
        for place in places {
            if !state.gateways.contains_key(&place) {
                let all = state.gateways.values();
                let taken = all.filter_map(|begun| begun.gateway.how.offers().webrtc);
                let is_offered = server.live.webrtc && purpose == Serves::Views;
                let webrtc = is_offered.then(|| ports::next(self.parts.host, taken));
                let begun = self.begin(&place, how.clone().offering(Offers { webrtc }));
                state.gateways.insert(place, begun);
            }
        }
        for (at, begun) in &mut state.gateways {
            let is_its = |camera: &Camera| how.place(&camera.subnet) == *at;
            let views = cameras.values().filter(|_| purpose == Serves::Views);
            begun.keep_open(views.map(|camera| &**camera).filter(|camera| is_its(camera)));
            begun.gateway.keep(|camera| cameras.get(camera).is_some_and(|camera| is_its(camera)));
        }
        (state.cameras, state.how, state.hls) = (cameras, Some(how), server.live.hls);
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

    fn key_picture<'a>(
        &'a self,
        camera: &'a CameraName,
        not_before: Now,
        patience: Duration,
    ) -> Waiting<'a, Option<Result<(KeyPicture, Now), ViewEnd>>> {
        Box::pin(self.key_picture_by(camera, not_before, Instant::now() + patience))
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
