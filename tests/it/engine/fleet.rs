//! Simulated cameras inside the test, and the manifests that declare them.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use camserver::model::desired::{Desired, Transport};
use camserver::model::secret::{Secret, SourceUrl};
use camserver::world::camera::request::Source;
use camserver::world::camera::rtsp::auth::Login;
use camserver_chaos::{Codec, Face, Fleet, FleetSettings, Scheme, Sound, SoundTiming};
use serde_json::Value;
use tower::ServiceExt as _;

use super::until;

const PASSWORD: &str = "camsim";
const PORT: u16 = 18555;

static FLEETS: AtomicU32 = AtomicU32::new(1);

/// A running fleet.
pub(super) struct Cameras {
    pub(super) settings: FleetSettings,
    fleet: Fleet,
}

/// Cameras with a key picture every second.
pub(super) fn settings(cameras: u32, codec: Codec) -> FleetSettings {
    FleetSettings {
        grain: 0,
        cameras,
        first: Ipv4Addr::LOCALHOST,
        port: PORT,
        http_port: 0,
        limit: 2,
        faces: vec![Face::Status(453)],
        codecs: vec![codec],
        size: (320, 192),
        main_size: (640, 360),
        fps: 10,
        gop: Duration::from_secs(1),
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

impl Cameras {
    pub(super) async fn start(mut settings: FleetSettings) -> Self {
        let nth = FLEETS.fetch_add(1, Ordering::Relaxed);
        // Other test programs may run at the same time.
        let network = 100 + std::process::id() % 25;
        settings.first = format!("127.{network}.{nth}.1").parse().unwrap();
        Self { fleet: Fleet::start(settings.clone()).await.unwrap(), settings }
    }

    async fn ask(&self, method: &str, path: &str, body: String) -> Value {
        let request = Request::builder().method(method).uri(path).body(Body::from(body)).unwrap();
        let answer = camserver_chaos::router(&self.fleet).oneshot(request).await.unwrap();
        assert!(answer.status().is_success(), "{method} {path} {}", answer.status());
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        serde_json::from_slice(&body).unwrap_or_default()
    }

    /// One count of each camera.
    pub(super) async fn counts(&self, field: &str) -> Vec<u64> {
        let answer = self.ask("GET", "/cameras", String::new()).await;
        let items = answer["items"].as_array().unwrap();
        items.iter().map(|item| item[field].as_u64().unwrap()).collect()
    }

    pub(super) async fn fault(&self, stage: &str, kind: &str) {
        for index in 0..self.settings.cameras {
            let path = format!("/cameras/{}/fault", FleetSettings::name(index));
            let fault = serde_json::json!({"stage": stage, "kind": kind});
            self.ask("PUT", &path, fault.to_string()).await;
        }
    }

    pub(super) async fn heal(&self) {
        for index in 0..self.settings.cameras {
            let path = format!("/cameras/{}/fault", FleetSettings::name(index));
            self.ask("DELETE", &path, String::new()).await;
        }
    }

    /// Waits until no camera sees a connection.
    pub(super) async fn idle(&self, limit: Duration) {
        until(limit, "no camera sees a connection", async || {
            self.counts("connections").await.iter().all(|count| *count == 0)
        })
        .await;
    }

    /// How to reach the small stream of the first camera.
    pub(super) fn source(&self) -> Source {
        let device = (self.settings.address(0).unwrap(), PORT).into();
        let url = SourceUrl::new(format!("rtsp://{device}/sub").parse().unwrap());
        let login = Some(Login { user: "admin".into(), password: Secret::new(PASSWORD) });
        Source { url, device, login, transport: Transport::Tcp }
    }

    /// Manifests that declare them; `spec` is merged into every camera's.
    pub(super) fn desired(&self, spec: &Value) -> Arc<Desired> {
        self.desired_with(PASSWORD, self.settings.cameras, spec)
    }

    /// The same with a password and a number of cameras.
    pub(super) fn desired_with(&self, password: &str, cameras: u32, spec: &Value) -> Arc<Desired> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("password"), password).unwrap();
        let object = |kind: &str, name: &str, spec: Value| {
            let metadata = serde_json::json!({ "name": name });
            let object = serde_json::json!({
                "apiVersion": "camserver.dev/v1", "kind": kind, "metadata": metadata, "spec": spec,
            });
            format!("---\n{object}\n")
        };
        let mut text = object("Subnet", "sim", serde_json::json!({"cidr": "127.0.0.0/8"}));
        for index in 0..cameras {
            let mut camera = serde_json::json!({
                "subnet": "sim",
                "address": self.settings.address(index).unwrap(),
                "port": PORT,
                "streams": {"main": "/main", "sub": "/sub"},
                "credentials": {"username": "admin", "passwordFrom": {"file": "password"}},
            });
            for (field, value) in spec.as_object().into_iter().flatten() {
                camera[field] = value.clone();
            }
            text.push_str(&object("Camera", &FleetSettings::name(index), camera));
        }
        std::fs::write(directory.path().join("all.yaml"), text).unwrap();
        let loaded = camserver::manifest::load_dir(directory.path());
        assert_eq!(camserver::manifest::render(&loaded.problems), "");
        loaded.desired.unwrap()
    }
}
