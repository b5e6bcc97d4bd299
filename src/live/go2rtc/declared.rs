//! What manifests say of gateways: which there are to be, for which cameras, and what for.
//!
//! It starts and ends nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::attached::How;
use crate::model::desired::{Backend, Camera, Desired};
use crate::model::names::{CameraName, SubnetName};
use crate::model::server::Engine;
use crate::world::gateway::config::Offers;

/// What gateways are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Serves {
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

/// What is declared.
#[derive(Debug)]
pub(super) struct Declared {
    /// What gateways are, but for what each offers.
    pub(super) how: How,
    pub(super) purpose: Serves,
    /// Whether views may be had over WebRTC.
    pub(super) webrtc: bool,
    /// Whether views may be had as HLS.
    pub(super) hls: bool,
    /// Cameras that gateways are for.
    pub(super) cameras: BTreeMap<CameraName, Arc<Camera>>,
    /// Where gateways are to be.
    pub(super) places: BTreeSet<SubnetName>,
}

impl Declared {
    /// What a set of manifests declares; gateways of ours have their files in `data_dir`.
    pub(super) fn of(desired: &Desired, data_dir: &Path) -> Self {
        let (live, gateway) = (&desired.server.live, &desired.server.gateway);
        let how = match &gateway.url {
            Some(url) => How::External(url.clone()),
            None => How::Managed {
                program: gateway.binary.clone(),
                data_dir: data_dir.to_owned(),
                offers: Offers::default(),
            },
        };
        let purpose = match live.engine {
            Engine::Native => Serves::Captures,
            Engine::Go2rtc => Serves::Views,
        };
        let is_there = gateway.is_declared();
        let wanted = desired.cameras.values().filter(|c| is_there && purpose.wants(c));
        let cameras: BTreeMap<CameraName, Arc<Camera>> =
            wanted.map(|camera| (camera.name.clone(), Arc::clone(camera))).collect();
        let places = cameras.values().map(|camera| how.place(&camera.subnet)).collect();
        let webrtc = live.webrtc && purpose == Serves::Views;
        Self { how, purpose, webrtc, hls: live.hls, cameras, places }
    }

    /// Whether a camera is served by the gateway there.
    pub(super) fn is_at(&self, camera: &Camera, place: &SubnetName) -> bool {
        self.how.place(&camera.subnet) == *place
    }
}
