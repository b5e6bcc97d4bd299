//! Both live engines as one: manifests say which of them viewers have, from one moment to the next.
//!
//! With the native one, gateways stand beside it, which only captures use. Who lists streams sees
//! both.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::live::engine::{Engine, Negotiated, Offers, ViewEnd, Viewer, Watch};
use crate::live::go2rtc::Go2rtcEngine;
use crate::live::native::NativeEngine;
use crate::model::desired::Desired;
use crate::model::gateway::GatewayView;
use crate::model::names::{CameraName, SubnetName};
use crate::model::picture::KeyPicture;
use crate::model::sdp::Offer;
use crate::model::server;
use crate::model::stream::Stream;
use crate::model::time::Now;
use crate::world::camera::gate::Waiting;

/// Both engines, told of manifests and ended together.
#[derive(Debug)]
pub(super) struct Engines {
    native: NativeEngine,
    gateways: Arc<Go2rtcEngine>,
    /// Viewers have gateways.
    by_gateways: AtomicBool,
}

impl Engines {
    /// Both, before the first manifests.
    pub(super) fn new(native: NativeEngine, gateways: Arc<Go2rtcEngine>) -> Self {
        Self { native, gateways, by_gateways: AtomicBool::new(false) }
    }

    fn chosen(&self) -> &dyn Engine {
        if self.by_gateways.load(Ordering::Relaxed) { &*self.gateways } else { &self.native }
    }
}

impl Engine for Engines {
    fn watch(&self, watch: Watch) -> Waiting<'_, Result<Box<dyn Viewer>, ViewEnd>> {
        self.chosen().watch(watch)
    }

    fn offers(&self, camera: &CameraName) -> Offers {
        self.chosen().offers(camera)
    }

    fn negotiate(&self, watch: Watch, offer: Offer) -> Waiting<'_, Negotiated> {
        self.chosen().negotiate(watch, offer)
    }

    fn apply(&self, desired: &Desired) {
        // The engine to come is ready before viewers come to it, and those of the other one leave
        // only then: they come back at once.
        match desired.server.live.engine {
            server::Engine::Native => {
                self.native.apply(desired);
                self.by_gateways.store(false, Ordering::Relaxed);
                self.gateways.apply(desired);
            }
            server::Engine::Go2rtc => {
                self.gateways.apply(desired);
                self.by_gateways.store(true, Ordering::Relaxed);
                self.native.retire();
            }
        }
    }

    fn streams(&self) -> Vec<Stream> {
        let mut all = self.native.streams();
        all.extend(self.gateways.streams());
        all
    }

    fn gateways(&self) -> BTreeMap<SubnetName, GatewayView> {
        self.gateways.gateways()
    }

    fn gateways_changed(&self) -> Waiting<'_, ()> {
        self.gateways.gateways_changed()
    }

    fn key_picture<'a>(
        &'a self,
        camera: &'a CameraName,
        not_before: Now,
        patience: Duration,
    ) -> Waiting<'a, Option<Result<(KeyPicture, Now), ViewEnd>>> {
        self.chosen().key_picture(camera, not_before, patience)
    }

    fn shut_down(&self) -> Waiting<'_, ()> {
        Box::pin(async {
            tokio::join!(self.native.shut_down(), self.gateways.shut_down());
        })
    }
}
