//! A fleet of simulated cameras inside the test, on a network of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use camserver_chaos::{Codec, Face, Fleet, FleetSettings, Scheme, Sound, SoundTiming};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::clock::until;
use crate::http::{PASSWORD, ask};

pub(crate) const PORT: u16 = 18554;
pub(crate) const HTTP_PORT: u16 = 18080;

static FLEETS: AtomicU32 = AtomicU32::new(1);

/// What a fleet of `cameras` is unless a test wishes otherwise.
pub(crate) fn settings(cameras: u32) -> FleetSettings {
    FleetSettings {
        cameras,
        first: Ipv4Addr::LOCALHOST,
        port: PORT,
        http_port: 0,
        limit: 2,
        faces: vec![Face::Status(453)],
        codecs: vec![Codec::H264, Codec::H265, Codec::Mjpeg],
        size: (320, 192),
        main_size: (640, 360),
        fps: 10,
        gop: Duration::from_secs(1),
        grain: 0,
        bitrate: 0,
        auth: Scheme::Digest,
        username: "admin".to_owned(),
        password: PASSWORD.to_owned(),
        nonce_lifetime: Duration::from_hours(1),
        session_timeout: Duration::from_mins(1),
        sound: Sound::None,
        timing: SoundTiming::default(),
        ffmpeg: "ffmpeg".into(),
    }
}

/// A running fleet; dropping it closes every socket.
pub(crate) struct Cameras {
    pub(crate) settings: FleetSettings,
    control: SocketAddr,
    runtime: Option<Runtime>,
}

impl Cameras {
    /// Starts the cameras; their first address is chosen here.
    pub(crate) fn start(mut settings: FleetSettings) -> Self {
        let nth = FLEETS.fetch_add(1, Ordering::Relaxed);
        // Other test programs may run at the same time.
        let network = 200 + std::process::id() % 50;
        settings.first = format!("127.{network}.{nth}.1").parse().unwrap();
        Self::start_there(settings)
    }

    /// Starts the cameras at the addresses of their settings.
    pub(crate) fn start_there(settings: FleetSettings) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let control = runtime.block_on(async {
            let fleet = Fleet::start(settings.clone()).await.unwrap();
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let control = listener.local_addr().unwrap();
            tokio::spawn(async move {
                axum::serve(listener, camserver_chaos::router(&fleet)).await.unwrap();
                drop(fleet);
            });
            control
        });
        Self { settings, control, runtime: Some(runtime) }
    }

    pub(crate) fn address(&self, index: u32) -> Ipv4Addr {
        self.settings.address(index).unwrap()
    }

    /// What each camera counted, in order.
    pub(crate) fn items(&self) -> Vec<Value> {
        let answer = ask(self.control, "GET", "/cameras", "").unwrap();
        answer.json()["items"].as_array().unwrap().clone()
    }

    pub(crate) fn counts(&self, field: &str) -> Vec<u64> {
        self.items().iter().map(|item| item[field].as_u64().unwrap()).collect()
    }

    pub(crate) fn fault(&self, index: u32, fault: &Value) {
        let path = format!("/cameras/{}/fault", FleetSettings::name(index));
        let answer = ask(self.control, "PUT", &path, &fault.to_string()).unwrap();
        assert_eq!(answer.status, 200, "{fault}: {}", answer.text());
    }

    pub(crate) fn heal(&self, index: u32) {
        let path = format!("/cameras/{}/fault", FleetSettings::name(index));
        assert_eq!(ask(self.control, "DELETE", &path, "").unwrap().status, 200);
    }

    /// Clears counters and faults.
    pub(crate) fn reset(&self) {
        assert_eq!(ask(self.control, "POST", "/reset", "").unwrap().status, 204);
    }

    /// Waits until no camera sees a connection.
    pub(crate) fn idle(&self, limit: Duration) {
        until(limit, "no camera sees a connection", || {
            self.counts("connections").iter().all(|count| *count == 0).then_some(())
        });
    }

    /// No camera ever counted more connections than it tolerates.
    pub(crate) fn check_limits(&self) {
        let most = self.counts("connectionsMost");
        assert!(most.iter().all(|most| *most <= self.settings.limit), "at most: {most:?}");
    }

    /// How a manifest declares camera `index`.
    pub(crate) fn spec(&self, index: u32, family: &str) -> Value {
        let address = self.address(index);
        let mut spec = json!({
            "subnet": "sim",
            "family": family,
            "address": address,
            "port": self.settings.port,
            "streams": {"main": "/main", "sub": "/sub"},
            "credentials": {"username": "admin", "passwordFrom": {"file": "password"}},
        });
        if self.settings.http_port != 0 {
            let url = format!("http://{address}:{}/snapshot.jpg", self.settings.http_port);
            spec["snapshotUrl"] = json!(url);
        }
        spec
    }
}

impl Drop for Cameras {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}
