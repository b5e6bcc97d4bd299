//! Joins live video to the rest: who opens cameras, what the loop sees of leases, how it all ends.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::live::engine::Engine;
use crate::live::leases::{restore, write_rows};
use crate::live::{LeaseKeeper, LiveHandle, SlotSource, ViewEnd, Viewer, Watch};
use crate::metrics::Metrics;
use crate::model::desired::Desired;
use crate::model::lease::{EndReason, EndedLease, Lease, LeaseId};
use crate::model::names::CameraName;
use crate::model::picture::KeyPicture;
use crate::model::slot::SlotView;
use crate::model::snapshot::Snapshot;
use crate::model::stream::Stream;
use crate::model::time::Now;
use crate::reconcile::LiveViews;
use crate::reconcile::keeper::SlotKeeper;
use crate::world::camera::gate::Waiting;
use crate::world::store::Store;

/// The engine that the manifests name.
fn engine() -> Arc<dyn Engine> {
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

/// Live video: who may watch, and who opens cameras for them.
#[derive(Debug)]
pub(super) struct Live {
    leases: Arc<LeaseKeeper>,
    engine: Arc<dyn Engine>,
}

impl Live {
    /// With the leases that the run before left.
    pub(super) async fn start(
        clock: &Clock,
        metrics: &Arc<Metrics>,
        store: &Store,
        desired: &Desired,
    ) -> Self {
        let leases = LeaseKeeper::new(clock.clone(), Arc::clone(metrics));
        restore(&leases, store, &desired.server.admission).await;
        Self { leases: Arc::new(leases), engine: engine() }
    }

    /// The keeper of leases, as the loop knows it.
    pub(super) fn views(&self) -> Arc<dyn LiveViews> {
        Arc::new(Views(Arc::clone(&self.leases)))
    }

    /// What HTTP holds.
    pub(super) fn handle(
        &self,
        slots: &Arc<SlotKeeper>,
        state: watch::Receiver<Arc<Snapshot>>,
    ) -> LiveHandle {
        let slots: Arc<dyn SlotSource> = Arc::<SlotKeeper>::clone(slots);
        LiveHandle::new(Arc::clone(&self.leases), Arc::clone(&self.engine), slots, state)
    }

    /// Writes leases down until `stop`.
    pub(super) fn write_leases(
        &self,
        store: Store,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + use<> {
        write_rows(Arc::clone(&self.leases), store, stop)
    }

    /// At `stop`, sends browsers away, then closes the cameras.
    pub(super) async fn end_in_order(self, stop: CancellationToken) {
        stop.cancelled().await;
        self.leases.close();
        self.engine.shut_down().await;
    }
}

/// The keeper of leases, as the loop knows it.
#[derive(Debug)]
struct Views(Arc<LeaseKeeper>);

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
