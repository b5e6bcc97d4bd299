//! One connection to a camera, from its first byte until the camera sees its end. Reads requests,
//! writes answers and pictures, carries faults out. Reading never pauses, so that the client's end
//! is seen at once whatever else goes on.

mod requests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use socket2::SockRef;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::Camera;
use super::accounting::Entry;
use super::fault::{Fault, Kind, Stage};
use super::output::Output;
use super::session::Session;
use crate::rtsp::message::{Incoming, Request, Response, take};

/// Bytes of requests that may wait.
const MAX_INPUT: usize = 128 * 1024;
/// Bytes of answers that may wait before no further request is looked at.
const MAX_OUTPUT: usize = 1024 * 1024;
/// How long a camera that ends a connection waits for the other side to do the same.
const LINGER: Duration = Duration::from_secs(5);

/// What is spoken on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// RTSP with the two profiles.
    Rtsp,
    /// HTTP with `/snapshot.jpg`.
    Http,
}

/// How a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Go,
    Close,
    Reset,
}

#[derive(Debug)]
enum State {
    Serving,
    /// Nothing is answered until a moment or until the fault changes.
    Stalled {
        until: Option<Instant>,
        request: Option<Request>,
    },
    /// What comes is thrown away; what leaves is no answer any more.
    Deaf,
    /// What waits is still written, then the camera says goodbye.
    Closing {
        deadline: Option<Instant>,
    },
}

struct Connection {
    camera: Arc<Camera>,
    protocol: Protocol,
    excess: bool,
    ends: (SocketAddr, SocketAddr),
    input: BytesMut,
    output: Output,
    state: State,
    session: Option<Session>,
    fault: Option<Fault>,
    last_heard: Instant,
}

