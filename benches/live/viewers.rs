//! Browsers without a screen: they read live sockets and count what comes. They decode nothing.

use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use socket2::{Domain, Socket, Type};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

/// Media comes at least so often; the machine may be busy.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// What the socket of one that does not read holds, in bytes: little, so that the server soon has
/// to decide what to do with it.
const IDLE_BUFFER: usize = 4096;

/// Where a viewer finds its stream.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) server: SocketAddr,
    pub(crate) path: String,
    pub(crate) cookie: String,
    /// What is said first.
    pub(crate) hello: Option<String>,
}

/// What a viewer has seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) fragments: u64,
    pub(crate) bytes: u64,
    /// The longest time between two fragments.
    pub(crate) gap: Duration,
    last: Option<Instant>,
    /// Why nothing comes any more.
    pub(crate) ended: Option<String>,
}

/// One viewer that reads all the time, on a thread of its own.
#[derive(Debug)]
pub(crate) struct Viewer {
    seen: Arc<Mutex<Seen>>,
    stream: TcpStream,
    reader: Option<JoinHandle<()>>,
}

/// One that never reads; dropping it closes its socket.
#[derive(Debug)]
pub(crate) struct Idler {
    _socket: WebSocket<TcpStream>,
}

impl Viewer {
    pub(crate) fn open(place: &Place) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(place.server)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        let mut socket = greet(place, stream.try_clone()?)?;
        let seen = Arc::<Mutex<Seen>>::default();
        let noted = Arc::clone(&seen);
        let reader = std::thread::spawn(move || read(&mut socket, &noted));
        Ok(Self { seen, stream, reader: Some(reader) })
    }

    /// What it has seen so far.
    pub(crate) fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }

    /// Counts anew.
    pub(crate) fn reset(&self) {
        let mut seen = lock(&self.seen);
        *seen = Seen { last: seen.last, ended: seen.ended.take(), ..Seen::default() };
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        drop(self.stream.shutdown(Shutdown::Both));
        drop(self.reader.take().map(JoinHandle::join));
    }
}

impl Idler {
    pub(crate) fn open(place: &Place) -> anyhow::Result<Self> {
        let socket = Socket::new(Domain::for_address(place.server), Type::STREAM, None)?;
        // Before the connection stands: later it would not bind the other side.
        socket.set_recv_buffer_size(IDLE_BUFFER)?;
        socket.connect(&place.server.into())?;
        Ok(Self { _socket: greet(place, socket.into())? })
    }
}

fn greet(place: &Place, stream: TcpStream) -> anyhow::Result<WebSocket<TcpStream>> {
    let mut request = format!("ws://{}{}", place.server, place.path).into_client_request()?;
    request.headers_mut().insert("cookie", place.cookie.parse()?);
    let Ok((mut socket, _)) = client(request, stream) else {
        bail!("the live socket {} was refused", place.path);
    };
    if let Some(hello) = &place.hello {
        socket.send(Message::text(hello.clone())).context("say what can be decoded")?;
    }
    Ok(socket)
}

#[expect(clippy::disallowed_methods, reason = "real time is what a measurement is about")]
fn read(socket: &mut WebSocket<TcpStream>, seen: &Mutex<Seen>) {
    loop {
        let message = socket.read();
        let mut seen = lock(seen);
        match message {
            Ok(Message::Binary(data)) => {
                seen.bytes += data.len() as u64;
                if data.get(4..8) == Some(b"moof") {
                    let now = Instant::now();
                    let gap = seen.last.map_or(Duration::ZERO, |last| now.duration_since(last));
                    seen.gap = seen.gap.max(gap);
                    seen.last = Some(now);
                    seen.fragments += 1;
                }
            }
            Ok(Message::Close(frame)) => {
                seen.ended = Some(format!("closed: {frame:?}"));
                return;
            }
            Ok(Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
            Err(error) => {
                seen.ended = Some(error.to_string());
                return;
            }
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
