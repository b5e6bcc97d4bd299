//! Viewers who come again and again to a camera that does not accept the password: asked each time,
//! it would lock the account.

use std::fs;
use std::path::PathBuf;

use camserver_chaos::Face;
use serde_json::json;

use super::{LIMIT, Viewer, manifests, one_camera, with_each_engine};
use crate::cameras::Cameras;
use crate::clock::until;
use crate::manifests::Manifests;
use crate::server::{Place, Server};

/// Manifests for an engine: that of go2rtc with a program, else the native one.
fn declared(cameras: &Cameras, program: Option<&PathBuf>) -> Manifests {
    let mut declared = program.map_or_else(
        || {
            let mut native = Manifests::of(cameras);
            native.server = json!({"admission": {"leaseTtl": "1h", "grace": "1h"}});
            native
        },
        |program| manifests(cameras, program),
    );
    declared.sweep = json!({"suspend": true});
    declared
}

fn told(server: &Server, viewer: u32) -> String {
    let user = format!("viewer-{viewer}");
    let (code, reason) = Viewer::open_as(server, &user, ("cam-001", "sub"), "").closes();
    assert_eq!(code, 4008, "{reason}");
    reason
}

#[test]
fn a_camera_that_refuses_the_password_is_asked_once_however_many_come() {
    with_each_engine(|program| {
        let place = Place::new();
        let cameras = Cameras::start(one_camera(2));
        let mut declared = declared(&cameras, program);
        let right = declared.cameras[0].1["credentials"].clone();
        declared.cameras[0].1["credentials"]["passwordFrom"] = json!({"file": "wrong"});
        declared.write(&place.manifests);
        fs::write(place.manifests.join("wrong"), "swordfish").unwrap();
        let server = place.start();
        for viewer in 0..5 {
            let reason = told(&server, viewer);
            assert!(reason.contains("password") && !reason.contains("swordfish"), "{reason}");
        }
        assert_eq!(cameras.counts("accepted"), [1], "connections to the camera");

        let generation = || server.api("/config")["generation"].clone();
        let before = generation();
        declared.cameras[0].1["credentials"] = right;
        declared.write(&place.manifests);
        until(LIMIT, "it is in force", || (generation() != before).then_some(()));
        Viewer::open_as(&server, "viewer-9", ("cam-001", "sub"), "").begins();
        server.stop();
        cameras.check_limits();
    });
}

/// It bears one connection fewer than was declared, and refuses what is too much as if nobody knew
/// it: no reason to keep anybody away once the connection is free.
#[test]
fn a_full_camera_that_speaks_of_credentials_keeps_nobody_away() {
    with_each_engine(|program| {
        let place = Place::new();
        let mut fleet = one_camera(1);
        fleet.faces = vec![Face::Status(401)];
        let cameras = Cameras::start(fleet);
        let mut declared = declared(&cameras, program);
        declared.family("maxConnections", &json!(2));
        declared.write(&place.manifests);
        let server = place.start();
        let mut small = Viewer::open_as(&server, "ann", ("cam-001", "sub"), "");
        small.begins();
        let mut large = Viewer::open_as(&server, "bob", ("cam-001", "main"), "");
        until(LIMIT, "it was refused", || (cameras.counts("refused")[0] > 0).then_some(()));
        assert_eq!(small.release().status, 204);
        large.begins();
        server.stop();
    });
}
