//! Looks at the world: processes, connections, store, host. Each part on its own; one that cannot be read
//! becomes `Unreadable`, never empty.

mod kernel;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::warn;

pub(super) use self::kernel::Kernel;
use super::keeper::SlotKeeper;
use super::views::LiveViews;
use crate::chain::Chain;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::model::desired::{Desired, Device};
use crate::model::observed::{Connection, Facilities, Observed, Seen, StoreView};
use crate::model::slot::SlotView;
use crate::model::time::Mono;
use crate::world::host;
use crate::world::store::{Census, Store, StoreError};

/// Between looks at the sockets and at the processes when nothing asks for an earlier one.
pub(super) const CONNECTIONS_EVERY: Duration = Duration::from_secs(5);
/// Between looks at the host.
const HOST_EVERY: Duration = Duration::from_secs(5);
/// Between looks at the store.
const STORE_EVERY: Duration = Duration::from_secs(30);
/// Longest wait for the store's answer.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);

/// What is looked at.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) keeper: Arc<SlotKeeper>,
    pub(super) views: Arc<dyn LiveViews>,
    pub(super) store: Store,
    pub(super) kernel: Kernel,
}

/// The eyes of the loop.
#[derive(Debug)]
pub(super) struct Observer {
    clock: Clock,
    sources: Sources,
    metrics: Arc<Metrics>,
    facilities: watch::Receiver<Facilities>,
    processes_at: Option<Mono>,
    connections_at: Option<Mono>,
    host_at: Option<Mono>,
    store_at: Option<Mono>,
}

/// Looks that somebody waits for.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Awaited {
    /// Connections, from this moment on.
    pub(super) connections: Option<Mono>,
    /// Processes, from this moment on.
    pub(super) processes: Option<Mono>,
}

impl Observer {
    pub(super) fn new(
        clock: Clock,
        sources: Sources,
        metrics: Arc<Metrics>,
        facilities: watch::Receiver<Facilities>,
    ) -> Self {
        Self {
            clock,
            sources,
            metrics,
            facilities,
            processes_at: None,
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
            facilities: Facilities::default(),
            slots: Arc::new(SlotView::default()),
            store: Seen::Unreadable { since: now, why: why.to_owned() },
            host: Seen::Unreadable { since: now, why: why.to_owned() },
            leases: Arc::default(),
            gateways: Arc::default(),
        }
    }

    /// When the next look is due, with what somebody waits for.
    pub(super) fn next_look(&self, awaited: Awaited) -> Mono {
        let processes = awaited.processes.filter(|at| self.processes_at.is_none_or(|p| p < *at));
        let due = |at: Option<Mono>, every| at.map_or(Mono(0), |at| at.plus(every));
        due(self.connections_at, CONNECTIONS_EVERY)
            .min(due(self.processes_at, CONNECTIONS_EVERY))
            .min(due(self.host_at, HOST_EVERY))
            .min(due(self.store_at, STORE_EVERY))
            .min(processes.unwrap_or(Mono(u64::MAX)))
    }

    /// The store has changed a lot: look at it at the next pass.
    pub(super) fn store_changed(&mut self) {
        self.store_at = None;
    }

    /// Renews what is due, and what is older than somebody waits for.
    pub(super) async fn look(
        &mut self,
        observed: &mut Observed,
        desired: &Arc<Desired>,
        awaited: Awaited,
    ) {
        let now = self.clock.now().mono;
        let is_due = |at: Option<Mono>, every| at.is_none_or(|at| at.plus(every) <= now);
        let is_wanted = |after: Option<Mono>, at: Option<Mono>| {
            after.is_some_and(|after| after <= now && at.is_none_or(|at| at < after))
        };
        // First, so that the connections of a new child are known as such.
        if is_wanted(awaited.processes, self.processes_at)
            || is_due(self.processes_at, CONNECTIONS_EVERY)
        {
            self.processes_at = Some(now);
            let begun = Instant::now();
            let connections = observed.connections.fresh().map(Arc::clone);
            observed.processes = match self.sources.kernel.processes(connections).await {
                Ok(table) => Seen::Fresh { at: now, value: Arc::new(table) },
                Err(why) => unreadable(&observed.processes, now, why),
            };
            self.count("processes", begun, &observed.processes);
        }
        if is_wanted(awaited.connections, self.connections_at)
            || is_due(self.connections_at, CONNECTIONS_EVERY)
        {
            self.connections_at = Some(now);
            let begun = Instant::now();
            observed.connections = self.connections(desired, observed, now).await;
            self.count("connections", begun, &observed.connections);
            if let Some((at, connections)) = observed.connections.fresh_at() {
                self.sources.keeper.observe(at, connections);
            }
        }
        if is_due(self.host_at, HOST_EVERY) {
            self.host_at = Some(now);
            let begun = Instant::now();
            observed.host = match host::read() {
                Ok(value) => Seen::Fresh { at: now, value },
                Err(error) => unreadable(&observed.host, now, error.to_string()),
            };
            self.count("host", begun, &observed.host);
        }
        if is_due(self.store_at, STORE_EVERY) {
            self.store_at = Some(now);
            let begun = Instant::now();
            observed.store = self.store_view(&observed.store, now).await;
            self.count("store", begun, &observed.store);
        }
        observed.facilities = self.facilities.borrow().clone();
        observed.slots = Arc::new(self.sources.keeper.view());
        observed.leases = Arc::new(self.sources.views.leases());
        observed.gateways = Arc::new(self.sources.views.gateways());
    }

    fn count<T>(&self, part: &'static str, begun: Instant, seen: &Seen<T>) {
        self.metrics.observed(part, seen.fresh().is_some(), begun.elapsed().as_secs_f64());
    }

    async fn connections(
        &self,
        desired: &Arc<Desired>,
        observed: &Observed,
        now: Mono,
    ) -> Seen<Arc<Vec<Connection>>> {
        let slots = self.sources.keeper.slots();
        // A device that has left the manifests is watched until its last slot is back.
        let of_slots = slots.iter().map(|slot| slot.device);
        let devices: BTreeSet<Device> = desired.devices.keys().copied().chain(of_slots).collect();
        let processes = observed.processes.fresh().map(Arc::clone);
        match self.sources.kernel.connections(devices, slots, processes, now).await {
            Ok(connections) => Seen::Fresh { at: now, value: Arc::new(connections) },
            Err(why) => unreadable(&observed.connections, now, why),
        }
    }

    async fn store_view(&self, before: &Seen<StoreView>, now: Mono) -> Seen<StoreView> {
        let census = match tokio::time::timeout(STORE_TIMEOUT, self.sources.store.census()).await {
            Ok(census) => census,
            Err(_) => Err(StoreError::Unavailable("no answer in time".to_owned())),
        };
        match census {
            Ok(census) => Seen::Fresh { at: now, value: view(&census) },
            Err(error) => unreadable(before, now, Chain(&error).to_string()),
        }
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
