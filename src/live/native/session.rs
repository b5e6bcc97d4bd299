//! One session for a stream: a slot, the camera opened, pictures handed on, the end in order.
//!
//! It never tries twice.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};
use tracing::debug;

use super::Shared;
use super::counters::{Present, count};
use super::slot::take_slot;
use super::stream::{Stream, Unwanted};
use crate::live::mp4::Packager;
use crate::live::target::Target;
use crate::model::failure::{Failure, FailureKind, Stage};
use crate::model::picture::{Codec, KeyPicture};
use crate::model::slot::ConnectionEnd;
use crate::world::camera::classify::classify;
use crate::world::camera::connection::SocketHook;
use crate::world::camera::fault::Fault;
use crate::world::camera::gate::{Pass, follow};
use crate::world::camera::request::{Limits, Source};
use crate::world::camera::rtp::{Tally, Unit, Wanted};
use crate::world::camera::session::{Failed, Piece, Session};

/// For the camera to play.
const OPEN_PATIENCE: Duration = Duration::from_secs(10);
/// What an opening session that is not wanted any more gets to be opened and ended in order.
const OPEN_GRACE: Duration = Duration::from_millis(500);
/// Without the end of a picture for so long, the camera is gone. Bytes alone prove nothing: some
/// go on to send reports and to answer signs of life.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Without a picture that can be shown for so long, it is as good as gone.
const FRUITLESS_MAX: Duration = Duration::from_secs(20);
/// Between two looks at whether it still sends.
const LOOK: Duration = Duration::from_secs(1);

/// How a session ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// Nobody wanted it any more.
    Unwanted(Unwanted),
    /// There was no slot for it, or somebody else wanted it more.
    NoSlot(String),
    /// It could not be opened, or broke off.
    Failed {
        /// Why.
        failure: Failure,
        /// How long it had played.
        played: Duration,
        /// It had been asked for its sound, which the next attempt leaves out.
        spared: bool,
    },
}

/// Why an open session is ended.
enum Stop {
    Unwanted(Unwanted),
    Yield,
    /// At once, with RST.
    Cut(&'static str),
    Broken(Failure, Option<Fault>),
}

/// What a session asks all the time.
struct Attendant<'a, F> {
    shared: &'a Shared,
    stream: &'a Stream,
    pass: &'a dyn Pass,
    unwanted: Pin<&'a mut F>,
}

/// Holds one session for a stream, from taking the slot to giving it back.
pub(super) async fn run(
    shared: &Shared,
    stream: &Stream,
    target: &Target,
    version: u64,
    packager: &mut Packager,
) -> Ended {
    let source = match target.source() {
        Ok(source) => source,
        Err(failure) => return stopped(failure),
    };
    let mut unwanted = std::pin::pin!(stream.unwanted(version, &shared.stop));
    let taken = tokio::select! {
        biased;
        why = &mut unwanted => return Ended::Unwanted(why),
        taken = take_slot(shared, stream, &source) => taken,
    };
    let pass = match taken {
        Ok(pass) => pass,
        Err(refusal) => return Ended::NoSlot(refusal.to_string()),
    };
    let hook = Hook { pass: &*pass, dialled: AtomicBool::new(false) };
    let attendant = Attendant { shared, stream, pass: &*pass, unwanted };
    let (ended, end) = tokio::select! {
        ended = attendant.hold(&source, packager, &hook) => ended,
        never = follow(&*shared.gate, pass.slot(), stream.purposes()) => match never {},
    };
    // While its own slot still counts.
    let ended = ended.judged(|failure| shared.judged(failure, stream, &source));
    pass.end(end);
    ended
}

impl Ended {
    fn judged(self, judge: impl FnOnce(Failure) -> Failure) -> Self {
        match self {
            // Without the sound it will be seen.
            Self::Failed { failure, played, spared: false } => {
                Self::Failed { failure: judge(failure), played, spared: false }
            }
            other @ (Self::Unwanted(_) | Self::NoSlot(_) | Self::Failed { .. }) => other,
        }
    }
}

/// It came to nothing.
fn stopped(failure: Failure) -> Ended {
    Ended::Failed { failure, played: Duration::ZERO, spared: false }
}

impl Stop {
    fn into_ended(self, played: Duration) -> Ended {
        match self {
            Self::Unwanted(why) => Ended::Unwanted(why),
            Self::Yield => Ended::NoSlot("another view of this device came first".to_owned()),
            Self::Cut(why) => {
                let failure = Failure::new(FailureKind::Cancelled, why);
                Ended::Failed { failure, played, spared: false }
            }
            Self::Broken(failure, _) => Ended::Failed { failure, played, spared: false },
        }
    }
}

