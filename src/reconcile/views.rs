//! What the loop sees and does of live views. Their keeper is not the loop's: it is handed in.

use std::collections::BTreeMap;

use futures::future::BoxFuture;

use crate::model::gateway::GatewayView;
use crate::model::lease::{EndReason, EndedLease, Lease, LeaseId};
use crate::model::names::SubnetName;

/// The keeper of live views, as the loop knows it.
pub trait LiveViews: Send + Sync + std::fmt::Debug {
    /// Leases in force.
    fn leases(&self) -> Vec<Lease>;

    /// Ends one; one that is no more stays as it is.
    fn end(&self, lease: &LeaseId, reason: EndReason);

    /// What ended since this was last asked, whoever ended it.
    fn take_ended(&self) -> Vec<EndedLease>;

    /// The gateways through which they go, where they go through some.
    fn gateways(&self) -> BTreeMap<SubnetName, GatewayView>;

    /// Waits until a lease came or ended, or a gateway changed. May be dropped at any point.
    fn changed(&self) -> BoxFuture<'_, ()>;
}
