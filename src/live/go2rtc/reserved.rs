//! Cameras of a gateway that cannot reach the relay: it gets the camera's own URL, and this server
//! keeps the slot reserved for as long as the stream may have a session.
//!
//! The weaker form: nobody here sees its sockets, and nothing here can cut them. It decides
//! nothing about who gets a slot.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::grants::{Granted, Grants};
use crate::live::engine::ViewEnd;
use crate::live::target::Target;
use crate::model::desired::{Camera, Desired, Device};
use crate::model::lease::Quality;
use crate::model::names::CameraName;
use crate::model::slot::{ConnectionEnd, Holder, Purpose};
use crate::world::camera::gate::{Gate, Pass, take_for};

/// How long a viewer waits for a slot: for a capture to give way, for a rest of the device.
const SLOT_PATIENCE: Duration = Duration::from_secs(5);

/// Why a view ends whose slot was given back for another.
pub(super) const YIELDED: &str = "somebody with a stronger claim took the connection";

/// The slot that stands for a session which somebody else opens.
pub struct Reservation {
    gate: Arc<dyn Gate>,
    device: Device,
    camera: CameraName,
    purpose: watch::Sender<Purpose>,
    /// One asks at a time.
    turn: tokio::sync::Mutex<()>,
    pass: Mutex<Option<Box<dyn Pass>>>,
    lost: CancellationToken,
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("camera", &self.camera).finish_non_exhaustive()
    }
}

impl Reservation {
    pub(super) fn new(gate: Arc<dyn Gate>, device: Device, holder: Holder) -> Self {
        let (turn, pass, lost) = Default::default();
        let (camera, purpose) = (holder.camera, watch::Sender::new(holder.purpose));
        Self { gate, device, camera, purpose, turn, pass, lost }
    }

    /// What it is for from now on.
    fn serve(&self, purpose: Purpose) {
        self.purpose.send_replace(purpose);
        if let Some(pass) = &*self.pass() {
            self.gate.serve(pass.slot(), purpose);
        }
    }

    fn pass(&self) -> MutexGuard<'_, Option<Box<dyn Pass>>> {
        self.pass.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the slot is there, so that the gateway may be told of the camera.
    pub(super) fn is_taken(&self) -> bool {
        self.pass().is_some()
    }

    /// Takes the slot, as soon as there is one.
    pub(super) async fn take(&self) -> Result<(), ViewEnd> {
        let _turn = self.turn.lock().await;
        if self.is_taken() {
            return Ok(());
        }
        let until = Instant::now() + SLOT_PATIENCE;
        let mut purposes = self.purpose.subscribe();
        let taken = take_for(&*self.gate, self.device, &self.camera, &mut purposes, until).await;
        let pass = taken.map_err(|refusal| ViewEnd::NoSlot(refusal.to_string()))?;
        let slot = pass.slot();
        *self.pass() = Some(pass);
        self.gate.serve(slot, *self.purpose.borrow());
        Ok(())
    }

    /// Waits until the slot has to be given back, and says why. Forever while there is none.
    pub(super) async fn lost(&self) -> ViewEnd {
        let ends = self.pass().as_ref().map(|pass| (pass.cut().clone(), pass.yielding().clone()));
        let Some((cut, yielding)) = ends else { return std::future::pending().await };
        let why = tokio::select! {
            () = cut.cancelled() => "the device has too many connections",
            () = yielding.cancelled() => YIELDED,
        };
        self.lost.cancel();
        ViewEnd::NoSlot(why.to_owned())
    }

    /// Whether it has to be given back, or had to be: it serves nobody any more. Somebody may have
    /// asked for it while nothing was read of the stream.
    pub(super) fn is_lost(&self) -> bool {
        let is_asked_for =
            |pass: &dyn Pass| pass.cut().is_cancelled() || pass.yielding().is_cancelled();
        self.lost.is_cancelled() || self.pass().as_deref().is_some_and(is_asked_for)
    }

    /// The gateway has no session for it any more, or nobody knows (`Unacknowledged`).
    pub(super) fn end(&self, end: ConnectionEnd) {
        if let Some(pass) = self.pass().take() {
            pass.end(end);
        }
    }
}

/// Gives cameras' own URLs, each under a slot.
#[derive(Debug, Clone)]
pub struct ReservedGrants(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    gate: Arc<dyn Gate>,
    cameras: Mutex<BTreeMap<CameraName, Arc<Camera>>>,
}

impl ReservedGrants {
    /// Slots come from this gate; no camera is known yet.
    pub fn new(gate: Arc<dyn Gate>) -> Self {
        Self(Arc::new(Shared { gate, cameras: Mutex::default() }))
    }

    fn target(&self, camera: &CameraName, quality: Quality) -> Option<Target> {
        let cameras = self.0.cameras.lock().unwrap_or_else(PoisonError::into_inner);
        Target::of(cameras.get(camera)?, quality).map(|(_, target)| target)
    }
}

impl Grants for ReservedGrants {
    fn declare(&self, desired: &Desired) {
        let cameras = desired.cameras.clone();
        *self.0.cameras.lock().unwrap_or_else(PoisonError::into_inner) = cameras;
    }

    fn declares(&self, camera: &CameraName, quality: Quality) -> bool {
        self.target(camera, quality).is_some()
    }

    fn grant(
        &self,
        camera: &CameraName,
        quality: Quality,
        purpose: Purpose,
    ) -> Result<Box<dyn Granted>, ViewEnd> {
        let target = self.target(camera, quality).ok_or(ViewEnd::Removed)?;
        let failed = |why: String| ViewEnd::Camera(why);
        let source = target.source().map_err(|failure| failed(failure.to_string()))?;
        let url = source.url_with_login().map_err(|fault| failed(fault.to_string()))?;
        let holder = Holder { camera: camera.clone(), purpose };
        let slot = Arc::new(Reservation::new(Arc::clone(&self.0.gate), target.device, holder));
        let of = (camera.clone(), quality);
        Ok(Box::new(Reserved { grants: self.clone(), of, target, url, slot }))
    }
}

/// A camera's own URL, under a slot that is still to be taken.
struct Reserved {
    grants: ReservedGrants,
    of: (CameraName, Quality),
    target: Target,
    url: Url,
    slot: Arc<Reservation>,
}

impl fmt::Debug for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL has the password in it.
        f.debug_struct("Reserved").field("of", &self.of).finish_non_exhaustive()
    }
}

impl Granted for Reserved {
    fn url(&self) -> &Url {
        &self.url
    }

    fn serve(&mut self, purpose: Purpose) {
        self.slot.serve(purpose);
    }

    // What the gateway says of the camera is all there is.
    fn failure(&self) -> Option<ViewEnd> {
        None
    }

    /// None in its place: the slot is one of the device that was declared before, and stays taken
    /// until the gateway has let go of it.
    fn renewed(&self) -> Option<Result<Box<dyn Granted>, ViewEnd>> {
        let is_current = self.grants.target(&self.of.0, self.of.1).as_ref() == Some(&self.target);
        let end = || ViewEnd::Engine("the camera is declared otherwise now".to_owned());
        (!is_current).then(|| Err(end()))
    }

    fn slot(&self) -> Option<&Arc<Reservation>> {
        Some(&self.slot)
    }
}
