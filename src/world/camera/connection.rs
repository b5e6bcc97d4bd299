//! One TCP connection to a camera, owned from the SYN to its end.
//!
//! The socket is set to end with RST from the first moment, so that dropping it at any point
//! frees it on both sides at once; only [`Connection::finish`] ends it in order. Bytes are
//! counted and bounded. It knows no protocol.
//!
//! The relay holds its clients' side in the same way: see [`Connection::accepted`].

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::sync::CancellationToken;

use super::fault::Fault;
pub use crate::model::slot::ConnectionEnd as End;

/// Room that is made for each read, in bytes.
const READ_BYTES: usize = 16 * 1024;

/// Most bytes that are thrown away while waiting for the reply to TEARDOWN, and again while
/// waiting for the camera to close its side.
const DRAIN_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Is told what becomes of sockets, so that the keeper of slots can find them in the kernel's
/// table.
pub trait SocketHook: Send + Sync {
    /// A SYN is about to leave.
    fn connecting(&self);
    /// The connection stands; this is its local address.
    fn connected(&self, local: SocketAddr);
    /// The connection has ended in order and another one is about to follow in the same capture.
    fn ended(&self);
    /// Cancelled when the owner wants the session ended in order before it has brought anything.
    fn stop(&self) -> Option<&CancellationToken> {
        None
    }
}

/// A connection, plain or with TLS over it.
enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

/// A connection to a camera with its input buffer.
pub struct Connection {
    wire: Wire,
    local: SocketAddr,
    /// What was read and not yet taken; whoever takes keeps it short.
    pub input: BytesMut,
    output: BytesMut,
    received: u64,
    sent: u64,
    limit: u64,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("local", &self.local).finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects, at the latest until `until`. At most `limit` bytes will ever be read.
    pub async fn connect(
        device: SocketAddr,
        until: Instant,
        limit: u64,
        hook: &dyn SocketHook,
    ) -> Result<Self, Fault> {
        let socket = if device.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
        socket.set_nodelay(true)?;
        hook.connecting();
        let stream =
            timeout_at(until, socket.connect(device)).await.map_err(|_| Fault::Timeout)??;
        let local = stream.local_addr()?;
        hook.connected(local);
        Ok(Self {
            wire: Wire::Plain(stream),
            local,
            input: BytesMut::new(),
            output: BytesMut::new(),
            received: 0,
            sent: 0,
            limit,
        })
    }

    /// Takes over a connection that was accepted; it ends like those to a camera.
    pub fn accepted(stream: TcpStream, limit: u64) -> Result<Self, Fault> {
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        Ok(Self {
            wire: Wire::Plain(stream),
            local,
            input: BytesMut::new(),
            output: BytesMut::new(),
            received: 0,
            sent: 0,
            limit,
        })
    }

    /// Puts TLS over a fresh connection.
    pub async fn secured(
        self,
        connector: &TlsConnector,
        name: ServerName<'static>,
    ) -> Result<Self, Fault> {
        let Wire::Plain(stream) = self.wire else { return Ok(self) };
        let stream = connector.connect(name, stream).await.map_err(Fault::Tls)?;
        Ok(Self { wire: Wire::Tls(Box::new(stream)), ..self })
    }

    /// The local address, as the kernel's socket table shows it.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Bytes read so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Bytes written so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// From here on only as many bytes are read as ending a session needs.
    pub fn wind_down(&mut self) {
        self.limit = self.received + DRAIN_BYTES_MAX as u64;
    }

    /// Reads more into `input`. May be dropped at any point without losing bytes.
    pub async fn fill(&mut self) -> Result<(), Fault> {
        if self.received >= self.limit {
            return Err(Fault::TooMuch(self.limit));
        }
        self.input.reserve(READ_BYTES);
        match self.wire.read_buf(&mut self.input).await? {
            0 => Err(Fault::Closed),
            count => {
                self.received += count as u64;
                Ok(())
            }
        }
    }

    /// Appends to what is to be sent.
    pub fn queue(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    /// Sends what is queued. May be dropped at any point and called again.
    pub async fn flush(&mut self) -> Result<(), Fault> {
        while !self.output.is_empty() {
            let count = self.wire.write_buf(&mut self.output).await?;
            self.sent += count as u64;
        }
        self.wire.flush().await?;
        Ok(())
    }

    /// Bytes that are queued and not sent.
    pub fn unsent(&self) -> usize {
        self.output.len()
    }

    /// Sends of what is queued what goes, and reads if `read` says so; waits until something was
    /// sent or read. May be dropped at any point without losing bytes.
    pub async fn advance(&mut self, read: bool) -> Result<(), Fault> {
        poll_fn(|cx| self.poll_advance(cx, read)).await
    }

    fn poll_advance(&mut self, cx: &mut Context<'_>, read: bool) -> Poll<Result<(), Fault>> {
        let filled = if read { poll_once(cx, self.fill()) } else { Poll::Pending };
        if let Poll::Ready(Err(fault)) = filled {
            return Poll::Ready(Err(fault));
        }
        let before = self.sent;
        let flushed =
            if self.output.is_empty() { Poll::Pending } else { poll_once(cx, self.flush()) };
        // What a peer said before it went away is not lost when writing fails: the fault comes
        // again.
        if filled.is_ready() || self.sent > before { Poll::Ready(Ok(())) } else { flushed }
    }

    /// Ends the connection in order: FIN, then waits for the camera's FIN, at most `wait`.
    ///
    /// A camera that does not close its side is cut off with RST.
    pub async fn finish(mut self, wait: Duration) -> End {
        match timeout(wait, self.close_both_sides()).await {
            Ok(Ok(())) => {
                // With linger off the close that follows would still be an RST in some states.
                // Failing to clear it costs nothing more than that.
                drop(SockRef::from(self.wire.tcp()).set_linger(None));
                End::Acknowledged
            }
            // The camera's own RST: it has no such connection any more.
            Ok(Err(error)) if was_cut_by_peer(&error) => End::Acknowledged,
            Ok(Err(_)) | Err(_) => End::Unacknowledged,
        }
    }

    async fn close_both_sides(&mut self) -> io::Result<()> {
        self.wire.shutdown().await?;
        let mut scratch = vec![0; READ_BYTES];
        let stream = match &mut self.wire {
            Wire::Plain(stream) => stream,
            Wire::Tls(stream) => stream.get_mut().0,
        };
        let mut left = DRAIN_BYTES_MAX;
        loop {
            let count = stream.read(&mut scratch).await?;
            if count == 0 {
                return Ok(());
            }
            left = left.checked_sub(count).ok_or(io::ErrorKind::FileTooLarge)?;
        }
    }
}

/// Polls a step that may be dropped at any point.
fn poll_once<T>(cx: &mut Context<'_>, step: impl Future<Output = T>) -> Poll<T> {
    pin!(step).poll(cx)
}

/// Whether the camera itself ended the connection.
pub fn was_cut_by_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
    )
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
