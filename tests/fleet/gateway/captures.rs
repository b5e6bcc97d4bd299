//! Sweeps through a gateway: nothing is left behind, a wedged one costs no more than the deadline,
//! and a viewer goes first.

use std::fs;

use camserver_chaos::Codec;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{
    GONE, LIMIT, Viewer, counts, gateway, is_alive, manifests, no_more_sweeps, programs, succeeded,
};
use crate::cameras::{Cameras, settings};
use crate::clock::{turn, until};
use crate::manifests::Manifests;
use crate::server::{Place, Server};

/// One connection for each camera.
fn fleet(codecs: Vec<Codec>) -> Cameras {
    let mut fleet = settings(u32::try_from(codecs.len()).unwrap());
    fleet.codecs = codecs;
    fleet.limit = 1;
    Cameras::start(fleet)
}

/// Waits for a sweep from number `first` on of which this holds.
fn sweep(server: &Server, first: i64, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    until(LIMIT, what, || {
        let done = |sweep: &Value| sweep["state"] == "done" && sweep["id"].as_i64() >= Some(first);
        server.sweeps().into_iter().find(|sweep| done(sweep) && holds(sweep))
    })
}

fn backend(sweep: &Value, camera: &str) -> Value {
    let results = sweep["results"].as_array().unwrap();
    results.iter().find(|result| result["camera"] == camera).unwrap()["backend"].clone()
}

/// No more sweeps; waits until nothing of them is left.
fn settle(server: &Server, declared: &mut Manifests, place: &Place, cameras: &Cameras) {
    no_more_sweeps(server, declared, place);
    cameras.idle(GONE);
    until(LIMIT, "no stream is left", || server.items("/streams").is_empty().then_some(()));
}

fn limits_are_set(pid: i32) {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let soft = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(soft("Max address space"), (6_u64 << 30).to_string());
    assert!(soft("Max open files").parse::<u64>().unwrap() <= 4096, "{limits}");
    assert_eq!(soft("Max core file size"), "0");
    assert_eq!(soft("Max cpu time"), "unlimited");
}

/// The native engine serves viewers; the gateway is there for captures alone.
#[test]
fn sweeps_capture_through_a_gateway_and_leave_nothing() {
    let _turn = turn();
    let scripts = Place::new();
    for program in programs(&scripts) {
        println!("ON: {}", program.display());
        let place = Place::new();
        let cameras = fleet(vec![Codec::H264, Codec::H265, Codec::Mjpeg]);
        let mut declared = manifests(&cameras, &program);
        declared.server["live"] = json!({"engine": "native"});
        declared.capture(&json!({"order": ["gateway", "native"]}));
        declared.write(&place.manifests);
        let server = place.start();
        let swept = sweep(&server, 1, "all were captured", |sweep| succeeded(sweep) == 3);
        println!("SWEPT: {swept}");
        for camera in ["cam-001", "cam-002"] {
            assert_eq!(backend(&swept, camera), "gateway");
        }
        // go2rtc has no MJPEG for MP4, which is no reason not to try another way.
        assert_eq!(backend(&swept, "cam-003"), "native");
        let pid = gateway(&server, None);
        limits_are_set(pid);
        settle(&server, &mut declared, &place, &cameras);
        server.stop();
        assert!(!is_alive(pid), "the gateway is left behind");
        cameras.check_limits();
        let item = &cameras.items()[0];
        assert_eq!(item["tornDown"], item["accepted"], "{item}");
    }
}

