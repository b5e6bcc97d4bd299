//! Subnets.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Condition, Sweep, Time, View};
use crate::model::names::SubnetName;

/// One subnet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Subnet {
    /// Its name.
    pub name: String,
    /// The network that its cameras lie in.
    pub cidr: String,
    /// Enabled cameras.
    pub cameras: u32,
    /// Those that are ready.
    pub ready: u32,
    /// From start to start, seconds.
    pub interval: u64,
    /// Rest between the end of a sweep and the start of the next, seconds.
    pub cooldown: u64,
    /// Cameras at a time.
    pub concurrency: u16,
    /// No sweeps while true.
    pub suspended: bool,
    /// A sweep is going on.
    pub sweeping: bool,
    /// When the next sweep starts.
    pub next_sweep_at: Option<Time>,
    /// The sweep that is going on, with the results so far.
    pub current_sweep: Option<Sweep>,
    /// The last sweep that ended.
    pub last_sweep: Option<Sweep>,
    /// Starts skipped since the server started.
    pub overruns: u64,
    /// `Sweeping`, `OnSchedule`, `Clean`.
    pub conditions: Vec<Condition>,
}

/// The answer to the wish for a sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SweepRequested {
    /// Of which subnet.
    pub subnet: String,
    /// The newest sweep at the time of the wish; the wished one has a higher number.
    pub after: Option<i64>,
}

impl View {
    /// A declared subnet, without the results of its sweeps where `results` is false.
    pub fn subnet(&self, name: &SubnetName, results: bool) -> Option<Subnet> {
        let status = self.snapshot.subnets.get(name)?;
        let declared = self.snapshot.desired.subnets.get(name)?;
        let sweep = |record| {
            let mut sweep = Sweep::from(record);
            if !results {
                sweep.results.clear();
            }
            sweep
        };
        Some(Subnet {
            name: name.as_str().to_owned(),
            cidr: declared.cidr.as_ref().to_owned(),
            cameras: status.cameras,
            ready: status.ready,
            interval: declared.sweep.interval.as_secs(),
            cooldown: declared.sweep.cooldown.as_secs(),
            concurrency: declared.sweep.concurrency,
            suspended: declared.sweep.suspend,
            sweeping: status.sweeping,
            next_sweep_at: status.next_sweep.map(|at| self.wall(at)),
            current_sweep: status.run.as_ref().map(sweep),
            last_sweep: status.last_sweep.as_ref().map(sweep),
            overruns: status.overruns,
            conditions: self.conditions(&status.conditions),
        })
    }

    /// The number of the newest sweep of a subnet.
    pub fn newest_sweep(&self, name: &SubnetName) -> Option<i64> {
        let status = self.snapshot.subnets.get(name)?;
        status.run.as_ref().or(status.last_sweep.as_ref()).map(|record| record.id)
    }
}
