//! Bytes between a client and a camera: messages through the dialogue, media untouched.
//!
//! Whole `$` frames are copied once, from one buffer to the other, with nothing allocated for
//! each. A side that does not read holds the other up, and not for ever. Nothing here decides what
//! a message means.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Buf as _;
use tokio::time::{Instant, sleep_until};

use super::Inner;
use super::dialogue::{Asked, Dialogue, Phase, Told, answer, numbered};
use super::ending::SETTLE;
use super::grant::Granted;
use super::side::{CLIENT_INPUT_MAX, Side};
use crate::model::failure::{FailureKind, Stage};
use crate::world::camera::classify::classify;
use crate::world::camera::connection::Connection;
use crate::world::camera::doubts::is_doubtful;
use crate::world::camera::fault::Fault;
use crate::world::camera::rtsp::message::{Message, Request, quote};

/// Bytes that wait for a client, beyond which the camera is not read.
const CLIENT_OUTPUT_MAX: usize = 256 * 1024;
/// Bytes that wait for a camera, beyond which the client is not read.
const CAMERA_OUTPUT_MAX: usize = 64 * 1024;
/// Longest RTCP packet of a client that is passed on.
const CONTROL_BYTES_MAX: usize = 2048;

/// Why a session ended by itself.
#[derive(Debug)]
pub(super) enum Ending {
    /// The client has ended it, and knows.
    Over,
    /// The client has gone, or does nothing.
    ClientGone,
    /// The camera, or what it says, makes it impossible to go on.
    Camera(Fault),
}

/// One session's two sides.
pub(super) struct Pump {
    pub(super) client: Side,
    pub(super) camera: Side,
    pub(super) dialogue: Dialogue,
    relay: Arc<Inner>,
    granted: Arc<Granted>,
    // A client's request that waits until the one before it has been answered.
    parked: Option<Request>,
    clocks: Clocks,
}

/// When things last happened.
struct Clocks {
    opened: Instant,
    asked: Instant,
    media: Instant,
    client_took: Instant,
    camera_took: Instant,
}

impl Pump {
    /// Two connections that have just been made, and the client's first request.
    pub(super) fn new(
        client: Side,
        camera: Connection,
        dialogue: Dialogue,
        (relay, granted): (Arc<Inner>, Arc<Granted>),
        first: Request,
    ) -> Self {
        let now = Instant::now();
        let clocks =
            Clocks { opened: now, asked: now, media: now, client_took: now, camera_took: now };
        let camera = Side::new(camera);
        Self { client, camera, dialogue, relay, granted, parked: Some(first), clocks }
    }

    /// Goes on until the session ends. May be dropped at any point; then both sides are to be
    /// ended.
    pub(super) async fn run(&mut self) -> Ending {
        let mut alarm = pin!(sleep_until(self.due()));
        loop {
            if let Err(fault) = self.take_from_camera() {
                return self.broken(fault);
            }
            if self.take_from_client().is_err() {
                self.client.connection.queue(&answer(400).encode());
                return Ending::Over;
            }
            if self.dialogue.phase() == Phase::Over {
                return Ending::Over;
            }
            let due = self.due();
            if due < alarm.deadline() {
                alarm.as_mut().reset(due);
            }
            let (client, camera) = (&mut self.client.connection, &mut self.camera.connection);
            let read_client =
                client.input.len() < CLIENT_INPUT_MAX && camera.unsent() < CAMERA_OUTPUT_MAX;
            let read_camera = client.unsent() < CLIENT_OUTPUT_MAX;
            let before = (client.sent(), camera.sent(), camera.received());
            tokio::select! {
                moved = client.advance(read_client) => if moved.is_err() {
                    return Ending::ClientGone;
                },
                moved = camera.advance(read_camera) => if let Err(fault) = moved {
                    return self.broken(fault);
                },
                () = &mut alarm => {
                    if let Some(ending) = self.overdue() {
                        return ending;
                    }
                    let due = self.due();
                    alarm.as_mut().reset(due);
                }
            }
            self.note_progress(before);
        }
    }

    fn note_progress(&mut self, (to_client, to_camera, from_camera): (u64, u64, u64)) {
        let now = Instant::now();
        let (client, camera) = (&self.client.connection, &self.camera.connection);
        if client.sent() > to_client || client.unsent() == 0 {
            self.clocks.client_took = now;
        }
        if camera.sent() > to_camera || camera.unsent() == 0 {
            self.clocks.camera_took = now;
        }
        let received = camera.received() - from_camera;
        self.granted.received.fetch_add(received, Ordering::Relaxed);
    }

