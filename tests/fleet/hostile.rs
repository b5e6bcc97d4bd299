//! Cameras that send what no camera should: bounded, classified, and no memory grows.

use std::time::Duration;

use camserver_chaos::Codec;
use serde_json::json;

use crate::cameras::{Cameras, HTTP_PORT, settings};
use crate::clock::{number, turn, until};
use crate::manifests::Manifests;
use crate::server::{Place, Server};

/// Attempts before memory is measured, so that caches and threads are there. `FLEET_ATTEMPTS`
/// (12) is how many there are in the end.
const WARM: u64 = 3;
/// Memory that the attempts between may add, in kibibytes.
const GROWTH_MAX: u64 = 12 * 1024;
const LIMIT: Duration = Duration::from_mins(10);

/// What a camera does over RTSP, and the reason that the server gives (one of several).
const OVER_RTSP: [(&str, &str); 10] = [
    (r#"{"stage": "accept", "kind": "garbage"}"#, "ProtocolError"),
    (r#"{"stage": "describe", "kind": "endless", "variant": "headers"}"#, "ProtocolError"),
    (r#"{"stage": "describe", "kind": "endless", "variant": "body"}"#, "ProtocolError"),
    (r#"{"stage": "describe", "kind": "endless", "variant": "length"}"#, "ProtocolError"),
    (r#"{"stage": "describe", "kind": "garbage"}"#, "ProtocolError"),
    (r#"{"stage": "setup", "kind": "endless"}"#, "ProtocolError"),
    (r#"{"stage": "play", "kind": "garbage"}"#, "ProtocolError"),
    (r#"{"stage": "stream", "kind": "garbage"}"#, "ProtocolError"),
    (r#"{"stage": "stream", "kind": "endless"}"#, "Timeout NoKeyFrame"),
    (r#"{"stage": "stream", "kind": "idr-corrupt"}"#, "DecodeFailed"),
];

/// Only codecs with parameter sets can announce a picture of 20000x20000.
const HUGE: [(&str, &str); 4] =
    [(r#"{"stage": "stream", "kind": "huge-sps"}"#, "ProtocolError DecodeFailed"); 4];

/// The same over HTTP.
const OVER_HTTP: [(&str, &str); 4] = [
    (r#"{"stage": "http", "kind": "garbage"}"#, "ProtocolError"),
    (r#"{"stage": "http", "kind": "endless", "variant": "headers"}"#, "ProtocolError"),
    (r#"{"stage": "http", "kind": "endless", "variant": "body"}"#, "ProtocolError"),
    (r#"{"stage": "http", "kind": "endless", "variant": "length"}"#, "ProtocolError"),
];

const ALL: [Codec; 3] = [Codec::H264, Codec::H265, Codec::Mjpeg];

fn after_failures(server: &Server, count: u64) {
    until(LIMIT, &format!("every camera has failed {count} times"), || {
        let cameras = server.items("/cameras?limit=500");
        assert!(!cameras.is_empty());
        cameras.iter().all(|camera| camera["failures"].as_u64() >= Some(count)).then_some(())
    });
}

fn endure(faults: &[(&str, &str)], codecs: &[Codec], is_http: bool) {
    let each = codecs.len();
    let mut fleet = settings(u32::try_from(faults.len() * each).unwrap());
    fleet.codecs = codecs.to_vec();
    if is_http {
        fleet.http_port = HTTP_PORT;
    }
    let cameras = Cameras::start(fleet);
    // Neighbours share a fault; each has another codec.
    for index in 0..cameras.settings.cameras {
        let (fault, _) = faults[index as usize / each];
        cameras.fault(index, &serde_json::from_str(fault).unwrap());
    }
    let place = Place::new();
    let mut manifests = Manifests::of(&cameras);
    manifests.sweep = json!({"interval": "1s", "cooldown": "0s", "concurrency": 64});
    manifests.family("quarantine", &json!("0s"));
    let way = if is_http { "http" } else { "native" };
    manifests.capture(&json!({"timeout": "2s", "order": [way]}));
    manifests.write(&place.manifests);
    let server = place.start();
    after_failures(&server, WARM);
    let before = server.resident();
    after_failures(&server, number("FLEET_ATTEMPTS", 12) as u64);
    let after = server.resident();
    println!("{} hostile cameras: {before} KiB resident, then {after}", faults.len() * each);
    let mut wrong = Vec::new();
    for (index, camera) in server.items("/cameras?limit=500").iter().enumerate() {
        let (fault, reason) = faults[index / each];
        if !reason.split(' ').any(|reason| camera["state"]["reason"] == reason) {
            wrong.push(format!("{} with {fault}: {}", camera["name"], camera["state"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(after < before + GROWTH_MAX, "{before} KiB resident before, {after} after");
    server.stop();
}

#[test]
fn hostile_cameras_are_classified_and_cost_no_memory() {
    let _turn = turn();
    endure(&OVER_RTSP, &ALL, false);
}

#[test]
fn hostile_cameras_over_http_are_classified_and_cost_no_memory() {
    let _turn = turn();
    endure(&OVER_HTTP, &ALL, true);
}

#[test]
fn pictures_of_absurd_size_are_classified_and_cost_no_memory() {
    let _turn = turn();
    endure(&HUGE, &ALL[..2], false);
}
