//! A hand-made world for tests: states, events, an archive in memory, and a loop that answers.
//!
//! Also compiled into the integration tests, so it names the crate as they do.
#![expect(dead_code, reason = "each of the two test binaries uses a part of it")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use camserver::clock::Clock;
use camserver::http::{AppState, Archive, ArchiveError, ArchiveFuture, ConfigRevision, Settings};
use camserver::live::{LeaseKeeper, LiveHandle, Media, SlotSource, ViewEnd, Viewer, Watch};
use camserver::metrics::Metrics;
use camserver::model::condition::{Condition, ConditionType, Truth};
use camserver::model::desired::{
    Backend, Camera, CaptureSpec, Desired, DeviceLimits, MotionSpec, Profile, Retention, Subnet,
    SweepSpec, Transport,
};
use camserver::model::event::{Event, EventKind, NewEvent, Seq};
use camserver::model::failure::{Failure, FailureKind, Stage};
use camserver::model::frame::{
    Frame, FrameId, SweepId, SweepOutcome, SweepRecord, SweepResult, SweepState,
};
use camserver::model::history::{Attempt, AttemptResult, History};
use camserver::model::lease::Quality;
use camserver::model::names::{CameraName, FamilyName, SubnetName};
use camserver::model::observed::{
    Connection, ConnectionOwner, HostView, Observed, Seen, StoreView, TcpState,
};
use camserver::model::picture::KeyPicture;
use camserver::model::plan::{Action, Held, Plan, Planned};
use camserver::model::secret::{Redactor, Secret, SourceUrl};
use camserver::model::server::{
    AdmissionSpec, AuthMode, BufferSpec, Engine, GatewaySpec, LiveSpec, MonitorSpec, OverloadSpec,
    ProcessSpec, RemovalGuard, ServerSpec, StoreSpec, SuggestSpec,
};
use camserver::model::slot::{Holder, Purpose, Slot, SlotState, SlotView};
use camserver::model::snapshot::{
    Badge, CameraStatus, ConfigError, ConfigStatus, RunInfo, Snapshot, SubnetStatus,
};
use camserver::model::stream::Stream;
use camserver::model::time::{Mono, Now};
use camserver::reconcile::{EventLog, Handle, Intent, IntentError};
use camserver::world::camera::gate::Waiting;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

/// The moment of every state made here.
pub(crate) fn now() -> Now {
    Now { mono: Mono(1_000_000), wall: "2026-01-05T22:00:00Z".parse().unwrap() }
}

/// A password that must never be seen.
pub(crate) const PASSWORD: &str = "hunter-2-secret";

pub(crate) fn camera_name(n: u32) -> CameraName {
    CameraName::parse(&format!("cam-{n:03}")).unwrap()
}

pub(crate) fn subnet_name() -> SubnetName {
    SubnetName::parse("north").unwrap()
}

pub(crate) fn device(n: u32) -> SocketAddr {
    let [a, b] = u16::try_from(n + 10).unwrap().to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 125, a, b)), 10554)
}

pub(crate) fn frame(id: FrameId, camera: CameraName) -> Frame {
    let age = jiff::SignedDuration::from_secs(1_000 - id);
    Frame {
        id,
        camera,
        captured_at: now().wall - age,
        backend: Backend::Native,
        width: 640,
        height: 360,
        bytes: 31_022,
        thumbnail_bytes: 9_000,
        file: format!("{id}.jpg"),
        sweep: Some(7),
        detected: false,
    }
}

pub(crate) fn event(seq: Seq, camera: Option<CameraName>) -> Event {
    let kind = if camera.is_some() { EventKind::CameraLost } else { EventKind::ConfigApplied };
    let attributes = BTreeMap::from([("reason".to_owned(), serde_json::json!("Timeout"))]);
    let what = NewEvent {
        camera,
        captured_at: now().wall,
        kind,
        severity: 4,
        tags: vec!["reason.Timeout".to_owned()],
        unknown_flag: false,
        summary: format!("event {seq}, password {PASSWORD}"),
        attributes,
        frame_id: None,
    };
    Event { seq, what }
}

pub(crate) fn condition(kind: ConditionType, status: Truth, reason: &'static str) -> Condition {
    Condition {
        kind,
        status,
        reason,
        message: format!("{reason} since the last sweep"),
        last_transition_time: now().wall - jiff::SignedDuration::from_mins(3),
        observed_generation: 4,
    }
}

