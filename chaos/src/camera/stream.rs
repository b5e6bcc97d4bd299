//! One profile of a camera: its own time line of pictures, and who watches them.
//!
//! Time goes on without viewers, so a viewer comes in somewhere between two key pictures. A picture
//! is put together only when somebody watches. It does not know sockets.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::fault::{Fault, Kind, Stage};
use crate::video::stamp::Stamp;
use crate::video::{Codec, Composer, PHASES, Picture, PictureKind, PieceSet, VARIANTS, View};

/// Pictures that wait for one viewer; when they are full, whole pictures are dropped.
const QUEUE: usize = 8;

/// What a camera sees, as the control API takes and shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scene {
    /// Something drives by.
    Moving,
    /// Nothing moves; the clock runs.
    Still,
    /// Darkness, with a dim clock and stamp.
    Black,
    /// The same picture again and again, clock and stamp included.
    Frozen,
}

/// A scene and since when it is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Showing {
    /// The scene.
    pub scene: Scene,
    /// Since when, by the wall clock.
    pub since: Timestamp,
    /// Since when, by the time line.
    pub since_instant: Instant,
}

/// When a camera's pictures are due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeline {
    /// When the picture with number 0 was due.
    pub start: Instant,
    /// The same in microseconds since 1970.
    pub origin: u64,
    /// Pictures a second.
    pub fps: u32,
    /// Pictures from one key picture to the next.
    pub gop: u64,
    /// Where in the group of pictures number 0 is.
    pub gop_offset: u64,
}

impl Timeline {
    /// The number of the latest picture that is due.
    pub(crate) fn number(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.start).as_micros();
        u64::try_from(elapsed * u128::from(self.fps) / 1_000_000).unwrap_or(0)
    }

    /// 90 kHz ticks from the start to picture `number`.
    pub(crate) fn ticks(&self, number: u64) -> u64 {
        number * 90_000 / u64::from(self.fps)
    }

    /// 90 kHz ticks from the start to a moment.
    pub(crate) fn ticks_at(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.start).as_micros();
        u64::try_from(elapsed * 9 / 100).unwrap_or(0)
    }

    /// A moment in microseconds since 1970, by the camera's clock.
    pub(crate) fn moment(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.start).as_micros();
        self.origin + u64::try_from(elapsed).unwrap_or(0)
    }

    /// When picture `number` is due, in microseconds since 1970.
    pub(crate) fn moment_of(&self, number: u64) -> u64 {
        self.origin + number * 1_000_000 / u64::from(self.fps)
    }

    fn group(&self, number: u64) -> u64 {
        (number + self.gop_offset) / self.gop
    }

    fn since_key(&self, number: u64) -> u64 {
        (number + self.gop_offset) % self.gop
    }
}

/// What a picture depends on besides its stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Now, on the time line.
    pub now: Instant,
    /// Now, by the wall clock.
    pub wall: Timestamp,
    /// What is in view.
    pub showing: Showing,
    /// The camera's fault.
    pub fault: Option<Fault>,
}

impl Moment {
    fn stream_fault(&self, kind: Kind) -> Option<Fault> {
        self.fault.filter(|fault| fault.stage == Stage::Stream && fault.kind == kind)
    }
}

/// A picture on its way to viewers.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Its number on the time line.
    pub number: u64,
    /// Its bytes.
    pub picture: Picture,
}

/// One profile of a camera.
pub(crate) struct Stream {
    /// What its pictures are made of.
    pub set: Arc<PieceSet>,
    /// When they are due.
    pub timeline: Timeline,
    name: String,
    look: usize,
    /// Bytes that every picture is padded to, 0 for none.
    padding: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    composer: Option<Composer>,
    last: Option<u64>,
    since_key: u32,
    key_number: u32,
    key_due: Option<Instant>,
    viewers: Vec<Viewer>,
}

struct Viewer {
    frames: mpsc::Sender<Arc<Frame>>,
    waits_for_key: bool,
}

impl Stream {
    /// A profile; `look` chooses the landscape.
    pub(crate) fn new(
        set: Arc<PieceSet>,
        timeline: Timeline,
        name: &str,
        look: usize,
        padding: u64,
    ) -> Self {
        Self { set, timeline, name: name.to_owned(), look, padding, state: Mutex::default() }
    }

    /// A new viewer's pictures, from the next one on.
    pub(crate) fn watch(&self) -> mpsc::Receiver<Arc<Frame>> {
        let (frames, receiver) = mpsc::channel(QUEUE);
        self.lock().viewers.push(Viewer { frames, waits_for_key: false });
        receiver
    }

    /// Puts the next picture together when it is due and hands it to the viewers. Returns false
    /// when nobody watches any more.
    pub(crate) fn tick(&self, moment: &Moment) -> bool {
        let mut state = self.lock();
        state.viewers.retain(|viewer| !viewer.frames.is_closed());
        if state.viewers.is_empty() {
            *state = State { key_number: state.key_number, ..State::default() };
            return false;
        }
        let number = self.timeline.number(moment.now);
        if state.last == Some(number) {
            return true;
        }
        let key = self.is_key(&mut state, number, moment);
        let picture = self.compose(&mut state, number, key == Some(true), moment);
        state.last = Some(number);
        if key.is_some() {
            let frame = Arc::new(Frame { number, picture });
            for viewer in &mut state.viewers {
                offer(viewer, &frame);
            }
        }
        true
    }

