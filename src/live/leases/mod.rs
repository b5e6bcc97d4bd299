//! The one keeper of live views' leases: grants them, takes signs of life, ends them, tells their
//! sockets.
//!
//! The rules are `plan::admission` and `plan::leases`; here are the lock, the clock and whoever
//! has to be told. Opens nothing and sends no media.

mod key;
mod rows;
mod seat;
mod table;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::info;

pub use key::LeaseKey;
pub use rows::{restore, write_rows};
pub use table::LeaseError;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::model::admission::{Overloaded, Refusal};
use crate::model::desired::Desired;
use crate::model::lease::{EndReason, EndedLease, Lease, LeaseId, Quality, ViewKind};
use crate::model::names::CameraName;
use crate::model::slot::SlotView;
use crate::model::time::Now;
use crate::plan::admission::{self, Request, State};
use crate::plan::leases;
pub(super) use seat::Seat;
use seat::Sockets;
use table::LeaseTable;

/// Ends that wait until the loop has seen them; more than that are only counted.
const NEWS_MAX: usize = 256;

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewRequest {
    /// Who.
    pub user: Arc<str>,
    /// Of which camera.
    pub camera: CameraName,
    /// Which stream; `None` for the smaller one of those that there are.
    pub quality: Option<Quality>,
    /// What for.
    pub kind: ViewKind,
    /// What the browser can decode; empty when it did not say.
    pub codecs: Vec<Arc<str>>,
    /// Whether the user's other modal view is to end for it.
    pub take_over: bool,
}

/// A view that was granted.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The lease.
    pub lease: Lease,
    /// Its key, told this once.
    pub key: LeaseKey,
}

/// What the world is like when somebody asks.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    pub(super) desired: Arc<Desired>,
    pub(super) overload: Option<Overloaded>,
    pub(super) slots: SlotView,
    pub(super) open: Vec<(CameraName, Quality)>,
}

/// The keeper.
#[derive(Debug)]
pub struct LeaseKeeper {
    clock: Clock,
    metrics: Arc<Metrics>,
    inner: Mutex<Inner>,
    /// A lease came, ended, or is watched or not: the loop wants to know.
    changed: Notify,
    /// Something is to be written down.
    unwritten: Notify,
    /// The server ends.
    closing: CancellationToken,
}

#[derive(Debug, Default)]
struct Inner {
    table: LeaseTable,
    /// For each lease in force, those who wait for its end, and the one live socket on it.
    sockets: HashMap<LeaseId, Sockets>,
    news: VecDeque<EndedLease>,
    unwritten: BTreeSet<LeaseId>,
}

