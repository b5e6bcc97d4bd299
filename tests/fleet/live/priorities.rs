//! One connection and two who want it: viewers go first, and a sweep takes a picture of what is
//! watched anyway.

use std::time::Duration;

use camserver_chaos::Stamp;
use serde_json::{Value, json};

use super::{GONE, Scene, playable};
use crate::clock::{turn, until};
use crate::server::time;
use crate::viewer::Browser;

/// A camera with one connection.
fn single() -> Scene {
    Scene::new(playable(1, 1), &json!({}), |_| {})
}

/// The picture of a sweep is from after its start.
fn is_new(scene: &Scene, sweep: &Value, result: &Value) {
    let jpeg = scene.server.get(&format!("/api/v1/frames/{}.jpg", result["frameId"]));
    let stamp = Stamp::from_jpeg(&jpeg.body).unwrap().to_string();
    let (name, sent) = stamp.split_once(' ').unwrap();
    assert_eq!(name, "cam-001");
    let sent: jiff::Timestamp = sent.parse().unwrap();
    let started = time(&sweep["startedAt"]);
    assert!(started <= sent, "the picture is from {sent}, the sweep from {started}");
}

#[test]
fn a_viewer_takes_the_only_connection_from_a_sweep() {
    let _turn = turn();
    let scene = single();
    let fault = json!({"stage": "stream", "kind": "idr-late", "ms": 20_000});
    scene.cameras.fault(0, &fault);
    let sweep = scene.sweep();
    until(Duration::from_secs(10), "the sweep holds the connection", || {
        (scene.cameras.counts("connections") == [1]).then_some(())
    });
    let ann = Browser::new(&scene.server, "ann");
    let lease = ann.lease("cam-001", "sub");
    let view = ann.watch(&lease);
    until(Duration::from_secs(20), "the viewer's session has followed", || {
        (scene.cameras.counts("accepted")[0] >= 3).then_some(())
    });
    scene.cameras.heal(0);
    view.playing();
    let (sweep, result) = scene.done(sweep, "cam-001");
    match result["outcome"].as_str().unwrap() {
        "ok" => {
            assert_eq!(result["backend"], "live");
            is_new(&scene, &sweep, &result);
        }
        outcome => assert_eq!((outcome, &result["reason"]), ("skipped", &json!("NoSlot"))),
    }
    assert!(view.is_open());
    assert_eq!(scene.cameras.counts("connectionsMost"), [1]);
    assert_eq!(scene.cameras.counts("refused"), [0]);
    scene.server.stop();
}

#[test]
fn a_camera_that_is_watched_is_swept_all_the_same() {
    let _turn = turn();
    let scene = single();
    let (_, view) = Browser::new(&scene.server, "ann").play("cam-001", "sub");
    let accepted = scene.cameras.counts("accepted");
    let sweep = scene.sweep();
    let (sweep, result) = scene.done(sweep, "cam-001");
    assert_eq!(
        (&result["outcome"], &result["backend"]),
        (&json!("ok"), &json!("live")),
        "{result}"
    );
    is_new(&scene, &sweep, &result);
    assert!(view.is_open());
    assert_eq!(scene.cameras.counts("accepted"), accepted, "no other connection was tried");
    scene.server.stop();
}

#[test]
fn an_exclusive_camera_is_neither_swept_nor_shared_while_somebody_watches() {
    let _turn = turn();
    let scene = Scene::new(playable(1, 2), &json!({}), |manifests| {
        manifests.family("exclusive", &json!(true));
    });
    let (_, view) = Browser::new(&scene.server, "ann").play("cam-001", "sub");
    let sweep = scene.sweep();
    let (_, result) = scene.done(sweep, "cam-001");
    assert_eq!((&result["outcome"], &result["reason"]), (&json!("skipped"), &json!("NoSlot")));
    let bob = Browser::new(&scene.server, "bob");
    for quality in ["sub", "main"] {
        let wish = json!({"camera": "cam-001", "quality": quality});
        let no = bob.request("modal", &wish).map(drop).unwrap_err();
        assert_eq!((&no["status"], &no["code"]), (&json!(503), &json!("NO_SLOT")), "{no}");
    }
    assert!(view.is_open());
    assert_eq!(scene.cameras.counts("connectionsMost"), [1]);
    scene.server.stop();
}

#[test]
fn a_viewer_may_change_streams_on_the_only_connection() {
    let _turn = turn();
    let scene = single();
    let ann = Browser::new(&scene.server, "ann");
    let mut quality = "sub";
    for next in ["main", "sub", "main"] {
        let (lease, view) = ann.play("cam-001", quality);
        assert_eq!(ann.release(&lease).status, 204);
        view.closed(Duration::from_secs(5));
        // The session of the other stream still waits for viewers to come back.
        quality = next;
    }
    let (lease, view) = ann.play("cam-001", quality);
    assert!(view.is_open());
    assert_eq!(ann.release(&lease).status, 204);
    scene.cameras.idle(GONE + Duration::from_secs(5));
    assert_eq!(scene.cameras.counts("connectionsMost"), [1]);
    assert_eq!(scene.cameras.counts("refused"), [0]);
    let item = &scene.cameras.items()[0];
    assert_eq!(item["tornDown"], item["accepted"]);
    scene.server.stop();
}

#[test]
fn an_opened_view_takes_the_only_connection_from_the_pane() {
    let _turn = turn();
    let scene = single();
    let [ann, bob] = ["ann", "bob"].map(|name| Browser::new(&scene.server, name));
    let pane = bob.request("suggest", &json!({"camera": "cam-001"})).unwrap();
    let shown = bob.watch(&pane);
    shown.playing();
    let (_, view) = ann.play("cam-001", "main");
    let (code, reason, _) = shown.closed(Duration::from_secs(5));
    assert_eq!(code, 4008, "{reason}");
    assert!(view.is_open());
    assert_eq!(scene.cameras.counts("connectionsMost"), [1]);
    scene.server.stop();
}

#[test]
fn an_opened_view_that_shares_the_panes_connection_keeps_it() {
    let _turn = turn();
    let scene = single();
    let [ann, bob, eve] = ["ann", "bob", "eve"].map(|name| Browser::new(&scene.server, name));
    let pane = bob.request("suggest", &json!({"camera": "cam-001"})).unwrap();
    let shown = bob.watch(&pane);
    shown.playing();
    let (lease, view) = ann.play("cam-001", "sub");
    // The other stream needs a connection of its own, and nobody makes room for it.
    let wish = json!({"camera": "cam-001", "quality": "main"});
    let no = eve.request("modal", &wish).map(drop).unwrap_err();
    assert_eq!((&no["status"], &no["code"]), (&json!(503), &json!("NO_SLOT")), "{no}");
    assert!(view.is_open() && shown.is_open());
    assert_eq!(ann.release(&lease).status, 204);
    // Only the pane is left.
    let lease = until(Duration::from_secs(10), "a view of the other stream is granted", || {
        eve.request("modal", &wish).ok()
    });
    let other = eve.watch(&lease);
    assert_eq!(shown.closed(Duration::from_secs(15)).0, 4008);
    other.playing();
    assert_eq!(scene.cameras.counts("connectionsMost"), [1]);
    scene.server.stop();
}
