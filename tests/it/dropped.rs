//! Captures by ffmpeg that are given up at random instants: nothing of them is left.
//!
//! `DROPPED_CAPTURES` (48) is how many, `DROPPED_SEED` repeats a run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use camserver::clock::Clock;
use camserver::manifest::load_dir;
use camserver::metrics::Metrics;
use camserver::model::desired::Desired;
use camserver::model::failure::Failure;
use camserver::model::names::CameraName;
use camserver::model::picture::KeyPicture;
use camserver::model::secret::Redactor;
use camserver::model::time::Now;
use camserver::reconcile::keeper::{KeeperGate, SlotKeeper};
use camserver::reconcile::{CaptureContext, CaptureOrder, capture, decode_pool};
use camserver::world::camera::gate::Waiting;
use camserver::world::camera::relay::Relay;
use camserver::world::camera::sharing::{
    Gateways, Lent, Reach, Returned, SharedSessions, Unopened,
};
use camserver::world::journal::SlotJournal;
use camserver::world::process::{Settings, Spawner};
use camserver::world::store::{DataDir, Store};
use camserver_chaos::{Codec, Face, Fleet, FleetSettings, Scheme, Sound, SoundTiming};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// Nobody holds a session.
#[derive(Debug)]
struct NothingShared;

impl Gateways for NothingShared {
    fn reach(&self, _: &CameraName) -> Option<Reach> {
        None
    }

    fn watched<'a>(
        &'a self,
        _: &'a CameraName,
        _: Now,
        _: Duration,
    ) -> Waiting<'a, Option<Result<(KeyPicture, Now), Failure>>> {
        Box::pin(async { None })
    }

    fn open(&self, _: Lent) -> Waiting<'_, Returned> {
        let picture = Err(Unopened::Unavailable("there is no gateway".to_owned()));
        Box::pin(async { Returned { picture, ended: true } })
    }
}

impl SharedSessions for NothingShared {
    fn key_picture<'a>(
        &'a self,
        _: &'a CameraName,
        _: Now,
        _: Duration,
    ) -> Waiting<'a, Option<Result<(KeyPicture, Now), Failure>>> {
        Box::pin(std::future::ready(None))
    }
}

