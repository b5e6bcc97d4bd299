//! Live views through go2rtc: the whole server with a gateway that it starts, and that is killed.
//!
//! Against the stand-in always, against the real go2rtc where `GO2RTC` names it or it is on the
//! `PATH`.

mod always_on;
mod captures;
mod external;
mod hangs;
mod instances;
mod kills;
mod neighbours;
mod reach;
mod redials;
mod refused;
mod switches;
mod transports;

use std::env;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use camserver_chaos::{Codec, FleetSettings};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::{IntoClientRequest as _, client};
use tokio_tungstenite::tungstenite::{Message, WebSocket};

use crate::cameras::{Cameras, settings};
use crate::clock::{now, turn, until};
use crate::http::{Answer, ask_as};
use crate::manifests::Manifests;
use crate::server::{Place, Server, condition, holds};

/// Longest wait for anything that has no promise of its own.
const LIMIT: Duration = Duration::from_secs(30);
/// The promise for the end of a camera's connection.
const GONE: Duration = Duration::from_secs(6);
/// Names its configuration to the stand-in.
const CONFIG: &str = "GO2RTC_DOUBLE_CONFIG";

/// Programs that speak go2rtc's API; says aloud which.
fn programs(place: &Place) -> Vec<PathBuf> {
    let script = place.manifests.with_file_name("stand-in");
    let own = env::current_exe().unwrap();
    let name = "gateway::the_stand_in_itself";
    let text = format!(
        "#!/bin/sh\n{CONFIG}=\"$2\" exec '{}' --exact {name} --ignored --nocapture\n",
        own.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let named = env::var_os("GO2RTC").map(PathBuf::from);
    let on_path = || {
        let path = env::var_os("PATH")?;
        env::split_paths(&path).map(|folder| folder.join("go2rtc")).find(|file| file.is_file())
    };
    let Some(real) = named.or_else(on_path) else {
        println!("TARGETS: the stand-in; SKIPPED: go2rtc is not on the PATH and not in GO2RTC");
        return vec![script];
    };
    println!("TARGETS: the stand-in and {}", real.display());
    vec![script, real]
}

/// Plays a scene with the native engine, and with each of those programs.
fn with_each_engine(scene: impl Fn(Option<&PathBuf>)) {
    let _turn = turn();
    let scripts = Place::new();
    for program in std::iter::once(None).chain(programs(&scripts).iter().map(Some)) {
        println!("ON: {}", program.map_or("native".into(), |program| program.to_string_lossy()));
        scene(program);
    }
}

/// One camera, which bears `limit` connections.
fn one_camera(limit: u64) -> FleetSettings {
    let mut fleet = settings(1);
    (fleet.codecs, fleet.limit) = (vec![Codec::H264], limit);
    fleet
}

#[tokio::test]
#[ignore = "not a test: the process that the server starts as its gateway"]
async fn the_stand_in_itself() {
    if let Some(config) = env::var_os(CONFIG) {
        camserver_chaos::gateway::run(Path::new(&config)).await.unwrap();
    }
}

/// One browser, with a lease and a live socket.
struct Viewer {
    server: SocketAddr,
    cookie: String,
    lease: String,
    socket: WebSocket<TcpStream>,
}

impl Viewer {
    fn open(server: &Server, camera: &str, quality: &str) -> Self {
        Self::open_as(server, "viewer", (camera, quality), "")
    }

    /// Somebody's, with a query for the live socket.
    fn open_as(server: &Server, user: &str, (camera, quality): (&str, &str), query: &str) -> Self {
        let cookie = format!("camserver_client={user}-of-{camera}");
        let body = json!({"camera": camera, "quality": quality, "takeOver": true}).to_string();
        let path = "/api/v1/modal/lease";
        // Before the first look at connections no slot is given.
        let granted = until(LIMIT, "a lease is granted", || {
            let asked = ask_as(server.address, &cookie, ("POST", path), &body).unwrap();
            (asked.status == 201).then(|| asked.json())
        });
        let path = granted["ws"].as_str().unwrap();
        let url = format!("ws://{}{path}{query}", server.address);
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
        let stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let (socket, _) = client(request, stream).unwrap();
        let lease = granted["id"].as_str().unwrap().to_owned();
        Self { server: server.address, cookie, lease, socket }
    }

    fn next(&mut self) -> Message {
        self.socket.read().unwrap()
    }

    /// Waits for a beginning and the first picture after it; says what is to be played.
    fn begins(&mut self) -> String {
        let mime = loop {
            match self.next() {
                Message::Text(text) => {
                    let said: Value = serde_json::from_str(&text).unwrap();
                    break said["value"].as_str().unwrap().to_owned();
                }
                Message::Close(frame) => panic!("closed: {frame:?}"),
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        };
        loop {
            match self.next() {
                Message::Binary(data) if data.get(4..8) == Some(b"moof") => return mime,
                Message::Close(frame) => panic!("closed: {frame:?}"),
                Message::Binary(_)
                | Message::Text(_)
                | Message::Ping(_)
                | Message::Pong(_)
                | Message::Frame(_) => {}
            }
        }
    }

    /// Throws away what has come so far.
    fn drain(&mut self) {
        self.socket.get_ref().set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        while self.socket.read().is_ok() {}
        self.socket.get_ref().set_read_timeout(Some(LIMIT)).unwrap();
    }

    /// Reads until the server closes: the code and the reason.
    fn closes(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(frame) = self.next() {
                let frame = frame.unwrap();
                return (frame.code.into(), frame.reason.to_string());
            }
        }
    }

    fn release(&self) -> Answer {
        let path = format!("/api/v1/modal/lease/{}", self.lease);
        ask_as(self.server, &self.cookie, ("DELETE", &path), "").unwrap()
    }
}

/// Manifests of a fleet that is watched through a gateway.
fn manifests(cameras: &Cameras, program: &Path) -> Manifests {
    let mut manifests = Manifests::of(cameras);
    manifests.server = json!({
        "live": {"engine": "go2rtc"},
        "gateway": {"binary": program.to_str().unwrap()},
        // These viewers send no heartbeat.
        "admission": {"leaseTtl": "1h", "grace": "1h"},
    });
    manifests.sweep = json!({"interval": "1s", "cooldown": "0s", "concurrency": 2});
    manifests
}

/// Processes of gateways that the server shows.
fn gateways(server: &Server) -> Vec<i32> {
    let all = server.items("/processes");
    let all = all.iter().filter(|process| process["kind"] == "gateway" && process["state"] != "Z");
    all.map(|process| i32::try_from(process["pid"].as_i64().unwrap()).unwrap()).collect()
}

/// The one gateway that runs, as soon as it is seen and is not `before`.
fn gateway(server: &Server, before: Option<i32>) -> i32 {
    until(LIMIT, "one gateway is seen", || match gateways(server).as_slice() {
        [pid] if Some(*pid) != before && is_alive(*pid) => Some(*pid),
        _ => None,
    })
}

fn is_alive(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn counts(cameras: &Cameras, expected: &[u64], limit: Duration) {
    until(limit, &format!("cameras have {expected:?} connections"), || {
        (cameras.counts("connections") == expected).then_some(())
    });
}

/// No sweep begins any more once this returns; one may be going on.
fn no_more_sweeps(server: &Server, declared: &mut Manifests, place: &Place) {
    let generation = || server.api("/config")["generation"].clone();
    let before = generation();
    declared.sweep = json!({"interval": "1h"});
    declared.write(&place.manifests);
    until(LIMIT, "it is in force", || (generation() != before).then_some(()));
}

fn succeeded(sweep: &Value) -> usize {
    let results = sweep["results"].as_array().unwrap();
    results.iter().filter(|result| result["outcome"] == "ok").count()
}

/// The gateway of a subnet, as the server tells of it.
fn told(server: &Server, subnet: &str) -> Value {
    let gateways = server.items("/gateways");
    gateways.into_iter().find(|gateway| gateway["name"] == subnet).unwrap_or_default()
}

/// A gateway that serves, has all streams that are wanted, and is not the process `before`.
fn serving(server: &Server, subnet: &str, before: Option<i32>) -> Option<i32> {
    let gateway = told(server, subnet);
    let pid = i32::try_from(gateway["pid"].as_i64()?).unwrap();
    let is_well = holds(&gateway, "Available") && holds(&gateway, "InSync");
    (is_well && Some(pid) != before).then_some(pid)
}

/// How often the gateway of a subnet was started again for a reason.
fn restarts(server: &Server, subnet: &str, reason: &str) -> f64 {
    let labels = format!("{{subnet=\"{subnet}\",reason=\"{reason}\"}}");
    server.metric(&format!("camserver_gateway_restarts_total{labels}")).unwrap()
}

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

#[test]
fn a_stream_that_is_declared_otherwise_goes_on_with_what_is_declared() {
    let _turn = turn();
    let place = Place::new();
    for program in programs(&place) {
        println!("ON: {}", program.display());
        let mut fleet = settings(2);
        fleet.codecs = vec![Codec::H264];
        let cameras = Cameras::start(fleet);
        let mut declared = manifests(&cameras, &program);
        declared.sweep = json!({"interval": "1h"});
        declared.write(&place.manifests);
        let server = place.start();
        let mut viewer = Viewer::open(&server, "cam-001", "sub");
        let before = viewer.begins();
        // The other device under the same name.
        declared.cameras[0].1["address"] = json!(cameras.address(1));
        declared.cameras.truncate(1);
        declared.write(&place.manifests);
        counts(&cameras, &[0, 1], LIMIT);
        let begun = now();
        assert_eq!(viewer.begins(), before);
        assert!(begun.elapsed() < GONE, "its viewer waited {:?}", begun.elapsed());
        viewer.release();
        counts(&cameras, &[0, 0], GONE);
        server.stop();
        cameras.check_limits();
    }
}

#[test]
fn without_the_program_viewers_are_told_what_to_do_and_sweeps_go_on() {
    let _turn = turn();
    let place = Place::new();
    let mut fleet = settings(1);
    fleet.codecs = vec![Codec::H264];
    let cameras = Cameras::start(fleet);
    manifests(&cameras, Path::new("/nowhere/go2rtc")).write(&place.manifests);
    let server = place.start();
    let (code, reason) = Viewer::open(&server, "cam-001", "sub").closes();
    assert_eq!(code, 4008);
    assert!(reason.contains("/nowhere/go2rtc") && reason.contains("gateway.binary"), "{reason}");
    let gateway = until(LIMIT, "the gateway is told not to be available", || {
        let gateway = told(&server, "sim");
        (condition(&gateway, "Available")?["status"] == "False").then_some(gateway)
    });
    let available = condition(&gateway, "Available").unwrap();
    assert_eq!(available["reason"], "NotStarted", "{gateway}");
    assert!(available["message"].as_str().unwrap().contains("gateway.binary"), "{gateway}");
    assert_eq!(condition(&gateway, "InSync").unwrap()["status"], "Unknown", "{gateway}");
    assert_eq!(server.metric("camserver_gateway_up{subnet=\"sim\"}"), Some(0.0));
    assert!(!holds(&server.api("/status"), "Healthy"));
    assert_eq!(server.get("/readyz").status, 503);
    until(LIMIT, "the event log tells of it", || {
        let events = server.items("/events?since=0&limit=500");
        events.iter().any(|event| event["primaryEvent"] == "gateway_lost").then_some(())
    });
    let listed = server.cli(&["get", "gateways"]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("sim") && listed.contains("/nowhere"), "{listed}");
    let swept = server.sweep_done(server.last_sweep_id() + 1, LIMIT);
    assert_eq!(succeeded(&swept), 1, "{swept}");
    server.stop();
    cameras.check_limits();
}
