//! The live engine over a gateway: viewers, the last picture, a gateway that is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::future::ready;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use camserver::clock::Clock;
use camserver::live::engine::{Engine as _, Media, ViewEnd, Viewer, Watch};
use camserver::live::go2rtc::{Go2rtcEngine, Granted, Grants, Parts};
use camserver::manifest::load_dir;
use camserver::model::desired::Desired;
use camserver::model::lease::{LeaseId, Quality};
use camserver::model::names::{CameraName, SubnetName};
use camserver::model::slot::Purpose;
use camserver::model::time::Now;
use camserver::vision::{Decoder, Limits};
use camserver::world::camera::sharing::Gateways as _;
use camserver::world::gateway::instance::{Launch, Running};
use camserver_chaos::Stamp;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tempfile::TempDir;
use tokio::time::timeout;
use url::Url;

use super::cameras::Cameras;
use super::rig::{LIMIT, until};
use super::target::{Target, targets};

/// What a capture may wait for.
const SOON: Duration = Duration::from_secs(3);

/// Leads straight to the simulated cameras, those that are declared.
#[derive(Debug, Default)]
struct Open {
    urls: BTreeMap<CameraName, Url>,
    declared: Mutex<BTreeSet<CameraName>>,
}

#[derive(Debug)]
struct Straight(Url);

impl Grants for Open {
    fn declare(&self, desired: &Desired) {
        *self.declared.lock().unwrap() = desired.cameras.keys().cloned().collect();
    }

    fn declares(&self, camera: &CameraName, _: Quality) -> bool {
        self.declared.lock().unwrap().contains(camera)
    }

    fn grant(
        &self,
        camera: &CameraName,
        _: Quality,
        _: Purpose,
    ) -> Result<Box<dyn Granted>, ViewEnd> {
        let url = self.urls.get(camera).cloned().ok_or(ViewEnd::Removed)?;
        Ok(Box::new(Straight(url)))
    }
}

impl Granted for Straight {
    fn url(&self) -> &Url {
        &self.0
    }

    fn serve(&mut self, _: Purpose) {}

    fn failure(&self) -> Option<ViewEnd> {
        None
    }

    fn renewed(&self) -> Option<Result<Box<dyn Granted>, ViewEnd>> {
        None
    }
}

/// Starts the program, unless it is switched off.
#[derive(Debug)]
struct Switch {
    target: Target,
    is_off: AtomicBool,
}

impl Launch for Switch {
    fn launch<'a>(
        &'a self,
        of: &'a SubnetName,
        program: &'a Path,
        arguments: Vec<OsString>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Running>>> {
        if self.is_off.load(Ordering::SeqCst) {
            return ready(Err(io::ErrorKind::PermissionDenied.into())).boxed();
        }
        self.target.launch(of, program, arguments)
    }
}

struct Wall {
    engine: Go2rtcEngine,
    launch: Arc<Switch>,
    directory: TempDir,
}

impl Wall {
    fn start(target: &Target, cameras: &Cameras) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let launch = Arc::new(Switch { target: target.clone(), is_off: AtomicBool::new(false) });
        let named = |nth: u32| (camera(nth), cameras.url(nth));
        let parts = Parts {
            launch: Arc::clone(&launch) as Arc<dyn Launch>,
            reserved: Arc::new(Open::default()),
            grants: Arc::new(Open { urls: (1..=3).map(named).collect(), ..Open::default() }),
            clock: Clock::System,
            data_dir: directory.path().join("data"),
            installation: "inst".into(),
            instance: "run".into(),
            host: std::net::Ipv4Addr::LOCALHOST.into(),
        };
        let wall = Self { engine: Go2rtcEngine::new(parts), launch, directory };
        wall.declare(target, &[1, 2, 3]);
        wall
    }

    fn declare(&self, target: &Target, numbers: &[u32]) {
        let program = target.program();
        let (program, folder) = (program.display(), self.directory.path().display());
        let mut text = format!(
            "apiVersion: camserver.dev/v1\nkind: Server\nmetadata: {{name: main}}\n\
             spec: {{dataDir: {folder}/data, live: {{engine: go2rtc}}, gateway: {{binary: {program}}}}}\n\
             ---\napiVersion: camserver.dev/v1\nkind: Subnet\nmetadata: {{name: shop}}\n\
             spec: {{cidr: 127.0.0.0/8}}\n"
        );
        for nth in numbers {
            let camera = format!(
                "---\napiVersion: camserver.dev/v1\nkind: Camera\nmetadata: {{name: cam-{nth:03}}}\n\
                 spec: {{subnet: shop, address: 127.0.0.{nth}, streams: {{sub: /sub}}}}\n"
            );
            text.push_str(&camera);
        }
        let manifests = self.directory.path().join("manifests");
        std::fs::create_dir_all(&manifests).unwrap();
        std::fs::write(manifests.join("all.yaml"), text).unwrap();
        let loaded = load_dir(&manifests);
        let problems = camserver::manifest::render(&loaded.problems);
        self.engine.apply(&loaded.desired.unwrap_or_else(|| panic!("{problems}")));
    }

    async fn watch(&self, nth: u32, lease: u32) -> Box<dyn Viewer> {
        self.watch_as(nth, lease, &[]).await
    }

    /// As a browser that can decode these codecs.
    async fn watch_as(&self, nth: u32, lease: u32, codecs: &[&str]) -> Box<dyn Viewer> {
        let watch = Watch {
            lease: LeaseId(format!("{lease:032x}").into()),
            camera: camera(nth),
            quality: Quality::Sub,
            purpose: Purpose::Modal,
            codecs: codecs.iter().map(|codec| (*codec).into()).collect(),
        };
        self.engine.watch(watch).await.unwrap()
    }
}