    /// Everything that has come from the camera.
    fn take_from_camera(&mut self) -> Result<(), Fault> {
        loop {
            let input = &mut self.camera.connection.input;
            let frames = self.camera.parser.frames(input);
            if frames > 0 {
                self.client.connection.queue(&input[..frames]);
                if holds_media(&input[..frames]) {
                    self.clocks.media = Instant::now();
                }
                input.advance(frames);
                continue;
            }
            match self.camera.parser.next(input)? {
                None => return Ok(()),
                Some(Message::Data(data)) => {
                    self.client.connection.queue(&frame_head(data.channel, data.payload.len()));
                    self.client.connection.queue(&data.payload);
                }
                Some(Message::Request(request)) => self.decline(&request)?,
                Some(Message::Response(response)) => {
                    let before = self.dialogue.phase();
                    let told = self.dialogue.told(&response);
                    // Replies of later prove nothing: a session outlives a change of password.
                    if before != Phase::Playing && self.dialogue.phase() == Phase::Playing {
                        self.relay.doubts.clear(self.granted.leads_to());
                    }
                    self.pass_on(told)?;
                }
            }
        }
    }

    fn pass_on(&mut self, told: Told) -> Result<(), Fault> {
        match told {
            Told::Nothing => {}
            Told::Again(bytes) => self.camera.connection.queue(&bytes),
            Told::Answer(bytes, wrong) => {
                self.client.connection.queue(&bytes);
                if let Some((fault, stage)) = wrong {
                    return self.went_wrong(fault, stage);
                }
                if self.dialogue.phase() == Phase::Playing {
                    self.clocks.media = Instant::now();
                    self.granted.note(|status| {
                        status.played = true;
                        status.failure = None;
                    });
                }
            }
        }
        Ok(())
    }

    /// Notes what went wrong. After a mere status the client may try something else.
    fn went_wrong(&mut self, fault: Fault, stage: Stage) -> Result<(), Fault> {
        let plain = classify(&fault, stage);
        let judged = self.relay.judged(plain.clone(), &self.granted);
        let is_refused = is_doubtful(&judged) || matches!(fault, Fault::Unauthorized);
        let failure = self.relay.doubts.settle(judged, plain, self.granted.leads_to());
        if is_refused && failure.kind == FailureKind::AuthFailed {
            self.granted.refuse();
        }
        self.granted.note(|status| status.failure = Some(failure));
        if matches!(fault, Fault::Status { .. }) { Ok(()) } else { Err(fault) }
    }

    /// Cameras ask little of their clients; whatever it is, it is not done here.
    fn decline(&mut self, request: &Request) -> Result<(), Fault> {
        let number = request.headers.get("cseq").map(quote);
        self.camera.connection.queue(&numbered(answer(501), number.as_deref()));
        if self.camera.connection.unsent() > CAMERA_OUTPUT_MAX {
            return Err(Fault::Answer("the camera asks without end"));
        }
        Ok(())
    }

    /// Everything that has come from the client, as far as its turn has come.
    fn take_from_client(&mut self) -> Result<(), Fault> {
        loop {
            self.take_control();
            if self.parked.is_none() {
                match self.client.parser.next(&mut self.client.connection.input)? {
                    Some(Message::Request(request)) => self.parked = Some(request),
                    Some(Message::Data(data)) => {
                        self.control(data.channel, &data.payload);
                        continue;
                    }
                    Some(Message::Response(_)) => continue,
                    None => return Ok(()),
                }
            }
            let is_end = self.parked.as_ref().is_some_and(|request| request.method == "TEARDOWN");
            if self.dialogue.answer_due().is_some() {
                if is_end {
                    self.dialogue.hurry(Instant::now() + SETTLE);
                }
                return Ok(());
            }
            let Some(request) = self.parked.take() else { return Ok(()) };
            self.clocks.asked = Instant::now();
            let until = self.clocks.asked + self.granted.spec.limits.reply;
            match self.dialogue.ask(&request, until) {
                Asked::Forward(bytes) => self.camera.connection.queue(&bytes),
                Asked::Answer(bytes) => self.client.connection.queue(&bytes),
            }
            if self.client.connection.unsent() > CLIENT_OUTPUT_MAX {
                return Ok(());
            }
        }
    }