#[test]
fn neither_a_wedged_gateway_nor_a_silent_camera_costs_more_than_the_deadline() {
    let _turn = turn();
    let scripts = Place::new();
    for program in programs(&scripts) {
        println!("ON: {}", program.display());
        let place = Place::new();
        let cameras = fleet(vec![Codec::H264]);
        let mut declared = manifests(&cameras, &program);
        declared.capture(&json!({"order": ["gateway"], "timeout": "2s"}));
        declared.write(&place.manifests);
        let server = place.start();
        sweep(&server, 1, "it was captured", |sweep| succeeded(sweep) == 1);
        let pid = gateway(&server, None);
        cameras.fault(0, &json!({"stage": "stream", "kind": "idr-never"}));
        // A capture that was going on ends otherwise.
        let failed = |reason: &'static str| {
            move |sweep: &Value| {
                let result = &sweep["results"][0];
                result["outcome"] == "failed" && result["reason"] == reason
            }
        };
        let next = server.last_sweep_id() + 1;
        let without = sweep(&server, next, "no key picture came", failed("NoKeyFrame"));
        check_time(&without);
        cameras.idle(GONE);
        cameras.heal(0);
        let stopped = Pid::from_raw(pid).unwrap();
        kill_process(stopped, Signal::STOP).unwrap();
        let next = server.last_sweep_id() + 1;
        let wedged = sweep(&server, next, "the gateway did not answer", failed("Host"));
        check_time(&wedged);
        // The server would take it for hung and do the same, some seconds later.
        kill_process(stopped, Signal::KILL).unwrap();
        let next = server.last_sweep_id() + 1;
        sweep(&server, next, "it was captured again", |sweep| succeeded(sweep) == 1);
        assert_ne!(gateway(&server, Some(pid)), pid);
        settle(&server, &mut declared, &place, &cameras);
        server.stop();
        cameras.check_limits();
    }
}

fn check_time(sweep: &Value) {
    let result = &sweep["results"][0];
    println!("FAILED: {result}");
    // The deadline is 2 s; ending in order takes its time on a busy machine.
    assert!(result["durationMs"].as_u64().unwrap() < 9_000, "{result}");
}

#[test]
fn a_viewer_takes_the_only_connection_from_a_capture_through_the_gateway() {
    let _turn = turn();
    let scripts = Place::new();
    for program in programs(&scripts) {
        println!("ON: {}", program.display());
        let place = Place::new();
        let cameras = fleet(vec![Codec::H264]);
        let mut declared = manifests(&cameras, &program);
        declared.capture(&json!({"order": ["gateway"], "timeout": "20s"}));
        declared.sweep = json!({"interval": "1h"});
        declared.write(&place.manifests);
        let server = place.start();
        sweep(&server, 1, "the first sweep has ended", |_| true);
        cameras.fault(0, &json!({"stage": "stream", "kind": "idr-late", "ms": 60_000}));
        let next = server.last_sweep_id() + 1;
        assert!(server.cli(&["sweep", "sim"]).status.success());
        counts(&cameras, &[1], LIMIT);
        let held = cameras.counts("accepted")[0];
        let mut viewer = Viewer::open(&server, "cam-001", "sub");
        until(LIMIT, "the viewer's session has followed", || {
            (cameras.counts("accepted")[0] > held).then_some(())
        });
        cameras.heal(0);
        viewer.begins();
        let swept = sweep(&server, next, "the sweep has ended", |_| true);
        let result = &swept["results"][0];
        println!("SWEPT: {result}");
        match result["outcome"].as_str().unwrap() {
            "ok" => assert_eq!(result["backend"], "gateway"),
            outcome => assert_eq!((outcome, &result["reason"]), ("skipped", &json!("NoSlot"))),
        }
        // What is watched through the gateway is captured there, without another connection.
        let accepted = cameras.counts("accepted");
        let next = server.last_sweep_id() + 1;
        assert!(server.cli(&["sweep", "sim"]).status.success());
        let swept = sweep(&server, next, "it was captured", |_| true);
        assert_eq!(backend(&swept, "cam-001"), "gateway");
        assert_eq!((succeeded(&swept), cameras.counts("accepted")), (1, accepted), "{swept}");
        viewer.release();
        cameras.idle(GONE);
        server.stop();
        assert_eq!(cameras.counts("refused"), [0]);
        cameras.check_limits();
    }
}
