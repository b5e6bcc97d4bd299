//! The relay between clients that nobody here wrote and cameras of every kind.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request as HttpRequest;
use camserver::model::desired::{Device, Transport};
use camserver::model::names::CameraName;
use camserver::model::secret::SourceUrl;
use camserver::model::slot::{ConnectionEnd, Crowd, Holder, Purpose, Refusal, SlotId};
use camserver::world::camera::gate::{Gate, Pass, Waiting};
use camserver::world::camera::relay::{GrantSpec, Relay, SessionLimits};
use camserver::world::camera::request::Source;
use camserver::world::camera::rtsp::auth::Login;
use camserver_chaos::{Codec, Face, Fleet, FleetSettings, Scheme, Sound, SoundTiming};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

mod clients;
mod endings;
mod faults;
mod hostile;

const PASSWORD: &str = "sword+fish";

/// What a gate has seen.
#[derive(Debug, Default)]
struct Slots {
    limit: usize,
    held: usize,
    most: usize,
    taken: u64,
    locals: Vec<SocketAddr>,
    ends: Vec<ConnectionEnd>,
    newest: Option<(CancellationToken, CancellationToken)>,
    /// What the slot is for, as told.
    purpose: Option<Purpose>,
}

/// A keeper of slots that only counts.
#[derive(Debug, Clone, Default)]
struct CountingGate(Arc<Mutex<Slots>>);

#[derive(Debug)]
struct CountedPass {
    slots: Arc<Mutex<Slots>>,
    cut: CancellationToken,
    yielding: CancellationToken,
    dialled: Mutex<bool>,
    is_ended: bool,
}

impl Gate for CountingGate {
    fn take(&self, _: Device, _: Holder) -> Result<Box<dyn Pass>, Refusal> {
        let mut slots = self.0.lock().unwrap();
        if slots.held >= slots.limit {
            let limit = u16::try_from(slots.limit).unwrap();
            return Err(Refusal::Full { limit, ours: limit, others: 0 });
        }
        slots.held += 1;
        slots.most = slots.most.max(slots.held);
        slots.taken += 1;
        let (cut, yielding) = (CancellationToken::new(), CancellationToken::new());
        slots.newest = Some((cut.clone(), yielding.clone()));
        let slots = Arc::clone(&self.0);
        Ok(Box::new(CountedPass {
            slots,
            cut,
            yielding,
            dialled: Mutex::default(),
            is_ended: false,
        }))
    }

    fn take_by(
        &self,
        device: Device,
        holder: Holder,
        until: Instant,
    ) -> Waiting<'_, Result<Box<dyn Pass>, Refusal>> {
        Box::pin(async move {
            loop {
                match self.take(device, holder.clone()) {
                    Err(refusal) if Instant::now() >= until => return Err(refusal),
                    Err(_) => sleep(Duration::from_millis(5)).await,
                    pass => return pass,
                }
            }
        })
    }

    fn serve(&self, _: SlotId, purpose: Purpose) {
        self.0.lock().unwrap().purpose = Some(purpose);
    }

    fn crowd(&self, _: Device) -> Crowd {
        let slots = self.0.lock().unwrap();
        let count = |count| u16::try_from(count).unwrap();
        Crowd { ours: count(slots.held), foreign: 0, limit: count(slots.limit) }
    }
}

impl Pass for CountedPass {
    fn slot(&self) -> SlotId {
        1
    }
    fn dialling(&self) {
        *self.dialled.lock().unwrap() = true;
    }
    fn connected(&self, local: SocketAddr) {
        assert!(*self.dialled.lock().unwrap(), "connected without having dialled");
        self.slots.lock().unwrap().locals.push(local);
    }
    fn cut(&self) -> &CancellationToken {
        &self.cut
    }
    fn yielding(&self) -> &CancellationToken {
        &self.yielding
    }
    fn end(mut self: Box<Self>, end: ConnectionEnd) {
        self.is_ended = true;
        self.slots.lock().unwrap().ends.push(end);
    }
}

