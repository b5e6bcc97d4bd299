//! What whoever opens a connection for longer than one request needs: somebody to ask for a slot
//! at each dial.
//!
//! The keeper of slots stands behind it. Nothing here decides who gets one.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::model::desired::Device;
use crate::model::names::CameraName;
use crate::model::slot::{ConnectionEnd, Crowd, Holder, Purpose, Refusal, SlotId};

/// A future that can be held behind a trait object.
pub type Waiting<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Gives the right to one connection.
pub trait Gate: Send + Sync + std::fmt::Debug {
    /// Takes a slot now, or says why not.
    fn take(&self, device: Device, holder: Holder) -> Result<Box<dyn Pass>, Refusal>;

    /// Takes a slot as soon as there is one, at the latest at `until`.
    ///
    /// Waits for what passes by itself: a rest between connections, a socket that is closing. A
    /// holder of lower purpose is asked to end its session in order. Whoever drops the future no
    /// longer waits.
    fn take_by(
        &self,
        device: Device,
        holder: Holder,
        until: Instant,
    ) -> Waiting<'_, Result<Box<dyn Pass>, Refusal>>;

    /// A slot that is held serves `purpose` from now on: a connection that several share is as
    /// high as the highest of them.
    fn serve(&self, slot: SlotId, purpose: Purpose);

    /// What is connected to a device now: a camera that is full often speaks of credentials.
    fn crowd(&self, device: Device) -> Crowd;
}

/// Takes a slot as [`Gate::take_by`] does, for a purpose that may change meanwhile.
pub async fn take_for(
    gate: &dyn Gate,
    device: Device,
    camera: &CameraName,
    purposes: &mut watch::Receiver<Purpose>,
    until: Instant,
) -> Result<Box<dyn Pass>, Refusal> {
    loop {
        let holder = Holder { camera: camera.clone(), purpose: *purposes.borrow_and_update() };
        tokio::select! {
            biased;
            taken = gate.take_by(device, holder, until) => return taken,
            Ok(()) = purposes.changed() => {}
        }
    }
}

/// Keeps a slot's purpose what it should be, for as long as it is polled.
pub async fn follow(
    gate: &dyn Gate,
    slot: SlotId,
    mut purposes: watch::Receiver<Purpose>,
) -> Infallible {
    loop {
        gate.serve(slot, *purposes.borrow_and_update());
        if purposes.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// The right to one connection. Dropped without [`Pass::end`] it counts as an end that the camera
/// did not acknowledge.
pub trait Pass: Send + Sync + std::fmt::Debug {
    /// Its slot's number.
    fn slot(&self) -> SlotId;
    /// A SYN is about to leave; what was connected before has ended.
    fn dialling(&self);
    /// The connection's address on this side.
    fn connected(&self, local: SocketAddr);
    /// Cancelled when the connection has to be cut at once.
    fn cut(&self) -> &CancellationToken;
    /// Cancelled when somebody of higher purpose wants the slot: the session is to be ended in
    /// order, within two seconds.
    fn yielding(&self) -> &CancellationToken;
    /// The holder is done; the slot comes back when the socket has been seen gone.
    fn end(self: Box<Self>, end: ConnectionEnd);
}
