//! Every stage and kind of fault on half of the cameras: the other half must not notice, no camera
//! is ever asked for more connections than it tolerates, and what is healed is back in time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use camserver_chaos::{Fault, Kind, Stage};
use serde_json::{Value, json};

use crate::cameras::{Cameras, HTTP_PORT, settings};
use crate::clock::{now, number, turn, until};
use crate::manifests::Manifests;
use crate::server::{Place, Server, holds, time};

/// A tenth of what a minute's sweep with its usual deadline and quarantine is.
const INTERVAL: Duration = Duration::from_secs(6);
const TIMEOUT: &str = "3s";
const QUARANTINE: &str = "1s";
/// Memory that all faults together may add, in kibibytes: caches fill, and pictures of 2040x2040,
/// which MJPEG can announce, take 12 MiB and more on each of the threads that decode.
const GROWTH_MAX: u64 = 64 * 1024;
/// What a start may be late by on a busy machine.
const LATE_MAX: Duration = Duration::from_millis(1500);

const STAGES: [Stage; 7] = [
    Stage::Accept,
    Stage::Options,
    Stage::Describe,
    Stage::Setup,
    Stage::Play,
    Stage::Stream,
    Stage::Teardown,
];

/// A camera whose fault the server does not meet, or survives.
const FINE: [&str; 2] = ["Captured", "Capturing"];

fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()
}

/// One fault and what the server must say of it.
struct Trial {
    fault: Value,
    reasons: &'static [&'static str],
    /// The camera still hears and answers TEARDOWN.
    polite: bool,
}

impl Trial {
    fn all(stages: &[Stage]) -> Vec<Self> {
        let pairs =
            stages.iter().flat_map(|stage| stage.kinds().iter().map(|kind| (*stage, *kind)));
        let only = std::env::var("FLEET_ONLY").ok();
        let wanted = |(stage, kind): &(Stage, Kind)| {
            let name = format!("{}/{}", word(stage), word(kind));
            only.as_ref().is_none_or(|only| only.split(',').any(|one| one == name))
        };
        pairs.filter(wanted).map(|(stage, kind)| Self::new(stage, kind)).collect()
    }

    fn new(stage: Stage, kind: Kind) -> Self {
        let mut fault = json!({"stage": word(stage), "kind": word(kind)});
        match kind {
            // Longer than the deadline.
            Kind::Delay | Kind::IdrLate => fault["ms"] = json!(10_000),
            // At a byte a second nothing is whole before the deadline.
            Kind::Crawl => fault["ms"] = json!(1000),
            Kind::Hang
            | Kind::Reset
            | Kind::Close
            | Kind::Refuse
            | Kind::Garbage
            | Kind::Endless
            | Kind::Error
            | Kind::IdrNever
            | Kind::IdrCorrupt
            | Kind::HugeSps => {}
        }
        let parsed: Fault = serde_json::from_value(fault.clone()).unwrap();
        parsed.check().unwrap();
        Self { fault, reasons: reasons(stage, kind), polite: is_polite(stage, kind) }
    }
}

/// Whether a session that stands in spite of the fault can be ended in order.
fn is_polite(stage: Stage, kind: Kind) -> bool {
    let broken_pictures = [Kind::IdrLate, Kind::IdrNever, Kind::IdrCorrupt, Kind::HugeSps];
    match stage {
        Stage::Options => true,
        Stage::Play => kind == Kind::Error,
        Stage::Describe | Stage::Stream => broken_pictures.contains(&kind),
        Stage::Accept | Stage::Setup | Stage::Teardown | Stage::Http => false,
    }
}