pub(crate) fn attempt(seconds_ago: u64, result: AttemptResult) -> Arc<Attempt> {
    let started = Now {
        mono: now().mono.minus(Duration::from_secs(seconds_ago)),
        wall: now().wall - Duration::from_secs(seconds_ago),
    };
    Arc::new(Attempt { started, duration_ms: 1_286, backend: Some(Backend::Native), result })
}

pub(crate) fn camera_status(n: u32) -> CameraStatus {
    CameraStatus {
        badge: Badge::Ok,
        reason: "Captured",
        stage: None,
        message: "picture taken".to_owned(),
        since: Some(now().wall - Duration::from_secs(12)),
        conditions: vec![
            condition(ConditionType::Ready, Truth::True, "Captured"),
            condition(ConditionType::Reachable, Truth::True, "Captured"),
            condition(ConditionType::WithinLimit, Truth::True, "WithinLimit"),
            condition(ConditionType::Fresh, Truth::True, "Fresh"),
        ],
        failures: 0,
        capturing: false,
        next_capture: Some(now().mono.plus(Duration::from_secs(48))),
        last_frame: Some(frame(800 + i64::from(n), camera_name(n))),
        codec: Some("h264"),
        limit: 2,
        ours: 1,
        foreign: 0,
        attempts: vec![attempt(12, AttemptResult::Ok)],
    }
}

/// A camera that does not answer; its message quotes the password.
pub(crate) fn failing_status(n: u32) -> CameraStatus {
    let message = format!("no answer at DESCRIBE, rtsp://u:{PASSWORD}@h/");
    let failure = Failure::at(FailureKind::Timeout, Stage::Describe, message.clone());
    CameraStatus {
        badge: Badge::Bad,
        reason: "Timeout",
        stage: Some(Stage::Describe),
        message,
        conditions: vec![condition(ConditionType::Ready, Truth::False, "Timeout")],
        failures: 3,
        last_frame: None,
        codec: None,
        attempts: vec![attempt(60, AttemptResult::Failed(failure))],
        ..camera_status(n)
    }
}

pub(crate) fn camera(n: u32) -> Camera {
    let url = format!("rtsp://admin:{PASSWORD}@{}/sub?token=x", device(n));
    Camera {
        name: camera_name(n),
        display_name: if n == 2 { "北門カメラ".into() } else { format!("Camera {n}").into() },
        labels: BTreeMap::from([("site".to_owned(), "hotel".to_owned())]),
        subnet: subnet_name(),
        family: FamilyName::parse("tapo").unwrap(),
        address: device(n).ip(),
        port: device(n).port(),
        main: (n > 3).then(|| SourceUrl::new(url.replace("/sub", "/main").parse().unwrap())),
        sub: Some(SourceUrl::new(url.parse().unwrap())),
        snapshot_url: None,
        credentials: None,
        enabled: n != 3,
        always_on: false,
        capture: CaptureSpec {
            order: vec![Backend::Native, Backend::Http],
            stream: Profile::Sub,
            timeout: Duration::from_secs(30),
            transport: Transport::Tcp,
        },
        suggest_weight: 5,
        detector: None,
        motion: MotionSpec { sensitivity: 5, masks: Vec::new() },
        context: None,
        spec_digest: u64::from(n),
    }
}

pub(crate) fn sweep(id: SweepId, state: SweepState) -> SweepRecord {
    let result = |n, outcome, backend| SweepResult {
        camera: camera_name(n),
        outcome,
        backend,
        duration_ms: 700,
    };
    SweepRecord {
        id,
        subnet: subnet_name(),
        started_at: now().wall - Duration::from_secs(20),
        ended_at: (state != SweepState::Running).then(|| now().wall - Duration::from_secs(8)),
        state,
        clean: (state == SweepState::Done).then_some(true),
        results: vec![
            result(1, SweepOutcome::Ok(801), Some(Backend::Native)),
            result(2, SweepOutcome::Skipped { reason: "NoSlot", message: "full".into() }, None),
        ],
    }
}

