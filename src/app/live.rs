//! Joins live video to the rest: who opens cameras, what the loop sees of leases, how it all ends.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::live::engine::Engine;
use crate::live::{LeaseKeeper, SlotSource, ViewEnd, Viewer, Watch};
use crate::model::lease::{EndReason, EndedLease, Lease, LeaseId};
use crate::model::names::CameraName;
use crate::model::picture::KeyPicture;
use crate::model::slot::SlotView;
use crate::model::stream::Stream;
use crate::model::time::Now;
use crate::reconcile::LiveViews;
use crate::reconcile::keeper::SlotKeeper;
use crate::world::camera::gate::Waiting;

/// The engine that the manifests name.
pub(super) fn engine() -> Arc<dyn Engine> {
    Arc::new(NoEngine)
}

/// Stands where an engine will: it opens nothing and says so.
#[derive(Debug)]
struct NoEngine;

impl Engine for NoEngine {
    fn watch(&self, _: Watch) -> Waiting<'_, Result<Box<dyn Viewer>, ViewEnd>> {
        let why = "this build has no live engine".to_owned();
        Box::pin(std::future::ready(Err(ViewEnd::Engine(why))))
    }

    fn streams(&self) -> Vec<Stream> {
        Vec::new()
    }

    fn key_picture<'a>(
        &'a self,
        _: &'a CameraName,
        _: Now,
        _: Duration,
    ) -> Waiting<'a, Option<Result<(KeyPicture, Now), ViewEnd>>> {
        Box::pin(std::future::ready(None))
    }

    fn shut_down(&self) -> Waiting<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// What of live video has to be ended.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) leases: Arc<LeaseKeeper>,
    pub(super) engine: Arc<dyn Engine>,
}

impl Live {
    /// At `stop`, sends browsers away, then closes the cameras.
    pub(super) async fn end_in_order(self, stop: CancellationToken) {
        stop.cancelled().await;
        self.leases.close();
        self.engine.shut_down().await;
    }
}

/// The keeper of leases, as the loop knows it.
#[derive(Debug)]
pub(super) struct Views(pub(super) Arc<LeaseKeeper>);

impl LiveViews for Views {
    fn leases(&self) -> Vec<Lease> {
        self.0.leases()
    }

    fn end(&self, lease: &LeaseId, reason: EndReason) {
        self.0.end(lease, reason);
    }

    fn take_ended(&self) -> Vec<EndedLease> {
        self.0.take_ended()
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.changed())
    }
}

impl SlotSource for SlotKeeper {
    fn slots(&self) -> SlotView {
        self.view()
    }
}
