//! The slot for one session: when the camera may be asked, and who goes first.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::stream::Stream;
use crate::model::slot::{ConnectionEnd, Holder, Refusal};
use crate::world::camera::gate::{Pass, take_for};
use crate::world::camera::request::Source;

/// How long to wait for a slot: for a capture that is asked to give way, or a rest.
const SLOT_PATIENCE: Duration = Duration::from_secs(8);

/// Takes a slot, not before the camera may be asked again.
pub(super) async fn take_slot(
    shared: &Shared,
    stream: &Stream,
    source: &Source,
) -> Result<Box<dyn Pass>, Refusal> {
    loop {
        if let Some(held) = shared.doubts.hold(source.leads_to()) {
            sleep_until(held).await;
        }
        let pass = take(shared, stream, source).await?;
        // Whoever had the slot before may have found out.
        if shared.doubts.hold(source.leads_to()).is_none() {
            return Ok(pass);
        }
        pass.end(ConnectionEnd::NeverConnected);
    }
}

/// Where no slot is free, sessions that nobody watches any more go first: the gate knows only what
/// they were opened for.
async fn take(shared: &Shared, stream: &Stream, source: &Source) -> Result<Box<dyn Pass>, Refusal> {
    let (device, until) = (source.device, Instant::now() + SLOT_PATIENCE);
    let (camera, mut purposes) = (&stream.key.0, stream.purposes());
    let holder = Holder { camera: camera.clone(), purpose: *purposes.borrow() };
    if let Ok(pass) = shared.gate.take(device, holder) {
        return Ok(pass);
    }
    shared.clear_way(device, until).await;
    take_for(&*shared.gate, device, camera, &mut purposes, until).await
}