pub(crate) fn server_spec() -> ServerSpec {
    let s = Duration::from_secs;
    ServerSpec {
        listen: "127.0.0.1:8080".parse().unwrap(),
        data_dir: "data".into(),
        timezone: jiff::tz::TimeZone::UTC,
        store: StoreSpec { url: "sqlite://camserver.db".into(), required: true },
        live: LiveSpec { engine: Engine::Native, webrtc: false, hls: false },
        gateway: GatewaySpec { managed: false, binary: "go2rtc".into(), url: None },
        admission: AdmissionSpec {
            total_units: 50,
            baseline_units: 5,
            reserved_users: 10,
            lease_ttl: s(300),
            heartbeat: s(30),
            grace: s(45),
            overload: OverloadSpec {
                cpu_percent: 85.0,
                memory_percent: 90.0,
                swap_in_bytes_per_second: 1 << 20,
                recover_cpu_percent: 60.0,
                recover_memory_percent: 70.0,
                recover_after: s(60),
            },
        },
        suggest: SuggestSpec {
            enabled: true,
            start: 50.0,
            switch_ratio: 1.2,
            ttl: s(60),
            cooldown: s(10),
        },
        buffers: BufferSpec {
            events: 2000,
            frames: 1000,
            thumbnails_per_camera: 100,
            bytes: 64 << 20,
        },
        monitor: MonitorSpec { memory_warning: 80.0, memory_critical: 90.0, interval: s(60) },
        processes: ProcessSpec { ffmpeg: "ffmpeg".into(), max_age: s(300), max_children: 16 },
        refresh_page: jiff::civil::time(3, 0, 0, 0),
        removal_guard: RemovalGuard { min_objects: 3, max_share: 0.3 },
        auth: AuthMode::Auto,
        tls: None,
    }
}

pub(crate) fn retention() -> Retention {
    let days = |n: u64| Duration::from_secs(n * 86_400);
    Retention {
        at: jiff::civil::time(4, 0, 0, 0),
        no_event_frames: days(14),
        events: days(90),
        notifications: days(30),
        admission_raw: days(1),
        admission_hourly: days(7),
        sweeps: days(30),
        config_revisions: days(30),
        max_bytes: 10 << 30,
    }
}

fn desired(cameras: u32) -> Desired {
    let subnet = Subnet {
        name: subnet_name(),
        labels: BTreeMap::new(),
        cidr: "127.125.0.0/16".into(),
        sweep: SweepSpec {
            interval: Duration::from_mins(1),
            cooldown: Duration::from_secs(15),
            concurrency: 4,
            suspend: false,
            quiet_hours: Vec::new(),
        },
    };
    let limits = |n| DeviceLimits {
        max_connections: 2,
        min_reconnect_interval: Duration::ZERO,
        quarantine: Duration::from_secs(10),
        exclusive: false,
        cameras: vec![camera_name(n)],
    };
    Desired {
        generation: 4,
        digest: "8f3c2d1e".into(),
        revision: Some("8f3c2d1".into()),
        applied_at: now().wall - Duration::from_hours(1),
        server: Arc::new(server_spec()),
        cameras: (1..=cameras).map(|n| (camera_name(n), Arc::new(camera(n)))).collect(),
        subnets: BTreeMap::from([(subnet_name(), Arc::new(subnet))]),
        families: BTreeMap::new(),
        detectors: BTreeMap::new(),
        notifiers: BTreeMap::new(),
        retention: retention(),
        devices: (1..=cameras).map(|n| (device(n), limits(n))).collect(),
    }
}

fn plan() -> Plan {
    let action = Action::Capture {
        camera: camera_name(1),
        subnet: subnet_name(),
        sweep: Some(8),
        beside: false,
    };
    Plan {
        actions: vec![Planned { action, reason: "sweep 8 has reached it".to_owned() }],
        held: vec![Held {
            kind: "Capture",
            object: "camera/cam-002".to_owned(),
            reason: "BackingOff",
            message: format!("3 failures in a row ({PASSWORD})"),
            until: Some(now().mono.plus(Duration::from_secs(30))),
        }],
        next_look: Some(now().mono.plus(Duration::from_secs(5))),
    }
}

fn connection(n: u32, owner: ConnectionOwner) -> Connection {
    Connection {
        device: device(n),
        local: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 40_000 + u16::try_from(n).unwrap()),
        state: TcpState::Established,
        inode: 1,
        owner,
        since: now().mono.minus(Duration::from_secs(2)),
    }
}

