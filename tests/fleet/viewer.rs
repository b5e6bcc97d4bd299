//! A browser without a screen: asks for live views and counts what comes out of their sockets. It
//! decodes nothing.

use std::io::{Read, Result as IoResult, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::{Error, HandshakeError, Message, WebSocket, client};

use crate::clock::{now, until};
use crate::http::{Answer, ask_as};
use crate::server::Server;

/// Longest wait for media of a camera that is there; the machine may be busy.
const MEDIA: Duration = Duration::from_secs(20);

/// One user.
pub(crate) struct Browser {
    server: SocketAddr,
    cookie: String,
}

/// A view that was granted.
#[derive(Clone)]
pub(crate) struct Lease {
    pub(crate) id: String,
    /// What lists call it.
    pub(crate) name: String,
    pub(crate) ws: String,
    kind: &'static str,
}

impl Browser {
    pub(crate) fn new(server: &Server, name: &str) -> Self {
        Self { server: server.address, cookie: format!("camserver_client={name}") }
    }

    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        ask_as(self.server, &self.cookie, (method, path), &body).unwrap()
    }

    /// Asks for a view of a `kind`: `modal` or `suggest`.
    pub(crate) fn request(&self, kind: &'static str, wish: &Value) -> Result<Lease, Value> {
        let answer = self.ask("POST", &format!("/api/v1/{kind}/lease"), wish);
        let body = answer.json();
        if answer.status != 201 {
            return Err(body);
        }
        let text = |field: &str| body[field].as_str().unwrap().to_owned();
        Ok(Lease { id: text("id"), name: text("name"), ws: text("ws"), kind })
    }

    pub(crate) fn lease(&self, camera: &str, quality: &str) -> Lease {
        self.request("modal", &json!({"camera": camera, "quality": quality})).unwrap()
    }

    pub(crate) fn heartbeat(&self, lease: &Lease) -> Answer {
        let path = format!("/api/v1/{}/lease/{}/heartbeat", lease.kind, lease.id);
        self.ask("POST", &path, &Value::Null)
    }

    pub(crate) fn release(&self, lease: &Lease) -> Answer {
        let path = format!("/api/v1/{}/lease/{}", lease.kind, lease.id);
        self.ask("DELETE", &path, &Value::Null)
    }

    fn handshake(&self, path: &str) -> Request {
        let url = format!("ws://{}{path}", self.server);
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("cookie", self.cookie.parse().unwrap());
        request
    }

    fn socket(&self, path: &str, seen: &Arc<Mutex<Seen>>) -> Result<WebSocket<Counted>, u16> {
        let stream = TcpStream::connect(self.server).unwrap();
        stream.set_read_timeout(Some(MEDIA)).unwrap();
        let counted = Counted { stream, seen: Arc::clone(seen) };
        match client(self.handshake(path), counted) {
            Ok((socket, _)) => Ok(socket),
            Err(HandshakeError::Failure(Error::Http(answer))) => Err(answer.status().as_u16()),
            Err(error) => panic!("{path}: {error}"),
        }
    }

    /// The status that a live socket at this path is refused with.
    pub(crate) fn refused(&self, path: &str) -> u16 {
        self.socket(path, &Arc::default()).map(drop).unwrap_err()
    }

    /// Watches on a lease, from another thread, until the server ends it.
    pub(crate) fn watch(&self, lease: &Lease) -> View {
        let seen = Arc::<Mutex<Seen>>::default();
        let mut socket = self.socket(&lease.ws, &seen).unwrap();
        let reader = std::thread::spawn({
            let seen = Arc::clone(&seen);
            move || read(&mut socket, &seen)
        });
        View { seen, _reader: reader }
    }

    /// Opens a live socket and never reads from it.
    pub(crate) fn stare(&self, lease: &Lease) -> Staring {
        Staring { _socket: self.socket(&lease.ws, &Arc::default()).unwrap() }
    }

    /// Watches and waits for the first media.
    pub(crate) fn play(&self, camera: &str, quality: &str) -> (Lease, View) {
        let lease = self.lease(camera, quality);
        let view = self.watch(&lease);
        view.playing();
        (lease, view)
    }
}

fn read(socket: &mut WebSocket<Counted>, seen: &Mutex<Seen>) {
    loop {
        let message = socket.read();
        let at = now();
        let mut seen = lock(seen);
        match message {
            Ok(Message::Binary(_)) => {
                let gap = seen.last.map_or(Duration::ZERO, |last| at.duration_since(last));
                seen.gap = seen.gap.max(gap);
                seen.messages += 1;
                seen.last = Some(at);
            }
            Ok(Message::Close(frame)) => {
                let frame = frame.unwrap();
                seen.closed = Some((frame.code.into(), frame.reason.to_string()));
                return;
            }
            Ok(_) => {}
            Err(_) => {
                seen.closed.get_or_insert((0, "cut".to_owned()));
                return;
            }
        }
    }
}

#[derive(Debug, Default)]
struct Seen {
    bytes: u64,
    /// When bytes last came, a close frame's too.
    byte_at: Option<Instant>,
    messages: u64,
    last: Option<Instant>,
    gap: Duration,
    closed: Option<(u16, String)>,
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection that counts what comes out of it.
struct Counted {
    stream: TcpStream,
    seen: Arc<Mutex<Seen>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> IoResult<usize> {
        let count = self.stream.read(buffer)?;
        let mut seen = lock(&self.seen);
        seen.bytes += count as u64;
        seen.byte_at = Some(now());
        Ok(count)
    }
}

impl Write for Counted {
    fn write(&mut self, buffer: &[u8]) -> IoResult<usize> {
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> IoResult<()> {
        self.stream.flush()
    }
}

/// An open live socket that nobody reads from.
pub(crate) struct Staring {
    _socket: WebSocket<Counted>,
}

/// One live socket that is read all the time.
pub(crate) struct View {
    seen: Arc<Mutex<Seen>>,
    _reader: JoinHandle<()>,
}

impl View {
    /// Waits for media: an initialisation segment and two fragments.
    pub(crate) fn playing(&self) {
        until(MEDIA, "media comes", || {
            let seen = lock(&self.seen);
            assert_eq!(seen.closed, None, "instead of media");
            (seen.messages >= 3).then_some(())
        });
    }

    pub(crate) fn messages(&self) -> u64 {
        lock(&self.seen).messages
    }

    /// What came out of the socket so far.
    pub(crate) fn bytes(&self) -> u64 {
        lock(&self.seen).bytes
    }

    /// The longest time without media so far; begins anew.
    pub(crate) fn longest_gap(&self) -> Duration {
        std::mem::take(&mut lock(&self.seen).gap)
    }

    pub(crate) fn is_open(&self) -> bool {
        lock(&self.seen).closed.is_none()
    }

    /// Waits for the end: the close code, its reason, and when the last byte came.
    pub(crate) fn closed(&self, limit: Duration) -> (u16, String, Instant) {
        until(limit, "the server closes the live socket", || {
            let seen = lock(&self.seen);
            let (code, reason) = seen.closed.clone()?;
            Some((code, reason, seen.byte_at.unwrap()))
        })
    }
}
