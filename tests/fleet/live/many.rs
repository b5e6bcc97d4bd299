//! Many viewers: one connection for each camera, however many watch, and nobody waits for the
//! slowest.

use std::time::Duration;

use serde_json::json;

use super::{GONE, Scene, playable};
use crate::clock::{alone, turn, until};
use crate::viewer::Browser;

/// Memory that 60 viewers of small streams and one that does not read may take, in kibibytes.
const GROWTH_MAX: u64 = 96 * 1024;
/// Memory that one may take, in kibibytes: the kept pictures and one message.
const SLOW_MAX: u64 = 24 * 1024;
/// Media comes ten times a second; on a busy machine it may stutter.
const GAP_MAX: Duration = Duration::from_secs(3);

/// Bytes that a viewer who does not read is behind at the end: more than sockets hold.
const BEHIND: u64 = 24 << 20;

#[test]
fn a_viewer_that_does_not_read_takes_no_memory_and_delays_nobody() {
    let _turn = turn();
    let mut fleet = playable(1, 2);
    // Many large key pictures.
    (fleet.size, fleet.grain, fleet.gop) = ((640, 360), 40, Duration::from_millis(200));
    let scene = Scene::new(fleet, &json!({}), |_| {});
    let (ann, idler) = (Browser::new(&scene.server, "ann"), Browser::new(&scene.server, "idler"));
    let (_, view) = ann.play("cam-001", "sub");
    let before = scene.server.resident();
    let idle = idler.stare(&idler.lease("cam-001", "sub"));
    view.longest_gap();
    let from = view.bytes();
    let mut most = 0;
    until(Duration::from_mins(3), "the one that does not read is far behind", || {
        most = most.max(scene.server.resident());
        (view.bytes() - from > BEHIND).then_some(())
    });
    let gap = view.longest_gap();
    println!("beside one that does not read: gap {gap:.0?}, {before} KiB before, at most {most}");
    assert!(gap < GAP_MAX, "the other one saw nothing for {gap:?}");
    assert!(most < before + SLOW_MAX, "{before} KiB resident before, at most {most}");
    assert_eq!(scene.cameras.counts("connections"), [1]);
    drop(idle);
    scene.server.stop();
}

#[test]
fn sixty_viewers_of_thirty_cameras_cost_one_connection_each() {
    let _turn = alone();
    let admission = json!({"totalUnits": 200, "leaseTtl": "10m", "grace": "10m"});
    let scene = Scene::new(playable(30, 4), &admission, |_| {});
    scene.cameras.reset();
    let before = scene.server.resident();
    let mut views = Vec::new();
    for index in 0..60 {
        let browser = Browser::new(&scene.server, &format!("user-{index}"));
        let lease = browser.lease(&format!("cam-{:03}", index % 30 + 1), "sub");
        views.push((browser.watch(&lease), browser, lease));
    }
    let idler = Browser::new(&scene.server, "idler");
    let idle = idler.stare(&idler.lease("cam-001", "sub"));
    for (view, ..) in &views {
        view.playing();
        view.longest_gap();
    }
    assert_eq!(scene.cameras.counts("connections"), vec![1; 30]);
    assert_eq!(scene.server.views().len(), 61);
    let begun: Vec<u64> = views.iter().map(|(view, ..)| view.messages()).collect();
    until(Duration::from_mins(1), "everybody has seen ten seconds", || {
        let all = views.iter().zip(&begun).all(|((view, ..), begun)| view.messages() > begun + 100);
        all.then_some(())
    });
    let gap = views.iter().map(|(view, ..)| view.longest_gap()).max().unwrap();
    let after = scene.server.resident();
    println!("60 viewers: longest gap {gap:.0?}, {before} KiB resident before, {after} after");
    assert!(gap < GAP_MAX, "somebody saw nothing for {gap:?}");
    assert!(after < before + GROWTH_MAX, "{before} KiB resident before, {after} after");
    assert!(views.iter().all(|(view, ..)| view.is_open()));
    assert_eq!(scene.cameras.counts("connectionsMost"), vec![1; 30]);
    assert_eq!(scene.cameras.counts("accepted"), vec![1; 30], "no session was opened twice");

    // Of two viewers of a camera, one goes: the other's stream is the same one.
    for (_, browser, lease) in &views[..30] {
        assert_eq!(browser.release(lease).status, 204);
    }
    for (view, ..) in &views[30..] {
        let now = view.messages();
        until(Duration::from_secs(20), "the others go on", || {
            (view.messages() > now).then_some(())
        });
    }
    assert_eq!(scene.cameras.counts("accepted"), vec![1; 30]);
    for (_, browser, lease) in &views[30..] {
        assert_eq!(browser.release(lease).status, 204);
    }
    drop(idle);
    scene.cameras.idle(GONE + Duration::from_secs(5));
    let items = scene.cameras.items();
    assert!(items.iter().all(|item| item["tornDown"] == item["accepted"]), "{items:?}");
    scene.server.stop();
}