/// A state with so many cameras; the second fails, the third is disabled.
pub(crate) fn snapshot(cameras: u32) -> Snapshot {
    let status = |n| if n == 2 { failing_status(n) } else { camera_status(n) };
    let subnet = SubnetStatus {
        cameras,
        ready: cameras.saturating_sub(2),
        sweeping: true,
        run: Some(sweep(8, SweepState::Running)),
        next_sweep: Some(now().mono.plus(Duration::from_secs(40))),
        last_sweep: Some(sweep(7, SweepState::Done)),
        overruns: 1,
        conditions: vec![condition(ConditionType::Clean, Truth::True, "Clean")],
    };
    let desired = Arc::new(desired(cameras));
    let slot = Slot {
        id: 12,
        device: device(1),
        holder: Some(Holder { camera: camera_name(1), purpose: Purpose::Sweep }),
        since: now().mono.minus(Duration::from_secs(2)),
        local: None,
        state: SlotState::Held,
    };
    let foreign = ConnectionOwner::Foreign { pid: 4711, command: "vlc".into() };
    let config = ConfigStatus {
        generation: 4,
        digest: "8f3c2d1e".to_owned(),
        revision: Some("8f3c2d1".to_owned()),
        applied_at: Some(desired.applied_at),
        valid: true,
        loads: 5,
        loads_refused: 1,
        ..ConfigStatus::default()
    };
    Snapshot {
        at: now(),
        version: 1,
        cameras: (1..=cameras).map(|n| (camera_name(n), Arc::new(status(n)))).collect(),
        subnets: BTreeMap::from([(subnet_name(), Arc::new(subnet))]),
        desired,
        conditions: vec![condition(ConditionType::Healthy, Truth::True, "AllWell")],
        plan: Arc::new(plan()),
        connections: Seen::Fresh {
            at: now().mono,
            value: Arc::new(vec![connection(1, ConnectionOwner::Slot(12)), connection(2, foreign)]),
        },
        processes: Seen::Fresh { at: now().mono, value: Arc::default() },
        slots: Arc::new(vec![slot]),
        config: Arc::new(config),
        store: Seen::Fresh { at: now().mono, value: StoreView::default() },
        host: Seen::Fresh {
            at: now().mono,
            value: HostView { resident_bytes: 58_000_000, ..HostView::default() },
        },
        leases: Arc::default(),
        overload: None,
        run: Arc::new(RunInfo {
            installation: "inst".to_owned(),
            instance: "run-1".to_owned(),
            started: now(),
        }),
    }
}

/// A configuration that was refused.
pub(crate) fn refused_config() -> ConfigStatus {
    ConfigStatus {
        valid: false,
        errors: vec![ConfigError {
            file: "cameras.yaml".to_owned(),
            line: 7,
            column: 3,
            message: format!("unknown field, secret {PASSWORD}"),
        }],
        ..(*snapshot(1).config).clone()
    }
}

/// An archive in memory.
#[derive(Default)]
pub(crate) struct MemoryArchive {
    pub(crate) frames: Mutex<Vec<Frame>>,
    pub(crate) events: Mutex<Vec<Event>>,
    pub(crate) sweeps: Mutex<Vec<SweepRecord>>,
    /// Answers nothing but that it is unavailable.
    pub(crate) broken: AtomicBool,
}

impl MemoryArchive {
    fn answer<'a, T: Send + 'a>(&self, value: Option<T>) -> ArchiveFuture<'a, T> {
        let broken = self.broken.load(Ordering::SeqCst);
        Box::pin(async move {
            if broken {
                return Err(ArchiveError::unavailable("database is locked"));
            }
            value.ok_or(ArchiveError::NotFound)
        })
    }
}

