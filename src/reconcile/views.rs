//! What the loop sees and does of live views. Their keeper is not the loop's: it is handed in.

use futures::future::BoxFuture;

use crate::model::lease::{EndReason, EndedLease, Lease, LeaseId};

/// The keeper of live views, as the loop knows it.
pub trait LiveViews: Send + Sync + std::fmt::Debug {
    /// Leases in force.
    fn leases(&self) -> Vec<Lease>;

    /// Ends one; one that is no more stays as it is.
    fn end(&self, lease: &LeaseId, reason: EndReason);

    /// What ended since this was last asked, whoever ended it.
    fn take_ended(&self) -> Vec<EndedLease>;

    /// Waits until a lease came or ended. May be dropped at any point.
    fn changed(&self) -> BoxFuture<'_, ()>;
}
