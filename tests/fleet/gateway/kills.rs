//! A gateway that is killed again and again while it is watched and swept.
//!
//! `FLEET_GATEWAY_KILLS` (3) says how often.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use camserver_chaos::Codec;
use rand::RngExt as _;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{
    GONE, LIMIT, Viewer, counts, is_alive, manifests, programs, restarts, serving, signal,
    succeeded, told,
};
use crate::cameras::{Cameras, settings};
use crate::clock::{now, number, turn, until};
use crate::http::PASSWORD;
use crate::server::{Place, Server};

/// The promise for every wanted stream and for media after the gateway was killed.
const BACK: Duration = Duration::from_secs(5);
/// Most kills that follow each other before it is back.
const BURST_MAX: usize = 4;

/// Nothing that others could read, and nothing that the gateway itself was told, leads to a camera.
fn check_tells_nothing(pid: i32, place: &Place, cameras: &Cameras) {
    let addresses = [0, 1].map(|index| cameras.address(index).to_string());
    let config = place.data.join("gateway/sim/go2rtc.yaml");
    let proc = |file: &str| PathBuf::from(format!("/proc/{pid}/{file}"));
    for file in [config, proc("cmdline"), proc("environ")] {
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        assert!(!text.is_empty(), "{}", file.display());
        let secrets = addresses.iter().map(String::as_str).chain([PASSWORD, "rtsp://"]);
        for secret in secrets {
            assert!(!text.contains(secret), "{} shows {secret}", file.display());
        }
    }
}

/// Each camera has one connection and no more, and is watched and swept at once.
#[test]
fn views_through_a_gateway_outlive_it_and_end_with_their_leases() {
    let _turn = turn();
    let scripts = Place::new();
    for program in programs(&scripts) {
        let place = Place::new();
        println!("ON: {}", program.display());
        let mut fleet = settings(2);
        fleet.codecs = vec![Codec::H264, Codec::H265];
        fleet.limit = 1;
        let cameras = Cameras::start(fleet);
        manifests(&cameras, &program).write(&place.manifests);
        let server = place.start();
        let mut views =
            [Viewer::open(&server, "cam-001", "sub"), Viewer::open(&server, "cam-002", "main")];
        assert!(views[0].begins().contains("avc1"));
        assert!(views[1].begins().contains("hvc1"));
        counts(&cameras, &[1, 1], LIMIT);
        let streams = server.items("/streams");
        assert_eq!(streams.len(), 2);
        let is_there = |s: &Value| s["engine"] == "go2rtc" && s["present"] == true;
        assert!(streams.iter().all(is_there), "{streams:?}");
        let pid = until(LIMIT, "the gateway serves", || serving(&server, "sim", None));
        check_tells_nothing(pid, &place, &cameras);
        let kills = number("FLEET_GATEWAY_KILLS", 3);
        let (pid, losses) = kill_often(&server, &mut views, pid, kills);
        check_told(&server, kills, losses);
        check_sweeps(&server);
        assert_eq!(views[0].release().status, 204);
        assert_eq!(views[0].closes(), (4003, "released".to_owned()));
        // The sweeps go on: its connections are those of captures.
        let mut still = manifests(&cameras, &program);
        still.sweep = json!({"interval": "1h"});
        still.write(&place.manifests);
        counts(&cameras, &[0, 1], GONE);
        server.stop();
        assert!(!is_alive(pid), "the gateway is left behind");
        cameras.idle(GONE);
        cameras.check_limits();
    }
}

/// Kills it at random moments: while it plays, and again while it starts and has hardly begun.
/// Returns the process that is left, and how often it was lost.
fn kill_often(
    server: &Server,
    views: &mut [Viewer; 2],
    mut pid: i32,
    kills: usize,
) -> (i32, usize) {
    let mut chance = rand::rng();
    let mut worst = Duration::ZERO;
    let (mut done, mut losses) = (0, 0);
    while done < kills {
        let burst = chance.random_range(1..=BURST_MAX.min(kills - done));
        pause(chance.random_range(0..2_500));
        let mut killed = now();
        for nth in 0..burst {
            if nth > 0 {
                pid = until(BACK, "another one is started", || started(server, pid));
                pause(chance.random_range(0..600));
            }
            // Media from before the kill is no sign of life.
            for view in views.iter_mut() {
                view.drain();
            }
            signal(pid, Signal::KILL);
            killed = now();
        }
        pid = until(BACK, "another gateway has every stream", || serving(server, "sim", Some(pid)));
        let streams = killed.elapsed();
        let media = views.each_mut().map(|view| {
            view.begins();
            killed.elapsed()
        });
        println!("KILLED {burst} times: streams after {streams:?}, media after {media:?}");
        worst = worst.max(media[0]).max(media[1]);
        (done, losses) = (done + burst, losses + 1);
    }
    println!("WORST: {worst:?}");
    assert!(worst < BACK, "{worst:?}");
    (pid, losses)
}

fn pause(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

/// The process of the gateway, answering or not, when it is not the one `before`.
fn started(server: &Server, before: i32) -> Option<i32> {
    let pid = i32::try_from(told(server, "sim")["pid"].as_i64()?).unwrap();
    (pid != before && is_alive(pid)).then_some(pid)
}

/// Each end is counted, and the event log has the loss and the return. go2rtc may end by itself
/// besides.
fn check_told(server: &Server, kills: usize, losses: usize) {
    let metrics = server.get("/metrics").text();
    let counted = metrics.lines().filter(|line| line.starts_with("camserver_gateway_restarts"));
    println!("RESTARTS: {}", counted.collect::<Vec<_>>().join(", "));
    let ended = restarts(server, "sim", "Ended");
    assert!(ended > f64::from(u32::try_from(kills).unwrap()) - 0.5, "{ended}");
    for series in ["up", "streams_desired", "streams_present"] {
        let expected = if series == "up" { 1.0 } else { 2.0 };
        let value = server.metric(&format!("camserver_gateway_{series}{{subnet=\"sim\"}}"));
        assert_eq!(value, Some(expected), "{series}");
    }
    for kind in ["gateway_lost", "gateway_recovered"] {
        until(LIMIT, "every loss and return is told", || {
            let events = server.items("/events?since=0&limit=500");
            let of_kind = events.iter().filter(|event| event["primaryEvent"] == kind);
            (of_kind.count() >= losses).then_some(())
        });
    }
}

/// Cameras with a single connection, which a viewer has, still have new pictures.
fn check_sweeps(server: &Server) {
    let number = server.last_sweep_id() + 1;
    server.sweep_done(number, LIMIT);
    let mut last = Value::Null;
    until(LIMIT, "a sweep has the pictures of both watched cameras", || {
        let sweeps = server.sweeps();
        let done =
            |sweep: &&Value| sweep["state"] == "done" && sweep["id"].as_i64() >= Some(number);
        if let Some(sweep) = sweeps.iter().find(done)
            && sweep["results"] != last
        {
            last = sweep["results"].clone();
            println!("SWEPT: {last}");
        }
        sweeps.iter().filter(done).any(|sweep| succeeded(sweep) == 2).then_some(())
    });
}