impl Archive for MemoryArchive {
    fn frame(&self, id: FrameId) -> ArchiveFuture<'_, Frame> {
        self.answer(self.frames.lock().unwrap().iter().find(|f| f.id == id).cloned())
    }

    fn frames_of<'a>(
        &'a self,
        camera: &'a CameraName,
        before: Option<FrameId>,
        limit: usize,
    ) -> ArchiveFuture<'a, Vec<Frame>> {
        let mut found: Vec<Frame> = self.frames.lock().unwrap().clone();
        found.retain(|f| f.camera == *camera && before.is_none_or(|b| f.id < b));
        found.sort_by_key(|f| std::cmp::Reverse(f.id));
        found.truncate(limit);
        self.answer(Some(found))
    }

    fn image<'a>(&'a self, frame: &'a Frame) -> ArchiveFuture<'a, Bytes> {
        self.answer(Some(Bytes::from(format!("\u{ff}jpeg {}", frame.id))))
    }

    fn thumbnail<'a>(&'a self, frame: &'a Frame) -> ArchiveFuture<'a, Bytes> {
        self.answer(Some(Bytes::from(format!("\u{ff}thumb {}", frame.id))))
    }

    fn events_since(&self, seq: Seq, limit: usize) -> ArchiveFuture<'_, Vec<Event>> {
        let events = self.events.lock().unwrap();
        let found = events.iter().filter(|e| e.seq > seq).take(limit).cloned().collect();
        self.answer(Some(found))
    }

    fn event(&self, seq: Seq) -> ArchiveFuture<'_, Event> {
        self.answer(self.events.lock().unwrap().iter().find(|e| e.seq == seq).cloned())
    }

    fn sweeps<'a>(
        &'a self,
        subnet: Option<&'a SubnetName>,
        before: Option<SweepId>,
        limit: usize,
    ) -> ArchiveFuture<'a, Vec<SweepRecord>> {
        let mut found = self.sweeps.lock().unwrap().clone();
        found.retain(|s| subnet.is_none_or(|n| s.subnet == *n) && before.is_none_or(|b| s.id < b));
        found.sort_by_key(|s| std::cmp::Reverse(s.id));
        found.truncate(limit);
        self.answer(Some(found))
    }

    fn sweep(&self, id: SweepId) -> ArchiveFuture<'_, SweepRecord> {
        self.answer(self.sweeps.lock().unwrap().iter().find(|s| s.id == id).cloned())
    }

    fn config_revisions(&self, limit: usize) -> ArchiveFuture<'_, Vec<ConfigRevision>> {
        let revision = ConfigRevision {
            generation: 4,
            digest: "8f3c2d1e".to_owned(),
            revision: Some("8f3c2d1".to_owned()),
            applied_at: now().wall,
        };
        self.answer(Some([revision].into_iter().take(limit).collect()))
    }
}

/// The slots that a test says are taken.
#[derive(Debug)]
pub(crate) struct TestSlots(pub(crate) Mutex<SlotView>);

impl Default for TestSlots {
    fn default() -> Self {
        Self(Mutex::new(SlotView { observed: Some(now().mono), ..SlotView::default() }))
    }
}

impl SlotSource for TestSlots {
    fn slots(&self) -> SlotView {
        self.0.lock().unwrap().clone()
    }
}

/// A live engine without cameras: each viewer gets a beginning, then a fragment every 5 ms.
#[derive(Debug)]
pub(crate) struct TestEngine {
    /// Refuses every viewer with this.
    pub(crate) refuses: Mutex<Option<ViewEnd>>,
    /// Cameras do not answer.
    pub(crate) hangs: AtomicBool,
    /// Bytes of a fragment's `mdat`.
    pub(crate) fragment_bytes: AtomicUsize,
    /// To all viewers, out of turn.
    pub(crate) says: broadcast::Sender<Result<Media, ViewEnd>>,
    viewers: Arc<Mutex<Vec<Watch>>>,
    sent: Arc<AtomicUsize>,
}

impl Default for TestEngine {
    fn default() -> Self {
        Self {
            refuses: Mutex::default(),
            hangs: AtomicBool::new(false),
            fragment_bytes: AtomicUsize::new(1000),
            says: broadcast::Sender::new(16),
            viewers: Arc::default(),
            sent: Arc::default(),
        }
    }
}

impl TestEngine {
    /// Fragments that viewers took.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }

    /// Who watches.
    pub(crate) fn viewers(&self) -> Vec<Watch> {
        self.viewers.lock().unwrap().clone()
    }
}

/// One box of an MP4 file (ISO/IEC 14496-12 section 4.2).
pub(crate) fn mp4_box(kind: &str, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len() + 8).unwrap().to_be_bytes();
    [&size[..], kind.as_bytes(), payload].concat()
}

