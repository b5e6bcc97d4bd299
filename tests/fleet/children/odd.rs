//! Children that do not behave, in the place of ffmpeg, and an ffmpeg that is missing or too old:
//! nothing of them is left, and everything else goes on.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Watch, marked};
use crate::cameras::{Cameras, settings};
use crate::clock::{turn, until};
use crate::manifests::Manifests;
use crate::server::{Place, Server};

const LIMIT: Duration = Duration::from_mins(1);
const TIMEOUT: Duration = Duration::from_secs(3);
/// The promise: so long after its deadline nothing of a child is left.
const AFTER: Duration = Duration::from_secs(5);
/// A look may come late on a busy machine.
const LATE: Duration = Duration::from_secs(1);

/// What the child of each camera does. The server starts one program for all; the mark tells which.
const ODD: [(&str, &str); 7] = [
    ("ignores SIGTERM", "trap '' TERM INT HUP; while :; do sleep 1; done"),
    (
        "has a grandchild in another session",
        "setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 1; done' & exec sleep 1000",
    ),
    ("ends and leaves a grandchild", "setsid sleep 1000 & sleep 1; exit 0"),
    ("stops itself", "kill -STOP $$; sleep 1000"),
    ("writes without end", "sleep 1; exec cat /dev/zero"),
    ("complains without end", "exec cat /dev/zero >&2"),
    ("never ends", "exec sleep 1000"),
];

/// All cameras by ffmpeg, but the last one, which the server captures itself.
fn write(place: &Place, cameras: &Cameras, ffmpeg: &str) {
    let mut manifests = Manifests::of(cameras);
    manifests.server = json!({"processes": {"ffmpeg": ffmpeg}});
    manifests.sweep = json!({"interval": "8s", "cooldown": "1s", "concurrency": 16});
    manifests.family("quarantine", &json!("0s"));
    let capture = |way: &str| json!({"timeout": format!("{}s", TIMEOUT.as_secs()), "order": [way]});
    manifests.capture(&capture("ffmpeg"));
    manifests.cameras.last_mut().unwrap().1["capture"] = capture("native");
    manifests.write(&place.manifests);
}

/// Of a sweep: the result of the camera that is captured without a child, and of the others.
fn results(sweep: &Value) -> (Value, Vec<Value>) {
    let mut all = sweep["results"].as_array().unwrap().clone();
    all.sort_by_key(|result| result["camera"].to_string());
    (all.pop().unwrap(), all)
}

#[test]
fn nothing_is_left_of_children_that_do_not_behave() {
    let _turn = turn();
    let cameras = Cameras::start(settings(u32::try_from(ODD.len()).unwrap() + 1));
    let place = Place::new();
    let arm = |(nth, (_, does)): (usize, &(&str, &str))| {
        format!("*:capture/cam-{:03}:*) {does} ;;\n", nth + 1)
    };
    let arms: String = ODD.iter().enumerate().map(arm).collect();
    let version = "case $1 in -version) echo 'ffmpeg version 5.1'; exit 0 ;; esac";
    let ffmpeg = place.program(&format!("{version}\ncase $CAMSERVER_MARK in\n{arms}esac\n"));
    write(&place, &cameras, &ffmpeg);
    let server = place.start();
    let watch = Watch::start(place.installation());
    for nth in 1..=2 {
        let (native, odd) = results(&server.sweep_done(nth, LIMIT));
        assert_eq!(native["outcome"], "ok", "{native}");
        for (result, (does, _)) in odd.iter().zip(ODD) {
            println!("{does}: {} {}", result["reason"], result["message"]);
            assert_eq!(result["outcome"], "failed", "{does}: {result}");
        }
    }
    let seen = watch.seen();
    assert!(seen.doubles.is_empty(), "{:?}", seen.doubles);
    for (nth, (does, _)) in ODD.iter().enumerate() {
        let unit = format!("capture/cam-{:03}", nth + 1);
        let lives: Vec<_> = seen.lives.values().filter(|life| life.unit == unit).collect();
        assert!(lives.len() >= 2, "{does}: {} children in two sweeps", lives.len());
        for life in lives {
            assert!(life.length() <= TIMEOUT + AFTER + LATE, "{does}: {:?}", life.length());
        }
    }
    let started = r#"camserver_children_started_total{kind="capture",result="ok"}"#;
    assert!(server.metric(started) >= Some(2.0 * 7.0), "{:?}", server.metric(started));
    let orphans = server.metric(r#"camserver_processes{class="orphan"}"#);
    assert_eq!(orphans, Some(0.0), "its owner ends what a child leaves");
    let installation = place.installation();
    server.stop();
    assert!(marked(&installation).is_empty(), "{:?}", marked(&installation));
    cameras.idle(Duration::from_secs(5));
}

/// What is said of a camera that only ffmpeg may capture, while others go on.
fn said_without(ffmpeg: impl FnOnce(&Place) -> String) -> (Server, Place, String) {
    let cameras = Cameras::start(settings(2));
    let place = Place::new();
    let ffmpeg = ffmpeg(&place);
    write(&place, &cameras, &ffmpeg);
    let server = place.start();
    let mut said = String::new();
    for nth in 1..=2 {
        let (native, only_ffmpeg) = results(&server.sweep_done(nth, LIMIT));
        assert_eq!(native["outcome"], "ok", "{native}");
        assert_ne!(only_ffmpeg[0]["outcome"], "ok", "{only_ffmpeg:?}");
        said = server.api("/cameras/cam-001")["state"]["message"].to_string();
    }
    until(LIMIT, "no child is left", || marked(&place.installation()).is_empty().then_some(()));
    (server, place, said)
}

#[test]
fn a_missing_ffmpeg_is_said_and_the_server_goes_on() {
    let _turn = turn();
    let (server, _place, said) = said_without(|_| "/nonexistent/ffmpeg".to_owned());
    println!("{said}");
    assert!(said.contains("/nonexistent/ffmpeg") && said.contains("processes.ffmpeg"), "{said}");
    server.stop();
}

#[test]
fn an_ancient_ffmpeg_is_said_and_the_server_goes_on() {
    let _turn = turn();
    let old = "echo 'ffmpeg version 3.4 Copyright (c) 2000-2017'\n\
               test \"$1\" = -version && exit 0\n\
               echo \"Option rtsp_transport not found.\" >&2; exit 1\n";
    let (server, _place, said) = said_without(|place| place.program(old));
    println!("{said}");
    assert!(said.contains("it is too old, install 5.0 or newer"), "{said}");
    server.stop();
}