/// The reasons that a camera with a fault may show.
fn reasons(stage: Stage, kind: Kind) -> &'static [&'static str] {
    match (stage, kind) {
        // The server does not ask for options; before the end goes wrong the picture is there.
        (Stage::Options | Stage::Teardown, _) => &FINE,
        // Nothing whole, or only pictures that are no key pictures.
        (Stage::Stream, Kind::Hang | Kind::Delay | Kind::Crawl) => &["Timeout", "NoKeyFrame"],
        // How far an endless picture gets before the deadline is a matter of speed.
        (Stage::Stream, Kind::Endless) => &["ProtocolError", "Timeout", "NoKeyFrame"],
        (_, Kind::Hang | Kind::Delay | Kind::Crawl) => &["Timeout"],
        (_, Kind::Reset | Kind::Close) => &["ConnectionLost"],
        (_, Kind::Refuse) => &["Refused"],
        (_, Kind::Garbage | Kind::Endless) => &["ProtocolError"],
        (_, Kind::Error) => &["CameraError"],
        // Of MJPEG, all of whose pictures are key pictures, none comes at all.
        (_, Kind::IdrLate | Kind::IdrNever) => &["NoKeyFrame", "Timeout"],
        (_, Kind::IdrCorrupt) => &["DecodeFailed"],
        // MJPEG has no parameter sets, and those in the stream may overrule the description's.
        (_, Kind::HugeSps) => &["ProtocolError", "DecodeFailed", "Captured", "Capturing"],
    }
}

/// A fleet of which every second camera is the victim of faults.
struct Field {
    cameras: Cameras,
    server: Server,
    place: Place,
    sweeps: usize,
    is_http: bool,
}

impl Field {
    fn start(count: u32, is_http: bool) -> Self {
        let mut fleet = settings(count);
        // With one connection each, any overlap is one too many.
        fleet.limit = 1;
        if is_http {
            fleet.http_port = HTTP_PORT;
        }
        let cameras = Cameras::start(fleet);
        let place = Place::new();
        let mut manifests = Manifests::of(&cameras);
        let interval = format!("{}s", INTERVAL.as_secs());
        manifests.sweep = json!({"interval": interval, "cooldown": "1s", "concurrency": count});
        manifests.family("quarantine", &json!(QUARANTINE));
        let way = if is_http { "http" } else { "native" };
        manifests.capture(&json!({"timeout": TIMEOUT, "order": [way]}));
        manifests.write(&place.manifests);
        let server = place.start();
        server.sweep_done(1, Duration::from_secs(30));
        Self { cameras, server, place, sweeps: number("FLEET_SWEEPS", 3), is_http }
    }

    fn count(&self) -> u32 {
        self.cameras.settings.cameras
    }

    /// Shares the victims among the trials, lets the faults last, ends them.
    fn round(&self, trials: &[Trial]) -> Vec<String> {
        self.cameras.reset();
        let first = self.server.last_sweep_id() + 1;
        let mut victims: BTreeMap<String, &Trial> = BTreeMap::new();
        let each = (self.count() / 2 / u32::try_from(trials.len()).unwrap()).max(1);
        for index in (1..self.count()).step_by(2) {
            let Some(trial) = trials.get((index / 2 / each) as usize) else { break };
            self.cameras.fault(index, &trial.fault);
            victims.insert(format!("cam-{:03}", index + 1), trial);
        }
        let last = first + i64::try_from(self.sweeps).unwrap() - 1;
        let patience = INTERVAL * u32::try_from(self.sweeps + 3).unwrap();
        self.server.sweep_done(last, patience);
        let mut wrong = self.wrong_reasons(&victims);
        for index in (1..self.count()).step_by(2) {
            self.cameras.heal(index);
        }
        let (healed, wall) = (now(), crate::clock::wall());
        let slowest = self.back(&victims, wall, healed, &mut wrong);
        wrong.extend(self.disturbed(first, &victims));
        wrong.extend(self.miscounted(&victims));
        println!(
            "{} faults from {}: all back after {slowest:.1?}, {} KiB resident",
            trials.len(),
            trials.first().map_or(&Value::Null, |trial| &trial.fault),
            self.server.resident(),
        );
        wrong
    }

    fn wrong_reasons(&self, victims: &BTreeMap<String, &Trial>) -> Vec<String> {
        let mut wrong = Vec::new();
        for camera in self.server.items("/cameras?limit=500") {
            let name = camera["name"].as_str().unwrap();
            let Some(trial) = victims.get(name) else { continue };
            let state = &camera["state"];
            if !trial.reasons.contains(&state["reason"].as_str().unwrap()) {
                let codec = &self.cameras.items()[name[4..].parse::<usize>().unwrap() - 1]["codec"];
                wrong.push(format!("{name} ({codec}) with {} shows {state}", trial.fault));
            }
        }
        wrong
    }

