//! What reaches cameras besides the loop's own connections: the relay, and the children behind
//! it. Started together, ended in order.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::AppError;
use crate::model::desired::Desired;
use crate::model::snapshot::RunInfo;
use crate::reconcile::keeper::{KeeperGate, SlotKeeper};
use crate::world::camera::doubts::Doubts;
use crate::world::camera::relay::{Relay, RelayServer};
use crate::world::process::{Settings, Spawner};

/// This very program, also after the file was replaced by another version.
const SELF: &str = "/proc/self/exe";
/// How long captures that nobody waits for any more get to end their children.
const CHILDREN_PATIENCE: Duration = Duration::from_secs(4);

/// The relay and the starter of children.
pub(super) struct Outlets {
    pub(super) spawner: Spawner,
    pub(super) relay: Relay,
    /// Of the relay and of live sessions together.
    pub(super) doubts: Arc<Doubts>,
    pub(super) children: TaskTracker,
    server: RelayServer,
}

impl Outlets {
    pub(super) async fn open(
        desired: &Desired,
        run: &RunInfo,
        keeper: &Arc<SlotKeeper>,
    ) -> Result<Self, AppError> {
        let spawner = Spawner::start(Settings {
            shim: PathBuf::from(SELF),
            installation: run.installation.as_str().into(),
            instance: run.instance.as_str().into(),
            max_children: desired.server.processes.max_children.into(),
        })
        .map_err(AppError::Children)?;
        let gate = Arc::new(KeeperGate(Arc::clone(keeper)));
        let doubts = Arc::<Doubts>::default();
        let (relay, server) =
            Relay::bind(gate, Arc::clone(&doubts)).await.map_err(AppError::Relay)?;
        Ok(Self { spawner, relay, doubts, children: TaskTracker::new(), server })
    }

    pub(super) fn run(self) -> Running {
        let stop = CancellationToken::new();
        let relay = tokio::spawn(self.server.run(stop.clone()));
        Running { spawner: self.spawner, children: self.children, stop, relay }
    }
}

/// The outlets at work.
pub(super) struct Running {
    spawner: Spawner,
    children: TaskTracker,
    stop: CancellationToken,
    relay: JoinHandle<()>,
}

impl Running {
    /// Ends them, after whoever starts captures has ended: first the children's work, then the
    /// way to the cameras, then every child that is left.
    pub(super) async fn end(self) -> Result<(), AppError> {
        self.children.close();
        if tokio::time::timeout(CHILDREN_PATIENCE, self.children.wait()).await.is_err() {
            warn!(captures = self.children.len(), "captures did not end in time");
        }
        self.stop.cancel();
        let relayed = self.relay.await;
        let undead = self.spawner.shut_down().await;
        if !undead.is_empty() {
            let pids: Vec<u32> = undead.iter().map(|process| process.pid).collect();
            warn!(?pids, "children hang in the kernel and are left behind");
        }
        relayed.map_err(AppError::Part)
    }
}
