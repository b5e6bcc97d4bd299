//! Every way in which a view ends: media stops at once, and the camera is left alone soon after.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{GONE, STOPPED, Scene, playable};
use crate::clock::{now, turn, until};
use crate::viewer::{Browser, Lease, View};

/// Time over what is promised, for a thread of this test on a busy machine to be told.
const LATE: Duration = Duration::from_secs(5);

/// What somebody else may see of one that is watched.
struct Watched {
    camera: usize,
    lease: Lease,
    view: View,
}

fn watch(browser: &Browser, index: usize) -> Watched {
    let (lease, view) = browser.play(&format!("cam-{:03}", index + 1), "sub");
    Watched { camera: index, lease, view }
}

/// The view ends with this code; after `decided` no media comes for longer than is promised, and
/// the camera's connection goes.
fn ends(scene: &Scene, watched: &Watched, decided: Instant, (code, reason): (u16, &str)) {
    let (got, why, last) = watched.view.closed(STOPPED + LATE);
    assert_eq!((got, why.as_str()), (code, reason));
    let late = last.saturating_duration_since(decided);
    println!("{reason}: the last byte came {late:.0?} after the decision");
    assert!(late <= STOPPED, "{reason}: bytes {late:?} after the decision");
    gone(scene, watched.camera, last);
}

fn gone(scene: &Scene, camera: usize, since: Instant) {
    until(GONE + LATE, "the camera's connection is gone", || {
        (scene.cameras.counts("connections")[camera] == 0).then_some(())
    });
    let took = since.elapsed();
    println!("the camera's connection is gone after {took:.1?}");
    assert!(took <= GONE, "the camera's connection is gone only after {took:?}");
}

#[test]
fn a_view_that_is_given_back_or_revoked_or_removed_stops_at_once() {
    let _turn = turn();
    let mut scene = Scene::new(playable(4, 2), &json!({}), |_| {});
    let browsers = ["ann", "bob", "eve"].map(|name| Browser::new(&scene.server, name));
    let [ann, bob, eve] = [0, 1, 2].map(|index| watch(&browsers[index], index));
    assert_eq!(scene.server.views().len(), 3);

    let decided = now();
    assert_eq!(browsers[0].release(&ann.lease).status, 204);
    ends(&scene, &ann, decided, (4003, "released"));

    let path = format!("/api/v1/leases/{}", bob.lease.name);
    let decided = now();
    assert_eq!(browsers[0].ask("DELETE", &path, &Value::Null).status, 204);
    ends(&scene, &bob, decided, (4004, "revoked"));
    let answer = browsers[1].heartbeat(&bob.lease);
    assert_eq!((answer.status, &answer.json()["reason"]), (410, &json!("revoked")));

    scene.manifests.cameras.retain(|(name, _)| name != "cam-003");
    scene.manifests.write(&scene.place.manifests);
    let decided = until(Duration::from_secs(20), "the camera is no longer declared", || {
        let gone = scene.server.get("/api/v1/cameras/cam-003").status == 404;
        gone.then(now)
    });
    ends(&scene, &eve, decided, (4005, "camera_removed"));
    assert!(scene.server.views().is_empty());
    scene.server.stop();
}

#[test]
fn a_view_ends_when_its_time_is_over_or_nothing_is_heard_of_its_user() {
    let _turn = turn();
    let admission = json!({"leaseTtl": "10s", "heartbeat": "1s", "grace": "4s"});
    let scene = Scene::new(playable(2, 2), &admission, |_| {});
    let (ann, bob) = (Browser::new(&scene.server, "ann"), Browser::new(&scene.server, "bob"));

    let silent = ann.lease("cam-001", "sub");
    let begun = now();
    let view = ann.watch(&silent);
    view.playing();
    let silent = Watched { camera: 0, lease: silent, view };
    ends(&scene, &silent, begun + Duration::from_secs(4), (4002, "heartbeat"));

    let lease = bob.lease("cam-002", "sub");
    let begun = now();
    let alive = Watched { camera: 1, view: bob.watch(&lease), lease };
    alive.view.playing();
    let mut beaten = now();
    until(Duration::from_secs(15), "its time is over", || {
        if beaten.elapsed() > Duration::from_secs(1) {
            beaten = now();
            bob.heartbeat(&alive.lease);
        }
        (!alive.view.is_open()).then_some(())
    });
    assert!(begun.elapsed() >= Duration::from_millis(9_900), "{:?}", begun.elapsed());
    ends(&scene, &alive, begun + Duration::from_secs(10), (4001, "expired"));
    scene.server.stop();
}

