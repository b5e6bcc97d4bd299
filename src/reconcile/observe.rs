//! Looks at the world: connections, store, host. Each part on its own; one that cannot be read
//! becomes `Unreadable`, never empty.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::warn;

use super::keeper::SlotKeeper;
use super::views::LiveViews;
use crate::chain::Chain;
use crate::clock::Clock;
use crate::model::desired::{Desired, Device};
use crate::model::observed::{Connection, Observed, Seen, StoreView};
use crate::model::slot::SlotView;
use crate::model::time::Mono;
use crate::world::host;
use crate::world::sockets::{Attributor, SocketDiag, SocketError};
use crate::world::store::{Census, Store, StoreError};

/// Between looks at the sockets when nothing asks for an earlier one.
pub(super) const CONNECTIONS_EVERY: Duration = Duration::from_secs(5);
/// Between looks at the host.
const HOST_EVERY: Duration = Duration::from_secs(5);
/// Between looks at the store.
const STORE_EVERY: Duration = Duration::from_secs(30);
/// Longest wait for the store's answer.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);

/// The eyes of the loop.
#[derive(Debug)]
pub(super) struct Observer {
    clock: Clock,
    keeper: Arc<SlotKeeper>,
    views: Arc<dyn LiveViews>,
    store: Store,
    sockets: Arc<Mutex<Sockets>>,
    connections_at: Option<Mono>,
    host_at: Option<Mono>,
    store_at: Option<Mono>,
}

#[derive(Debug, Default)]
struct Sockets {
    diag: Option<SocketDiag>,
    attributor: Attributor,
}

impl Observer {
    pub(super) fn new(
        clock: Clock,
        keeper: Arc<SlotKeeper>,
        views: Arc<dyn LiveViews>,
        store: Store,
    ) -> Self {
        Self {
            clock,
            keeper,
            views,
            store,
            sockets: Arc::default(),
            connections_at: None,
            host_at: None,
            store_at: None,
        }
    }

    /// Nothing seen yet.
    pub(super) fn blind(now: Mono) -> Observed {
        let why = "not looked at yet";
        Observed {
            connections: Seen::Unreadable { since: now, why: why.to_owned() },
            processes: Seen::Unreadable { since: now, why: why.to_owned() },
            slots: Arc::new(SlotView::default()),
            store: Seen::Unreadable { since: now, why: why.to_owned() },
            host: Seen::Unreadable { since: now, why: why.to_owned() },
            leases: Arc::default(),
        }
    }

    /// When the next look is due.
    pub(super) fn next_look(&self) -> Mono {
        let due = |at: Option<Mono>, every| at.map_or(Mono(0), |at| at.plus(every));
        due(self.connections_at, CONNECTIONS_EVERY)
            .min(due(self.host_at, HOST_EVERY))
            .min(due(self.store_at, STORE_EVERY))
    }

    /// The store has changed a lot: look at it at the next pass.
    pub(super) fn store_changed(&mut self) {
        self.store_at = None;
    }

    /// Renews what is due; connections also when they are older than `connections_after`.
    pub(super) async fn look(
        &mut self,
        observed: &mut Observed,
        desired: &Arc<Desired>,
        connections_after: Option<Mono>,
    ) {
        let now = self.clock.now().mono;
        let is_due = |at: Option<Mono>, every| at.is_none_or(|at| at.plus(every) <= now);
        let wanted =
            connections_after.is_some_and(|after| self.connections_at.is_none_or(|at| at < after));
        if wanted || is_due(self.connections_at, CONNECTIONS_EVERY) {
            self.connections_at = Some(now);
            observed.connections = self.connections(desired, &observed.connections, now).await;
            if let Some((at, connections)) = observed.connections.fresh_at() {
                self.keeper.observe(at, connections);
            }
        }
        if is_due(self.host_at, HOST_EVERY) {
            self.host_at = Some(now);
            observed.host = match host::read() {
                Ok(value) => Seen::Fresh { at: now, value },
                Err(error) => unreadable(&observed.host, now, error.to_string()),
            };
        }
        if is_due(self.store_at, STORE_EVERY) {
            self.store_at = Some(now);
            observed.store = self.store_view(&observed.store, now).await;
        }
        observed.slots = Arc::new(self.keeper.view());
        observed.leases = Arc::new(self.views.leases());
    }

    async fn connections(
        &self,
        desired: &Arc<Desired>,
        before: &Seen<Arc<Vec<Connection>>>,
        now: Mono,
    ) -> Seen<Arc<Vec<Connection>>> {
        let (sockets, slots) = (Arc::clone(&self.sockets), self.keeper.slots());
        // A device that has left the manifests is watched until its last slot is back.
        let of_slots = slots.iter().map(|slot| slot.device);
        let devices: BTreeSet<Device> = desired.devices.keys().copied().chain(of_slots).collect();
        // Well under ten milliseconds, but more than an async thread should be kept from others.
        let read = tokio::task::spawn_blocking(move || {
            let mut sockets = sockets.lock().unwrap_or_else(PoisonError::into_inner);
            sockets.read(&devices, &slots, now)
        });
        let why = match read.await {
            Ok(Ok(connections)) => return Seen::Fresh { at: now, value: Arc::new(connections) },
            Ok(Err(error)) => Chain(&error).to_string(),
            Err(error) => error.to_string(),
        };
        unreadable(before, now, why)
    }

    async fn store_view(&self, before: &Seen<StoreView>, now: Mono) -> Seen<StoreView> {
        let census = match tokio::time::timeout(STORE_TIMEOUT, self.store.census()).await {
            Ok(census) => census,
            Err(_) => Err(StoreError::Unavailable("no answer in time".to_owned())),
        };
        match census {
            Ok(census) => Seen::Fresh { at: now, value: view(&census) },
            Err(error) => unreadable(before, now, Chain(&error).to_string()),
        }
    }
}

impl Sockets {
    fn read(
        &mut self,
        devices: &BTreeSet<Device>,
        slots: &[crate::model::slot::Slot],
        now: Mono,
    ) -> Result<Vec<Connection>, SocketError> {
        let diag = match &mut self.diag {
            Some(diag) => diag,
            None => self.diag.insert(SocketDiag::open()?),
        };
        let sockets = diag.connections(devices.iter().any(Device::is_ipv6));
        if sockets.is_err() {
            self.diag = None;
        }
        Ok(self.attributor.connections(&sockets?, |d| devices.contains(d), slots, now))
    }
}

fn view(census: &Census) -> StoreView {
    let oldest = [census.oldest_no_event_frame, census.oldest_event_frame];
    StoreView {
        frames: census.frames,
        frame_bytes: census.bytes,
        oldest_no_event_frame: census.oldest_no_event_frame,
        oldest_frame: oldest.into_iter().flatten().min(),
        oldest_event: census.oldest_event,
        oldest_sweep: census.oldest_sweep,
        oldest_lease: census.oldest_lease,
        oldest_config: census.oldest_config_revision,
        disk_free_bytes: census.disk_free,
        disk_total_bytes: census.disk_total,
    }
}

/// Keeps the time of the first failure, and logs only that one.
fn unreadable<T>(before: &Seen<T>, now: Mono, why: String) -> Seen<T> {
    match before {
        Seen::Unreadable { since, why: known } if *known == why => {
            Seen::Unreadable { since: *since, why }
        }
        Seen::Fresh { .. } | Seen::Unreadable { .. } => {
            warn!(%why, "a part of the world cannot be read");
            Seen::Unreadable { since: now, why }
        }
    }
}
