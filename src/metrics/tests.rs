//! What a scrape says, and whether Prometheus' own tool likes it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use super::*;
use crate::http::tests::fixture::{camera_name, now, snapshot, subnet_name};
use crate::model::gateway::{GatewayState, GatewayView, Owner};
use crate::model::lease::Quality;
use crate::model::observed::Seen;
use crate::model::snapshot::GatewayStatus;

fn scrape(cameras: u32) -> Scrape {
    Scrape { snapshot: Arc::new(snapshot(cameras)), mono: now().mono, events: (10, 2000) }
}

fn used() -> Metrics {
    let metrics = Metrics::new();
    metrics.capture_finished("native", "Captured", 1.2);
    metrics.capture_finished("native", "Timeout", 30.0);
    metrics.reconcile_pass(true, 0.004);
    metrics.action("Capture", "ok");
    metrics.sweep_finished("done");
    metrics.slot_refused("Full");
    metrics.child_started("capture", true);
    metrics.observed("connections", true, 0.003);
    metrics.store_operation("write_frame", true, 0.002);
    metrics.retention_deleted("frames", 7);
    metrics.ws_client_joined();
    metrics.http_request("/api/v1/cameras/{name}", "GET", 200, 0.001);
    metrics
}

#[test]
fn gauges_are_read_from_the_newest_state() {
    let metrics = used();
    let text = metrics.encode(&scrape(3), Format::Prometheus).unwrap();
    for line in [
        "camserver_camera_connections{camera=\"cam-001\",owner=\"server\"} 1.0",
        "camserver_camera_connections_limit{camera=\"cam-001\"} 2.0",
        "camserver_camera_ready{camera=\"cam-002\"} 0.0",
        "camserver_camera_enabled{camera=\"cam-003\"} 0.0",
        "camserver_subnet_sweep_interval_seconds{subnet=\"north\"} 60.0",
        "camserver_sweep_overruns_total{subnet=\"north\"} 1",
        "camserver_slots{state=\"held\",purpose=\"sweep\"} 1.0",
        "camserver_config_last_reload_successful 1.0",
        "camserver_config_generation 4.0",
        "camserver_resident_memory_bytes 58000000.0",
        "camserver_captures_total{backend=\"native\",reason=\"Timeout\"} 1",
        "camserver_capture_duration_seconds_bucket{le=\"2.0\",backend=\"native\",result=\"ok\"} 1",
        "camserver_processes{class=\"owned\"} 1.0",
        "camserver_processes{class=\"orphan\"} 1.0",
        "camserver_processes{class=\"undead\"} 1.0",
        "camserver_processes{class=\"zombie\"} 1.0",
        "camserver_processes{class=\"unmarked\"} 0.0",
        "camserver_processes{class=\"foreign\"} 1.0",
        "camserver_children{kind=\"capture\"} 3.0",
        "camserver_children{kind=\"gateway\"} 0.0",
        "camserver_child_oldest_age_seconds{kind=\"capture\"} 1000.0",
        "camserver_children_started_total{kind=\"capture\",result=\"ok\"} 1",
        "camserver_children_started_total{kind=\"gateway\",result=\"failed\"} 0",
        "camserver_orphans_killed_total{reason=\"orphan\"} 3",
        "camserver_orphans_killed_total{reason=\"over_age\"} 0",
        "camserver_observation_last_success_timestamp_seconds{part=\"processes\"} 1767650400.0",
        "camserver_observation_failures_total{part=\"store\"} 0",
        "camserver_observation_duration_seconds_count{part=\"connections\"} 1",
        "camserver_event_ring_limit 2000.0",
        "camserver_server_condition{type=\"Healthy\",status=\"True\"} 1.0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
    }
    assert!(text.contains("camserver_build_info{version="), "{text}");
}

#[test]
fn a_removed_camera_has_no_series() {
    let metrics = used();
    let mut scrape = scrape(3);
    assert!(metrics.encode(&scrape, Format::Prometheus).unwrap().contains("cam-002"));
    let mut snapshot = (*scrape.snapshot).clone();
    let mut desired = (*snapshot.desired).clone();
    snapshot.cameras.remove(&camera_name(2));
    desired.cameras.remove(&camera_name(2));
    snapshot.desired = Arc::new(desired);
    scrape.snapshot = Arc::new(snapshot);
    assert!(!metrics.encode(&scrape, Format::Prometheus).unwrap().contains("cam-002"));
}

