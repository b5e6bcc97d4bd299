//! A stand-in for go2rtc, as unfaithful to its API as the real one is: DELETE forgets and ends
//! nothing, PATCH makes aliases, PUT fails after it has done its work, `frame.jpeg` hangs or is
//! empty, sockets are left behind. It plays real RTSP and sends real fragmented MP4.
//!
//! It is for contract tests that run against both, and for experiments where the real program is
//! not installed. It knows H.264 and H.265 over TCP, no credentials towards cameras, no HLS, and of
//! WebRTC the signalling: nobody is sent anything. Behaviour is that of go2rtc 1.9.14, seen with the real program.

mod api;
mod config;
mod depacketize;
mod mp4;
mod peer;
mod rtsp;
mod sdp;
mod socket;
mod streams;

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use self::api::Gateway;
use self::config::Config;

/// Serves until SIGTERM or SIGINT, and then ends at once, as the real one does.
pub async fn run(path: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let config = Config::parse(&text)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    say("info", "go2rtc");
    let unix = config.api.unix_listen.clone();
    let listen = config.api.listen.clone();
    let router = api::router(Arc::new(Gateway::new(config, path.to_owned())));
    let serving = async {
        if unix.is_empty() {
            let listener = tokio::net::TcpListener::bind(&listen).await?;
            say("info", "[api] listen");
            axum::serve(listener, router).await
        } else {
            // A socket that is there is of an earlier run.
            drop(std::fs::remove_file(&unix));
            let listener = tokio::net::UnixListener::bind(&unix)?;
            say("info", "[api] listen");
            axum::serve(listener, router).await
        }
    };
    tokio::select! {
        served = serving => served.context("serve the API"),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

/// A line of the log, in the form of `log: {format: json}`.
fn say(level: &str, message: &str) {
    let line = json!({ "level": level, "time": crate::clock::now_millis(), "message": message });
    // Who does not read the log does not keep the program from running.
    drop(writeln!(std::io::stdout(), "{line}"));
}
