//! The right to reach one stream of one camera through the relay, from the side of whoever gave it
//! to a child.
//!
//! It says what came of it and ends it. Moving bytes is not its business.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::Inner;
use super::pace::Pace;
use crate::model::desired::Device;
use crate::model::failure::Failure;
use crate::model::slot::{ConnectionEnd, Holder, Purpose, Refusal};
use crate::world::camera::request::Source;
use crate::world::camera::rtsp::auth::Login;

/// Clients of one grant that may wait for their turn, besides those that have it.
const WAITING_MAX: u16 = 4;

/// Bounds of one session through the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// For the TCP connection to the camera to stand.
    pub connect: Duration,
    /// For each reply of the camera, its repetition with credentials included.
    pub reply: Duration,
    /// From the connection to the client's PLAY, and between its requests while it is paused.
    pub opening: Duration,
    /// For the next media of a camera that plays.
    pub idle: Duration,
    /// For a side that does not read to take anything.
    pub stall: Duration,
    /// How long a camera that refused the credentials is not asked again: more attempts could lock
    /// the account.
    pub refused: Duration,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            reply: Duration::from_secs(10),
            opening: Duration::from_secs(30),
            idle: Duration::from_secs(15),
            stall: Duration::from_secs(10),
            refused: Duration::from_mins(1),
        }
    }
}

/// What a grant is for.
#[derive(Debug, Clone)]
pub struct GrantSpec {
    /// The stream, and how to get in.
    pub source: Source,
    /// On whose behalf slots are taken, to begin with; see [`Grant::serve`].
    pub holder: Holder,
    /// Most sessions at once.
    pub sessions: u16,
    /// How long a client may wait for a slot that becomes free by itself, for the end of a session
    /// before it, or until it may dial again.
    pub wait: Duration,
    /// Most bytes from the camera in all sessions together; `None` for no bound.
    pub bytes: Option<u64>,
    /// Bounds of each session.
    pub limits: SessionLimits,
}

/// What came of a grant so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrantStatus {
    /// Attempts to connect to the camera.
    pub dials: u64,
    /// Sessions that hold a slot now, those that are being ended included.
    pub sessions: u16,
    /// Bytes from the camera in all sessions.
    pub received: u64,
    /// Whether the camera played in any session.
    pub played: bool,
    /// Clients turned away without a slot: the grant's sessions were all in use, or the camera had
    /// just refused the credentials.
    pub turned_away: u64,
    /// Why the newest client got no slot; `None` once one has.
    pub refusal: Option<Refusal>,
    /// What went wrong between relay and camera in the newest session, judged together with the
    /// device's other connections.
    pub failure: Option<Failure>,
    /// Whether a session was ended because somebody of higher purpose wanted its slot.
    pub yielded: bool,
    /// How the newest connection that is over ended.
    pub end: Option<ConnectionEnd>,
}

/// A grant as the relay knows it.
pub(super) struct Granted {
    pub(super) spec: GrantSpec,
    /// The grant's address, without a slash at its end.
    pub(super) own: String,
    /// The camera's URL, without user name and password.
    pub(super) camera: Url,
    /// What its slots are for now.
    pub(super) purpose: watch::Sender<Purpose>,
    pub(super) revoked: CancellationToken,
    pub(super) status: watch::Sender<GrantStatus>,
    pub(super) places: Arc<Semaphore>,
    pub(super) queue: Arc<Semaphore>,
    pub(super) received: AtomicU64,
    pub(super) pace: Pace,
    cut: Mutex<CancellationToken>,
    refused_until: Mutex<Option<Instant>>,
    /// Where who comes after its end is counted.
    late: OnceLock<Arc<AtomicU64>>,
}

impl Granted {
    pub(super) fn new(spec: GrantSpec, own: String, camera: Url) -> Self {
        let places = usize::from(spec.sessions);
        Self {
            own,
            camera,
            purpose: watch::Sender::new(spec.holder.purpose),
            revoked: CancellationToken::new(),
            status: watch::Sender::default(),
            places: Arc::new(Semaphore::new(places)),
            queue: Arc::new(Semaphore::new(places + usize::from(WAITING_MAX))),
            received: AtomicU64::new(0),
            pace: Pace::default(),
            cut: Mutex::default(),
            refused_until: Mutex::default(),
            late: OnceLock::new(),
            spec,
        }
    }

