//! The server killed in the middle of sweeps: what was committed stays, and the run after it
//! reckons with the connections of the one before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use crate::cameras::{Cameras, settings};
use crate::clock::{now, number, turn, until};
use crate::manifests::Manifests;
use crate::server::{Place, Server, holds};

/// Cameras of each of the two fleets.
const EACH: u32 = 8;
/// The second look after a start, for which all that the crash left is old enough.
const REPAIR_LIMIT: Duration = Duration::from_mins(3);
const SWEEP_LIMIT: Duration = Duration::from_secs(40);

/// What the database of an ended server says.
struct Committed {
    /// Number and file of each picture.
    frames: BTreeMap<i64, String>,
    events: BTreeSet<i64>,
    /// Number and state of each sweep.
    sweeps: BTreeMap<i64, String>,
}

impl Committed {
    fn read(data: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let database = data.join("camserver.db");
        runtime.block_on(async {
            let options = SqliteConnectOptions::new().filename(database);
            let mut connection = options.connect().await.unwrap();
            let committed = Self::ask(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            committed
        })
    }

    async fn ask(connection: &mut SqliteConnection) -> sqlx::Result<Self> {
        let frames = sqlx::query("SELECT id, file FROM frames").fetch_all(&mut *connection).await?;
        let events = sqlx::query("SELECT seq FROM events").fetch_all(&mut *connection).await?;
        let sweeps = sqlx::query("SELECT id, state FROM sweeps").fetch_all(connection).await?;
        Ok(Self {
            frames: frames.iter().map(|row| (row.get(0), row.get(1))).collect(),
            events: events.iter().map(|row| row.get(0)).collect(),
            sweeps: sweeps.iter().map(|row| (row.get(0), row.get(1))).collect(),
        })
    }

    /// Everything of `before` is still there, and numbers have no gap.
    fn check_keeps(&self, before: &Self) {
        for (id, file) in &before.frames {
            assert_eq!(self.frames.get(id), Some(file), "frame {id} is lost");
        }
        assert!(self.events.is_superset(&before.events), "events are lost");
        let gapless = self.events.iter().copied().eq(1..=i64::try_from(self.events.len()).unwrap());
        assert!(gapless, "events have gaps: {:?}", self.events);
        for id in before.sweeps.keys() {
            assert!(self.sweeps.contains_key(id), "sweep {id} is lost");
        }
    }

    fn files(&self) -> BTreeSet<PathBuf> {
        let both = |file: &String| {
            let picture = PathBuf::from(file);
            [picture.with_extension("thumb.jpg"), picture]
        };
        self.frames.values().flat_map(both).collect()
    }
}

/// Files below a directory, by their path inside it.
fn files_under(root: &Path, inside: &Path) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(root.join(inside)).unwrap().map(Result::unwrap);
    let entries = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    let below = |entry: std::fs::DirEntry| {
        let path = inside.join(entry.file_name());
        if entry.path().is_dir() { files_under(root, &path) } else { BTreeSet::from([path]) }
    };
    entries.flat_map(below).collect()
}

struct Field {
    one: Cameras,
    two: Cameras,
    place: Place,
}

impl Field {
    fn new() -> Self {
        let (mut one, mut two) = (settings(EACH), settings(EACH));
        (one.limit, two.limit) = (1, 2);
        let (one, two) = (Cameras::start(one), Cameras::start(two));
        let place = Place::new();
        let mut manifests = Manifests::of(&one);
        manifests.add("two", &two);
        manifests.family("quarantine", &json!("1s"));
        manifests.sweep = json!({"interval": "2s", "cooldown": "0s", "concurrency": 4});
        manifests.write(&place.manifests);
        Self { one, two, place }
    }

    fn check_limits(&self) {
        self.one.check_limits();
        self.two.check_limits();
    }
}

/// Waits until a sweep of this run has brought so many results and goes on.
fn in_the_middle(server: &Server, first: i64, results: usize) {
    until(SWEEP_LIMIT, "a sweep is in its middle", || {
        let sweep = server.sweeps().into_iter().next()?;
        let going = sweep["state"] == "running" && sweep["id"].as_i64() >= Some(first);
        let count = sweep["results"].as_array()?.len();
        (going && count >= results).then_some(())
    });
}

fn check_first_sweep(sweep: &Value) {
    let results = sweep["results"].as_array().unwrap();
    assert_eq!(results.len(), EACH as usize * 2, "{sweep}");
    for result in results {
        // A camera that the run before was connected to rests first.
        let fine = result["outcome"] == "ok" || result["reason"] == "NoSlot";
        assert!(fine, "after a restart: {result}");
    }
}