pub(crate) fn media_start(codec: &str) -> Media {
    let init = [mp4_box("ftyp", b"iso5"), mp4_box("moov", codec.as_bytes())].concat();
    Media::Start { mime: format!("video/mp4; codecs=\"{codec}\"").into(), init: init.into() }
}

pub(crate) fn media_fragment(bytes: usize) -> Media {
    Media::Fragment([mp4_box("moof", &[1; 8]), mp4_box("mdat", &vec![7; bytes])].concat().into())
}

#[derive(Debug)]
struct TestViewer {
    started: bool,
    bytes: usize,
    tick: tokio::time::Interval,
    says: broadcast::Receiver<Result<Media, ViewEnd>>,
    watch: Watch,
    viewers: Arc<Mutex<Vec<Watch>>>,
    sent: Arc<AtomicUsize>,
}

impl Viewer for TestViewer {
    fn next(&mut self) -> Waiting<'_, Result<Media, ViewEnd>> {
        Box::pin(async move {
            if !self.started {
                self.started = true;
                return Ok(media_start("avc1.640028"));
            }
            tokio::select! {
                said = self.says.recv() => said.unwrap(),
                _ = self.tick.tick() => {
                    self.sent.fetch_add(1, Ordering::SeqCst);
                    Ok(media_fragment(self.bytes))
                }
            }
        })
    }
}

impl Drop for TestViewer {
    fn drop(&mut self) {
        let mut viewers = self.viewers.lock().unwrap();
        let at = viewers.iter().position(|watch| *watch == self.watch).unwrap();
        viewers.remove(at);
    }
}

impl camserver::live::Engine for TestEngine {
    fn watch(&self, watch: Watch) -> Waiting<'_, Result<Box<dyn Viewer>, ViewEnd>> {
        Box::pin(async move {
            if self.hangs.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            if let Some(end) = self.refuses.lock().unwrap().clone() {
                return Err(end);
            }
            self.viewers.lock().unwrap().push(watch.clone());
            let viewer: Box<dyn Viewer> = Box::new(TestViewer {
                started: false,
                bytes: self.fragment_bytes.load(Ordering::SeqCst),
                tick: tokio::time::interval(Duration::from_millis(5)),
                says: self.says.subscribe(),
                watch,
                viewers: Arc::clone(&self.viewers),
                sent: Arc::clone(&self.sent),
            });
            Ok(viewer)
        })
    }

    fn streams(&self) -> Vec<Stream> {
        let mut streams: BTreeMap<(CameraName, Quality), Stream> = BTreeMap::new();
        for watch in self.viewers() {
            let key = (watch.camera.clone(), watch.quality);
            let name = format!("{}-{}", watch.camera, watch.quality.as_str());
            let stream = streams.entry(key).or_insert_with(|| Stream {
                name: name.into(),
                camera: watch.camera,
                quality: watch.quality,
                engine: Engine::Native,
                wanted_by: Vec::new(),
                present: true,
                consumers: 0,
                since: now().mono,
            });
            stream.consumers += 1;
            stream.wanted_by.push(format!("lease/{}", watch.lease).into());
        }
        streams.into_values().collect()
    }

    fn key_picture<'a>(
        &'a self,
        _: &'a CameraName,
        _: Now,
        _: Duration,
    ) -> Waiting<'a, Option<Result<(KeyPicture, Now), ViewEnd>>> {
        Box::pin(std::future::ready(None))
    }

    fn shut_down(&self) -> Waiting<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// A server's inside, with everything that a test wants to turn.
pub(crate) struct World {
    pub(crate) state: AppState,
    pub(crate) publish: watch::Sender<Arc<Snapshot>>,
    pub(crate) redact: watch::Sender<Redactor>,
    pub(crate) events: Arc<EventLog>,
    pub(crate) archive: Arc<MemoryArchive>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) clock: Clock,
    pub(crate) live: LiveHandle,
    pub(crate) leases: Arc<LeaseKeeper>,
    pub(crate) engine: Arc<TestEngine>,
    pub(crate) slots: Arc<TestSlots>,
}

impl World {
    /// With so many cameras, and the default settings.
    pub(crate) fn new(cameras: u32) -> Self {
        Self::with(snapshot(cameras), 20, Settings::default())
    }