impl LeaseKeeper {
    /// A keeper without leases.
    pub fn new(clock: Clock, metrics: Arc<Metrics>) -> Self {
        Self {
            clock,
            metrics,
            inner: Mutex::default(),
            changed: Notify::new(),
            unwritten: Notify::new(),
            closing: CancellationToken::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides on a request and carries the answer out in the same breath.
    pub(super) fn request(
        &self,
        request: ViewRequest,
        around: &Surroundings,
    ) -> Result<Granted, Refusal> {
        let now = self.clock.now();
        let desired = &around.desired;
        let mut inner = self.lock();
        // What is overdue must not stand in the way until the loop comes by.
        if self.end_due(&mut inner, desired, now) {
            self.tell();
        }
        let leases: Vec<&Lease> = inner.table.leases().collect();
        let state = State {
            desired,
            leases: &leases,
            overload: around.overload,
            slots: &around.slots,
            open: &around.open,
        };
        let asked = Request {
            user: &request.user,
            camera: &request.camera,
            quality: request.quality,
            kind: request.kind,
            take_over: request.take_over,
        };
        let grant = admission::admit(asked, state, now.mono).inspect_err(|refusal| {
            self.metrics.admission(refusal.code());
        })?;
        for older in &grant.replaces {
            self.end_one(&mut inner, older, EndReason::Preempted, now);
        }
        let key = LeaseKey::random();
        let spec = &desired.server.admission;
        let lease = Lease {
            id: key.id(),
            kind: request.kind,
            user: request.user,
            camera: request.camera,
            quality: grant.quality,
            created: now.wall,
            created_mono: now.mono,
            expires: table::expiry(request.kind, spec, now.mono),
            heartbeat: now.mono,
            codecs: request.codecs,
            watched: false,
        };
        inner.table.insert(lease.clone());
        inner.sockets.insert(lease.id.clone(), Sockets::default());
        inner.mark(lease.id.clone());
        drop(inner);
        self.metrics.admission("granted");
        self.tell();
        Ok(Granted { lease, key })
    }

    /// A sign of life.
    pub(super) fn heartbeat(
        &self,
        id: &LeaseId,
        user: &str,
        desired: &Desired,
    ) -> Result<Lease, LeaseError> {
        self.touch(id, user, desired, false)
    }

    /// The user wants to go on.
    pub(super) fn renew(
        &self,
        id: &LeaseId,
        user: &str,
        desired: &Desired,
    ) -> Result<Lease, LeaseError> {
        self.touch(id, user, desired, true)
    }

    fn touch(
        &self,
        id: &LeaseId,
        user: &str,
        desired: &Desired,
        renew: bool,
    ) -> Result<Lease, LeaseError> {
        let now = self.clock.now();
        let mut inner = self.lock();
        self.check(&mut inner, id, user, desired)?;
        let spec = &desired.server.admission;
        let lease = inner.table.touch(id, spec, now.mono, renew).ok_or(LeaseError::Unknown)?;
        inner.mark(id.clone());
        drop(inner);
        self.unwritten.notify_one();
        Ok(lease)
    }

    /// The user gives the view back.
    pub(super) fn release(
        &self,
        id: &LeaseId,
        user: &str,
        desired: &Desired,
    ) -> Result<(), LeaseError> {
        let mut inner = self.lock();
        self.check(&mut inner, id, user, desired)?;
        self.end_one(&mut inner, id, EndReason::Released, self.clock.now());
        drop(inner);
        self.tell();
        Ok(())
    }

    /// Ends the lease whose short name this is, whosever it is.
    pub(super) fn revoke(&self, short: &str) -> Result<(), LeaseError> {
        let mut inner = self.lock();
        let id = inner.table.by_short(short)?;
        self.end_one(&mut inner, &id, EndReason::Revoked, self.clock.now());
        drop(inner);
        self.tell();
        Ok(())
    }

    /// Whether the lease is in force and this user's.
    pub(super) fn holds(
        &self,
        id: &LeaseId,
        user: &str,
        desired: &Desired,
    ) -> Result<(), LeaseError> {
        self.check(&mut self.lock(), id, user, desired)
    }

    /// Takes the seat of the lease's live socket; whoever had it has to leave.
    pub(super) fn sit(
        self: &Arc<Self>,
        id: &LeaseId,
        user: &str,
        desired: &Desired,
    ) -> Result<(Seat, Lease), LeaseError> {
        let mut inner = self.lock();
        self.check(&mut inner, id, user, desired)?;
        let Inner { table, sockets, .. } = &mut *inner;
        let lease = table.watched(id, true).ok_or(LeaseError::Unknown)?;
        let sockets = sockets.entry(id.clone()).or_default();
        let taken = CancellationToken::new();
        if let Some(older) = sockets.seat.replace(taken.clone()) {
            older.cancel();
        }
        let end = sockets.end.subscribe();
        drop(inner);
        self.tell();
        Ok((Seat { keeper: Arc::clone(self), id: id.clone(), end, taken }, lease))
    }

    /// Whether the lease is in force and this user's. What is overdue ends here and now.
    fn check(
        &self,
        inner: &mut Inner,
        id: &LeaseId,
        user: &str,
        desired: &Desired,
    ) -> Result<(), LeaseError> {
        let now = self.clock.now();
        let lease = inner.table.get(id, user)?;
        if let Some(reason) = leases::due(lease, desired, now.mono) {
            self.end_one(inner, id, reason, now);
            self.tell();
            return Err(LeaseError::Ended(reason));
        }
        Ok(())
    }

    fn end_due(&self, inner: &mut Inner, desired: &Desired, now: Now) -> bool {
        let due = |lease: &Lease| Some((lease.id.clone(), leases::due(lease, desired, now.mono)?));
        let due: Vec<_> = inner.table.leases().filter_map(due).collect();
        for (id, reason) in &due {
            self.end_one(inner, id, *reason, now);
        }
        !due.is_empty()
    }

    /// Ends a lease: its socket is told at once, the loop and the store soon.
    fn end_one(&self, inner: &mut Inner, id: &LeaseId, reason: EndReason, now: Now) {
        let Some(ended) = inner.table.end(id, reason, now) else { return };
        if let Some(sockets) = inner.sockets.remove(id) {
            sockets.end.send_replace(Some(reason));
        }
        let (lease, kind) = (id.short(), ended.lease.kind.as_str());
        info!(lease, kind, camera = %ended.lease.camera, reason = reason.as_str(), "lease ended");
        self.metrics.lease_ended(reason.as_str());
        if inner.news.len() < NEWS_MAX {
            inner.news.push_back(ended);
        }
        inner.mark(id.clone());
    }

    fn tell(&self) {
        self.changed.notify_one();
        self.unwritten.notify_one();
    }

    /// Leases in force, in order of their age.
    pub fn leases(&self) -> Vec<Lease> {
        let mut leases: Vec<Lease> = self.lock().table.leases().cloned().collect();
        leases.sort_by(|a, b| (a.created_mono, &a.id).cmp(&(b.created_mono, &b.id)));
        leases
    }

    /// Ends a lease, for a reason that was decided elsewhere. One that is no more stays as it is.
    pub fn end(&self, id: &LeaseId, reason: EndReason) {
        let mut inner = self.lock();
        self.end_one(&mut inner, id, reason, self.clock.now());
        drop(inner);
        self.tell();
    }

    /// Waits until leases have come or gone; at once when some have since the last wait. For one
    /// waiter, the loop.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What ended since this was last asked.
    pub fn take_ended(&self) -> Vec<EndedLease> {
        self.lock().news.drain(..).collect()
    }

    /// Tells every live socket that the server ends; leases stay as they are.
    pub fn close(&self) {
        self.closing.cancel();
    }
}

#[cfg(test)]
mod tests;