fn camera(nth: u32) -> CameraName {
    CameraName::parse(&format!("cam-{nth:03}")).unwrap()
}

async fn next(viewer: &mut dyn Viewer) -> Result<Media, ViewEnd> {
    timeout(LIMIT, viewer.next()).await.expect("media or an end")
}

/// Waits for a beginning; returns the picture that follows it.
async fn start(viewer: &mut dyn Viewer) -> Bytes {
    while !matches!(next(viewer).await.unwrap(), Media::Start { .. }) {}
    fragment(viewer).await
}

async fn fragment(viewer: &mut dyn Viewer) -> Bytes {
    let Media::Fragment(data) = next(viewer).await.unwrap() else { panic!("another beginning") };
    data
}

#[tokio::test]
async fn viewers_share_a_session_which_ends_with_the_last_of_them() {
    let cameras = Cameras::start().await;
    for target in targets() {
        println!("ON: {target:?}");
        let wall = Wall::start(&target, &cameras);
        let (mut first, mut second) = (wall.watch(1, 1).await, wall.watch(1, 2).await);
        let mut seen = vec![start(&mut *first).await];
        start(&mut *second).await;
        assert_eq!(cameras.count(1, "connections").await, 1);
        // Who comes later begins with a key picture that the others had, and waits for none.
        for _ in 0..5 {
            seen.push(fragment(&mut *first).await);
        }
        let mut late = wall.watch(1, 9).await;
        let begun = start(&mut *late).await;
        assert!(seen.contains(&begun), "it waited for the next key picture");
        drop(late);
        let shown = wall.engine.streams();
        assert_eq!((shown.len(), shown[0].consumers, shown[0].present), (1, 2, true));
        assert_eq!(&*shown[0].wanted_by[0], "lease/00000000000000000000000000000001");

        let now = Clock::System.now();
        let camera_1 = camera(1);
        let taken = wall.engine.key_picture(&camera_1, now, LIMIT).await;
        let (picture, _) = taken.unwrap().unwrap();
        let still = Decoder::new().still(&picture, &Limits::default()).unwrap();
        assert_eq!(Stamp::from_jpeg(&still.jpeg).unwrap().name, "cam-001");
        assert_eq!(cameras.count(1, "connectionsMost").await, 1);
        assert!(wall.engine.key_picture(&camera(2), now, LIMIT).await.is_none());

        drop(first);
        fragment(&mut *second).await;
        drop(second);
        cameras.connected(1, 0).await;
        until("its stream is given up", async || wall.engine.streams().is_empty()).await;

        let mut jpeg = wall.watch(3, 3).await;
        let end = next(&mut *jpeg).await.unwrap_err();
        assert!(matches!(end, ViewEnd::Codec(_)), "{end:?}");
        // One browser cannot play what another one sharing the stream can.
        let mut plays = wall.watch_as(2, 4, &["hvc1.1.6.L93.B0"]).await;
        let mut cannot = wall.watch_as(2, 5, &["avc1.640028"]).await;
        assert_eq!(next(&mut *cannot).await, Err(ViewEnd::Codec("H.265".to_owned())));
        start(&mut *plays).await;
        wall.engine.shut_down().await;
    }
}

