//! The native engine with gateways beside it, which only captures use.
//!
//! Viewers never see the gateways; who lists streams sees both.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::live::engine::{Engine, ViewEnd, Viewer, Watch};
use crate::live::go2rtc::Go2rtcEngine;
use crate::live::native::NativeEngine;
use crate::model::desired::Desired;
use crate::model::gateway::GatewayView;
use crate::model::names::{CameraName, SubnetName};
use crate::model::picture::KeyPicture;
use crate::model::stream::Stream;
use crate::model::time::Now;
use crate::world::camera::gate::Waiting;

/// Both, told of manifests and ended together.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) views: NativeEngine,
    pub(super) captures: Arc<Go2rtcEngine>,
}

impl Engine for Beside {
    fn watch(&self, watch: Watch) -> Waiting<'_, Result<Box<dyn Viewer>, ViewEnd>> {
        self.views.watch(watch)
    }

    fn apply(&self, desired: &Desired) {
        self.views.apply(desired);
        self.captures.apply(desired);
    }

    fn streams(&self) -> Vec<Stream> {
        let mut all = self.views.streams();
        all.extend(self.captures.streams());
        all
    }

    fn gateways(&self) -> BTreeMap<SubnetName, GatewayView> {
        self.captures.gateways()
    }

    fn gateways_changed(&self) -> Waiting<'_, ()> {
        self.captures.gateways_changed()
    }

    fn key_picture<'a>(
        &'a self,
        camera: &'a CameraName,
        not_before: Now,
        patience: Duration,
    ) -> Waiting<'a, Option<Result<(KeyPicture, Now), ViewEnd>>> {
        self.views.key_picture(camera, not_before, patience)
    }

    fn shut_down(&self) -> Waiting<'_, ()> {
        Box::pin(async {
            tokio::join!(self.views.shut_down(), self.captures.shut_down());
        })
    }
}