/// Serves a connection until its end; `entry` counts it until then.
pub(crate) async fn serve(
    camera: Arc<Camera>,
    mut stream: TcpStream,
    entry: Entry,
    protocol: Protocol,
) {
    if let (Ok(local), Ok(peer)) = (stream.local_addr(), stream.peer_addr()) {
        let mut faults = camera.faults();
        let fault = *faults.borrow_and_update();
        let mut connection = Connection {
            camera,
            protocol,
            excess: entry.excess,
            ends: (local, peer),
            input: BytesMut::new(),
            output: Output::default(),
            state: State::Serving,
            session: None,
            fault,
            last_heard: Instant::now(),
        };
        connection.enter();
        if connection.run(&mut stream, &mut faults).await == Step::Reset {
            let _gone = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
    }
    drop(entry);
    drop(stream);
}

impl Connection {
    async fn run(
        &mut self,
        stream: &mut TcpStream,
        faults: &mut tokio::sync::watch::Receiver<Option<Fault>>,
    ) -> Step {
        loop {
            let now = Instant::now();
            match self.work(now) {
                Step::Go => {}
                end @ (Step::Close | Step::Reset) => return end,
            }
            if self.says_goodbye() {
                self.state = State::Closing { deadline: Some(now + LINGER) };
                if stream.shutdown().await.is_err() {
                    return Step::Close;
                }
            }
            let has_output = !self.output.writable(now).is_empty();
            let deadline = self.deadline(now);
            tokio::select! {
                ready = stream.readable() => if ready.is_err() || self.read(stream).is_err() {
                    return Step::Close;
                },
                ready = stream.writable(), if has_output => {
                    if ready.is_err() || self.write(stream).is_err() {
                        return Step::Close;
                    }
                }
                frame = next_frame(&mut self.session) => match frame.map(|frame| self.frame(&frame)) {
                    Some(Step::Go) => {}
                    Some(end) => return end,
                    // The client reported by UDP.
                    None => self.last_heard = Instant::now(),
                },
                changed = faults.changed() => if changed.is_err() {
                    return Step::Close;
                },
                () = sleep_until(deadline) => {}
            }
        }
    }

    fn read(&mut self, stream: &TcpStream) -> io::Result<()> {
        match stream.try_read_buf(&mut self.input) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {
                self.last_heard = Instant::now();
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn write(&mut self, stream: &TcpStream) -> io::Result<()> {
        let now = Instant::now();
        match stream.try_write(self.output.writable(now)) {
            Ok(count) => {
                self.output.written(count, now);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    // The faults of the stage `accept` that leave a connection open.
    fn enter(&mut self) {
        let Some(fault) = self.fault.filter(|fault| fault.stage == Stage::Accept) else { return };
        match fault.kind {
            Kind::Hang => self.state = State::Stalled { until: None, request: None },
            Kind::Delay => {
                let until = Some(Instant::now() + fault.time());
                self.state = State::Stalled { until, request: None };
            }
            Kind::Garbage => self.output.garbage(4096),
            Kind::Endless => {
                self.state = State::Deaf;
                self.output.flood(self.protocol.word(), None, fault.endless());
            }
            Kind::Crawl => self.output.crawl(fault.time(), Instant::now(), true),
            Kind::Reset
            | Kind::Close
            | Kind::Refuse
            | Kind::Error
            | Kind::IdrLate
            | Kind::IdrNever
            | Kind::IdrCorrupt
            | Kind::HugeSps => {}
        }
    }

    // Everything that can be done without waiting.
    fn work(&mut self, now: Instant) -> Step {
        // A fault holds from the moment the control API has answered, so a request that comes just
        // then must not overtake the news of it.
        self.fault_changed(self.camera.fault());
        self.output.refill(now);
        if let Some(session) = &mut self.session {
            session.delivery.due(now, &mut self.output);
        }
        match &mut self.state {
            State::Stalled { until: Some(until), request } if *until <= now => {
                let request = request.take();
                self.state = State::Serving;
                if let Some(request) = request {
                    self.answer(&request);
                }
            }
            State::Closing { deadline: Some(deadline) } if *deadline <= now => return Step::Close,
            State::Deaf | State::Closing { .. } => self.input.clear(),
            State::Stalled { .. } | State::Serving => {}
        }
        if now.duration_since(self.last_heard) >= self.camera.session_timeout
            && !matches!(self.state, State::Stalled { until: None, .. })
        {
            return Step::Close;
        }
        while matches!(self.state, State::Serving) && self.output.bytes.len() < MAX_OUTPUT {
            match take(&mut self.input) {
                Ok(Some(Incoming::Request(request))) => match self.request(&request) {
                    Step::Go => {}
                    end @ (Step::Close | Step::Reset) => return end,
                },
                Ok(Some(Incoming::Interleaved)) => {}
                Ok(None) => break,
                Err(_) => {
                    self.reply(&Response::new(400), None);
                    self.state = State::Closing { deadline: None };
                }
            }
        }
        if self.input.len() > MAX_INPUT {
            // A stalled camera forgets what it has no room for; a served client has no excuse.
            if matches!(self.state, State::Stalled { .. }) {
                self.input.clear();
            } else {
                return Step::Close;
            }
        }
        Step::Go
    }

    fn frame(&mut self, frame: &Arc<super::stream::Frame>) -> Step {
        let Some(session) = &mut self.session else { return Step::Go };
        let fault = self.fault.filter(|fault| fault.stage == Stage::Stream);
        match fault.map(|fault| fault.kind) {
            Some(Kind::Reset) => return Step::Reset,
            Some(Kind::Close) => return Step::Close,
            Some(Kind::Hang) => {
                if matches!(self.state, State::Serving) {
                    self.state = State::Stalled { until: None, request: None };
                }
                return Step::Go;
            }
            Some(_) | None => {}
        }
        if let Some(fault) = fault.filter(|fault| fault.kind == Kind::Crawl) {
            self.output.crawl(fault.time(), Instant::now(), true);
        }
        if matches!(self.state, State::Serving | State::Stalled { .. }) {
            let now = Instant::now();
            session.delivery.frame(frame, fault.as_ref(), now, &mut self.output);
        }
        Step::Go
    }

    fn fault_changed(&mut self, fault: Option<Fault>) {
        let before = std::mem::replace(&mut self.fault, fault);
        if before == fault {
            return;
        }
        self.output.hurry();
        // A connection that has been waiting for nothing is served again; one whose client has been
        // fed rubbish cannot be.
        if let State::Stalled { request, .. } = &mut self.state {
            let request = request.take();
            self.state = State::Serving;
            self.last_heard = Instant::now();
            if let Some(request) = request {
                self.answer(&request);
            }
        } else if matches!(self.state, State::Deaf) {
            self.state = State::Closing { deadline: None };
            self.output = Output::default();
        }
    }

    fn says_goodbye(&self) -> bool {
        matches!(self.state, State::Closing { deadline: None }) && self.output.bytes.is_empty()
    }

    fn deadline(&self, now: Instant) -> Instant {
        let timeout = self.last_heard + self.camera.session_timeout;
        // While it hangs a camera does not look at the time either.
        let hangs = matches!(self.state, State::Stalled { until: None, .. });
        let mut deadline = if hangs { now + self.camera.session_timeout } else { timeout };
        let state = match &self.state {
            State::Stalled { until, .. } => *until,
            State::Closing { deadline } => *deadline,
            State::Serving | State::Deaf => None,
        };
        let delivery = self.session.as_ref().and_then(|session| session.delivery.next());
        for at in [state, delivery, self.output.next(now)].into_iter().flatten() {
            deadline = deadline.min(at);
        }
        deadline
    }
}

impl Protocol {
    fn word(self) -> &'static str {
        match self {
            Self::Rtsp => "RTSP/1.0",
            Self::Http => "HTTP/1.1",
        }
    }
}

// The next picture of a session that plays, and the client's reports by UDP; else nothing, ever.
async fn next_frame(session: &mut Option<Session>) -> Option<Arc<super::stream::Frame>> {
    match session {
        Some(session) if session.playing => session.delivery.next_frame().await,
        Some(_) | None => std::future::pending().await,
    }
}
