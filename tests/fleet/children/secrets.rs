//! No password of a camera is anywhere that somebody else may look: not in the command line or the
//! environment of any process, an answer, a metric, a push, an output, the log, or a file.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use camserver_chaos::Scheme;
use serde_json::json;

use super::pids;
use crate::cameras::{Cameras, HTTP_PORT, settings};
use crate::clock::{turn, until};
use crate::end::websocket;
use crate::manifests::Manifests;
use crate::server::{Place, Server};

const LIMIT: Duration = Duration::from_mins(1);
const USER: &str = "admin";

/// The forms in which a password could be seen.
#[derive(Clone)]
struct Needles(AhoCorasick);

impl Needles {
    fn of(passwords: &[&str]) -> Self {
        let mut all = BTreeSet::new();
        for password in passwords {
            let encoded: String =
                url::form_urlencoded::byte_serialize(password.as_bytes()).collect();
            let both = format!("{USER}:{password}");
            all.extend([(*password).to_owned(), encoded.to_lowercase(), encoded]);
            for text in [password.as_bytes(), both.as_bytes()] {
                all.extend([STANDARD_NO_PAD.encode(text), URL_SAFE_NO_PAD.encode(text)]);
                all.insert(STANDARD.encode(text));
            }
        }
        Self(AhoCorasick::new(all).unwrap())
    }

    fn found_in(&self, bytes: &[u8]) -> bool {
        self.0.is_match(bytes)
    }

    fn check(&self, what: &str, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        assert!(!self.found_in(bytes), "{what} shows: {}", String::from_utf8_lossy(bytes));
    }

    /// All files below a directory.
    fn check_files(&self, directory: &Path) -> usize {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let check = |path: std::path::PathBuf| {
            if path.is_dir() {
                return self.check_files(&path);
            }
            self.check(&path.display().to_string(), fs::read(&path).unwrap_or_default());
            1
        };
        entries.map(check).sum()
    }
}

/// Reads what every process shows of itself, over and over.
struct Onlooker {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Looked>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Looked {
    looks: u64,
    /// Children of servers whose environment was read.
    children: BTreeSet<u32>,
    shown: Vec<String>,
}

impl Looked {
    fn look(&mut self, needles: &Needles) {
        for pid in pids() {
            for file in ["cmdline", "environ"] {
                let path = format!("/proc/{pid}/{file}");
                let bytes = fs::read(&path).unwrap_or_default();
                if needles.found_in(&bytes) {
                    self.shown.push(format!("{path}: {}", String::from_utf8_lossy(&bytes)));
                }
                if String::from_utf8_lossy(&bytes).contains("CAMSERVER_MARK=") {
                    self.children.insert(pid);
                }
            }
        }
        self.looks += 1;
    }
}

impl Onlooker {
    fn start(needles: Needles) -> Self {
        let (stop, seen) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Looked>>::default());
        let thread = std::thread::spawn({
            let (stop, seen) = (Arc::clone(&stop), Arc::clone(&seen));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    seen.lock().unwrap_or_else(PoisonError::into_inner).look(&needles);
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        });
        Self { stop, seen, thread: Some(thread) }
    }