impl Drop for CountedPass {
    fn drop(&mut self) {
        let mut slots = self.slots.lock().unwrap();
        slots.held -= 1;
        if !self.is_ended {
            slots.ends.push(ConnectionEnd::Unacknowledged);
        }
    }
}

impl CountingGate {
    fn ends(&self) -> Vec<ConnectionEnd> {
        self.0.lock().unwrap().ends.clone()
    }
    fn newest(&self) -> (CancellationToken, CancellationToken) {
        self.0.lock().unwrap().newest.clone().unwrap()
    }
    fn set_limit(&self, limit: usize) {
        self.0.lock().unwrap().limit = limit;
    }
}

/// A relay that runs until the value is dropped.
struct Running {
    relay: Relay,
    gate: CountingGate,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn relay() -> Running {
    let gate = CountingGate::default();
    gate.set_limit(2);
    let (relay, server) = Relay::bind(Arc::new(gate.clone()), Arc::default()).await.unwrap();
    let stop = CancellationToken::new();
    let server = tokio::spawn(server.run(stop.clone()));
    Running { relay, gate, stop, server }
}

fn spec(device: SocketAddr, path: &str, password: Option<&str>) -> GrantSpec {
    let url = format!("rtsp://{device}{path}").parse().unwrap();
    GrantSpec {
        source: Source {
            url: SourceUrl::new(url),
            device,
            login: password.map(|password| Login {
                user: "admin".into(),
                password: camserver::model::secret::Secret::new(password),
            }),
            transport: Transport::Tcp,
        },
        holder: Holder { camera: CameraName::parse("door").unwrap(), purpose: Purpose::Sweep },
        sessions: 1,
        wait: Duration::ZERO,
        bytes: None,
        limits: SessionLimits::default(),
    }
}

/// Simulated cameras on addresses of their own.
struct Simulated {
    settings: FleetSettings,
    control: Router,
    _fleet: Fleet,
}

impl Simulated {
    async fn start(cameras: u32, auth: Scheme, codecs: &[Codec]) -> Self {
        static TAKEN: AtomicU16 = AtomicU16::new(0);
        let nth = TAKEN.fetch_add(1, Ordering::Relaxed);
        let settings = FleetSettings {
            grain: 0,
            cameras,
            first: Ipv4Addr::new(127, 44, 60 + u8::try_from(nth).unwrap(), 11),
            port: 10554,
            http_port: 0,
            limit: 2,
            faces: vec![Face::Status(453)],
            codecs: codecs.to_vec(),
            size: (320, 240),
            main_size: (320, 240),
            fps: 10,
            gop: Duration::from_secs(1),
            bitrate: 0,
            auth,
            username: "admin".into(),
            password: PASSWORD.into(),
            nonce_lifetime: Duration::from_hours(1),
            session_timeout: Duration::from_mins(1),
            sound: Sound::None,
            timing: SoundTiming::default(),
            ffmpeg: "ffmpeg".into(),
        };
        let fleet = Fleet::start(settings.clone()).await.unwrap();
        let control = camserver_chaos::router(&fleet);
        Self { settings, control, _fleet: fleet }
    }

    fn device(&self, index: u32) -> SocketAddr {
        (self.settings.address(index).unwrap(), self.settings.port).into()
    }

