//! Manifests that change who opens live sessions, under viewers.

use std::fs;
use std::path::Path;

use camserver_chaos::Codec;
use serde_json::{Value, json};

use super::{
    GONE, LIMIT, Viewer, counts, gateways, is_alive, manifests, programs, restarts, serving,
};
use crate::cameras::{Cameras, settings};
use crate::clock::{turn, until};
use crate::manifests::Manifests;
use crate::server::{Place, Server};

fn one_camera() -> Cameras {
    let mut fleet = settings(1);
    fleet.codecs = vec![Codec::H264];
    fleet.limit = 1;
    Cameras::start(fleet)
}

/// Puts manifests into force.
fn declare(server: &Server, declared: &Manifests, place: &Place) {
    let generation = || server.api("/config")["generation"].clone();
    let before = generation();
    declared.write(&place.manifests);
    until(LIMIT, "it is in force", || (generation() != before).then_some(()));
}

/// Who has the one stream, as soon as it is there.
fn engine(server: &Server) -> Value {
    until(LIMIT, "one stream is there", || match server.items("/streams").as_slice() {
        [stream] if stream["present"] == true => Some(stream["engine"].clone()),
        _ => None,
    })
}

#[test]
fn viewers_go_over_to_the_engine_that_is_declared() {
    let _turn = turn();
    let scripts = Place::new();
    for program in programs(&scripts) {
        println!("ON: {}", program.display());
        let (place, cameras) = (Place::new(), one_camera());
        let mut declared = manifests(&cameras, &program);
        declared.sweep = json!({"suspend": true});
        declared.server["live"]["engine"] = json!("native");
        declared.write(&place.manifests);
        let server = place.start();
        let mut viewer = Viewer::open(&server, "cam-001", "sub");
        viewer.begins();
        let mut gateway = None;
        for now in ["go2rtc", "native", "go2rtc"] {
            declared.server["live"]["engine"] = json!(now);
            declare(&server, &declared, &place);
            let (code, reason) = viewer.closes();
            assert!(code == 4008 && !reason.contains("declared"), "{code} {reason}");
            // The camera takes one connection: the engine before has to let go of it.
            viewer = Viewer::open(&server, "cam-001", "sub");
            viewer.begins();
            assert_eq!(engine(&server), now);
            if now == "go2rtc" {
                gateway = Some(until(LIMIT, "it serves", || serving(&server, "sim", None)));
            } else if let Some(before) = gateway.take() {
                until(GONE, "the gateway is gone", || {
                    (!is_alive(before) && gateways(&server).is_empty()).then_some(())
                });
            }
        }
        assert_eq!(viewer.release().status, 204);
        counts(&cameras, &[0], GONE);
        server.stop();
        cameras.check_limits();
    }
}

#[test]
fn another_program_takes_the_place_of_a_gateway_and_its_viewers_stay() {
    let _turn = turn();
    let scripts = Place::new();
    for program in programs(&scripts) {
        println!("ON: {}", program.display());
        let (place, cameras) = (Place::new(), one_camera());
        let mut declared = manifests(&cameras, Path::new("/nowhere/go2rtc"));
        declared.sweep = json!({"suspend": true});
        declared.write(&place.manifests);
        let server = place.start();
        assert_eq!(Viewer::open(&server, "cam-001", "sub").closes().0, 4008);
        // What could not be started is held back no longer.
        declared.server["gateway"]["binary"] = json!(program);
        declare(&server, &declared, &place);
        let mut viewer = Viewer::open(&server, "cam-001", "sub");
        viewer.begins();
        let before = until(LIMIT, "it serves", || serving(&server, "sim", None));
        let other = place.manifests.with_file_name("other");
        fs::copy(&program, &other).unwrap();
        declared.server["gateway"]["binary"] = json!(other);
        declare(&server, &declared, &place);
        viewer.begins();
        until(LIMIT, "another one serves", || serving(&server, "sim", Some(before)));
        assert!(!is_alive(before), "the one before is left behind");
        assert!(restarts(&server, "sim", "Redeclared") > 0.5);
        server.stop();
        cameras.check_limits();
    }
}
