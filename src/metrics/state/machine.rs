//! The machine as it was seen: when each part was last looked at, and the processes.
//!
//! What could not be seen has no series: a missing number is not zero.

use std::collections::BTreeMap;
use std::fmt::Error;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

use super::{flag, gauges, seconds};
use crate::model::observed::Seen;
use crate::model::process::{
    EndCause, Process, ProcessOwner, ProcessState, ProcessTable, Standing, Unit,
};
use crate::model::snapshot::Snapshot;
use crate::model::time::Mono;

/// The parts of the world that are looked at, each on its own.
pub(in crate::metrics) const PARTS: [&str; 4] = ["connections", "processes", "store", "host"];

/// Classes of processes.
const CLASSES: [&str; 6] = ["owned", "orphan", "zombie", "undead", "unmarked", "foreign"];

pub(super) fn observations(
    e: &mut DescriptorEncoder<'_>,
    s: &Snapshot,
    now: Mono,
) -> Result<(), Error> {
    fn seen<T>(seen: &Seen<T>) -> (bool, Mono) {
        match seen {
            Seen::Fresh { at, .. } => (true, *at),
            Seen::Unreadable { since, .. } => (false, *since),
        }
    }
    let [connections, processes, store, host] = PARTS;
    let all = [
        (connections, seen(&s.connections)),
        (processes, seen(&s.processes)),
        (store, seen(&s.store)),
        (host, seen(&s.host)),
    ];
    gauges(
        e,
        "observation_readable",
        "1 when this part of the world could be read at the last look",
        all.iter().map(|(part, (fresh, _))| ([("part", *part)], flag(*fresh))),
    )?;
    gauges(
        e,
        "observation_age_seconds",
        "Time since this part was last read, or since it has been unreadable",
        all.iter().map(|(part, (_, at))| ([("part", *part)], now.since(*at).as_secs_f64())),
    )?;
    gauges(
        e,
        "observation_last_success_timestamp_seconds",
        "When this part was last read; while it is unreadable, when that began",
        all.iter().map(|(part, (_, at))| ([("part", *part)], seconds(s.at.wall_at(*at)))),
    )
}

pub(super) fn processes(e: &mut DescriptorEncoder<'_>, s: &Snapshot) -> Result<(), Error> {
    if let Some(table) = s.processes.fresh() {
        let instance = &s.run.instance;
        let mut classes: BTreeMap<&str, f64> = CLASSES.map(|class| (class, 0.0)).into();
        for process in &table.processes {
            *classes.entry(class(table, process, instance)).or_default() += 1.0;
        }
        gauges(
            e,
            "processes",
            "Processes that concern the server. owned: its children at work; orphan: children \
             that nobody owns, also of a run before; zombie: ended, not reaped; undead: orphans \
             that the kernel does not let be killed; unmarked: descendants without a mark; \
             foreign: others that are connected to cameras",
            classes.iter().map(|(class, n)| ([("class", *class)], *n)),
        )?;
        children(e, s, table)?;
    }
    let mut family = e.encode_descriptor(
        "orphans_killed",
        "Processes of this server that the loop ended, by reason",
        None,
        MetricType::Counter,
    )?;
    for cause in EndCause::ALL {
        let count = s.orphans_killed.get(&cause).copied().unwrap_or_default();
        let labels = [("reason", cause.as_str())];
        ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// Children that have not ended, by what they were started for.
fn children(
    e: &mut DescriptorEncoder<'_>,
    s: &Snapshot,
    table: &ProcessTable,
) -> Result<(), Error> {
    let mut kinds: BTreeMap<&str, (f64, f64)> = Unit::KINDS.map(|kind| (kind, (0.0, 0.0))).into();
    for process in table.processes.iter().filter(|p| p.state != ProcessState::Zombie) {
        let Some(mark) = process.mark() else { continue };
        let (count, oldest) = kinds.entry(mark.unit.kind()).or_default();
        *count += 1.0;
        *oldest = oldest.max(s.at.mono.since(process.started).as_secs_f64());
    }
    gauges(
        e,
        "children",
        "Child processes that run, by what they were started for",
        kinds.iter().map(|(kind, (count, _))| ([("kind", *kind)], *count)),
    )?;
    gauges(
        e,
        "child_oldest_age_seconds",
        "Age of the oldest child process; 0 while there is none",
        kinds.iter().map(|(kind, (_, oldest))| ([("kind", *kind)], *oldest)),
    )
}

fn class(table: &ProcessTable, process: &Process, instance: &str) -> &'static str {
    let is_foreign = process.owner == ProcessOwner::Foreign;
    if process.state == ProcessState::Zombie && !is_foreign {
        return "zombie";
    }
    match table.standing(process, instance) {
        Standing::Owned => "owned",
        Standing::Orphan | Standing::PreviousRun
            if process.state == ProcessState::Uninterruptible =>
        {
            "undead"
        }
        Standing::Orphan | Standing::PreviousRun => "orphan",
        Standing::Unmarked => "unmarked",
        Standing::Foreign => "foreign",
    }
}