    fn spec(&self, index: u32) -> GrantSpec {
        spec(self.device(index), "/sub?token=hidden", Some(PASSWORD))
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> Value {
        let request =
            HttpRequest::builder().method(method).uri(path).body(Body::from(body.to_owned()));
        let response = self.control.clone().oneshot(request.unwrap()).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    async fn fault(&self, stage: &str, kind: &str) {
        let body = format!("{{\"stage\": \"{stage}\", \"kind\": \"{kind}\"}}");
        self.call("PUT", "/cameras/cam-001/fault", &body).await;
    }

    /// One of the figures of a camera.
    async fn count(&self, index: u32, name: &str) -> u64 {
        let path = format!("/cameras/{}", FleetSettings::name(index));
        self.call("GET", &path, "").await[name].as_u64().unwrap()
    }

    async fn wait_until_left(&self, index: u32, limit: Duration) {
        let begun = Instant::now();
        while self.count(index, "connections").await > 0 {
            assert!(begun.elapsed() < limit, "still connected after {limit:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Waits for a condition.
async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// A client that says what it is told to say.
struct Raw {
    stream: TcpStream,
    url: String,
    number: u32,
    received: Vec<u8>,
    seen: usize,
}

impl Raw {
    async fn dial(url: &str) -> Self {
        let authority = url.split('/').nth(2).unwrap();
        let stream = TcpStream::connect(authority).await.unwrap();
        Self { stream, url: url.to_owned(), number: 0, received: Vec::new(), seen: 0 }
    }

    async fn send(&mut self, method: &str, path: &str, headers: &str) {
        self.number += 1;
        let (url, number) = (&self.url, self.number);
        let text = format!("{method} {url}{path} RTSP/1.0\r\nCSeq: {number}\r\n{headers}\r\n");
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next reply's status and text; frames before it are passed over. Status 0: the end.
    async fn reply(&mut self) -> (u16, String) {
        loop {
            let rest = &self.received[self.seen..];
            if rest.first() == Some(&b'$') && rest.len() >= 4 {
                let length = 4 + usize::from(u16::from_be_bytes([rest[2], rest[3]]));
                if rest.len() >= length {
                    self.seen += length;
                    continue;
                }
            } else if let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8(rest[..end].to_vec()).unwrap();
                let body = head
                    .lines()
                    .find_map(|line| line.strip_prefix("Content-Length: "))
                    .map_or(0, |length| length.parse().unwrap());
                if rest.len() >= end + 4 + body {
                    let text = String::from_utf8_lossy(&rest[..end + 4 + body]).into_owned();
                    self.seen += end + 4 + body;
                    return (text.split(' ').nth(1).unwrap().parse().unwrap(), text);
                }
            }
            if !self.read().await {
                return (0, String::new());
            }
        }
    }

    async fn read(&mut self) -> bool {
        let mut piece = vec![0; 16384];
        let count = timeout(Duration::from_secs(20), self.stream.read(&mut piece));
        let count = count.await.expect("the relay says nothing").unwrap_or(0);
        self.received.extend_from_slice(&piece[..count]);
        count > 0
    }

    async fn ask(&mut self, method: &str, path: &str, headers: &str) -> (u16, String) {
        self.send(method, path, headers).await;
        self.reply().await
    }

    /// Up to PLAY, or up to the first reply that is no success.
    async fn play(&mut self) -> (u16, String) {
        let tcp = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
        let steps = [
            ("OPTIONS", "", ""),
            ("DESCRIBE", "", "Accept: application/sdp\r\n"),
            ("SETUP", "/track0", tcp),
            ("PLAY", "/", "Range: npt=0.000-\r\n"),
        ];
        let mut last = (0, String::new());
        for (method, path, headers) in steps {
            last = self.ask(method, path, headers).await;
            if last.0 != 200 {
                break;
            }
        }
        last
    }

    /// Reads until a number of `$` frames has come.
    async fn frames(&mut self, count: usize) {
        for _ in 0..count {
            while self.received.len() < self.seen + 4 || {
                let rest = &self.received[self.seen..];
                assert_eq!(rest[0], b'$');
                rest.len() < 4 + usize::from(u16::from_be_bytes([rest[2], rest[3]]))
            } {
                assert!(self.read().await, "the stream ended");
            }
            let rest = &self.received[self.seen..];
            self.seen += 4 + usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        }
    }
}
