//! A camera that is `alwaysOn`, with either engine: its session stays without viewers, sweeps and
//! viewers share it, and it goes when the manifest no longer asks for it.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::{GONE, LIMIT, manifests, one_camera, with_each_engine};
use crate::cameras::Cameras;
use crate::clock::{now, until};
use crate::manifests::Manifests;
use crate::server::{Place, Server};
use crate::viewer::Browser;

/// For the session to come back after a view that needed the connection.
const AGAIN: Duration = Duration::from_mins(1);

fn declare(cameras: &Cameras, program: Option<&PathBuf>, always_on: bool) -> Manifests {
    let mut declared = match program {
        Some(program) => manifests(cameras, program),
        None => Manifests::of(cameras),
    };
    declared.sweep = json!({"interval": if always_on { "1s" } else { "1h" }, "cooldown": "0s"});
    declared.cameras[0].1["alwaysOn"] = json!(always_on);
    declared
}

/// The stream of the one camera, when it is open and nobody watches.
fn kept(server: &Server) -> Option<Value> {
    let streams = server.items("/streams");
    let is_kept = |stream: &Value| {
        stream["wantedBy"] == json!(["alwaysOn"])
            && stream["present"] == true
            && stream["consumers"] == 0
    };
    streams.into_iter().find(is_kept)
}

fn swept_live(server: &Server) {
    until(LIMIT, "a sweep has its picture from the session", || {
        let sweeps = server.sweeps();
        let mut results = sweeps.iter().filter_map(|sweep| sweep["results"].get(0));
        results.any(|result| result["backend"] == "live" && result["outcome"] == "ok").then_some(())
    });
}

#[test]
fn an_always_on_session_stays_without_viewers_and_is_shared() {
    with_each_engine(|program| {
        let place = Place::new();
        let cameras = Cameras::start(one_camera(1));
        declare(&cameras, program, true).write(&place.manifests);
        let server = place.start();
        until(LIMIT, "the session is kept", || kept(&server));
        until(LIMIT, "the camera has its connection", || {
            (cameras.counts("connections") == [1]).then_some(())
        });
        swept_live(&server);
        let accepted = cameras.counts("accepted");

        let browser = Browser::new(&server, "viewer");
        let (lease, view) = browser.play("cam-001", "sub");
        assert_eq!(server.items("/streams").len(), 1);
        assert_eq!(browser.release(&lease).status, 204);
        drop(view);
        until(LIMIT, "the session is kept after its viewer", || kept(&server));
        assert_eq!(cameras.counts("accepted"), accepted, "another session was opened");

        // The one connection goes to a viewer of the other stream, and comes back.
        let (lease, view) = browser.play("cam-001", "main");
        assert_eq!(browser.release(&lease).status, 204);
        let (released, of_view) = (now(), cameras.counts("accepted"));
        drop(view);
        until(AGAIN, "the session is kept again", || {
            kept(&server).filter(|_| cameras.counts("accepted") > of_view)
        });
        println!("KEPT AGAIN: after {:?}", released.elapsed());

        declare(&cameras, program, false).write(&place.manifests);
        until(GONE, "the session goes with its declaration", || {
            (cameras.counts("connections") == [0]).then_some(())
        });
        until(LIMIT, "no stream is left", || server.items("/streams").is_empty().then_some(()));
        server.stop();
        cameras.check_limits();
    });
}

#[test]
fn an_always_on_session_comes_as_soon_as_its_password_is_right() {
    with_each_engine(|program| {
        let place = Place::new();
        let cameras = Cameras::start(one_camera(2));
        let mut declared = declare(&cameras, program, true);
        declared.sweep = json!({"suspend": true});
        let right = declared.cameras[0].1["credentials"].clone();
        declared.cameras[0].1["credentials"]["passwordFrom"] = json!({"file": "wrong"});
        declared.write(&place.manifests);
        fs::write(place.manifests.join("wrong"), "swordfish").unwrap();
        let server = place.start();
        until(LIMIT, "the camera was asked", || (cameras.counts("accepted") == [1]).then_some(()));
        cameras.idle(GONE);
        declared.cameras[0].1["credentials"] = right;
        declared.write(&place.manifests);
        until(LIMIT, "the session is there", || {
            kept(&server).filter(|_| cameras.counts("connections") == [1])
        });
        server.stop();
        cameras.check_limits();
    });
}
