//! The main job: thirty cameras swept in time, every picture new and of the right camera.

use std::time::Duration;

use camserver_chaos::Stamp;
use serde_json::json;

use crate::cameras::{Cameras, settings};
use crate::clock::alone;
use crate::manifests::Manifests;
use crate::server::{Place, holds, time};

/// The contract: thirty cameras, a key picture every two seconds, four at a time.
const SWEEP_MAX: Duration = Duration::from_secs(25);

#[test]
fn thirty_cameras_are_swept_in_time_and_every_picture_is_new() {
    let _turn = alone();
    let mut fleet = settings(30);
    fleet.gop = Duration::from_secs(2);
    fleet.size = (640, 360);
    let cameras = Cameras::start(fleet);
    let place = Place::new();
    let mut manifests = Manifests::of(&cameras);
    manifests.sweep = json!({"interval": "60s", "cooldown": "1s", "concurrency": 4});
    manifests.write(&place.manifests);
    let server = place.start();

    let sweep = server.sweep_done(1, Duration::from_mins(1));
    let (started, ended) = (time(&sweep["startedAt"]), time(&sweep["endedAt"]));
    let took = Duration::try_from(ended.duration_since(started)).unwrap();
    println!("30 cameras, concurrency 4: swept in {took:?}");
    assert!(took <= SWEEP_MAX, "the sweep took {took:?}");
    assert_eq!(sweep["clean"], true);
    let results = sweep["results"].as_array().unwrap();
    assert_eq!(results.len(), 30);
    for result in results {
        assert_eq!(result["outcome"], "ok", "{result}");
        let jpeg = server.get(&format!("/api/v1/frames/{}.jpg", result["frameId"]));
        let stamp = Stamp::from_jpeg(&jpeg.body).unwrap().to_string();
        let (name, sent) = stamp.split_once(' ').unwrap();
        assert_eq!(result["camera"], name);
        let sent: jiff::Timestamp = sent.parse().unwrap();
        assert!(started <= sent && sent <= ended, "{name}: {sent} not in {started}..{ended}");
    }
    cameras.idle(Duration::from_secs(5));
    for item in cameras.items() {
        let name = &item["name"];
        assert_eq!(item["connectionsMost"], 1, "{name}");
        assert_eq!(item["tornDown"], item["accepted"], "{name}");
        assert_eq!(item["refused"], 0, "{name}");
    }
    let subnet = server.api("/subnets")["items"][0].clone();
    assert!(holds(&subnet, "Clean") && holds(&subnet, "OnSchedule"), "{subnet}");
    server.stop();
}
