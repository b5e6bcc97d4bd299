//! Simulated cameras inside the test, and what they counted.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use camserver_chaos::{Codec, Face, Fleet, FleetSettings, Scheme, Sound, SoundTiming};
use serde_json::Value;
use tower::ServiceExt as _;
use url::Url;

use super::rig::until;

const PORT: u16 = 18654;
static FLEETS: AtomicU32 = AtomicU32::new(1);

/// Cameras 1 to 3: H.264, H.265, MJPEG.
pub(crate) struct Cameras {
    fleet: Fleet,
    settings: FleetSettings,
}

impl Cameras {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with other settings.
    pub(crate) async fn with(change: impl FnOnce(&mut FleetSettings)) -> Self {
        let nth = FLEETS.fetch_add(1, Ordering::Relaxed);
        // Other test programs may run at the same time.
        let network = 150 + std::process::id() % 50;
        let mut settings = FleetSettings {
            grain: 0,
            cameras: 3,
            first: format!("127.{network}.{nth}.1").parse().unwrap(),
            port: PORT,
            http_port: 0,
            limit: 4,
            faces: vec![Face::Status(453)],
            codecs: vec![Codec::H264, Codec::H265, Codec::Mjpeg],
            size: (320, 192),
            main_size: (320, 192),
            fps: 10,
            gop: Duration::from_secs(1),
            bitrate: 0,
            auth: Scheme::None,
            username: "admin".to_owned(),
            password: "camsim".to_owned(),
            nonce_lifetime: Duration::from_hours(1),
            session_timeout: Duration::from_mins(1),
            sound: Sound::None,
            timing: SoundTiming::default(),
            ffmpeg: "ffmpeg".into(),
        };
        change(&mut settings);
        let fleet = Fleet::start(settings.clone()).await.unwrap();
        Self { fleet, settings }
    }

    /// Of camera `nth`, from 1.
    pub(crate) fn url(&self, nth: u32) -> Url {
        let address = self.settings.address(nth - 1).unwrap();
        format!("rtsp://{address}:{PORT}/sub").parse().unwrap()
    }

    async fn control(&self, method: &str, path: &str, body: &str) -> Value {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap();
        let response = camserver_chaos::router(&self.fleet).oneshot(request).await.unwrap();
        assert!(response.status().is_success(), "{method} {path} {body}: {}", response.status());
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        serde_json::from_slice(&body).unwrap_or(Value::Null)
    }

    pub(crate) async fn count(&self, nth: u32, field: &str) -> u64 {
        let item = self.control("GET", &format!("/cameras/cam-{nth:03}"), "").await;
        item[field].as_u64().unwrap()
    }

    pub(crate) async fn fault(&self, nth: u32, stage: &str, kind: &str) {
        let body = serde_json::json!({ "stage": stage, "kind": kind }).to_string();
        self.control("PUT", &format!("/cameras/cam-{nth:03}/fault"), &body).await;
    }

    pub(crate) async fn heal(&self, nth: u32) {
        self.control("DELETE", &format!("/cameras/cam-{nth:03}/fault"), "").await;
    }

    /// Waits until a camera has this many connections.
    pub(crate) async fn connected(&self, nth: u32, connections: u64) {
        let what = format!("camera {nth} has {connections} connections");
        until(&what, async || self.count(nth, "connections").await == connections).await;
    }
}
