//! The gauges that are read from the newest state at each scrape.
//!
//! Nothing is kept between scrapes: what is no longer declared has no series any more.

use std::collections::BTreeMap;
use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::Scrape;
use crate::model::condition::{Condition, ConditionType, Truth};
use crate::model::lease::ViewKind;
use crate::model::snapshot::Snapshot;

mod gateways;
mod machine;

pub(super) use machine::PARTS;

/// Labels and value of one series.
type Series<'a, const N: usize> = ([(&'static str, &'a str); N], f64);

/// Reads one state.
#[derive(Debug)]
pub(super) struct StateCollector {
    scrape: Scrape,
}

impl StateCollector {
    /// For one scrape.
    pub(super) fn new(scrape: Scrape) -> Self {
        Self { scrape }
    }
}

impl Collector for StateCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let snapshot = &*self.scrape.snapshot;
        cameras(&mut encoder, snapshot)?;
        camera_times(&mut encoder, snapshot)?;
        subnets(&mut encoder, snapshot)?;
        gateways::gateways(&mut encoder, snapshot)?;
        slots(&mut encoder, snapshot)?;
        leases(&mut encoder, snapshot)?;
        config(&mut encoder, snapshot)?;
        conditions(&mut encoder, snapshot)?;
        machine::observations(&mut encoder, snapshot, self.scrape.mono)?;
        machine::processes(&mut encoder, snapshot)?;
        host(&mut encoder, snapshot)?;
        store(&mut encoder, snapshot)?;
        let (held, bound) = self.scrape.events;
        gauge(&mut encoder, "event_ring_events", "Events held in memory", count(held))?;
        gauge(&mut encoder, "event_ring_limit", "Most events held in memory", count(bound))
    }
}

fn cameras(e: &mut DescriptorEncoder<'_>, s: &Snapshot) -> Result<(), Error> {
    let each = || s.cameras.iter().map(|(name, status)| (name.as_str(), status));
    gauges(
        e,
        "camera_connections",
        "Connections of this host to the camera's device, by whose they are",
        each().flat_map(|(name, status)| {
            [("server", status.ours), ("foreign", status.foreign)]
                .map(|(owner, n)| ([("camera", name), ("owner", owner)], f64::from(n)))
        }),
    )?;
    gauges(
        e,
        "camera_connections_limit",
        "Connections that the camera's device tolerates",
        each().map(|(name, status)| ([("camera", name)], f64::from(status.limit))),
    )?;
    gauges(
        e,
        "camera_ready",
        "1 when the last attempt that was not skipped succeeded and is young enough",
        each()
            .map(|(n, status)| ([("camera", n)], holds(&status.conditions, ConditionType::Ready))),
    )?;
    gauges(
        e,
        "camera_enabled",
        "1 when the camera takes part",
        s.desired.cameras.iter().map(|(n, c)| ([("camera", n.as_str())], flag(c.enabled))),
    )?;
    gauges(
        e,
        "camera_failures",
        "Failed attempts since the last success",
        each().map(|(name, status)| ([("camera", name)], f64::from(status.failures))),
    )
}

fn camera_times(e: &mut DescriptorEncoder<'_>, s: &Snapshot) -> Result<(), Error> {
    gauges(
        e,
        "camera_last_frame_timestamp_seconds",
        "Time of the last good picture; start of the program while there is none",
        s.cameras.iter().map(|(name, status)| {
            let frame = status.last_frame.as_ref().map_or(s.run.started.wall, |f| f.captured_at);
            ([("camera", name.as_str())], seconds(frame))
        }),
    )
}

