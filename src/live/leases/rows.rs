//! Writes leases down, so that a restart can go on with them. Nobody ever waits for it.
//!
//! While the store does not answer, only the names of what is to be written wait: the newest state
//! of each is written once it does.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::seat::Sockets;
use super::table::ENDED_FOR;
use super::{Inner, LeaseKeeper};
use crate::chain::Chain;
use crate::model::lease::{EndReason, EndedLease, Lease, LeaseId};
use crate::model::server::AdmissionSpec;
use crate::model::time::Now;
use crate::world::store::{Store, StoreError, StoredLease};

/// Longest wait for the store, at a start and at each write.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);
/// At the end of the program there is less.
const LAST_TIMEOUT: Duration = Duration::from_millis(500);
/// Between a sign of life and the next write: many come at once.
const REST: Duration = Duration::from_millis(250);
/// Waits between tries while the store does not answer.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// Leases in one write.
const BATCH: usize = 200;
/// Names that wait at most; a row that is given up for it is brought up to date by its lease's next
/// sign of life, or ended by the next start.
const UNWRITTEN_MAX: usize = 2000;

/// Reads what a run before this one wrote down. A lease whose user has not been heard of for the
/// grace ends here.
pub async fn restore(keeper: &LeaseKeeper, store: &Store, spec: &AdmissionSpec) {
    let now = keeper.clock.now();
    let since = now.wall.checked_sub(ENDED_FOR).unwrap_or(now.wall);
    let read = tokio::time::timeout(STORE_TIMEOUT, store.recent_leases(since)).await;
    match read.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".to_owned()))) {
        Ok(mut stored) => {
            // Ends are remembered in their order.
            stored.sort_by_key(|lease| (lease.ended.is_none(), lease.ended.map(|(at, _)| at)));
            keeper.take_over(stored, spec);
        }
        Err(error) => warn!(error = %Chain(&error), "leases of live views cannot be read"),
    }
}

/// Writes until `stop`, and then once more.
pub async fn write_rows(keeper: Arc<LeaseKeeper>, store: Store, stop: CancellationToken) {
    let mut retry = RETRY_MIN;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = keeper.unwritten.notified() => {}
        }
        let wait = if write(&keeper, &store, STORE_TIMEOUT).await {
            retry = RETRY_MIN;
            REST
        } else {
            keeper.unwritten.notify_one();
            let wait = retry;
            retry = (retry * 2).min(RETRY_MAX);
            wait
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(wait) => {}
        }
    }
    write(&keeper, &store, LAST_TIMEOUT).await;
}

/// Writes what waits; `false` when the store did not take it and may later.
async fn write(keeper: &LeaseKeeper, store: &Store, patience: Duration) -> bool {
    loop {
        let batch = keeper.take_unwritten();
        if batch.is_empty() {
            return true;
        }
        let ids: Vec<LeaseId> = batch.iter().map(|stored| stored.id.clone()).collect();
        let written = tokio::time::timeout(patience, store.save_leases(batch)).await;
        let written = written
            .unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".to_owned())));
        match written {
            Ok(()) => {}
            Err(error @ StoreError::Rejected(_)) => {
                warn!(error = %Chain(&error), "leases cannot be written down");
            }
            Err(error) => {
                warn!(error = %Chain(&error), "leases wait to be written down");
                keeper.put_back(ids);
                return false;
            }
        }
    }
}

impl LeaseKeeper {
    /// Takes over what a run before this one wrote down.
    fn take_over(&self, stored: Vec<StoredLease>, spec: &AdmissionSpec) {
        let now = self.clock.now();
        let mut inner = self.lock();
        let mut overdue = Vec::new();
        for stored in stored {
            let at = |wall| now.mono_at(wall);
            let (heartbeat, created) = (at(stored.heartbeat).min(now.mono), at(stored.created));
            let lease = Lease {
                id: stored.id,
                kind: stored.kind,
                user: stored.user,
                camera: stored.camera,
                quality: stored.quality,
                created: stored.created,
                created_mono: created.min(now.mono),
                // A clock that was stepped back must not make it live for ever.
                expires: at(stored.expires).min(now.mono.plus(spec.lease_ttl)),
                heartbeat,
                codecs: stored.codecs,
                watched: false,
            };
            if let Some((wall, reason)) = stored.ended {
                let mono = at(wall).min(now.mono);
                inner.table.remember(EndedLease { lease, reason, at: Now { mono, wall } });
            } else {
                // Told by the wall clock: before the last boot the other one has no moments.
                if stored.heartbeat.saturating_add(spec.grace).is_ok_and(|end| end <= now.wall) {
                    overdue.push(lease.id.clone());
                }
                inner.sockets.insert(lease.id.clone(), Sockets::default());
                inner.table.insert(lease);
            }
        }
        for id in overdue {
            self.end_one(&mut inner, &id, EndReason::Heartbeat, now);
        }
        drop(inner);
        self.tell();
    }

    fn take_unwritten(&self) -> Vec<StoredLease> {
        let now = self.clock.now();
        let mut inner = self.lock();
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Some(id) = inner.unwritten.pop_first()
        {
            batch.extend(inner.table.any(&id).map(|(lease, end)| stored(lease, end, now)));
        }
        batch
    }

    fn put_back(&self, ids: Vec<LeaseId>) {
        let mut inner = self.lock();
        for id in ids {
            inner.mark(id);
        }
    }
}

impl Inner {
    /// The lease's row is to be written.
    pub(super) fn mark(&mut self, id: LeaseId) {
        self.unwritten.insert(id);
        while self.unwritten.len() > UNWRITTEN_MAX {
            self.unwritten.pop_first();
        }
    }
}

fn stored(lease: &Lease, end: Option<(Now, EndReason)>, now: Now) -> StoredLease {
    StoredLease {
        id: lease.id.clone(),
        kind: lease.kind,
        user: Arc::clone(&lease.user),
        camera: lease.camera.clone(),
        quality: lease.quality,
        codecs: lease.codecs.clone(),
        created: lease.created,
        expires: now.wall_at(lease.expires),
        heartbeat: now.wall_at(lease.heartbeat),
        ended: end.map(|(at, reason)| (at.wall, reason)),
    }
}
