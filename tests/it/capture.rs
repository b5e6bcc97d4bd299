//! Captures against cameras that nobody here wrote, and against scripted bad ones.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use camserver::model::desired::Transport;
use camserver::model::secret::{Secret, SourceUrl};
use camserver::model::time::{Mono, Now};
use camserver::world::camera::connection::SocketHook;
use camserver::world::camera::request::{CaptureRequest, Limits, Source};
use camserver::world::camera::rtsp::auth::Login;
use tokio::time::Instant;

pub(crate) mod gst;
mod http;
mod native;
mod scripted;

/// Notes what it is told.
#[derive(Default)]
struct Noted(Mutex<Vec<String>>);

impl Noted {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl SocketHook for Noted {
    fn connecting(&self) {
        self.0.lock().unwrap().push("connecting".into());
    }
    fn connected(&self, local: SocketAddr) {
        self.0.lock().unwrap().push(format!("connected {}", local.ip()));
    }
    fn ended(&self) {
        self.0.lock().unwrap().push("ended".into());
    }
}

fn request(scheme: &str, device: SocketAddr, path: &str) -> CaptureRequest {
    let url = format!("{scheme}://{device}{path}").parse().unwrap();
    CaptureRequest {
        source: Source { url: SourceUrl::new(url), device, login: None, transport: Transport::Tcp },
        deadline: Instant::now() + Duration::from_secs(20),
        limits: Limits::default(),
        clock: Arc::new(|| Now { mono: Mono(7), wall: jiff::Timestamp::UNIX_EPOCH }),
    }
}

fn login(user: &str, password: &str) -> Login {
    Login { user: user.into(), password: Secret::new(password) }
}
