//! A client that is not the server's takes a camera's only connection.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::cameras::{Cameras, settings};
use crate::clock::{turn, until};
use crate::http::PASSWORD;
use crate::manifests::Manifests;
use crate::server::{Place, holds};

const LIMIT: Duration = Duration::from_secs(30);

/// An ffmpeg that watches a camera; dropping it ends it.
pub(crate) struct Watcher(Child);

impl Watcher {
    #[expect(clippy::disallowed_methods, reason = "a client that the server does not know")]
    pub(crate) fn start(address: std::net::Ipv4Addr, port: u16) -> Self {
        let url = format!("rtsp://admin:{PASSWORD}@{address}:{port}/sub");
        let child = Command::new("ffmpeg")
            .args(["-nostdin", "-loglevel", "error", "-rtsp_transport", "tcp", "-i", &url])
            .args(["-f", "null", "-"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[test]
fn a_foreign_client_is_named_and_left_alone() {
    let _turn = turn();
    let mut fleet = settings(2);
    fleet.limit = 1;
    let cameras = Cameras::start(fleet);
    let mut watcher = Watcher::start(cameras.address(0), cameras.settings.port);
    until(LIMIT, "ffmpeg is connected", || (cameras.counts("connections")[0] == 1).then_some(()));
    let place = Place::new();
    let mut manifests = Manifests::of(&cameras);
    manifests.sweep = json!({"interval": "2s", "cooldown": "0s", "concurrency": 2});
    manifests.write(&place.manifests);
    let server = place.start();

    for first in [1, 2] {
        let sweep = server.sweep_done(first, LIMIT);
        let results = sweep["results"].as_array().unwrap();
        let of = |name: &str| results.iter().find(|result| result["camera"] == name).unwrap();
        let taken = of("cam-001");
        assert_eq!((&taken["outcome"], &taken["reason"]), (&json!("skipped"), &json!("NoSlot")));
        assert_eq!(of("cam-002")["outcome"], "ok");
        assert_eq!(sweep["clean"], true, "a connection of others does not count: {sweep}");
    }
    let connections = server.items("/connections");
    let theirs = connections.iter().find(|connection| connection["camera"] == "cam-001").unwrap();
    assert_eq!((&theirs["owner"], &theirs["pid"]), (&json!("foreign"), &json!(watcher.0.id())));
    assert_eq!(theirs["command"], "ffmpeg", "{theirs}");
    let camera = server.api("/cameras/cam-001");
    assert_eq!(camera["connections"]["foreign"], 1, "{camera}");
    assert_eq!(camera["state"]["reason"], "ForeignClient", "{camera}");
    assert_eq!(camera["failures"], 0, "no slot is no failure");
    assert!(holds(&camera, "WithinLimit"), "{camera}");
    assert!(watcher.is_running(), "ffmpeg was ended");
    assert_eq!(cameras.counts("connectionsMost")[0], 1);

    drop(watcher);
    until(LIMIT, "the camera is captured again", || {
        holds(&server.api("/cameras/cam-001"), "Ready").then_some(())
    });
    cameras.check_limits();
    server.stop();
}
