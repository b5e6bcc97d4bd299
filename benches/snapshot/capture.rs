//! One snapshot, by each of the ways that are compared.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use camserver::clock::Clock;
use camserver::model::desired::Transport;
use camserver::model::secret::SourceUrl;
use camserver::vision::{self, DecodePool};
use camserver::world::camera::connection::SocketHook;
use camserver::world::camera::native::capture_native;
use camserver::world::camera::request::{CaptureRequest, Limits, Source, Timings};

/// Longest time that one snapshot may take.
const DEADLINE: Duration = Duration::from_mins(1);

/// A way of taking a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// This program's own client and decoders.
    Native,
    /// One ffmpeg per snapshot, told to do as little as it can.
    Tuned,
    /// One ffmpeg per snapshot as everybody calls it.
    Default,
}

impl Method {
    pub(crate) const ALL: [Self; 3] = [Self::Native, Self::Tuned, Self::Default];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Tuned => "ffmpeg, tuned",
            Self::Default => "ffmpeg, default",
        }
    }
}

/// How long one snapshot took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    /// From the first step to the finished JPEG.
    pub(crate) wall: Duration,
    /// The client's steps (native only).
    pub(crate) steps: Timings,
    /// Decoding and encoding (native only).
    pub(crate) vision: Duration,
}

/// Takes one snapshot.
pub(crate) async fn take(
    method: Method,
    pool: &DecodePool,
    device: SocketAddr,
    path: &str,
) -> anyhow::Result<Taken> {
    match method {
        Method::Native => native(pool, device, path).await,
        Method::Tuned | Method::Default => ffmpeg(method, device, path).await,
    }
}

/// As the server does it: the whole picture and a thumbnail, both as JPEG.
#[expect(clippy::disallowed_methods, reason = "real time is what a measurement is about")]
async fn native(pool: &DecodePool, device: SocketAddr, path: &str) -> anyhow::Result<Taken> {
    let begun = Instant::now();
    let clock = Clock::System;
    let request = CaptureRequest {
        source: Source {
            url: SourceUrl::new(format!("rtsp://{device}{path}").parse()?),
            device,
            login: None,
            transport: Transport::Tcp,
        },
        deadline: tokio::time::Instant::now() + DEADLINE,
        limits: Limits::default(),
        clock: Arc::new(move || clock.now()),
    };
    let (captured, _) = capture_native(&request, &NoSlots).await;
    let captured = captured.map_err(|failure| anyhow::anyhow!("{failure}"))?;
    let received = Instant::now();
    let still = pool.still(captured.picture, vision::Limits::default()).await?;
    ensure!(!still.jpeg.is_empty() && !still.thumbnail.is_empty(), "an empty picture");
    Ok(Taken { wall: begun.elapsed(), steps: captured.timings, vision: received.elapsed() })
}

#[expect(clippy::disallowed_methods, reason = "ffmpeg is what is compared with")]
async fn ffmpeg(method: Method, device: SocketAddr, path: &str) -> anyhow::Result<Taken> {
    let begun = Instant::now();
    let url = format!("rtsp://{device}{path}");
    let mut command = tokio::process::Command::new("ffmpeg");
    command.args(["-nostdin", "-hide_banner", "-loglevel", "error", "-rtsp_transport", "tcp"]);
    if method == Method::Tuned {
        command.args(["-threads", "1", "-analyzeduration", "0", "-probesize", "5000"]);
        command.args(["-fflags", "nobuffer", "-skip_frame", "nokey", "-an"]);
    }
    command.args(["-i", &url, "-frames:v", "1"]);
    if method == Method::Tuned {
        command.args(["-vf", "scale=640:-2"]);
    }
    command.args(["-q:v", "5", "-f", "mjpeg", "-"]);
    command.stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = tokio::time::timeout(DEADLINE, command.output())
        .await
        .context("no snapshot in time")?
        .context("start ffmpeg")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {said}", output.status);
    ensure!(output.stdout.starts_with(&[0xFF, 0xD8]), "no JPEG: {said}");
    Ok(Taken { wall: begun.elapsed(), steps: Timings::default(), vision: Duration::ZERO })
}

/// Nobody counts connections here.
struct NoSlots;

impl SocketHook for NoSlots {
    fn connecting(&self) {}
    fn connected(&self, _: SocketAddr) {}
    fn ended(&self) {}
}