/// The shortest time later.
fn after(at: Now) -> Now {
    Now { mono: at.mono.plus(Duration::from_millis(1)), ..at }
}

#[tokio::test]
async fn a_capture_takes_what_viewers_have_or_the_next_of_it() {
    let cameras = Cameras::with(|settings| settings.gop = Duration::from_secs(4)).await;
    for target in targets() {
        println!("ON: {target:?}");
        let wall = Wall::start(&target, &cameras);
        for nth in [1, 2] {
            let (of, name) = (camera(nth), format!("cam-{nth:03}"));
            let before = Clock::System.now();
            let mut viewer = wall.watch(nth, nth).await;
            start(&mut *viewer).await;
            fragment(&mut *viewer).await;
            // There is no time for a consumer of its own, nor for another picture.
            let taken = wall.engine.key_picture(&of, before, Duration::ZERO).await;
            let (picture, first) = taken.unwrap().unwrap();
            let still = Decoder::new().still(&picture, &Limits::default()).unwrap();
            assert_eq!(Stamp::from_jpeg(&still.jpeg).unwrap().name, name);
            let taken = wall.engine.watched(&of, before, Duration::ZERO).await;
            assert_eq!(taken.unwrap().unwrap().1, first);

            let waited = wall.engine.key_picture(&of, after(first), LIMIT).await;
            let (_, next) = waited.unwrap().unwrap();
            assert!(next.mono > first.mono, "{first:?} {next:?}");
            let shown = wall.engine.streams();
            assert_eq!(shown.iter().map(|stream| stream.consumers).max(), Some(1));

            // Nobody watches any more: there is nothing to be waited for.
            let asked = wall.engine.key_picture(&of, after(next), LIMIT);
            let leaves = async { drop(viewer) };
            assert!(tokio::join!(asked, leaves).0.is_none());
        }
        wall.engine.shut_down().await;
    }
}

#[tokio::test]
async fn a_capture_does_not_wait_for_a_gateway_that_is_not_there() {
    let cameras = Cameras::start().await;
    for target in targets() {
        println!("ON: {target:?}");
        let wall = Wall::start(&target, &cameras);
        let mut viewer = wall.watch(1, 1).await;
        start(&mut *viewer).await;
        wall.launch.is_off.store(true, Ordering::SeqCst);
        kill_gateway(&wall);
        let of = camera(1);
        let asked = || wall.engine.watched(&of, after(Clock::System.now()), SOON);
        until("another way is open to captures", async || asked().await.is_none()).await;
        assert!(asked().await.is_none());
        wall.launch.is_off.store(false, Ordering::SeqCst);
        until("the session is shared again", async || matches!(asked().await, Some(Ok(_)))).await;
        drop(viewer);
        wall.engine.shut_down().await;
    }
}

#[tokio::test]
async fn viewers_outlive_the_gateway_and_end_with_their_camera() {
    let cameras = Cameras::start().await;
    for target in targets() {
        println!("ON: {target:?}");
        let wall = Wall::start(&target, &cameras);
        let mut viewer = wall.watch(2, 1).await;
        start(&mut *viewer).await;
        for kill in 0..3 {
            kill_gateway(&wall);
            let begun = tokio::time::Instant::now();
            start(&mut *viewer).await;
            println!("KILL {kill}: media after {:?}", begun.elapsed());
        }
        wall.declare(&target, &[1]);
        let end = loop {
            if let Err(end) = next(&mut *viewer).await {
                break end;
            }
        };
        assert_eq!(end, ViewEnd::Removed);
        drop(viewer);
        cameras.connected(2, 0).await;
        timeout(Duration::from_secs(5), wall.engine.shut_down()).await.unwrap();
    }
}

/// Kills the process that holds the socket's directory in its arguments or environment.
fn kill_gateway(wall: &Wall) {
    let mark = wall.directory.path().to_str().unwrap().to_owned();
    let ours = std::process::id();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent =
            stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
        let text = |file: &str| {
            String::from_utf8_lossy(&std::fs::read(entry.path().join(file)).unwrap_or_default())
                .into_owned()
        };
        if parent == Some(ours) && (text("cmdline") + &text("environ")).contains(&mark) {
            let pid = rustix::process::Pid::from_raw(pid).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
    }
}
