//! Joins live video to the rest: who opens cameras, what the loop sees of leases, how it all ends.

mod engines;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::engines::Engines;
use super::outlets::Outlets;
use crate::clock::Clock;
use crate::live::engine::Engine;
use crate::live::go2rtc::{self, Go2rtcEngine, Launcher, RelayGrants, ReservedGrants};
use crate::live::leases::{restore, write_rows};
use crate::live::native::NativeEngine;
use crate::live::{LeaseKeeper, LiveHandle, SlotSource, ViewEnd};
use crate::metrics::Metrics;
use crate::model::desired::Desired;
use crate::model::failure::{Failure, FailureKind, Stage};
use crate::model::gateway::GatewayView;
use crate::model::lease::{EndReason, EndedLease, Lease, LeaseId};
use crate::model::names::{CameraName, SubnetName};
use crate::model::picture::KeyPicture;
use crate::model::secret::Redactor;
use crate::model::slot::SlotView;
use crate::model::snapshot::{RunInfo, Snapshot};
use crate::model::time::Now;
use crate::reconcile::LiveViews;
use crate::reconcile::keeper::{KeeperGate, SlotKeeper};
use crate::world::camera::gate::{Gate, Waiting};
use crate::world::camera::sharing::{Gateways, SharedSessions};
use crate::world::store::Store;

/// Live video: who may watch, and who opens cameras for them.
#[derive(Debug)]
pub(super) struct Live {
    leases: Arc<LeaseKeeper>,
    engine: Arc<dyn Engine>,
    gateways: Arc<Go2rtcEngine>,
}

/// How an engine reaches cameras and starts programs.
pub(super) struct Ways<'a> {
    desired: &'a Desired,
    keeper: &'a Arc<SlotKeeper>,
    outlets: &'a Outlets,
    run: &'a RunInfo,
    data_dir: &'a Path,
    host: IpAddr,
    secrets: watch::Receiver<Redactor>,
}

impl<'a> Ways<'a> {
    pub(super) fn new(
        (desired, run): (&'a Desired, &'a RunInfo),
        (keeper, outlets): (&'a Arc<SlotKeeper>, &'a Outlets),
        (data_dir, host): (&'a Path, IpAddr),
        secrets: &watch::Receiver<Redactor>,
    ) -> Self {
        Self { desired, keeper, outlets, run, data_dir, host, secrets: secrets.clone() }
    }
}

impl Live {
    /// With the leases that the run before left.
    pub(super) async fn start(
        (clock, metrics, store): (&Clock, &Arc<Metrics>, &Store),
        ways: Ways<'_>,
    ) -> Self {
        let Ways { desired, keeper, outlets, run, data_dir, host, secrets } = ways;
        let leases = LeaseKeeper::new(clock.clone(), Arc::clone(metrics));
        restore(&leases, store, &desired.server.admission).await;
        let gate: Arc<dyn Gate> = Arc::new(KeeperGate(Arc::clone(keeper)));
        let spawner = outlets.spawner.clone();
        let gateways = Arc::new(Go2rtcEngine::new(go2rtc::Parts {
            launch: Arc::new(Launcher::new(spawner, Arc::clone(metrics), secrets)),
            grants: Arc::new(RelayGrants::new(outlets.relay.clone())),
            reserved: Arc::new(ReservedGrants::new(Arc::clone(&gate))),
            clock: clock.clone(),
            data_dir: data_dir.to_owned(),
            installation: run.installation.as_str().into(),
            instance: run.instance.as_str().into(),
            host,
        }));
        let native = NativeEngine::new(gate, Arc::clone(&outlets.doubts), clock.clone());
        let engine = Arc::new(Engines::new(native, Arc::clone(&gateways)));
        Self { leases: Arc::new(leases), engine, gateways }
    }

    /// The gateways, as captures know them.
    pub(super) fn gateways(&self) -> Arc<dyn Gateways> {
        Arc::<Go2rtcEngine>::clone(&self.gateways)
    }

    /// The sessions that the engine holds, as captures know them.
    pub(super) fn sessions(&self) -> Arc<dyn SharedSessions> {
        Arc::new(Sessions(Arc::clone(&self.engine)))
    }

    /// Tells the engine of each set of manifests that comes into force, until `stop`.
    pub(super) fn follow(
        &self,
        mut state: watch::Receiver<Arc<Snapshot>>,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + use<> {
        let engine = Arc::clone(&self.engine);
        async move {
            loop {
                let desired = Arc::clone(&state.borrow_and_update().desired);
                engine.apply(&desired);
                let other = state.wait_for(|now| now.desired.generation != desired.generation);
                tokio::select! {
                    () = stop.cancelled() => return,
                    // The loop has ended: nothing comes into force any more.
                    gone = other => if gone.is_err() { return },
                }
            }
        }
    }

    /// The keeper of leases and the engine, as the loop knows them.
    pub(super) fn views(&self) -> Arc<dyn LiveViews> {
        Arc::new(Views(Arc::clone(&self.leases), Arc::clone(&self.engine)))
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

/// The engine, as captures know it.
#[derive(Debug)]
struct Sessions(Arc<dyn Engine>);

impl SharedSessions for Sessions {
    fn key_picture<'a>(
        &'a self,
        camera: &'a CameraName,
        not_before: Now,
        patience: Duration,
    ) -> Waiting<'a, Option<Result<(KeyPicture, Now), Failure>>> {
        Box::pin(async move {
            let asked = self.0.key_picture(camera, not_before, patience).await?;
            Some(asked.map_err(|end| failure(&end)))
        })
    }
}

/// What the end of a view means for a capture that wanted its picture.
fn failure(end: &ViewEnd) -> Failure {
    let kind = match end {
        ViewEnd::NoSlot(_) | ViewEnd::Removed | ViewEnd::Slow | ViewEnd::Engine(_) => {
            FailureKind::Cancelled
        }
        ViewEnd::Codec(_) => FailureKind::UnsupportedCodec,
        ViewEnd::Camera(_) => FailureKind::NoKeyFrame,
    };
    Failure::at(kind, Stage::Stream, end.to_string())
}

/// The keeper of leases and the engine, as the loop knows them.
#[derive(Debug)]
struct Views(Arc<LeaseKeeper>, Arc<dyn Engine>);

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

    fn gateways(&self) -> BTreeMap<SubnetName, GatewayView> {
        self.1.gateways()
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            tokio::select! {
                () = self.0.changed() => {}
                () = self.1.gateways_changed() => {}
            }
        })
    }
}

impl SlotSource for SlotKeeper {
    fn slots(&self) -> SlotView {
        self.view()
    }
}