    /// Which device it leads to, with which credentials.
    pub(super) fn leads_to(&self) -> (Device, Option<&Login>) {
        self.spec.source.leads_to()
    }

    /// Cancelled when the sessions that exist now are to be cut.
    pub(super) fn cut(&self) -> CancellationToken {
        self.cut.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Bytes that may still come from the camera.
    pub(super) fn bytes_left(&self) -> u64 {
        let received = self.received.load(Ordering::Relaxed);
        self.spec.bytes.map_or(u64::MAX, |limit| limit.saturating_sub(received))
    }

    /// Whether the camera refused the credentials a short while ago.
    pub(super) fn is_refused(&self) -> bool {
        let until = self.refused_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Notes that the camera refused the credentials.
    pub(super) fn refuse(&self) {
        let until = Instant::now() + self.spec.limits.refused;
        *self.refused_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    /// Who comes after its end is counted there; the first who says so decides.
    pub(super) fn count_late(&self, counter: Arc<AtomicU64>) {
        self.late.get_or_init(|| counter);
    }

    /// Where who comes after its end is counted.
    pub(super) fn late(&self) -> Option<Arc<AtomicU64>> {
        self.late.get().map(Arc::clone)
    }

    /// Changes what the grant's owner sees.
    pub(super) fn note(&self, change: impl FnOnce(&mut GrantStatus)) {
        self.status.send_modify(change);
    }

    fn status(&self) -> GrantStatus {
        let received = self.received.load(Ordering::Relaxed);
        GrantStatus { received, ..self.status.borrow().clone() }
    }
}

/// The right to reach one stream; dropping it ends it as [`Grant::revoke`] does.
pub struct Grant {
    pub(super) granted: Arc<Granted>,
    pub(super) token: String,
    pub(super) relay: Weak<Inner>,
}

impl std::fmt::Debug for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let spec = &self.granted.spec;
        f.debug_struct("Grant").field("holder", &spec.holder).finish_non_exhaustive()
    }
}

impl Grant {
    /// What a child opens: `rtsp://127.0.0.1:PORT/TOKEN`. Whoever knows it sees the camera.
    pub fn url(&self) -> &str {
        &self.granted.own
    }

    /// What came of it so far.
    pub fn status(&self) -> GrantStatus {
        self.granted.status()
    }

    /// Waits until a session has been ended because somebody of higher purpose wanted its slot.
    pub async fn yielded(&self) {
        let mut status = self.granted.status.subscribe();
        // The sender lives as long as `self`: waiting cannot fail.
        drop(status.wait_for(|now| now.yielded).await);
    }

    /// What its slots are for from now on, those that are held included.
    pub fn serve(&self, purpose: Purpose) {
        self.granted.purpose.send_if_modified(|now| std::mem::replace(now, purpose) != purpose);
    }

    /// Another program dials from now on: what the one before did is not held against it.
    pub fn reset_pace(&self) {
        self.granted.pace.reset();
    }

    /// Cuts the sessions that exist now, both sides at once with RST. The child may dial again.
    pub fn cut_sessions(&self) {
        let mut cut = self.granted.cut.lock().unwrap_or_else(PoisonError::into_inner);
        cut.cancel();
        *cut = CancellationToken::new();
    }

    /// Ends it: who dials again is not let in, clients are cut off at once, and the sessions at the
    /// camera are torn down in order within 1.5 s, then cut.
    pub fn revoke(&self) {
        if let Some(relay) = self.relay.upgrade() {
            relay.forget(&self.token);
        }
        self.granted.revoked.cancel();
    }

    /// Revokes it and waits until its connections are gone; then says what came of it.
    ///
    /// Cuts what is not gone in time. Dropping the future leaves it revoked.
    pub async fn end(self) -> GrantStatus {
        self.revoke();
        let mut status = self.granted.status.subscribe();
        // The sender lives as long as `self`: waiting cannot fail but by the time.
        if timeout(super::ENDING, status.wait_for(|now| now.sessions == 0)).await.is_err() {
            self.cut_sessions();
            drop(timeout(super::ENDING, status.wait_for(|now| now.sessions == 0)).await);
        }
        self.status()
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.revoke();
    }
}