impl<F: Future<Output = Unwanted>> Attendant<'_, F> {
    /// Opens the camera and hands pictures on, up to the end of the connection.
    async fn hold(
        mut self,
        source: &Source,
        packager: &mut Packager,
        hook: &Hook<'_>,
    ) -> (Ended, ConnectionEnd) {
        let limits = Limits { total_bytes: u64::MAX, ..Limits::default() };
        let deadline = Instant::now() + OPEN_PATIENCE;
        let sound = self.shared.wants_sound(&self.stream.key);
        let wanted = if sound { Wanted::Everything } else { Wanted::All };
        let open = Session::open(source, limits, wanted, deadline, hook);
        let (opened, stop) = self.wait_for(open).await;
        // Wanted or not.
        if matches!(opened, Some(Ok(_))) {
            self.shared.doubts.clear(source.leads_to());
        }
        match (opened, stop) {
            (Some(Ok(session)), None) => self.attend(session, packager).await,
            (Some(Ok(session)), Some(stop)) => {
                (stop.into_ended(Duration::ZERO), self.close(session, None).await)
            }
            (Some(Err(Failed { failure, end, asked_for_sound })), None) => {
                if asked_for_sound {
                    self.shared.spare(&self.stream.key);
                }
                let played = Duration::ZERO;
                (Ended::Failed { failure, played, spared: asked_for_sound }, end)
            }
            (Some(Err(Failed { end, .. })), Some(stop)) => (stop.into_ended(Duration::ZERO), end),
            // The dropped future has reset its socket, if it had one.
            (None, stop) => {
                let end = if hook.dialled.load(Relaxed) {
                    ConnectionEnd::Unacknowledged
                } else {
                    ConnectionEnd::NeverConnected
                };
                let stop = stop.unwrap_or(Stop::Cut("the server is ending"));
                (stop.into_ended(Duration::ZERO), end)
            }
        }
    }

    /// Waits for what ends a session from outside.
    async fn stop(&mut self) -> Stop {
        tokio::select! {
            biased;
            () = self.shared.cut.cancelled() => Stop::Cut("the server is ending"),
            () = self.pass.cut().cancelled() => {
                Stop::Cut("its connection was cut: the device has too many")
            }
            () = self.pass.yielding().cancelled() => Stop::Yield,
            why = &mut self.unwanted => Stop::Unwanted(why),
        }
    }

    /// Waits for the session to be opened. When something ends it before, it still gets a moment:
    /// a session that stands can be ended in order, an opening one only with RST.
    async fn wait_for<T>(&mut self, open: impl Future<Output = T>) -> (Option<T>, Option<Stop>) {
        let mut open = std::pin::pin!(open);
        let stop = tokio::select! {
            biased;
            stop = self.stop() => stop,
            opened = &mut open => return (Some(opened), None),
        };
        if matches!(stop, Stop::Cut(_)) {
            return (None, Some(stop));
        }
        let opened = tokio::select! {
            biased;
            () = self.shared.cut.cancelled() => None,
            () = self.pass.cut().cancelled() => None,
            opened = timeout(OPEN_GRACE, open) => opened.ok(),
        };
        (opened, Some(stop))
    }

    /// Hands pictures on until something ends the session, then ends it.
    async fn attend(
        &mut self,
        mut session: Session,
        packager: &mut Packager,
    ) -> (Ended, ConnectionEnd) {
        let (shared, stream) = (self.shared, self.stream);
        let begun = Instant::now();
        let present = Present::new(&shared.counters.sessions);
        count(&shared.counters.opened);
        stream.begin(session.codec(), shared.clock.now().mono);
        packager.set_sound(session.sound());
        packager.interrupt();
        let (camera, quality) = (stream.key.0.as_str(), stream.key.1.as_str());
        debug!(camera, quality, codec = session.codec().as_str(), "live session plays");
        let stop = self.play(&mut session, packager).await;
        let played = begun.elapsed();
        if matches!(stop, Stop::Broken(..))
            && session.sound().is_some()
            && session.tally().pictures == 0
        {
            shared.spare(&stream.key);
        }
        // From here on it is nobody's source any more, though its connection stands.
        stream.cease(None, shared.clock.now().mono);
        drop(present);
        let end = match &stop {
            // Dropping it resets the socket.
            Stop::Cut(_) => ConnectionEnd::Unacknowledged,
            Stop::Broken(_, fault) => self.close(session, fault.as_ref()).await,
            Stop::Unwanted(_) | Stop::Yield => self.close(session, None).await,
        };
        debug!(camera, quality, ?end, "live session ended");
        (stop.into_ended(played), end)
    }

    /// Ends a session in order, unless that takes longer than there is time.
    async fn close(&self, session: Session, fault: Option<&Fault>) -> ConnectionEnd {
        tokio::select! {
            biased;
            end = session.close(fault) => end,
            () = self.shared.cut.cancelled() => ConnectionEnd::Unacknowledged,
            () = self.pass.cut().cancelled() => ConnectionEnd::Unacknowledged,
        }
    }

    async fn play(&mut self, session: &mut Session, packager: &mut Packager) -> Stop {
        let mut watchdog = Watchdog::new(Instant::now());
        let mut seen = session.tally();
        loop {
            let look = Instant::now() + LOOK;
            let next = tokio::select! {
                biased;
                stop = self.stop() => return stop,
                next = timeout_at(look, session.next()) => next,
            };
            let (now, tally) = (Instant::now(), session.tally());
            match next {
                Err(_) => {}
                Ok(Err(fault)) => {
                    return Stop::Broken(classify(&fault, Stage::Stream), Some(fault));
                }
                Ok(Ok(Piece::Sound(frame))) => packager.hear(frame),
                Ok(Ok(Piece::Aligned(alignment))) => packager.align(alignment),
                Ok(Ok(Piece::Picture(unit))) => {
                    if has_hole(seen, tally) {
                        count(&self.shared.counters.losses);
                        packager.interrupt();
                        self.stream.interrupt();
                    }
                    seen = tally;
                    match self.hand_on(session.codec(), &unit, packager) {
                        Ok(true) => watchdog.fed(now),
                        Ok(false) => {}
                        Err(failure) => return Stop::Broken(failure, None),
                    }
                }
            }
            if let Some(failure) = watchdog.look(now, tally.pictures) {
                return Stop::Broken(failure, None);
            }
        }
    }

    /// Gives a picture to captures and viewers; `false` when it was of no use to anybody.
    fn hand_on(&self, codec: Codec, unit: &Unit, packager: &mut Packager) -> Result<bool, Failure> {
        if unit.key {
            let picture = KeyPicture { codec, data: unit.data.clone() };
            self.stream.keep_key(picture, self.shared.clock.now());
        }
        if codec == Codec::Jpeg {
            return Ok(true);
        }
        let piece = packager.push(codec, unit).map_err(|error| {
            let text = crate::chain::Chain(&error).to_string();
            Failure::at(FailureKind::ProtocolError, Stage::Stream, text)
        })?;
        let is_useful = piece.is_some();
        if let Some(piece) = piece {
            self.stream.publish(piece);
        }
        Ok(is_useful)
    }
}

