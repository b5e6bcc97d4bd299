//! The `go2rtc` live engine: cameras' streams through gateways that this server starts.
//!
//! ```text
//! Go2rtcEngine   which gateways there are, one a subnet
//!   gateway      what is wanted of one            entry      each stream of it
//!   begun        one with what is kept open through it     declared   what manifests say of them
//!   run          its task: process, streams, ghosts      report     what that says
//!   attached     the process, or somebody else's         external   what differs with that
//!   reader       the one consumer of a stream            feed       its pictures, for all viewers
//!   viewer       one viewer of those                     kept       wants them without viewers
//!   peer         a viewer over WebRTC                    ports      where WebRTC is reached
//!   why          why views end, or wait
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
mod declared;
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
mod why;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
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
use self::declared::{Declared, Serves};
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
use crate::model::desired::{Camera, Desired};
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

/// What the engine is made of.
#[derive(Debug, Clone)]
pub struct Parts {
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
    declared: Option<Declared>,
    gateways: BTreeMap<SubnetName, Begun>,
}

impl State {
    /// A camera with the gateway that serves it.
    fn of(&self, camera: &CameraName) -> Option<(&Camera, &Arc<Gateway>)> {
        let declared = self.declared.as_ref()?;
        let camera = declared.cameras.get(camera)?;
        let place = declared.how.place(&camera.subnet);
        self.gateways.get(&place).map(|begun| (&**camera, &begun.gateway))
    }

    /// Leaves the gateways that are not to be any more. Their viewers are told that their camera is
    /// not declared, unless it is only to be watched in another way.
    fn leave(&mut self, declared: &Declared) {
        let before = self.declared.as_ref().map(|before| before.purpose);
        // Viewers of one that only captures use from now on have to go over to another engine.
        let is_other = before == Some(Serves::Views) && declared.purpose == Serves::Captures;
        self.gateways.retain(|at, begun| {
            let is_like = begun.gateway.how().is_like(&declared.how) && !is_other;
            let is_wanted = is_like && declared.places.contains(at);
            if !is_wanted {
                begun.kept.clear();
                if is_like {
                    begun.gateway.keep(|_| false);
                } else {
                    begun.gateway.replace();
                }
                begun.stop.cancel();
            }
            is_wanted
        });
    }

    /// Where the gateway of a subnet is reached over WebRTC.
    fn webrtc_at(&self, place: &SubnetName, host: IpAddr) -> SocketAddr {
        let offered = |begun: &Begun| begun.gateway.how().offers().webrtc;
        let own = self.gateways.get(place).and_then(offered);
        own.unwrap_or_else(|| ports::next(host, self.gateways.values().filter_map(offered)))
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
                let webrtc = gateway.how().offers().webrtc.is_some();
                engine::Offers {
                    webrtc,
                    hls: self.lock().declared.as_ref().is_some_and(|declared| declared.hls),
                }
            },
        )
    }

    fn negotiate(&self, watch: Watch, offer: Offer) -> Waiting<'_, Negotiated> {
        Box::pin(async move {
            let (gateway, quality) = self.viewed(&watch)?;
            let Some(listen) = gateway.how().offers().webrtc else {
                return Err(ViewEnd::Engine("WebRTC is not declared".to_owned()));
            };
            let guest = self.guest(&watch, Way::PastUs);
            let seat = gateway.sit((&watch.camera, quality), guest)?;
            peer::negotiate(seat, &offer, listen).await
        })
    }

    /// Takes in what is declared: a gateway for each subnet with cameras that it serves, or the one
    /// that somebody else runs.
    fn apply(&self, desired: &Desired) {
        let declared = Declared::of(desired, &self.parts.data_dir);
        let mut state = self.lock();
        if self.stop.is_cancelled() {
            return;
        }
        self.parts.grants.declare(desired);
        self.parts.reserved.declare(desired);
        state.leave(&declared);
        for place in &declared.places {
            let webrtc = declared.webrtc.then(|| state.webrtc_at(place, self.parts.host));
            let how = declared.how.clone().offering(Offers { webrtc });
            match state.gateways.get(place) {
                Some(begun) => begun.gateway.redeclare(how),
                None => drop(state.gateways.insert(place.clone(), self.begin(place, how))),
            }
        }
        for (at, begun) in &mut state.gateways {
            let cameras = &declared.cameras;
            let views = cameras.values().filter(|_| declared.purpose == Serves::Views);
            let views = views.map(|camera| &**camera);
            begun.keep_open(views.filter(|camera| declared.is_at(camera, at)));
            begun.gateway.keep(|name| cameras.get(name).is_some_and(|c| declared.is_at(c, at)));
        }
        state.declared = Some(declared);
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