    /// With this state and so many events, of which the ring holds half.
    pub(crate) fn with(snapshot: Snapshot, events: u64, mut settings: Settings) -> Self {
        settings.listen = "127.0.0.1:8080".parse().unwrap();
        let archive = Arc::new(MemoryArchive::default());
        let stored: Vec<Event> =
            (1..=events).map(|n| event(n, (n % 2 == 0).then(|| camera_name(1)))).collect();
        let ring = usize::try_from(events).unwrap() / 2;
        let log = Arc::new(EventLog::new(ring, stored.clone(), events));
        *archive.events.lock().unwrap() = stored;
        for (name, camera) in &snapshot.cameras {
            let last = camera.last_frame.clone();
            let older = frame(700, name.clone());
            archive.frames.lock().unwrap().extend(last.into_iter().chain([older]));
        }
        *archive.sweeps.lock().unwrap() =
            vec![sweep(7, SweepState::Done), sweep(8, SweepState::Running)];
        let (publish, seen) = watch::channel(Arc::new(snapshot));
        let (handle, wishes) = Handle::new(seen.clone(), Arc::clone(&log));
        let (redact, redactor) = watch::channel(Redactor::new([&Secret::new(PASSWORD)]));
        tokio::spawn(answer_wishes(wishes, seen));
        let metrics = Arc::new(Metrics::new());
        let stored: Arc<dyn Archive> = Arc::<MemoryArchive>::clone(&archive);
        let shutdown = CancellationToken::new();
        let clock = Clock::manual(now());
        let leases = Arc::new(LeaseKeeper::new(clock.clone(), Arc::clone(&metrics)));
        let (engine, slots) = (Arc::new(TestEngine::default()), Arc::new(TestSlots::default()));
        let opens: Arc<dyn camserver::live::Engine> = Arc::<TestEngine>::clone(&engine);
        let taken: Arc<dyn SlotSource> = Arc::<TestSlots>::clone(&slots);
        let live = LiveHandle::new(Arc::clone(&leases), opens, taken, handle.watch());
        let wall = clock.clone();
        let state = AppState::builder(handle, stored, Arc::clone(&metrics), live.clone())
            .redactor(redactor)
            .clock(Arc::new(move || wall.now()))
            .settings(settings)
            .build();
        Self {
            state,
            publish,
            redact,
            events: log,
            archive,
            metrics,
            shutdown,
            clock,
            live,
            leases,
            engine,
            slots,
        }
    }

    /// Does what the loop would about live views, and publishes what it then sees.
    pub(crate) fn pass(&self) {
        let current = Arc::clone(&self.publish.borrow());
        let observed = Observed {
            connections: current.connections.clone(),
            processes: current.processes.clone(),
            slots: Arc::default(),
            store: current.store.clone(),
            host: current.host.clone(),
            leases: Arc::new(self.leases.leases()),
        };
        let history = History::default();
        let plan = camserver::plan::plan(&current.desired, &observed, &history, self.clock.now());
        for planned in plan.actions {
            if let Action::EndLease { lease, reason, .. } = planned.action {
                self.leases.end(&lease, reason);
            }
        }
        self.change(|state| state.leases = Arc::new(self.leases.leases()));
    }

    /// Publishes a changed state.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        self.publish.send_modify(|current| {
            let mut next = (**current).clone();
            next.version += 1;
            change(&mut next);
            *current = Arc::new(next);
        });
    }
}

async fn answer_wishes(mut wishes: mpsc::Receiver<Intent>, state: watch::Receiver<Arc<Snapshot>>) {
    while let Some(wish) = wishes.recv().await {
        let current = Arc::clone(&state.borrow());
        match wish {
            Intent::Sweep(name, reply) => {
                let known = current.subnets.contains_key(&name);
                let missing = IntentError::NotFound(format!("subnet/{name}"));
                reply.send(known.then_some(()).ok_or(missing)).ok();
            }
            Intent::Confirm(digest, reply) => {
                let held = current.config.held.as_ref().is_some_and(|h| h.digest == digest);
                let nothing = IntentError::Conflict("no set with this digest is held".to_owned());
                reply.send(held.then_some(()).ok_or(nothing)).ok();
            }
            Intent::Plan(reply) => {
                reply.send(((*current.plan).clone(), current)).ok();
            }
        }
    }
}