fn gateway() -> GatewayStatus {
    let wanted = [Quality::Sub, Quality::Main].map(|quality| {
        (Owner::of("inst").stream(&camera_name(1), quality, 0), (camera_name(1), quality))
    });
    let seen = GatewayView {
        state: GatewayState::Up,
        pid: Some(7),
        fault: None,
        listed: Some([wanted[0].0.shared()].into()),
        wanted: wanted.into(),
        strangers: [].into(),
        restarts: BTreeMap::from([("Ended", 2), ("Silent", 0)]),
    };
    let conditions = crate::plan::status::gateway(&seen, &[], 1, now());
    GatewayStatus { seen, conditions }
}

#[test]
fn a_gateway_has_series_as_long_as_it_is_there_and_can_be_read() {
    let metrics = used();
    let mut scrape = scrape(1);
    let mut with = |change: &dyn Fn(&mut GatewayStatus)| {
        let mut snapshot = (*scrape.snapshot).clone();
        let mut status = gateway();
        change(&mut status);
        snapshot.gateways = BTreeMap::from([(subnet_name(), Arc::new(status))]);
        scrape.snapshot = Arc::new(snapshot);
        metrics.encode(&scrape, Format::Prometheus).unwrap()
    };
    let text = with(&|_| {});
    for line in [
        "camserver_gateway_up{subnet=\"north\"} 1.0",
        "camserver_gateway_streams_desired{subnet=\"north\"} 2.0",
        "camserver_gateway_streams_present{subnet=\"north\"} 1.0",
        "camserver_gateway_restarts_total{subnet=\"north\",reason=\"Ended\"} 2",
        "camserver_gateway_restarts_total{subnet=\"north\",reason=\"Silent\"} 0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
    }
    let text = with(&|status| status.seen.listed = None);
    assert!(!text.contains("camserver_gateway_streams_present{"), "{text}");
    let text = with(&|status| status.conditions.clear());
    assert!(text.contains("camserver_gateway_up{subnet=\"north\"} 0.0"), "{text}");
    let mut snapshot = (*scrape.snapshot).clone();
    snapshot.gateways.clear();
    scrape.snapshot = Arc::new(snapshot);
    assert!(!metrics.encode(&scrape, Format::Prometheus).unwrap().contains("camserver_gateway_"));
}

#[test]
fn processes_that_cannot_be_seen_are_not_none() {
    let metrics = used();
    let mut scrape = scrape(3);
    let mut snapshot = (*scrape.snapshot).clone();
    let since = Mono(400_000);
    snapshot.processes = Seen::Unreadable { since, why: "/proc: denied".to_owned() };
    scrape.snapshot = Arc::new(snapshot);
    let text = metrics.encode(&scrape, Format::Prometheus).unwrap();
    for absent in ["camserver_processes{", "camserver_children{", "camserver_child_oldest"] {
        assert!(!text.contains(absent), "{absent} is there in\n{text}");
    }
    assert!(text.contains("camserver_observation_readable{part=\"processes\"} 0.0"), "{text}");
    // The last success is not known any more, but that it was before then.
    let last = "camserver_observation_last_success_timestamp_seconds{part=\"processes\"}";
    assert!(text.contains(&format!("{last} 1767649800.0")), "{text}");
    assert!(text.contains("camserver_orphans_killed_total{reason=\"orphan\"} 3"), "{text}");
}

#[test]
fn open_metrics_names_units_and_ends() {
    let text = used().encode(&scrape(1), Format::OpenMetrics).unwrap();
    assert!(text.ends_with("# EOF\n"));
    assert!(text.contains("# TYPE camserver_captures counter\n"));
    // Each family is described once and its samples stand together.
    let mut seen = std::collections::BTreeSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        assert!(seen.insert(line.to_owned()), "{line} twice");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "runs Prometheus' own checker")]
fn promtool_finds_nothing_to_complain_about() {
    let mut scrape = scrape(3);
    let mut snapshot = (*scrape.snapshot).clone();
    snapshot.gateways = BTreeMap::from([(subnet_name(), Arc::new(gateway()))]);
    scrape.snapshot = Arc::new(snapshot);
    let text = used().encode(&scrape, Format::Prometheus).unwrap();
    let child = std::process::Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn();
    let mut child = child.expect("promtool is needed: apt-get install prometheus");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}\n{text}");
}