#[test]
fn killed_in_the_middle_of_sweeps_it_loses_nothing_and_exceeds_no_limit() {
    let _turn = turn();
    let field = Field::new();
    let mut server = field.place.start();
    let mut first = 1;
    let mut before: Option<Committed> = None;
    let mut slowest = Duration::ZERO;
    for round in 0..number("FLEET_KILLS", 8) {
        // Another point of the sweep each time.
        in_the_middle(&server, first, round * 5 % 12);
        server.kill();
        let committed = Committed::read(&field.place.data);
        if let Some(before) = &before {
            committed.check_keeps(before);
        }
        let begun = now();
        server = field.place.start();
        slowest = slowest.max(begun.elapsed());
        first = committed.sweeps.keys().max().copied().unwrap_or(0) + 1;
        check_first_sweep(&server.sweep_done(first, SWEEP_LIMIT));
        field.check_limits();
        if let Some(id) = committed.frames.keys().max() {
            assert_eq!(server.get(&format!("/api/v1/frames/{id}.jpg")).status, 200, "frame {id}");
        }
        before = Some(committed);
    }
    println!("answered at most {slowest:?} after a restart");
    let frames = field.place.data.join("frames");
    server.stop();
    let mut last = Committed::read(&field.place.data);
    last.check_keeps(before.as_ref().unwrap());
    let running = last.sweeps.values().filter(|state| *state == "running").count();
    assert_eq!(running, 0, "{:?}", last.sweeps);
    assert!(last.sweeps.values().any(|state| state == "aborted"), "{:?}", last.sweeps);
    // Killed once more while files are being written, then left in peace to repair.
    let server = field.place.start();
    in_the_middle(&server, last.sweeps.keys().max().unwrap() + 1, 3);
    server.kill();
    plant_strays(&frames, &Committed::read(&field.place.data));
    suspend(&field.place);
    let server = field.place.start();
    until(REPAIR_LIMIT, "every file has its row and every row its files", || {
        last = Committed::read(&field.place.data);
        (files_under(&frames, Path::new("")) == last.files()).then_some(())
    });
    field.check_limits();
    server.stop();
}

/// What a crash at the worst moments leaves: half a picture, one without its row, and a row
/// without its picture.
fn plant_strays(frames: &Path, committed: &Committed) {
    let mut files = committed.frames.values();
    let (one, two) = (files.next_back().unwrap(), files.next_back().unwrap());
    let whole = one.replace(".jpg", "").rsplit_once('-').unwrap().0.to_owned();
    std::fs::copy(frames.join(one), frames.join(format!("{whole}-00000000.jpg"))).unwrap();
    std::fs::write(frames.join(format!("{whole}-00000001.tmp")), "half a picture").unwrap();
    std::fs::remove_file(frames.join(two)).unwrap();
}

/// No further sweeps, so that files and rows can be compared at leisure.
fn suspend(place: &Place) {
    let path = place.manifests.join("base.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let suspended = text.replace(r#""concurrency":4"#, r#""concurrency":4,"suspend":true"#);
    assert_ne!(text, suspended);
    std::fs::write(path, suspended).unwrap();
}

#[test]
fn a_connection_of_the_run_before_rests_before_the_next_one() {
    let _turn = turn();
    let mut fleet = settings(2);
    fleet.limit = 1;
    let cameras = Cameras::start(fleet);
    cameras.fault(0, &json!({"stage": "describe", "kind": "hang"}));
    let place = Place::new();
    let mut manifests = Manifests::of(&cameras);
    manifests.sweep = json!({"interval": "2s", "cooldown": "0s", "concurrency": 2});
    manifests.family("quarantine", &json!("6s"));
    manifests.write(&place.manifests);
    let server = place.start();
    until(SWEEP_LIMIT, "the server waits for the hanging camera only", || {
        let is_done = cameras.counts("tornDown")[1] == 1;
        // The slot comes back a moment after the connection has gone.
        let is_free = server.items("/leases").iter().all(|lease| lease["camera"] == "cam-001");
        (is_done && is_free && cameras.counts("connections") == [1, 0]).then_some(())
    });
    server.kill();
    cameras.heal(0);

    let server = place.start();
    let sweep = server.sweep_done(2, SWEEP_LIMIT);
    let results = sweep["results"].as_array().unwrap();
    let of = |name: &str| results.iter().find(|result| result["camera"] == name).unwrap();
    // To the camera the connection may still stand: only it may tell, and it cannot be asked.
    assert_eq!(of("cam-001")["reason"], "NoSlot", "{sweep}");
    assert_eq!(of("cam-002")["outcome"], "ok", "{sweep}");
    let leases = server.items("/leases");
    assert!(leases.iter().any(|lease| lease["state"] == "quarantined"), "{leases:?}");
    until(SWEEP_LIMIT, "the camera has rested", || {
        holds(&server.api("/cameras/cam-001"), "Ready").then_some(())
    });
    cameras.check_limits();
    server.stop();
}
