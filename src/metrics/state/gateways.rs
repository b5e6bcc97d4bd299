//! Gateways: whether each serves, its streams, its restarts.
//!
//! What could not be read has no series: a missing number is not zero.

use std::fmt::Error;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

use super::{count, gauges, holds};
use crate::model::condition::ConditionType;
use crate::model::snapshot::Snapshot;

pub(super) fn gateways(e: &mut DescriptorEncoder<'_>, s: &Snapshot) -> Result<(), Error> {
    if s.gateways.is_empty() {
        return Ok(());
    }
    let each = || s.gateways.iter().map(|(subnet, status)| (subnet.as_str(), &**status));
    gauges(
        e,
        "gateway_up",
        "1 while the gateway of the subnet runs and its API answers",
        each().map(|(subnet, status)| {
            ([("subnet", subnet)], holds(&status.conditions, ConditionType::Available))
        }),
    )?;
    gauges(
        e,
        "gateway_streams_desired",
        "Streams that the gateway should have",
        each().map(|(subnet, status)| ([("subnet", subnet)], count(status.seen.wanted.len()))),
    )?;
    gauges(
        e,
        "gateway_streams_present",
        "Those of them that it lists; absent while its list cannot be read",
        each().filter_map(|(subnet, status)| {
            Some(([("subnet", subnet)], count(status.seen.present()?)))
        }),
    )?;
    let mut family = e.encode_descriptor(
        "gateway_restarts",
        "Starts of the gateway after its first, by why the run before ended",
        None,
        MetricType::Counter,
    )?;
    for (subnet, status) in each() {
        for (reason, restarts) in &status.seen.restarts {
            let labels = [("subnet", subnet), ("reason", *reason)];
            ConstCounter::new(*restarts).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}
