//! The right to reach a camera, as a gateway is given it.
//!
//! Behind it stands the relay: it takes the slot at each dial, knows the password, and cuts.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use url::Url;

use super::reserved::Reservation;
use crate::live::engine::ViewEnd;
use crate::model::desired::Desired;
use crate::model::failure::Failure;
use crate::model::lease::Quality;
use crate::model::names::CameraName;
use crate::model::slot::Purpose;

/// Gives grants.
pub trait Grants: Send + Sync + std::fmt::Debug {
    /// Takes in what is declared from now on.
    fn declare(&self, desired: &Desired);

    /// Whether there is such a stream, as declared.
    fn declares(&self, camera: &CameraName, quality: Quality) -> bool;

    /// A URL that leads to this stream, for as long as the grant is kept.
    fn grant(
        &self,
        camera: &CameraName,
        quality: Quality,
        purpose: Purpose,
    ) -> Result<Box<dyn Granted>, ViewEnd>;

    /// A gateway is told of the grant with this URL: who dials with it after its end is counted
    /// there.
    fn told(&self, _url: &Url, _late: &Arc<AtomicU64>) {}
}

/// One grant. Dropped, it is revoked and its sessions end.
pub trait Granted: Send + std::fmt::Debug {
    /// What the gateway is given. Whoever knows it sees the camera.
    fn url(&self) -> &Url;
    /// What its connections are for from now on: the highest of those who watch.
    fn serve(&mut self, purpose: Purpose);
    /// Another process dials from now on.
    fn begin_anew(&self) {}
    /// Why the newest dial got no session, in terms of a view; `None` when it got one.
    fn failure(&self) -> Option<ViewEnd>;
    /// What went wrong at the newest dial, known before the gateway hears of it.
    fn newest_failure(&self) -> Option<Failure> {
        None
    }
    /// Another grant in its place, when it leads to what is not declared any more: another
    /// address, other credentials. `None` while it is right.
    fn renewed(&self) -> Option<Result<Box<dyn Granted>, ViewEnd>>;
    /// The slot that has to be taken before the gateway is told of the camera, where it dials by
    /// itself.
    fn slot(&self) -> Option<&Arc<Reservation>> {
        None
    }
}