fn subnets(e: &mut DescriptorEncoder<'_>, s: &Snapshot) -> Result<(), Error> {
    let each = || s.subnets.iter().map(|(name, status)| (name.as_str(), status));
    gauges(
        e,
        "subnet_cameras",
        "Enabled cameras of the subnet",
        each().map(|(name, status)| ([("subnet", name)], f64::from(status.cameras))),
    )?;
    gauges(
        e,
        "subnet_cameras_ready",
        "Cameras of the subnet that are ready",
        each().map(|(name, status)| ([("subnet", name)], f64::from(status.ready))),
    )?;
    gauges(
        e,
        "subnet_sweeping",
        "1 while a sweep is going on",
        each().map(|(name, status)| ([("subnet", name)], flag(status.sweeping))),
    )?;
    gauges(
        e,
        "subnet_clean",
        "1 when the last sweep left no connection behind",
        each()
            .map(|(n, status)| ([("subnet", n)], holds(&status.conditions, ConditionType::Clean))),
    )?;
    gauges(
        e,
        "subnet_sweep_interval_seconds",
        "Declared time from the start of one sweep to the start of the next",
        s.desired
            .subnets
            .iter()
            .map(|(n, subnet)| ([("subnet", n.as_str())], subnet.sweep.interval.as_secs_f64())),
    )?;
    let last = || each().filter_map(|(n, status)| Some((n, status.last_sweep.as_ref()?)));
    gauges(
        e,
        "subnet_last_sweep_end_timestamp_seconds",
        "End of the last sweep",
        last().filter_map(|(n, sweep)| Some(([("subnet", n)], seconds(sweep.ended_at?)))),
    )?;
    gauges(
        e,
        "subnet_last_sweep_duration_seconds",
        "Time that the last sweep took",
        last().filter_map(|(n, sweep)| {
            let took = sweep.ended_at?.duration_since(sweep.started_at);
            Some(([("subnet", n)], took.as_secs_f64()))
        }),
    )?;
    let mut family = e.encode_descriptor(
        "sweep_overruns",
        "Starts of sweeps that passed while the sweep before was going on",
        None,
        MetricType::Counter,
    )?;
    for (name, status) in each() {
        let labels = [("subnet", name)];
        ConstCounter::new(status.overruns).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn slots(e: &mut DescriptorEncoder<'_>, s: &Snapshot) -> Result<(), Error> {
    let mut by_kind: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    for purpose in ["sweep", "suggest", "modal"] {
        by_kind.insert(("held", purpose), 0.0);
    }
    for slot in s.slots.iter() {
        let purpose = slot.holder.as_ref().map_or("unknown", |h| h.purpose.as_str());
        *by_kind.entry((slot.state.as_str(), purpose)).or_default() += 1.0;
    }
    gauges(
        e,
        "slots",
        "Rights to a connection that are not free, by state and purpose",
        by_kind.iter().map(|(&(state, purpose), &n)| ([("state", state), ("purpose", purpose)], n)),
    )
}

fn leases(e: &mut DescriptorEncoder<'_>, s: &Snapshot) -> Result<(), Error> {
    let views = |kind| s.leases.iter().filter(move |lease| lease.kind == kind);
    let kinds = [ViewKind::Modal, ViewKind::Suggest];
    let counts = kinds.map(|kind| (kind.as_str(), count(views(kind).count())));
    gauges(
        e,
        "leases",
        "Leases in force: slots of devices, views that somebody opened, views of the suggestion",
        [("slot", count(s.slots.len()))].into_iter().chain(counts).map(|(k, n)| ([("kind", k)], n)),
    )?;
    let units: u32 = views(ViewKind::Modal).map(|lease| lease.quality.units()).sum();
    gauge(e, "live_units", "Units of the budget for live views in use", f64::from(units))?;
    let budget = f64::from(s.desired.server.admission.modal_units());
    gauge(e, "live_units_limit", "Units of the budget for live views", budget)?;
    let help = "1 while this host is overloaded and takes no more live views";
    gauge(e, "overloaded", help, flag(s.overload.is_some()))
}

fn config(e: &mut DescriptorEncoder<'_>, s: &Snapshot) -> Result<(), Error> {
    let config = &s.config;
    gauge(
        e,
        "config_last_reload_successful",
        "1 when the newest set of manifests is in force",
        flag(config.valid),
    )?;
    gauge(e, "config_generation", "Number of the set in force", int(config.generation))?;
    gauge(e, "config_held", "1 while a set waits for confirmation", flag(config.held.is_some()))?;
    if let Some(at) = config.applied_at {
        let help = "When the set in force was applied";
        gauge(e, "config_applied_timestamp_seconds", help, seconds(at))?;
    }
    let family = e.encode_descriptor(
        "config_loads",
        "Times that the manifests were loaded",
        None,
        MetricType::Counter,
    )?;
    ConstCounter::new(config.loads).encode(family)?;
    let family = e.encode_descriptor(
        "config_loads_refused",
        "Loads that were refused",
        None,
        MetricType::Counter,
    )?;
    ConstCounter::new(config.loads_refused).encode(family)
}

fn conditions(e: &mut DescriptorEncoder<'_>, s: &Snapshot) -> Result<(), Error> {
    let names: Vec<String> = s.conditions.iter().map(|c| format!("{:?}", c.kind)).collect();
    gauges(
        e,
        "server_condition",
        "Conditions of the server: exactly one status of each type is 1",
        s.conditions.iter().zip(&names).flat_map(|(condition, name)| {
            [Truth::True, Truth::False, Truth::Unknown].map(|status| {
                let labels = [("type", name.as_str()), ("status", status.as_str())];
                (labels, flag(condition.status == status))
            })
        }),
    )
}

fn host(e: &mut DescriptorEncoder<'_>, s: &Snapshot) -> Result<(), Error> {
    let started = seconds(s.run.started.wall);
    gauge(e, "start_timestamp_seconds", "Start of the program", started)?;
    let Some(host) = s.host.fresh() else { return Ok(()) };
    let resident = int(host.resident_bytes);
    gauge(e, "resident_memory_bytes", "Resident memory of this process", resident)?;
    gauge(e, "host_memory_ratio", "Memory in use on this host", host.memory_percent / 100.0)?;
    gauge(e, "open_files", "Open file descriptors of this process", int(host.open_files))?;
    let most = int(host.open_files_max);
    gauge(e, "open_files_limit", "Most file descriptors of this process", most)?;
    gauge(e, "threads", "Threads of this process", int(host.threads))?;
    let family = e.encode_descriptor(
        "cpu_seconds",
        "Processor time of this process since its start",
        None,
        MetricType::Counter,
    )?;
    ConstCounter::new(host.cpu_seconds).encode(family)
}

fn store(e: &mut DescriptorEncoder<'_>, s: &Snapshot) -> Result<(), Error> {
    let Some(store) = s.store.fresh() else { return Ok(()) };
    gauge(e, "store_frames", "Stored pictures", int(store.frames))?;
    gauge(e, "store_frame_bytes", "Size of the stored pictures", int(store.frame_bytes))?;
    let bound = int(s.desired.retention.max_bytes);
    gauge(e, "store_frame_bytes_limit", "Most bytes of stored pictures", bound)?;
    gauge(e, "disk_free_bytes", "Free on the disk of the data", int(store.disk_free_bytes))?;
    gauge(e, "disk_size_bytes", "Size of the disk of the data", int(store.disk_total_bytes))
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: f64,
) -> Result<(), Error> {
    write_gauge(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?, value)
}

fn gauges<'a, const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    series: impl Iterator<Item = Series<'a, N>>,
) -> Result<(), Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in series {
        write_gauge(family.encode_family(&labels)?, value)?;
    }
    Ok(())
}

fn write_gauge(encoder: MetricEncoder<'_>, value: f64) -> Result<(), Error> {
    ConstGauge::new(value).encode(encoder)
}

fn holds(conditions: &[Condition], kind: ConditionType) -> f64 {
    flag(conditions.iter().any(|c| c.kind == kind && c.status == Truth::True))
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn count(n: usize) -> f64 {
    int(u64::try_from(n).unwrap_or(u64::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating point; 2^53 is enough")]
fn int(n: u64) -> f64 {
    n as f64
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds fit into 53 bits for ages")]
fn seconds(at: jiff::Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}
