//! Manifests that change under a running server, with errors and without.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cameras::{Cameras, settings};
use crate::clock::{now, turn, until};
use crate::manifests::{Manifests, object};
use crate::server::{Place, Server, command, condition};

/// A change applies within a second of the directory being quiet; the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(5);
const SWEEP_LIMIT: Duration = Duration::from_secs(30);

/// `kind` has a typing error on line 3, column 7 of this file.
const BROKEN: &str =
    "---\napiVersion: camserver.dev/v1\nkind: Camra\nmetadata: {name: x}\nspec: {}\n";

struct Field {
    _cameras: Cameras,
    place: Place,
    manifests: Manifests,
}

impl Field {
    fn new(count: u32) -> Self {
        let cameras = Cameras::start(settings(count));
        let place = Place::new();
        let mut manifests = Manifests::of(&cameras);
        manifests.sweep = json!({"interval": "2s", "cooldown": "0s", "concurrency": 8});
        manifests.write(&place.manifests);
        Self { _cameras: cameras, place, manifests }
    }

    fn break_it(&self) {
        fs::write(self.place.manifests.join("broken.yaml"), BROKEN).unwrap();
    }

    fn mend_it(&self) {
        fs::remove_file(self.place.manifests.join("broken.yaml")).unwrap();
    }
}

fn config(server: &Server, limit: Duration, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    until(limit, what, || Some(server.api("/config")).filter(&is))
}

fn has_event(server: &Server, kind: &str) -> bool {
    server.items("/events?limit=500").iter().any(|event| event["primaryEvent"] == kind)
}

fn reload_metric(server: &Server, value: f64) {
    until(SOON, "the metric follows", || {
        let is = server.metric("camserver_config_last_reload_successful");
        (is == Some(value)).then_some(())
    });
}

/// Every camera gets a picture in a sweep that begins from now on.
fn goes_on(server: &Server, cameras: usize) {
    let sweep = server.sweep_done(server.last_sweep_id() + 1, SWEEP_LIMIT);
    let results = sweep["results"].as_array().unwrap();
    let good = results.iter().filter(|result| result["outcome"] == "ok").count();
    assert_eq!(good, cameras, "{sweep}");
}

#[test]
fn a_set_with_an_error_changes_nothing_and_says_so() {
    let _turn = turn();
    let mut field = Field::new(4);
    let server = field.place.start();
    let before = server.api("/config");
    assert_eq!(before["valid"], true);

    field.break_it();
    let refused = config(&server, SOON, "the error shows", |config| config["valid"] == false);
    assert_eq!(refused["generation"], before["generation"]);
    assert_eq!(refused["digest"], before["digest"]);
    let error = &refused["errors"][0];
    assert!(error["file"].as_str().unwrap().ends_with("broken.yaml"), "{error}");
    assert_eq!((&error["line"], &error["column"]), (&json!(3), &json!(7)), "{error}");
    assert!(error["message"].as_str().unwrap().contains("Camra"), "{error}");
    until(SOON, "the event shows", || has_event(&server, "config_refused").then_some(()));
    reload_metric(&server, 0.0);
    let validate =
        command().arg("validate").arg("-f").arg(&field.place.manifests).output().unwrap();
    assert_eq!(validate.status.code(), Some(1));
    let text =
        String::from_utf8(validate.stderr).unwrap() + &String::from_utf8(validate.stdout).unwrap();
    assert!(text.contains("broken.yaml:3:7: "), "{text}");
    goes_on(&server, 4);

    field.mend_it();
    config(&server, SOON, "mended, the set is good again", |config| config["valid"] == true);
    reload_metric(&server, 1.0);
    // A real change comes into force.
    field.manifests.cameras.truncate(3);
    field.manifests.write(&field.place.manifests);
    let begun = now();
    let generation = before["generation"].as_u64().unwrap();
    let after = config(&server, SOON, "the change is in force", |config| {
        config["generation"].as_u64() > Some(generation)
    });
    println!("a change is in force after {:?}", begun.elapsed());
    assert_eq!(after["generation"], generation + 1);
    until(SOON, "the camera is gone", || (server.items("/cameras").len() == 3).then_some(()));
    assert!(has_event(&server, "config_applied"));
    goes_on(&server, 3);
    server.stop();
}

#[test]
fn removing_everything_waits_for_confirmation() {
    let _turn = turn();
    let field = Field::new(6);
    let server = field.place.start();
    goes_on(&server, 6);
    for file in ["base.yaml", "cameras.yaml"] {
        fs::remove_file(field.place.manifests.join(file)).unwrap();
    }
    let held = config(&server, SOON, "the set is held", |config| !config["held"].is_null());
    assert_eq!(held["valid"], false, "{held}");
    let removed = held["held"]["removed"].as_array().unwrap();
    assert!(removed.contains(&json!("camera/cam-001")), "{held}");
    until(SOON, "the event shows", || has_event(&server, "config_held").then_some(()));
    let status = server.api("/status");
    let valid = condition(&status, "ConfigValid").unwrap();
    assert_eq!((&valid["status"], &valid["message"]), (&json!("False"), &held["held"]["message"]));
    for path in ["/plan", "/status"] {
        let first = server.api(path)["held"][0].clone();
        let expected = (&json!("RemovalGuard"), &json!("config"));
        assert_eq!((&first["reason"], &first["object"]), expected, "{path}: {first}");
    }
    goes_on(&server, 6);
    // Time alone never lets it through, nor does a restart.
    server.stop();
    let server = field.place.start();
    let again = config(&server, SOON, "the set is still held", |config| !config["held"].is_null());
    assert_eq!(again["held"]["digest"], held["held"]["digest"]);
    goes_on(&server, 6);
    let wrong = server.cli(&["confirm", "0000"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert_eq!(server.items("/cameras").len(), 6);

    let digest = held["held"]["digest"].as_str().unwrap();
    let confirmed = server.cli(&["confirm", digest]);
    assert_eq!(confirmed.status.code(), Some(0), "{}", String::from_utf8_lossy(&confirmed.stderr));
    until(SOON, "the cameras are gone", || server.items("/cameras").is_empty().then_some(()));
    assert_eq!(server.api("/config")["valid"], true);
    server.stop();
}

#[test]
fn broken_manifests_at_a_start_leave_the_last_good_set_in_force() {
    let _turn = turn();
    let field = Field::new(3);
    let server = field.place.start();
    goes_on(&server, 3);
    let generation = server.api("/config")["generation"].clone();
    server.stop();
    field.break_it();
    let server = field.place.start();
    let config = server.api("/config");
    assert_eq!((&config["valid"], &config["generation"]), (&json!(false), &generation));
    assert!(config["errors"][0]["file"].as_str().unwrap().ends_with("broken.yaml"), "{config}");
    assert_eq!(server.metric("camserver_config_last_reload_successful"), Some(0.0));
    goes_on(&server, 3);
    server.stop();

    let fresh = Place::new();
    fs::write(fresh.manifests.join("broken.yaml"), BROKEN).unwrap();
    let bad_camera =
        object("Camera", "lost", &json!({"subnet": "nowhere", "address": "127.0.0.9"}));
    fs::write(fresh.manifests.join("camera.yaml"), bad_camera).unwrap();
    let (status, log) = fresh.spawn().wait();
    assert_eq!(status.code(), Some(2), "{log}");
    assert!(log.contains("broken.yaml:3:7: "), "{log}");
    assert!(log.contains("camera.yaml:2:"), "all errors at once: {log}");
}