const CAMERAS: u32 = 6;
const PASSWORD: &str = "Medlar5Crate";
/// The promise for what is left of a capture that was given up.
const GONE: Duration = Duration::from_secs(3);
/// Captures that go on at once, each of another camera.
const AT_ONCE: u32 = 3;
/// Captures between two looks at what is left.
const WAVE: usize = 12;
/// Longest time that a capture goes on before it is given up, milliseconds: most pictures would be
/// there by then.
const LATEST: u64 = 3_000;
const INSTALLATION: &str = "installation-of-dropped-captures";

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Everything that a server has for its captures.
struct Field {
    settings: FleetSettings,
    control: Router,
    _fleet: Fleet,
    directory: tempfile::TempDir,
    _data: DataDir,
    desired: Arc<Desired>,
    context: Arc<CaptureContext>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

fn fleet() -> FleetSettings {
    let network = 200 + u8::try_from(std::process::id() % 50).unwrap();
    FleetSettings {
        cameras: CAMERAS,
        first: [127, network, 99, 11].into(),
        port: 10_554,
        http_port: 0,
        limit: 2,
        faces: vec![Face::Status(453)],
        codecs: vec![Codec::H264],
        size: (320, 192),
        main_size: (320, 192),
        fps: 10,
        gop: Duration::from_secs(1),
        grain: 0,
        bitrate: 0,
        auth: Scheme::Digest,
        username: "admin".into(),
        password: PASSWORD.into(),
        nonce_lifetime: Duration::from_hours(1),
        session_timeout: Duration::from_mins(1),
        sound: Sound::None,
        timing: SoundTiming::default(),
        ffmpeg: "ffmpeg".into(),
    }
}

fn manifests(fleet: &FleetSettings) -> String {
    let subnet = "---\napiVersion: camserver.dev/v1\nkind: Subnet\nmetadata: {name: sim}\n\
                  spec: {cidr: 127.0.0.0/8}\n";
    let family = "---\napiVersion: camserver.dev/v1\nkind: CameraFamily\nmetadata: {name: two}\n\
                  spec: {maxConnections: 2, quarantine: 0s}\n";
    let camera = |index| {
        let (name, address) = (FleetSettings::name(index), fleet.address(index).unwrap());
        format!(
            "---\napiVersion: camserver.dev/v1\nkind: Camera\nmetadata: {{name: {name}}}\n\
             spec: {{subnet: sim, family: two, address: {address}, port: {}, \
             streams: {{sub: /sub}}, credentials: {{username: admin, passwordFrom: {{file: \
             password}}}}, capture: {{order: [ffmpeg], timeout: 20s}}}}\n",
            fleet.port
        )
    };
    let cameras = (0..fleet.cameras).map(camera);
    [subnet, family].map(str::to_owned).into_iter().chain(cameras).collect()
}

impl Field {
    async fn start() -> Self {
        let settings = fleet();
        let fleet = Fleet::start(settings.clone()).await.unwrap();
        let control = camserver_chaos::router(&fleet);
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("all.yaml"), manifests(&settings)).unwrap();
        fs::write(directory.path().join("password"), PASSWORD).unwrap();
        let loaded = load_dir(directory.path());
        assert_eq!(loaded.errors().count(), 0, "{:?}", loaded.problems);
        let desired = loaded.desired.unwrap();
        let data = DataDir::open(&directory.path().join("data")).unwrap();
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let keeper = keeper(&data, &desired);
        let closing = (Arc::clone(&keeper), stop.clone());
        tasks.spawn(async move { closing.0.watch_closing(closing.1).await });
        let gate = Arc::new(KeeperGate(Arc::clone(&keeper)));
        let (relay, server) = Relay::bind(gate, Arc::default()).await.unwrap();
        tasks.spawn(server.run(stop.clone()));
        let (_, secrets) = watch::channel(Redactor::new(desired.secrets()));
        let context = Arc::new(CaptureContext {
            keeper,
            pool: decode_pool().unwrap(),
            shared: Arc::new(NothingShared),
            gateways: Arc::new(NothingShared),
            spawner: spawner(),
            relay,
            children: TaskTracker::new(),
            store: Store::open(&data, &desired.server.store.url).await.unwrap(),
            clock: Clock::System,
            metrics: Arc::new(Metrics::new()),
            secrets,
        });
        Self {
            settings,
            control,
            _fleet: fleet,
            directory,
            _data: data,
            desired,
            context,
            stop,
            tasks,
        }
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let request = Request::builder().method(method).uri(path).body(Body::from(body.to_owned()));
        let answer = self.control.clone().oneshot(request.unwrap()).await.unwrap();
        assert!(answer.status().is_success(), "{method} {path}: {}", answer.status());
        let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    async fn counts(&self, field: &str) -> Vec<u64> {
        let cameras = self.ask("GET", "/cameras", "").await;
        let items = cameras["items"].as_array().unwrap();
        items.iter().map(|item| item[field].as_u64().unwrap()).collect()
    }

    fn order(&self, index: u32) -> CaptureOrder {
        let name = FleetSettings::name(index);
        let camera = self.desired.cameras.values().find(|camera| camera.name.as_str() == name);
        let camera = Arc::clone(camera.unwrap());
        CaptureOrder {
            limits: self.desired.devices.clone().into_iter().collect(),
            camera,
            sweep: None,
            not_before: self.context.clock.now(),
            worked_before: true,
            ffmpeg: PathBuf::from("ffmpeg"),
            children: true,
            cancel: CancellationToken::new(),
        }
    }

    /// What is left of captures, in words; empty when it is nothing.
    async fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        let mut note = |what: &str, count: usize| {
            if count > 0 {
                left.push(format!("{count} {what}"));
            }
        };
        note("children with an owner", self.context.spawner.owned().len());
        note("processes", marked().len());
        note("tasks", self.context.children.len());
        note("slots", self.context.keeper.slots().len());
        note("temporary files", temporary(&self.directory.path().join("data/frames")));
        let connections: u64 = self.counts("connections").await.into_iter().sum();
        note("connections", usize::try_from(connections).unwrap());
        left
    }

