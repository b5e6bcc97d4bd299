//! What a capture is asked for, and what it brings.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use super::fault::Fault;
use super::rtp::Tally;
use super::rtsp::auth::Login;
use crate::model::desired::Transport;
use crate::model::picture::KeyPicture;
use crate::model::secret::SourceUrl;
use crate::model::time::Now;

/// Where a stream or picture is, and how to get in.
#[derive(Debug, Clone)]
pub struct Source {
    /// What to ask for. User name and password in it are not used.
    pub url: SourceUrl,
    /// Whom to dial: the URL's host is not looked up.
    pub device: SocketAddr,
    /// User name and password, where the camera wants them.
    pub login: Option<Login>,
    /// How media travels (RTSP only).
    pub transport: Transport,
}

impl Source {
    /// Which device it leads to, with which credentials.
    pub fn leads_to(&self) -> (SocketAddr, Option<&Login>) {
        (self.device, self.login.as_ref())
    }

    /// The URL to send over RTSP: without user name and password.
    pub fn request_url(&self) -> Result<Url, Fault> {
        if self.url.scheme() != "rtsp" {
            return Err(Fault::Scheme(self.url.scheme().to_owned()));
        }
        let mut url = self.url.expose().clone();
        // Both fail only for URLs without a host, which have neither.
        let _without_user = url.set_username("");
        let _without_password = url.set_password(None);
        Ok(url)
    }

    /// The URL with user name and password, for a program that cannot reach the relay.
    pub fn url_with_login(&self) -> Result<Url, Fault> {
        let mut url = self.request_url()?;
        let Some(login) = &self.login else { return Ok(url) };
        // Both fail only for URLs without a host.
        let _with_user = url.set_username(&login.user);
        let _with_password = url.set_password(Some(login.password.expose()));
        Ok(url)
    }
}

/// Bounds of one session or capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For the TCP connection (and TLS) to stand.
    pub connect: Duration,
    /// For each reply, its repetition with credentials included.
    pub reply: Duration,
    /// For the reply to TEARDOWN.
    pub teardown: Duration,
    /// For the camera to close its side after we closed ours.
    pub close: Duration,
    /// Between the end of a connection and the next within the same capture (HTTP only).
    pub reconnect: Duration,
    /// Largest picture, in bytes.
    pub picture_bytes: usize,
    /// Most bytes received in all.
    pub total_bytes: u64,
}

impl Default for Limits {
    /// Those of a capture.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            reply: Duration::from_secs(10),
            teardown: Duration::from_secs(1),
            close: Duration::from_millis(500),
            reconnect: Duration::ZERO,
            picture_bytes: 8 * 1024 * 1024,
            total_bytes: 64 * 1024 * 1024,
        }
    }
}

/// One picture to be taken.
#[derive(Clone)]
pub struct CaptureRequest {
    /// From where.
    pub source: Source,
    /// When to give up waiting. Ending the session may take [`Limits::teardown`] and
    /// [`Limits::close`] longer.
    pub deadline: Instant,
    /// Bounds.
    pub limits: Limits,
    /// Tells the time at which the picture was complete.
    pub clock: Arc<dyn Fn() -> Now + Send + Sync>,
}

impl std::fmt::Debug for CaptureRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CaptureRequest").field("source", &self.source).finish_non_exhaustive()
    }
}

/// How long the steps took. Steps that were not reached or do not exist are zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// TCP connect, with TLS where there is some.
    pub connect: Duration,
    /// DESCRIBE, or the HTTP request up to the reply's headers; with authentication.
    pub describe: Duration,
    /// SETUP.
    pub setup: Duration,
    /// PLAY.
    pub play: Duration,
    /// From there to the whole picture.
    pub stream: Duration,
    /// TEARDOWN and the end of the connection.
    pub teardown: Duration,
}

/// What a capture brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// The picture.
    pub picture: KeyPicture,
    /// When its last byte had been read.
    pub received_at: Now,
    /// Bytes received on all of the capture's sockets.
    pub bytes_received: u64,
    /// Pictures that were passed over before it, and broken packets.
    pub tally: Tally,
    /// How long it took.
    pub timings: Timings,
}