    fn end(mut self) -> Looked {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

/// The onlooker finds what is there to be found.
#[expect(clippy::disallowed_methods, reason = "a process that shows a password")]
fn check_onlooker(needles: &Needles, password: &str) {
    let mut shows = Command::new("sleep");
    let mut shows = shows.arg("1000").env("LEAK", password).stdin(Stdio::null()).spawn().unwrap();
    let mut looked = Looked::default();
    looked.look(needles);
    shows.kill().unwrap();
    shows.wait().unwrap();
    assert!(looked.shown.iter().any(|shown| shown.contains("LEAK=")), "{:?}", looked.shown);
}

/// Cameras that ask for digest, others that ask for basic, each captured in every way, each with
/// the right and with a wrong password.
struct Field {
    _fleets: [Cameras; 2],
    place: Place,
    names: Vec<String>,
}

impl Field {
    fn new(password: &str, wrong: &str) -> Self {
        let fleet = |auth| {
            let mut fleet = settings(7);
            (fleet.auth, fleet.password, fleet.http_port) = (auth, password.to_owned(), HTTP_PORT);
            Cameras::start(fleet)
        };
        let fleets = [fleet(Scheme::Digest), fleet(Scheme::Basic)];
        let mut manifests = Manifests::of(&fleets[0]);
        manifests.add("basic", &fleets[1]);
        manifests.sweep = json!({"interval": "6s", "cooldown": "0s", "concurrency": 5});
        for (nth, (_, spec)) in manifests.cameras.iter_mut().enumerate() {
            let way = ["native", "ffmpeg", "http"][nth % 7 % 3];
            spec["capture"] = json!({"timeout": "10s", "order": [way]});
            if nth % 7 == 6 {
                // What ffmpeg opens by itself, and so with the password.
                spec["streams"] = json!({"main": spec["snapshotUrl"]});
                spec["capture"]["order"] = json!(["ffmpeg"]);
            }
            if (3..6).contains(&(nth % 7)) {
                spec["credentials"]["passwordFrom"]["file"] = json!("wrong");
            }
        }
        let place = Place::new();
        manifests.write(&place.manifests);
        fs::write(place.manifests.join("password"), password).unwrap();
        fs::write(place.manifests.join("wrong"), wrong).unwrap();
        let names = manifests.cameras.iter().map(|(name, _)| name.clone()).collect();
        Self { _fleets: fleets, place, names }
    }

    /// Every route that is documented, with names that exist and that do not.
    fn check_routes(&self, server: &Server, needles: &Needles) {
        let documented = server.get("/api/v1/openapi.json").json();
        let mut routes: BTreeSet<String> =
            ["/", "/metrics", "/healthz", "/readyz", "/ws"].map(str::to_owned).into();
        for path in documented["paths"].as_object().unwrap().keys() {
            for name in self.names.iter().map(String::as_str).chain(["sim", "1", "nobody"]) {
                let path = path.replace("{name}", name).replace("{file}", &format!("{name}.jpg"));
                routes.insert(path.replace("{id}", name).replace("{seq}", name));
            }
        }
        assert!(routes.len() > 50, "{routes:?}");
        for route in &routes {
            needles.check(route, server.get(route).body);
        }
        println!("{} routes", routes.len());
    }

    fn check_commands(&self, server: &Server, needles: &Needles) {
        let outputs = ["table", "wide", "json", "yaml"];
        let mut all: Vec<Vec<&str>> = vec![vec!["plan"], vec!["events"], vec!["confirm"]];
        for what in ["cameras", "subnets", "processes", "connections", "leases", "events", "sweeps"]
        {
            all.extend(outputs.map(|output| vec!["get", what, "-o", output]));
        }
        all.extend(self.names.iter().map(|name| vec!["describe", "camera", name]));
        for arguments in all {
            let ended = server.cli(&arguments);
            let text = [ended.stdout, ended.stderr].concat();
            assert!(!text.is_empty(), "{arguments:?}");
            needles.check(&arguments.join(" "), text);
        }
    }
}

/// What is pushed within some time, as it comes over the wire.
fn pushed(server: &Server) -> Vec<u8> {
    let mut stream = websocket(server);
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let (mut all, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
    let first = server.last_sweep_id() + 1;
    until(LIMIT, "a whole sweep is pushed", || {
        // Nothing within the time is no error.
        let length = stream.read(&mut piece).unwrap_or(0);
        all.extend_from_slice(&piece[..length]);
        let sweeps = server.sweeps();
        sweeps.iter().any(|s| s["id"].as_i64() >= Some(first) && s["state"] == "done").then_some(())
    });
    all
}

#[test]
fn no_password_is_shown_anywhere() {
    let _turn = turn();
    // Other runs of this test on the host have others.
    let id = std::process::id();
    let (password, wrong) = (format!("Sl0e&Gin/9+Zq={id:x}"), format!("Wr0ng&Damson/+={id:x}"));
    let needles = Needles::of(&[&password, &wrong]);
    check_onlooker(&needles, &password);
    let field = Field::new(&password, &wrong);
    let onlooker = Onlooker::start(needles.clone());
    let server = field.place.start_logging("camserver=debug,info");
    let sweep = server.sweep_done(1, LIMIT);
    let outcomes: Vec<String> = sweep["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| format!("{} {} {}", result["camera"], result["outcome"], result["reason"]))
        .collect();
    println!("{}", outcomes.join("\n"));
    let is = |what: &str| outcomes.iter().filter(|outcome| outcome.contains(what)).count();
    assert!(is("\"ok\"") >= 6 && is("AuthFailed") >= 4, "{outcomes:?}");

    let all = pushed(&server);
    assert!(String::from_utf8_lossy(&all).contains("basic-007"));
    needles.check("/ws", all);
    field.check_routes(&server, &needles);
    field.check_commands(&server, &needles);
    needles.check("the log", server.log());
    assert!(needles.check_files(&field.place.data) > 10);
    server.stop();
    needles.check_files(&field.place.data);

    let looked = onlooker.end();
    println!("{} looks, {} children", looked.looks, looked.children.len());
    assert!(looked.shown.is_empty(), "{}", looked.shown.join("\n"));
    assert!(looked.children.len() >= 4, "{looked:?}");
}
