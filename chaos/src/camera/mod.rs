//! One simulated camera: its address, its limit, its credentials, its two profiles, its faults, and
//! its own account of the connections to it.

pub(crate) mod accounting;
pub(crate) mod connection;
mod delivery;
pub(crate) mod fault;
pub(crate) mod listener;
mod output;
mod session;
mod snapshot;
pub(crate) mod stream;
mod transport;
mod voice;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock;
use crate::director::Director;
use crate::rtsp::auth::Authenticator;
use crate::sound::{Sound, SoundTiming, Tone};
use crate::video::PieceSet;
use accounting::Ledger;
use fault::Fault;
use stream::{Moment, Scene, Showing, Stream};

/// What a camera does with a connection beyond its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// Answers every request but OPTIONS with this status.
    Status(u16),
    /// Does not listen while it is full. Attempts that the kernel turns away cannot be counted.
    Refuse,
    /// Accepts, then ends the connection with RST.
    Reset,
}

/// A camera's two profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// The large one.
    Main,
    /// The small one.
    Sub,
}

/// A simulated camera.
pub(crate) struct Camera {
    /// Its name, `cam-001` and on.
    pub name: String,
    /// Its address in 127.0.0.0/8.
    pub address: Ipv4Addr,
    /// Its RTSP port.
    pub port: u16,
    /// Connections it serves at once on the RTSP port.
    pub limit: u64,
    /// What it does beyond that.
    pub face: Face,
    /// A session of which nothing is heard for so long ends.
    pub session_timeout: Duration,
    /// Checks credentials.
    pub authenticator: Authenticator,
    /// The large profile.
    pub main: Stream,
    /// The small profile.
    pub sub: Stream,
    /// What the HTTP port's pictures are made of, when there is one.
    pub snapshot: Option<Arc<PieceSet>>,
    /// What it does about sound.
    pub sound: Sound,
    /// What it hears, when it lets others hear it.
    pub tone: Option<Arc<Tone>>,
    /// When its sound comes, and what it reports of its clocks.
    pub timing: SoundTiming,
    /// Connections on the RTSP port.
    pub rtsp: Arc<Ledger>,
    /// Connections on the HTTP port.
    pub http: Arc<Ledger>,
    /// Wakes when a viewer comes.
    pub director: Arc<Director>,
    fault: watch::Sender<Option<Fault>>,
    scene: watch::Sender<Showing>,
}

/// A camera as the control API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item {
    name: String,
    address: Ipv4Addr,
    port: u16,
    connections: u64,
    connections_most: u64,
    accepted: u64,
    refused: u64,
    torn_down: u64,
    fault: Option<Fault>,
    scene: Scene,
    limit: u64,
    codec: crate::video::Codec,
    http_connections: u64,
    http_connections_most: u64,
    http_accepted: u64,
}

/// The two switches of a camera, in their first position.
pub(crate) fn switches() -> (watch::Sender<Option<Fault>>, watch::Sender<Showing>) {
    let showing =
        Showing { scene: Scene::Moving, since: clock::now(), since_instant: Instant::now() };
    (watch::Sender::new(None), watch::Sender::new(showing))
}

/// The parts of a camera that it is put together from.
pub(crate) struct Parts {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its RTSP port.
    pub port: u16,
    /// Connections it serves at once.
    pub limit: u64,
    /// What it does beyond that.
    pub face: Face,
    /// A session of which nothing is heard for so long ends.
    pub session_timeout: Duration,
    /// Checks credentials.
    pub authenticator: Authenticator,
    /// The large and the small profile.
    pub streams: (Stream, Stream),
    /// What the HTTP port's pictures are made of.
    pub snapshot: Option<Arc<PieceSet>>,
    /// What it does about sound, and what it hears.
    pub sound: (Sound, Option<Arc<Tone>>),
    /// When its sound comes, and what it reports of its clocks.
    pub timing: SoundTiming,
    /// Who ticks the streams.
    pub director: Arc<Director>,
}

impl Camera {
    /// A camera without faults and with all counters at zero.
    pub(crate) fn new(parts: Parts) -> Self {
        let (fault, scene) = switches();
        let (main, sub) = parts.streams;
        Self {
            name: parts.name,
            address: parts.address,
            port: parts.port,
            limit: parts.limit,
            face: parts.face,
            session_timeout: parts.session_timeout,
            authenticator: parts.authenticator,
            main,
            sub,
            snapshot: parts.snapshot,
            sound: parts.sound.0,
            tone: parts.sound.1,
            timing: parts.timing,
            rtsp: Arc::default(),
            http: Arc::default(),
            director: parts.director,
            fault,
            scene,
        }
    }

    /// The stream of a profile.
    pub(crate) fn stream(&self, profile: Profile) -> &Stream {
        match profile {
            Profile::Main => &self.main,
            Profile::Sub => &self.sub,
        }
    }

    /// Follows the fault.
    pub(crate) fn faults(&self) -> watch::Receiver<Option<Fault>> {
        self.fault.subscribe()
    }

    /// The fault in force.
    pub(crate) fn fault(&self) -> Option<Fault> {
        *self.fault.borrow()
    }

    /// Puts a fault in force, or ends it.
    pub(crate) fn set_fault(&self, fault: Option<Fault>) {
        self.fault.send_replace(fault);
    }

    /// The scene in view.
    pub(crate) fn showing(&self) -> Showing {
        *self.scene.borrow()
    }

    /// Changes the scene.
    pub(crate) fn set_scene(&self, scene: Scene) {
        let since_instant = Instant::now();
        self.scene.send_replace(Showing { scene, since: clock::now(), since_instant });
    }

    /// Puts due pictures together; false when nobody watches.
    pub(crate) fn tick(&self, now: Instant) -> bool {
        let moment =
            Moment { now, wall: clock::now(), showing: self.showing(), fault: self.fault() };
        let main = self.main.tick(&moment);
        let sub = self.sub.tick(&moment);
        main || sub
    }

    /// The camera as the control API shows it.
    pub(crate) fn item(&self) -> Item {
        let (rtsp, http) = (self.rtsp.counts(), self.http.counts());
        Item {
            name: self.name.clone(),
            address: self.address,
            port: self.port,
            connections: rtsp.now,
            connections_most: rtsp.most,
            accepted: rtsp.accepted,
            refused: rtsp.refused,
            torn_down: rtsp.torn_down,
            fault: self.fault(),
            scene: self.showing().scene,
            limit: self.limit,
            codec: self.sub.set.codec,
            http_connections: http.now,
            http_connections_most: http.most,
            http_accepted: http.accepted,
        }
    }

    /// Clears counters and fault.
    pub(crate) fn reset(&self) {
        self.rtsp.reset();
        self.http.reset();
        self.set_fault(None);
    }
}