    async fn nothing_is_left(&self) {
        let begun = Instant::now();
        loop {
            let left = self.left().await;
            if left.is_empty() {
                return;
            }
            assert!(begun.elapsed() < GONE, "after {GONE:?}: {left:?}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn end(mut self) {
        self.context.spawner.shut_down().await;
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.context.store.close().await;
    }
}

fn keeper(data: &DataDir, desired: &Desired) -> Arc<SlotKeeper> {
    let (journal, before) = SlotJournal::open(&data.path().join("slots"), "boot").unwrap();
    let keeper = SlotKeeper::new(Clock::System, journal, &before);
    keeper.set_limits(Arc::new(desired.devices.clone()));
    keeper.observe(Clock::System.now().mono, &[]);
    Arc::new(keeper)
}

fn spawner() -> Spawner {
    Spawner::start(Settings {
        shim: PathBuf::from(env!("CARGO_BIN_EXE_camserver")),
        installation: INSTALLATION.into(),
        instance: format!("run{}", std::process::id()).into(),
        max_children: 16,
    })
    .unwrap()
}

/// Processes of this test, grandchildren too.
fn marked() -> BTreeSet<u32> {
    let mark = format!("CAMSERVER_MARK=v1:{INSTALLATION}:");
    let run = format!(":run{}-", std::process::id());
    let is_marked = |pid: &u32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let variables = environ.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        variables.into_iter().any(|one| one.starts_with(&mark) && one.contains(&run))
    };
    let entries = fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(is_marked).collect()
}

/// Pictures that are half written.
fn temporary(directory: &Path) -> usize {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let count = |path: PathBuf| {
        let is_temporary = path.extension() == Some("tmp".as_ref());
        if path.is_dir() { temporary(&path) } else { usize::from(is_temporary) }
    };
    entries.map(|entry| count(entry.unwrap().path())).sum()
}

/// Gives captures up, each at an instant of its own; returns how many had ended before.
async fn wave(field: &Field, chance: &mut StdRng, count: usize) -> usize {
    let (mut going, mut ended) = (JoinSet::new(), 0);
    for _ in 0..count {
        while going.len() >= AT_ONCE as usize {
            ended += usize::from(going.join_next().await.unwrap().unwrap());
        }
        let order = field.order(chance.random_range(0..field.settings.cameras));
        let wait = Duration::from_millis(chance.random_range(0..LATEST));
        let (context, is_cancelled) = (Arc::clone(&field.context), chance.random_bool(0.2));
        going.spawn(async move {
            let cancel = order.cancel.clone();
            // Dropped in the middle of whatever it does; or asked to end, and dropped after that.
            let mut going = Box::pin(capture(&context, &order));
            if timeout(wait, &mut going).await.is_ok() {
                return true;
            }
            if is_cancelled {
                cancel.cancel();
                drop(timeout(Duration::from_millis(300), &mut going).await);
            }
            false
        });
    }
    while let Some(one) = going.join_next().await {
        ended += usize::from(one.unwrap());
    }
    ended
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn captures_that_are_given_up_leave_nothing() {
    let seed = number("DROPPED_SEED", u64::from(std::process::id()));
    println!("DROPPED_SEED={seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let field = Field::start().await;
    for (nth, fault) in [(2, "describe"), (4, "stream")] {
        let body = format!(r#"{{"stage": "{fault}", "kind": "hang"}}"#);
        field.ask("PUT", &format!("/cameras/cam-{nth:03}/fault"), &body).await;
    }
    let all = usize::try_from(number("DROPPED_CAPTURES", 48)).unwrap();
    let (mut given, mut ended) = (0, 0);
    while given < all {
        let count = WAVE.min(all - given);
        ended += wave(&field, &mut chance, count).await;
        given += count;
        field.nothing_is_left().await;
    }
    let dialled: u64 = field.counts("accepted").await.into_iter().sum();
    println!("{all} captures, {ended} had ended, {dialled} had reached a camera");
    assert!(dialled > 0, "no capture got as far as a camera");
    assert!(ended < all);
    let most = field.counts("connectionsMost").await;
    assert!(most.iter().all(|most| *most <= field.settings.limit), "at most: {most:?}");
    field.end().await;
}