/// Whether packets were missing or broken between two looks.
fn has_hole(before: Tally, after: Tally) -> bool {
    (before.lost, before.broken, before.malformed) != (after.lost, after.broken, after.malformed)
}

/// Notices a camera that has gone silent.
struct Watchdog {
    pictures: u64,
    heard: Instant,
    fed: Instant,
}

impl Watchdog {
    fn new(now: Instant) -> Self {
        Self { pictures: 0, heard: now, fed: now }
    }

    /// A picture came that could be shown.
    fn fed(&mut self, now: Instant) {
        self.fed = now;
    }

    /// `pictures` is how many have ended so far, whole or not.
    fn look(&mut self, now: Instant, pictures: u64) -> Option<Failure> {
        if pictures != self.pictures {
            (self.pictures, self.heard) = (pictures, now);
        }
        if now.duration_since(self.heard) >= SILENCE_MAX {
            let text = "the camera has stopped to send pictures";
            return Some(Failure::at(FailureKind::Timeout, Stage::Stream, text));
        }
        if now.duration_since(self.fed) >= FRUITLESS_MAX {
            let text = "what the camera sends makes no picture that can be shown";
            return Some(Failure::at(FailureKind::NoKeyFrame, Stage::Stream, text));
        }
        None
    }
}

/// Tells the slot which socket it is for.
struct Hook<'a> {
    pass: &'a dyn Pass,
    dialled: AtomicBool,
}

impl SocketHook for Hook<'_> {
    fn connecting(&self) {
        self.dialled.store(true, Relaxed);
        self.pass.dialling();
    }

    fn connected(&self, local: SocketAddr) {
        self.pass.connected(local);
    }

    fn ended(&self) {}
}
