//! What the rest of the program holds of live video: asks for views, keeps them, opens them.

use std::sync::Arc;

use tokio::sync::watch;

use super::engine::{Engine, Negotiated, Offers, ViewEnd, Viewer, Watch};
use super::hls::{Desk, Filling, Shelf};
use super::leases::{Granted, LeaseError, LeaseKeeper, LeaseKey, Seat, Surroundings, ViewRequest};
use crate::model::admission::Refusal;
use crate::model::desired::Desired;
use crate::model::lease::{EndReason, Lease};
use crate::model::names::CameraName;
use crate::model::sdp::Offer;
use crate::model::server;
use crate::model::slot::SlotView;
use crate::model::snapshot::Snapshot;
use crate::model::stream::Stream;

/// Who knows which connections to devices are taken.
pub trait SlotSource: Send + Sync + std::fmt::Debug {
    /// The slots at this moment.
    fn slots(&self) -> SlotView;
}

/// A handle on live video. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LiveHandle {
    keeper: Arc<LeaseKeeper>,
    engine: Arc<dyn Engine>,
    slots: Arc<dyn SlotSource>,
    state: watch::Receiver<Arc<Snapshot>>,
    desk: Arc<Desk>,
}

impl LiveHandle {
    /// A handle; `state` is where the loop publishes.
    pub fn new(
        keeper: Arc<LeaseKeeper>,
        engine: Arc<dyn Engine>,
        slots: Arc<dyn SlotSource>,
        state: watch::Receiver<Arc<Snapshot>>,
    ) -> Self {
        Self { keeper, engine, slots, state, desk: Arc::default() }
    }

    fn desired(&self) -> Arc<Desired> {
        Arc::clone(&self.state.borrow().desired)
    }

    /// Asks for a view. The answer is in force when it is given.
    pub fn request(&self, request: ViewRequest) -> Result<Granted, Refusal> {
        let (desired, overload) = {
            let state = self.state.borrow();
            (Arc::clone(&state.desired), state.overload)
        };
        // What a capture has opened makes room for viewers, and is not shared with them.
        // A gateway keeps the name of a stream for a moment longer than its session.
        let is_view = |stream: &Stream| {
            let is_held = stream.engine == server::Engine::Native || !stream.wanted_by.is_empty();
            is_held && !stream.wanted_by.iter().any(|by| by.starts_with("sweep/"))
        };
        let open = self.engine.streams().into_iter().filter(|s| s.present && is_view(s));
        let open = open.map(|stream| (stream.camera, stream.quality)).collect();
        let slots = self.slots.slots();
        self.keeper.request(request, &Surroundings { desired, overload, slots, open })
    }

    /// The user is still there.
    pub fn heartbeat(&self, key: &LeaseKey, user: &str) -> Result<Lease, LeaseError> {
        self.keeper.heartbeat(&key.id(), user, &self.desired())
    }

    /// The user wants to go on watching.
    pub fn renew(&self, key: &LeaseKey, user: &str) -> Result<Lease, LeaseError> {
        self.keeper.renew(&key.id(), user, &self.desired())
    }

    /// The user has seen enough.
    pub fn release(&self, key: &LeaseKey, user: &str) -> Result<(), LeaseError> {
        self.keeper.release(&key.id(), user, &self.desired())
    }

    /// An operator ends the lease with this short name.
    pub fn revoke(&self, short: &str) -> Result<(), LeaseError> {
        self.keeper.revoke(short)
    }

    /// Leases in force, the oldest first.
    pub fn leases(&self) -> Vec<Lease> {
        self.keeper.leases()
    }

    /// The engine's streams.
    pub fn streams(&self) -> Vec<Stream> {
        self.engine.streams()
    }

    /// What may be had of a camera beside MSE.
    pub fn offers(&self, camera: &CameraName) -> Offers {
        self.engine.offers(camera)
    }

    /// The HLS of a lease, as long as that is in force. The first time there is something to be
    /// run by the caller: it takes the lease's seat, and fills what is given out.
    pub fn hls(
        &self,
        key: &LeaseKey,
        user: &str,
    ) -> Result<(Arc<Shelf>, Option<Filling>), LeaseError> {
        self.keeper.holds(&key.id(), user, &self.desired())?;
        if let Some(found) = self.desk.find(&key.id()) {
            return Ok((found, None));
        }
        let view = self.open(key, user)?;
        let (begun, filling) = Desk::begin(&self.desk, key.id(), view);
        Ok((begun, Some(filling)))
    }

    /// The HLS that a lease has already, as long as that is in force.
    pub fn hls_begun(&self, key: &LeaseKey, user: &str) -> Result<Option<Arc<Shelf>>, LeaseError> {
        self.keeper.holds(&key.id(), user, &self.desired())?;
        Ok(self.desk.find(&key.id()))
    }

    /// Begins to watch; a socket that watches on the same lease has to leave.
    pub fn open(&self, key: &LeaseKey, user: &str) -> Result<LiveView, LeaseError> {
        let (seat, lease) = self.keeper.sit(&key.id(), user, &self.desired())?;
        let watch = Watch {
            lease: lease.id,
            camera: lease.camera,
            quality: lease.quality,
            purpose: lease.kind.purpose(),
            codecs: lease.codecs,
        };
        Ok(LiveView { engine: Arc::clone(&self.engine), watch, seat })
    }
}

/// One live socket's right to media. Dropping it gives up the socket's place, not the lease.
#[derive(Debug)]
pub struct LiveView {
    engine: Arc<dyn Engine>,
    watch: Watch,
    seat: Seat,
}

impl LiveView {
    /// Attaches to the camera's stream; opens the camera when nobody else watches.
    pub async fn attach(&self) -> Result<Box<dyn Viewer>, ViewEnd> {
        self.engine.watch(self.watch.clone()).await
    }

    /// The same for a player that says itself what it cannot play.
    pub(super) async fn attach_any(&self) -> Result<Box<dyn Viewer>, ViewEnd> {
        self.engine.watch(Watch { codecs: Vec::new(), ..self.watch.clone() }).await
    }

    /// Attaches over WebRTC, past this server; opens the camera when nobody else watches.
    pub async fn negotiate(&self, offer: Offer) -> Negotiated {
        self.engine.negotiate(self.watch.clone(), offer).await
    }

    /// Whether the view may be had as HLS.
    pub(super) fn has_hls(&self) -> bool {
        self.engine.offers(&self.watch.camera).hls
    }

    /// Waits until nothing more may be sent, and says why: the lease has ended, the server ends
    /// (`Shutdown`), or a newer socket has come (`Preempted`). Losing it half-way loses nothing.
    pub async fn over(&self) -> EndReason {
        self.seat.over().await
    }
}
