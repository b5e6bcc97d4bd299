//! The server killed at random instants while children capture: they end with it, nothing of the
//! run before is left when the next one begins, and what is not the server's stays.
//!
//! `FLEET_CHILD_KILLS` (6) is how often, `FLEET_SEED` repeats a run.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

use super::{Marked, Watch, marked, runs};
use crate::cameras::{Cameras, settings};
use crate::clock::{now, number, turn, until};
use crate::foreign::Watcher;
use crate::manifests::Manifests;
use crate::server::Place;

/// The promise for the children of a server that was killed.
const GONE: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(40);
const CAMERAS: u32 = 8;

/// A process that a run before might have left behind: it bears that run's mark.
struct LeftBehind(Child);

impl LeftBehind {
    #[expect(clippy::disallowed_methods, reason = "what a broken server would have left")]
    fn start(installation: &str, run: &str) -> Self {
        let mark = format!("v1:{installation}:capture/cam-001:{run}-4000000");
        let mut sleep = Command::new("sleep");
        Self(sleep.arg("1000").env("CAMSERVER_MARK", mark).stdin(Stdio::null()).spawn().unwrap())
    }

    fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for LeftBehind {
    fn drop(&mut self) {
        // It should have ended already.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// A child that loses its camera ends by itself; one camera's does not.
const STUBBORN: &str = "case $CAMSERVER_MARK in *:capture/cam-002:*) exec sleep 1000 ;; esac\n\
                        exec ffmpeg \"$@\"\n";

fn place(cameras: &Cameras) -> Place {
    let place = Place::new();
    let mut manifests = Manifests::of(cameras);
    let ffmpeg = place.program(STUBBORN);
    manifests.server = json!({"processes": {"ffmpeg": ffmpeg}});
    manifests.sweep = json!({"interval": "2s", "cooldown": "0s", "concurrency": 3});
    manifests.family("quarantine", &json!("0s"));
    manifests.capture(&json!({"timeout": "15s", "order": ["ffmpeg"]}));
    manifests.write(&place.manifests);
    place
}

#[test]
fn children_end_with_a_killed_server_and_a_foreign_one_does_not() {
    let _turn = turn();
    let seed = number("FLEET_SEED", usize::try_from(std::process::id()).unwrap()) as u64;
    println!("FLEET_SEED={seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let cameras = Cameras::start(settings(CAMERAS));
    cameras.fault(3, &json!({"stage": "describe", "kind": "hang"}));
    let mut foreign = Watcher::start(cameras.address(0), cameras.settings.port);
    until(LIMIT, "the foreign one is connected", || {
        (cameras.counts("connections")[0] == 1).then_some(())
    });
    let place = place(&cameras);
    let (mut slowest, mut hit) = (Duration::ZERO, 0);
    let mut before: Option<LeftBehind> = None;
    let rounds = number("FLEET_CHILD_KILLS", 6);
    for _ in 0..rounds {
        let server = place.start();
        let installation = place.installation();
        let run = server.api("/status")["instance"].as_str().unwrap().to_owned();
        let watch = Watch::start(installation.clone());
        until(LIMIT, "a child of this run is there", || {
            let children = marked(&installation);
            // The server also asks ffmpeg for its version, and need wait for nothing with that.
            let is_capture = |child: &&Marked| child.unit.starts_with("capture/");
            let is_new = children.iter().filter(is_capture).any(|child| child.run() == run);
            let old = children.iter().find(|child| child.run() != run && runs(child.pid));
            assert!(!is_new || old.is_none(), "a sweep began beside {old:?} of a run before");
            is_new.then_some(())
        });
        if let Some(mut before) = before.take() {
            assert!(before.has_ended(), "a process of a run before is still there");
        }
        // The instant is what is random; nothing waits for it.
        std::thread::sleep(Duration::from_millis(chance.random_range(0..1500)));
        let there = marked(&installation).len();
        server.kill();
        let killed = now();
        until(GONE, "no child of the killed server is left", || {
            marked(&installation).is_empty().then_some(())
        });
        slowest = slowest.max(killed.elapsed());
        hit += usize::from(there > 0);
        assert!(watch.seen().doubles.is_empty(), "{:?}", watch.seen().doubles);
        assert!(foreign.is_running(), "a foreign process was ended");
        before = Some(LeftBehind::start(&installation, &run));
    }
    println!("{rounds} kills, {hit} with children: all gone after at most {slowest:?}");
    assert!(hit > 0, "no kill met a child");
    let server = place.start();
    until(LIMIT, "what the last run left behind is ended", || {
        before.as_mut().unwrap().has_ended().then_some(())
    });
    let killed = r#"camserver_orphans_killed_total{reason="previous_run"}"#;
    until(LIMIT, "the server counts it", || (server.metric(killed) >= Some(1.0)).then_some(()));
    server.sweep_done(server.last_sweep_id(), LIMIT);
    assert!(foreign.is_running(), "a foreign process was ended");
    cameras.check_limits();
    server.stop();
}