    /// Waits until every victim has a picture of after the end of its fault.
    fn back(
        &self,
        victims: &BTreeMap<String, &Trial>,
        wall: jiff::Timestamp,
        healed: Instant,
        wrong: &mut Vec<String>,
    ) -> Duration {
        let mut slowest = (Duration::ZERO, String::new());
        let mut waiting: Vec<&String> = victims.keys().collect();
        until(INTERVAL * 6, "every victim is ready again", || {
            let cameras = self.server.items("/cameras?limit=500");
            waiting.retain(|name| {
                let camera = cameras.iter().find(|camera| camera["name"] == name.as_str()).unwrap();
                let frame = &camera["lastFrame"]["capturedAt"];
                let is_back = holds(camera, "Ready") && !frame.is_null() && time(frame) > wall;
                if is_back {
                    slowest = (healed.elapsed(), victims[*name].fault.to_string());
                }
                !is_back
            });
            waiting.is_empty().then_some(())
        });
        if slowest.0 > INTERVAL * 2 + LATE_MAX {
            wrong.push(format!("ready again only {:?} after {}", slowest.0, slowest.1));
        }
        slowest.0
    }

    /// What the cameras without a fault noticed since a sweep.
    fn disturbed(&self, first: i64, victims: &BTreeMap<String, &Trial>) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut sweeps = self.server.sweeps();
        sweeps.retain(|sweep| sweep["id"].as_i64() >= Some(first - 1) && sweep["state"] == "done");
        sweeps.reverse();
        for pair in sweeps.windows(2) {
            let gap = time(&pair[1]["startedAt"]).duration_since(time(&pair[0]["startedAt"]));
            let gap = Duration::try_from(gap).unwrap();
            if gap.abs_diff(INTERVAL) > LATE_MAX {
                wrong.push(format!("sweep {} started {gap:?} after the one before", pair[1]["id"]));
            }
        }
        for sweep in &sweeps {
            let results = sweep["results"].as_array().unwrap();
            for index in (0..self.count()).step_by(2) {
                let name = format!("cam-{:03}", index + 1);
                assert!(!victims.contains_key(&name));
                let result = results.iter().find(|result| result["camera"] == name.as_str());
                if result.is_none_or(|result| result["outcome"] != "ok") {
                    wrong.push(format!("sweep {}: healthy {name}: {result:?}", sweep["id"]));
                }
            }
            if sweep["clean"] != true {
                wrong.push(format!("sweep {} is not clean", sweep["id"]));
            }
        }
        wrong
    }

    /// Cameras that counted too many connections, or ends without a goodbye.
    fn miscounted(&self, victims: &BTreeMap<String, &Trial>) -> Vec<String> {
        let mut wrong = Vec::new();
        let field = if self.is_http { "httpConnectionsMost" } else { "connectionsMost" };
        for item in self.cameras.items() {
            let count = |field: &str| item[field].as_u64().unwrap();
            if count(field) > self.cameras.settings.limit {
                wrong.push(format!("beyond its limit: {item}"));
            }
            let polite = victims.get(item["name"].as_str().unwrap()).is_none_or(|t| t.polite);
            let ended = count("tornDown") + count("connections");
            if polite && !self.is_http && ended < count("accepted") {
                wrong.push(format!("not torn down: {item}"));
            }
        }
        wrong
    }

    fn all_rounds(self, stages: &[Stage]) {
        let trials = Trial::all(stages);
        let half = self.count() as usize / 2;
        let at_once = number("FLEET_AT_ONCE", half / 2).clamp(1, half);
        let before = self.server.resident();
        let mut wrong = Vec::new();
        for trials in trials.chunks(at_once) {
            wrong.extend(self.round(trials));
        }
        let after = self.server.resident();
        println!("{} faults: {before} KiB resident before, {after} after", trials.len());
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(after < before + GROWTH_MAX, "{before} KiB resident before, {after} after");
        self.server.stop();
        drop(self.place);
    }
}

#[test]
fn faults_of_half_the_cameras_are_not_noticed_by_the_other_half() {
    let _turn = turn();
    Field::start(40, false).all_rounds(&STAGES);
}

#[test]
fn faults_of_still_pictures_over_http_are_not_noticed_by_the_other_half() {
    let _turn = turn();
    Field::start(40, true).all_rounds(&[Stage::Accept, Stage::Http]);
}