#[test]
fn a_killed_server_forgets_no_view_and_ends_those_whose_users_are_gone() {
    let _turn = turn();
    let admission = json!({"heartbeat": "1s", "grace": "6s"});
    let mut scene = Scene::new(playable(2, 2), &admission, |_| {});
    let [mut ann, mut bob] = ["ann", "bob"].map(|name| Browser::new(&scene.server, name));
    let (here, _) = ann.play("cam-001", "sub");
    let (gone_away, view) = bob.play("cam-002", "sub");
    // Their rows are written soon, not at once.
    ann.heartbeat(&here);
    let beaten = now();
    bob.heartbeat(&gone_away);
    until(Duration::from_secs(2), "the rows have been written", || {
        (beaten.elapsed() > Duration::from_secs(1)).then_some(())
    });
    scene.server.kill();
    assert_eq!(view.closed(STOPPED).0, 0, "cut with the program");
    scene.server = scene.place.start();
    ann = Browser::new(&scene.server, "ann");
    bob = Browser::new(&scene.server, "bob");
    // One goes on with the lease; of the other nothing is heard.
    assert_eq!(ann.heartbeat(&here).status, 200);
    let again = ann.watch(&here);
    again.playing();
    let mut last = now();
    until(Duration::from_secs(15), "the silent user's view has ended", || {
        if last.elapsed() > Duration::from_secs(1) {
            last = now();
            assert_eq!(ann.heartbeat(&here).status, 200);
        }
        let views = scene.server.views();
        views.iter().all(|view| view["camera"] == "cam-001").then_some(())
    });
    let answer = bob.heartbeat(&gone_away);
    assert_eq!((answer.status, &answer.json()["reason"]), (410, &json!("heartbeat")));
    assert_eq!(scene.cameras.counts("connections")[1], 0, "nobody watches it");
    assert!(again.is_open());
    scene.cameras.check_limits();
    scene.server.stop();
}

#[test]
fn nobody_sees_a_camera_by_guessing() {
    let _turn = turn();
    let scene = Scene::new(playable(1, 2), &json!({}), |_| {});
    let [ann, eve] = ["ann", "eve"].map(|name| Browser::new(&scene.server, name));
    let lease = ann.lease("cam-001", "sub");
    assert_eq!(eve.refused(&lease.ws), 403);
    assert_eq!(eve.heartbeat(&lease).status, 403);
    assert_eq!(eve.release(&lease).status, 403);
    assert_eq!(Browser::new(&scene.server, "").refused(&lease.ws), 403);
    // The name in lists opens nothing, and neither does anything like the key.
    let mut other = lease.id.clone().into_bytes();
    other.reverse();
    let reversed = String::from_utf8(other).unwrap();
    for key in [&lease.name, &reversed, &"A".repeat(lease.id.len()), &"x".repeat(4000)] {
        for browser in [&ann, &eve] {
            assert_eq!(browser.refused(&format!("/live/{key}/ws")), 404, "{key}");
        }
    }
    let odd = ["/live/../ws", "/live//ws", "/live/%2e%2e/ws", "/live/..%2f..%2fapi/ws"];
    for path in odd.iter().copied().chain(["/live/cam-001/ws", "/live/", "/live/ws"]) {
        assert_eq!(ann.refused(path), 404, "{path}");
    }
    assert_eq!(scene.cameras.counts("connections"), [0], "nobody watches yet");
    ann.watch(&lease).playing();
    scene.server.stop();
}