    /// What the stream shows at a moment.
    pub(crate) fn view(&self, number: u64, wall: Timestamp, showing: &Showing) -> View {
        let frozen = showing.scene == Scene::Frozen;
        let sent = if frozen { showing.since } else { wall };
        let moved = match showing.scene {
            Scene::Moving | Scene::Black => number,
            Scene::Still | Scene::Frozen => self.timeline.number(showing.since_instant),
        };
        let stamp = Stamp { name: self.name.clone(), sent };
        let clock =
            if self.set.layout.has_date() { "%Y-%m-%d %H:%M:%S%.1fZ" } else { "%H:%M:%S%.1fZ" };
        let text = format!("{:>8} {}", self.name, sent.strftime(clock));
        // The number of phases is small, so the remainder fits.
        let phase = usize::try_from((moved + 11 * self.look as u64) % PHASES as u64).unwrap_or(0);
        let variant = (showing.scene != Scene::Black).then_some(self.look % VARIANTS);
        View { stamp: stamp.to_bytes(), text, variant, phase }
    }

    // Whether the picture is a key picture; `None`: it is not sent at all (a JPEG is always one).
    fn is_key(&self, state: &mut State, number: u64, moment: &Moment) -> Option<bool> {
        let due = match state.last {
            Some(last) => self.timeline.group(number) != self.timeline.group(last),
            None => self.timeline.since_key(number) == 0,
        };
        let late = moment.stream_fault(Kind::IdrLate);
        let never = moment.stream_fault(Kind::IdrNever).is_some();
        if due {
            let wait = late.map_or(Duration::ZERO, |fault| fault.time());
            state.key_due.get_or_insert(moment.now + wait);
        }
        if never {
            state.key_due = None;
        }
        let key = state.key_due.is_some_and(|at| late.is_none() || at <= moment.now);
        if key {
            state.key_due = None;
        }
        let jpeg = self.set.codec == Codec::Mjpeg;
        let withheld = jpeg && (never || (late.is_some() && !key));
        (!withheld).then_some(key || jpeg)
    }

    fn compose(&self, state: &mut State, number: u64, key: bool, moment: &Moment) -> Picture {
        let Moment { wall, showing, .. } = moment;
        let composer = if let Some(composer) = &mut state.composer {
            state.since_key = state.since_key.wrapping_add(1);
            composer
        } else {
            // As if the camera had been sending all along: what did not change is not sent.
            let mut composer = Composer::new(Arc::clone(&self.set));
            let step = Duration::from_millis(1000 / u64::from(self.timeline.fps));
            composer.assume(&self.view(number.saturating_sub(1), *wall - step, showing));
            state.since_key = u32::try_from(self.timeline.since_key(number)).unwrap_or(0);
            state.composer.insert(composer)
        };
        if key {
            state.since_key = 0;
            state.key_number = state.key_number.wrapping_add(1);
        }
        let kind = PictureKind {
            key,
            since_key: state.since_key,
            key_number: state.key_number,
            huge: moment.stream_fault(Kind::HugeSps).is_some(),
            padded_to: usize::try_from(self.padding).unwrap_or(0),
        };
        let picture = composer.compose(&self.view(number, *wall, showing), kind);
        if picture.key && moment.stream_fault(Kind::IdrCorrupt).is_some() {
            picture.damaged()
        } else {
            picture
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// A viewer that lags loses pictures up to the next key picture: what lies between would only show
// rubbish.
fn offer(viewer: &mut Viewer, frame: &Arc<Frame>) {
    if viewer.waits_for_key && !frame.picture.key {
        return;
    }
    viewer.waits_for_key = viewer.frames.try_send(Arc::clone(frame)).is_err();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline() -> Timeline {
        Timeline { start: Instant::now(), origin: 7_000_000, fps: 10, gop: 20, gop_offset: 7 }
    }

    #[test]
    fn numbers_and_ticks_follow_the_time() {
        let timeline = timeline();
        let at = |millis| timeline.start + Duration::from_millis(millis);
        assert_eq!(timeline.number(at(99)), 0);
        assert_eq!(timeline.number(at(100)), 1);
        assert_eq!(timeline.ticks(20), 180_000);
        assert_eq!(timeline.ticks_at(at(2000)), 180_000);
        assert_eq!((timeline.moment(at(2000)), timeline.moment_of(20)), (9_000_000, 9_000_000));
    }

    #[test]
    fn key_pictures_have_the_phase_of_their_camera() {
        let timeline = timeline();
        assert_ne!(timeline.group(12), timeline.group(13));
        assert_eq!(timeline.since_key(13), 0);
        assert_eq!(timeline.since_key(0), 7);
    }

    #[test]
    fn lagging_viewer_loses_pictures_up_to_the_next_key() {
        let (frames, mut receiver) = mpsc::channel(1);
        let mut viewer = Viewer { frames, waits_for_key: false };
        let mut frame = |number, key| {
            let units = Vec::new();
            let picture = Picture { data: bytes::Bytes::new(), units, key, huge: false };
            offer(&mut viewer, &Arc::new(Frame { number, picture }));
        };
        frame(1, true);
        frame(2, false);
        assert_eq!(receiver.try_recv().unwrap().number, 1);
        frame(3, false);
        assert!(receiver.try_recv().is_err(), "3 refers to 2, which was lost");
        frame(4, true);
        assert_eq!(receiver.try_recv().unwrap().number, 4);
    }
}