    /// Passes a client's RTCP on; anything else in `$` frames stays here.
    fn take_control(&mut self) {
        let input = &mut self.client.connection.input;
        let end = self.client.parser.frames(input);
        let frames = input.split_to(end);
        let mut rest = &frames[..];
        while let Some([_, channel, high, low]) = rest.first_chunk::<4>() {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let (frame, after) = rest.split_at(4 + length);
            self.control(*channel, &frame[4..]);
            rest = after;
        }
    }

    fn control(&mut self, channel: u8, packet: &[u8]) {
        let camera = &mut self.camera.connection;
        let fits = packet.len() <= CONTROL_BYTES_MAX && camera.unsent() < CAMERA_OUTPUT_MAX;
        if fits && self.dialogue.is_control_channel(channel) {
            camera.queue(&frame_head(channel, packet.len()));
            camera.queue(packet);
        }
    }

    /// When something is overdue, if nothing happens before.
    fn due(&self) -> Instant {
        let (limits, clocks) = (&self.granted.spec.limits, &self.clocks);
        let phase = match self.dialogue.phase() {
            Phase::Opening => clocks.opened + limits.opening,
            Phase::Paused => clocks.asked + limits.opening,
            Phase::Playing | Phase::Over => clocks.media + limits.idle,
        };
        let stuck = |unsent, since| (unsent > 0).then_some(since + limits.stall);
        let client = stuck(self.client.connection.unsent(), clocks.client_took);
        let camera = stuck(self.camera.connection.unsent(), clocks.camera_took);
        [self.dialogue.answer_due(), client, camera].into_iter().flatten().fold(phase, Instant::min)
    }

    /// What follows from nothing having happened for too long.
    fn overdue(&mut self) -> Option<Ending> {
        let now = Instant::now();
        let (limits, clocks) = (self.granted.spec.limits, &self.clocks);
        let stuck = |unsent, since| unsent > 0 && since + limits.stall <= now;
        let (client, camera) = (&self.client.connection, &self.camera.connection);
        if stuck(client.unsent(), clocks.client_took) {
            return Some(Ending::ClientGone);
        }
        let idle = match self.dialogue.phase() {
            Phase::Opening if clocks.opened + limits.opening <= now => {
                return Some(Ending::ClientGone);
            }
            Phase::Paused if clocks.asked + limits.opening <= now => {
                return Some(Ending::ClientGone);
            }
            Phase::Opening | Phase::Paused | Phase::Over => false,
            // While a client holds the camera up its silence says nothing.
            Phase::Playing => {
                clocks.media + limits.idle <= now && client.unsent() < CLIENT_OUTPUT_MAX
            }
        };
        let late = self.dialogue.answer_due().is_some_and(|due| due <= now);
        if late && self.dialogue.may_go_unanswered() {
            self.dialogue.forget();
        } else if late || idle || stuck(camera.unsent(), clocks.camera_took) {
            return Some(self.broken(Fault::Timeout));
        }
        None
    }

    /// The camera can be used no more: the client is told so where it waits for an answer.
    fn broken(&mut self, fault: Fault) -> Ending {
        if self.dialogue.is_tearing_down() && !matches!(fault, Fault::Timeout) {
            // It has gone rather than answered, which is as good.
            let answer = self.dialogue.answer_instead(200).unwrap_or_default();
            self.client.connection.queue(&answer);
            return Ending::Camera(fault);
        }
        let code = if matches!(fault, Fault::Timeout) { 504 } else { 502 };
        let stage = self.dialogue.stage();
        if self.granted.status.borrow().failure.is_none() {
            let failure = self.relay.judged(classify(&fault, stage), &self.granted);
            self.granted.note(|status| status.failure = Some(failure));
        }
        if let Some(answer) = self.dialogue.answer_instead(code) {
            self.client.connection.queue(&answer);
        }
        Ending::Camera(fault)
    }
}

fn frame_head(channel: u8, length: usize) -> [u8; 4] {
    let [.., high, low] = length.to_be_bytes();
    [b'$', channel, high, low]
}

/// Whether whole `$` frames hold anything but reports (RTCP, by the packet types of RFC 5761). A
/// camera whose encoder hangs goes on reporting.
fn holds_media(mut frames: &[u8]) -> bool {
    while let [b'$', _, high, low, rest @ ..] = frames {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let packet_type = rest[..length.min(rest.len())].get(1);
        if packet_type.is_some_and(|kind| !(192..=223).contains(kind)) {
            return true;
        }
        frames = rest.get(length..).unwrap_or_default();
    }
    false
}
