//! Accepts connections, a bounded number of them, and ends them in order.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::router::router;
use super::state::{AppState, Settings};

/// Largest head of a request.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Most header fields of a request.
const HEADERS_MAX: usize = 64;
/// Bytes that may wait in the kernel before it sends them. More of them would make nothing faster,
/// but a reader that is too slow would be noticed late, and what it is told would stand behind them.
const UNSENT_BYTES_MAX: u32 = 128 << 10;
/// Pause after a failed accept: running out of file descriptors must not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why serving ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The task that pushes to browsers ended by a panic.
    #[error("the push to browsers failed")]
    Push(#[source] tokio::task::JoinError),
}

/// Serves until `shutdown`, then lets open requests end within the grace of the settings.
pub async fn serve(
    listener: TcpListener,
    state: AppState,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let mut push = tokio::spawn(super::push::run(state.clone()));
    let mut connections = JoinSet::new();
    let permits = Arc::new(Semaphore::new(state.settings().connections_max));
    let app = router(state.clone());
    let result = loop {
        // Losing either arm half-way loses nothing: a permit goes back, a connection stays in
        // the kernel's queue until `accept` returns it.
        tokio::select! {
            () = shutdown.cancelled() => break Ok(()),
            ended = &mut push => break ended.map_err(ServeError::Push),
            Some(_) = connections.join_next() => {}
            (permit, stream) = accept(&listener, &permits) => {
                let closing = state.closing().clone();
                let connection = Accepted { permit, stream, closing };
                connections.spawn(connection.serve(app.clone(), state.clone()));
            }
        }
    };
    drop(listener);
    state.closing().cancel();
    state.sockets().close();
    let ended = async {
        while connections.join_next().await.is_some() {}
        state.sockets().wait().await;
    };
    if tokio::time::timeout(state.settings().shutdown_grace, ended).await.is_err() {
        tracing::warn!(open = connections.len(), "requests were cut at the end of the grace");
        connections.shutdown().await;
    }
    push.abort();
    result
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (Option<OwnedSemaphorePermit>, TcpStream) {
    // The semaphore is never closed, so a missing permit cannot happen.
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (permit, stream),
            Err(error) if is_of_peer(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the other side gave up before it was accepted.
fn is_of_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Small things go out at once, and nothing piles up unsent.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX)
}

struct Accepted {
    permit: Option<OwnedSemaphorePermit>,
    stream: TcpStream,
    closing: CancellationToken,
}

impl Accepted {
    async fn serve(self, app: Router, state: AppState) {
        state.metrics().http_connection_opened();
        if let Err(error) = tune(&self.stream) {
            tracing::debug!(%error, "a connection could not be set to send at once");
        }
        let service = app.map_request(|request: hyper::Request<Incoming>| request.map(Body::new));
        let connection = builder(state.settings())
            .serve_connection(TokioIo::new(self.stream), TowerToHyperService::new(service))
            .with_upgrades();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.closing.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
        state.metrics().http_connection_closed();
        drop(self.permit);
    }
}

fn builder(settings: &Settings) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // Also the longest that a kept connection stays idle.
        .header_read_timeout(settings.header_timeout)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn little_waits_in_the_kernel() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (stream, _) = accepted.unwrap();
        tune(&stream).unwrap();
        assert!(stream.nodelay().unwrap());
        assert_eq!(SockRef::from(&stream).tcp_notsent_lowat().unwrap(), UNSENT_BYTES_MAX);
    }
}
