//! The relay: a loopback RTSP proxy through which children (ffmpeg, a stream gateway) reach
//! cameras, so that none of them holds a socket to one or knows its password.
//!
//! ```text
//! mod          the listener, and who may come in: a grant is a secret path
//!   grant      what the one who gave it sees and can do      late   who comes after its end
//!   visit      one client: slot, dial, session, end          pace           how often it may dial
//!     pump     bytes between the two connections (side), within their bounds
//!     ending   how the camera is left
//!     dialogue   requests and replies, each written anew for the other side
//!       admission, headers, names, description, hidden
//! ```
//!
//! A client that retries, forgets or abandons sockets costs the camera nothing: every dial needs a
//! slot, and every session can be cut here. Who gets a slot is decided behind
//! [`Gate`]. It speaks RTSP over one TCP connection and nothing else: no UDP, no
//! publishing, no TLS.

mod admission;
mod description;
mod dialogue;
mod ending;
mod grant;
mod headers;
mod hidden;
mod late;
mod names;
mod pace;
mod pump;
mod side;
#[cfg(test)]
mod testkit;
mod visit;

use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::grant::Granted;
pub use self::grant::{Grant, GrantSpec, GrantStatus, SessionLimits};
use self::late::Late;
use super::classify::{Surroundings, judge};
use super::doubts::Doubts;
use super::gate::Gate;
use crate::model::failure::Failure;

/// Most connections whose grant is not known yet.
const STRANGERS_MAX: usize = 128;
/// Pause after a failed accept: running out of file descriptors must not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Longest that ending sessions in order takes, with a margin.
const ENDING: Duration = Duration::from_secs(2);

/// Why there is no relay or no grant.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// No port on loopback.
    #[error("cannot listen on loopback")]
    Listen(#[source] io::Error),
    /// The source is not plain RTSP, which is all that goes through the relay.
    #[error("{0} does not go through the relay")]
    Scheme(String),
    /// The relay is ending.
    #[error("the relay is ending")]
    Closed,
}

/// Gives grants; cheap to clone.
#[derive(Clone)]
pub struct Relay(Arc<Inner>);

/// What relay, grants and visits share.
struct Inner {
    gate: Arc<dyn Gate>,
    port: u16,
    closing: CancellationToken,
    grants: Mutex<HashMap<String, Arc<Granted>>>,
    late: Mutex<Late>,
    doubts: Arc<Doubts>,
}

/// The relay's listener, to be run.
#[derive(Debug)]
pub struct RelayServer {
    relay: Relay,
    listener: TcpListener,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").field("port", &self.0.port).finish_non_exhaustive()
    }
}

impl Relay {
    /// Listens on loopback, on a port that the system chooses. Nobody is served until the server
    /// runs. `doubts` are those of other live sessions, too.
    pub async fn bind(
        gate: Arc<dyn Gate>,
        doubts: Arc<Doubts>,
    ) -> Result<(Self, RelayServer), RelayError> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(RelayError::Listen)?;
        let port = listener.local_addr().map_err(RelayError::Listen)?.port();
        let relay = Self(Arc::new(Inner {
            gate,
            port,
            closing: CancellationToken::new(),
            grants: Mutex::default(),
            late: Mutex::default(),
            doubts,
        }));
        Ok((relay.clone(), RelayServer { relay, listener }))
    }

    /// Makes one stream reachable, until the grant is dropped. No camera is touched before a
    /// client dials.
    pub fn grant(&self, spec: GrantSpec) -> Result<Grant, RelayError> {
        let scheme = || RelayError::Scheme(spec.source.url.scheme().to_owned());
        let camera = spec.source.request_url().map_err(|_| scheme())?;
        let token = format!("{:032x}", rand::random::<u128>());
        let own = format!("rtsp://{}:{}/{token}", Ipv4Addr::LOCALHOST, self.0.port);
        let granted = Arc::new(Granted::new(spec, own, camera));
        let mut grants = self.0.grants();
        // Under the lock, so that `close` finds every grant.
        if self.0.closing.is_cancelled() {
            return Err(RelayError::Closed);
        }
        grants.insert(token.clone(), Arc::clone(&granted));
        drop(grants);
        Ok(Grant { granted, token, relay: Arc::downgrade(&self.0) })
    }

    /// Counts in `late` who comes with the grant of this URL after it was revoked. Grants that were
    /// revoked before, or were none, count nowhere.
    pub fn count_late(&self, url: &str, late: &Arc<AtomicU64>) {
        if let Some(granted) = names::split(url).and_then(|(token, _)| self.0.find(token)) {
            granted.count_late(Arc::clone(late));
        }
    }
}

impl Inner {
    fn grants(&self) -> MutexGuard<'_, HashMap<String, Arc<Granted>>> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, token: &str) -> Option<Arc<Granted>> {
        self.grants().get(token).cloned()
    }

    /// A failure seen together with what else is connected to the device. That the credentials
    /// were accepted before, any grant for it may know.
    fn judged(&self, failure: Failure, granted: &Granted) -> Failure {
        let is_same = |other: &Granted| other.leads_to() == granted.leads_to();
        let worked =
            self.grants().values().any(|other| is_same(other) && other.status.borrow().played);
        judge(failure, Surroundings::new(self.gate.crowd(granted.spec.source.device), worked))
    }

    fn forget(&self, token: &str) {
        let forgotten = self.grants().remove(token);
        if let Some(counter) = forgotten.and_then(|granted| granted.late()) {
            self.late().remember(token, counter);
        }
    }

    fn late(&self) -> MutexGuard<'_, Late> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let mut grants = self.grants();
        self.closing.cancel();
        for (_, granted) in grants.drain() {
            granted.revoked.cancel();
        }
    }
}

impl RelayServer {
    /// Serves until `stop`, then ends every session in order within about 1.5 s, and cuts what is
    /// left. Dropping the future cuts all at once.
    pub async fn run(self, stop: CancellationToken) {
        let Self { relay: Relay(inner), listener } = self;
        let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
        let mut visits = JoinSet::new();
        loop {
            // Losing an arm half-way loses nothing: a permit goes back, a connection stays in the
            // kernel's queue until `accept` returns it.
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = visits.join_next() => report(ended),
                (stranger, stream) = accept(&listener, &strangers) => {
                    visits.spawn(visit::serve(Arc::clone(&inner), stream, stranger));
                }
            }
        }
        drop(listener);
        inner.close();
        let ended = async {
            while let Some(ended) = visits.join_next().await {
                report(ended);
            }
        };
        if timeout(ENDING, ended).await.is_err() {
            tracing::warn!(sessions = visits.len(), "relayed sessions were cut at the end");
            visits.shutdown().await;
        }
    }
}

async fn accept(
    listener: &TcpListener,
    strangers: &Arc<Semaphore>,
) -> (Option<OwnedSemaphorePermit>, TcpStream) {
    // The semaphore is never closed, so a missing permit cannot happen.
    let stranger = Arc::clone(strangers).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stranger, stream),
            Err(error) => {
                tracing::warn!(%error, "a connection to the relay could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a relayed session ended by a panic");
    }
}
