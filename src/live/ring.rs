//! The latest pictures of one stream, for all its viewers at once.
//!
//! Viewers hold a place in it, not a queue: one that stops reading costs nothing and delays
//! nobody. It keeps the group of pictures that is arriving and the one before; who has fallen
//! behind goes on at the latest key picture. It knows no tasks and no clock.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::live::mp4::{Packaged, Start};

/// Most bytes that are kept. A longer group of pictures loses its beginning: viewers that keep up
/// go on, others wait for its end.
const BYTES_MAX: usize = 12 * 1024 * 1024;
/// Most pictures that are kept: a minute at 25 a second.
const PICTURES_MAX: usize = 1500;

/// A beginning with its number.
#[derive(Debug)]
struct Begin {
    number: u64,
    start: Start,
}

#[derive(Debug)]
struct Entry {
    begin: Arc<Begin>,
    fragment: Bytes,
    // Bytes of it without the sound.
    mute: usize,
}

/// What was sent to a viewer so far.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// Number of the next picture; none while it waits for a key picture.
    next: Option<u64>,
    /// Number of the beginning that it has.
    begun: u64,
    /// It is sent no sound.
    mute: bool,
}

impl Place {
    /// Of a viewer that has nothing yet; `mute` when it cannot play the sound.
    pub(super) fn new(mute: bool) -> Self {
        Self { mute, ..Self::default() }
    }
}

/// What a viewer gets next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another beginning, MIME type and initialisation segment; the picture follows.
    Start(Arc<str>, Bytes),
    /// A picture.
    Fragment(Bytes),
    /// It has all there is.
    Nothing,
}

/// The pictures of one stream.
#[derive(Debug, Default)]
pub(super) struct Ring {
    entries: VecDeque<Entry>,
    /// Number of the first entry; they never repeat.
    first: u64,
    bytes: usize,
    /// Numbers of the key pictures that are kept.
    keys: VecDeque<u64>,
    /// The latest group of pictures goes on: a viewer may begin with it.
    open: bool,
    begin: Option<Arc<Begin>>,
}

impl Ring {
    /// Takes the next picture in.
    pub(super) fn push(&mut self, packaged: Packaged) {
        if let Some(start) = packaged.start {
            let number = self.begin.as_ref().map_or(0, |begin| begin.number) + 1;
            self.begin = Some(Arc::new(Begin { number, start }));
        }
        let Some(begin) = &self.begin else { return };
        let begin = Arc::clone(begin);
        if packaged.key {
            self.keys.push_back(self.end());
            self.open = true;
        }
        self.bytes += packaged.fragment.len();
        let (fragment, mute) = (packaged.fragment, packaged.mute);
        self.entries.push_back(Entry { begin, fragment, mute });
        if let Some(before) = self.keys.len().checked_sub(2).and_then(|nth| self.keys.get(nth)) {
            self.drop_before(*before);
        }
        while self.bytes > BYTES_MAX || self.entries.len() > PICTURES_MAX {
            self.drop_before(self.first + 1);
        }
    }

    /// What comes next does not belong to the group of pictures so far.
    pub(super) fn close(&mut self) {
        self.open = false;
    }

    /// What a viewer gets next; its place moves on. `true` when it has lost pictures.
    pub(super) fn take(&self, place: &mut Place) -> (Next, bool) {
        let lost = place.next.is_some_and(|next| next < self.first);
        if lost {
            place.next = None;
        }
        let next = place.next.or_else(|| self.latest_key());
        let entry = next.and_then(|next| {
            let entry = self.entries.get(usize::try_from(next - self.first).ok()?)?;
            Some((next, entry))
        });
        let Some((next, entry)) = entry else { return (Next::Nothing, lost) };
        if entry.begin.number != place.begun {
            place.begun = entry.begin.number;
            place.next = Some(next);
            let Start { mime, init, mute } = &entry.begin.start;
            let (mime, init) =
                mute.as_ref().filter(|_| place.mute).map_or((mime, init), |m| (&m.0, &m.1));
            return (Next::Start(Arc::clone(mime), init.clone()), lost);
        }
        place.next = Some(next + 1);
        let whole = entry.fragment.len();
        let bytes = if place.mute { entry.mute.min(whole) } else { whole };
        (Next::Fragment(entry.fragment.slice(..bytes)), lost)
    }

    /// Whether a viewer has all there is.
    pub(super) fn is_at_end(&self, place: &Place) -> bool {
        place.next == Some(self.end())
    }

    /// Whether a later group of pictures than the viewer's has begun.
    pub(super) fn is_overtaken(&self, place: &Place) -> bool {
        let latest = self.keys.back();
        place.next.zip(latest).is_some_and(|(next, latest)| next < *latest)
    }

    fn latest_key(&self) -> Option<u64> {
        self.keys.back().copied().filter(|_| self.open)
    }

    fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    fn drop_before(&mut self, number: u64) {
        while self.first < number
            && let Some(entry) = self.entries.pop_front()
        {
            self.bytes -= entry.fragment.len();
            self.first += 1;
        }
        while self.keys.front().is_some_and(|key| *key < self.first) {
            self.keys.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(key: bool, bytes: usize) -> Packaged {
        let fragment = Bytes::from(vec![u8::from(key); bytes]);
        Packaged { start: None, key, fragment, mute: 1 }
    }

    fn begun(name: &str) -> Packaged {
        let mute = Some(("mute".into(), Bytes::new()));
        let start = Start { mime: name.into(), init: Bytes::new(), mute };
        Packaged { start: Some(start), ..picture(true, 10) }
    }

    /// All that a viewer gets now: `S` a start, `K` a key picture, `p` another.
    fn drain(ring: &Ring, place: &mut Place) -> (String, bool) {
        let (mut text, mut lost) = (String::new(), false);
        loop {
            let (next, fell) = ring.take(place);
            lost |= fell;
            match next {
                Next::Start(..) => text.push('S'),
                Next::Fragment(bytes) => text.push(if bytes[0] == 1 { 'K' } else { 'p' }),
                Next::Nothing => return (text, lost),
            }
        }
    }

    #[test]
    fn a_new_viewer_begins_with_the_latest_key_picture() {
        let mut ring = Ring::default();
        let mut early = Place::default();
        assert_eq!(drain(&ring, &mut early), (String::new(), false));
        ring.push(begun("a"));
        ring.push(picture(false, 5));
        assert_eq!(drain(&ring, &mut early).0, "SKp");
        ring.push(picture(true, 5));
        ring.push(picture(false, 5));
        assert_eq!(drain(&ring, &mut Place::default()).0, "SKp");
        assert_eq!(drain(&ring, &mut early), ("Kp".to_owned(), false));
        assert!(ring.is_at_end(&early));
    }

    #[test]
    fn who_cannot_play_the_sound_is_sent_none() {
        let mut ring = Ring::default();
        ring.push(begun("whole"));
        for (mute, mime, bytes) in [(false, "whole", 10), (true, "mute", 1)] {
            let mut place = Place::new(mute);
            assert_eq!(ring.take(&mut place).0, Next::Start(mime.into(), Bytes::new()));
            let Next::Fragment(fragment) = ring.take(&mut place).0 else { panic!() };
            assert_eq!(fragment.len(), bytes);
        }
    }

    #[test]
    fn who_falls_behind_by_more_than_a_group_goes_on_at_the_latest() {
        let mut ring = Ring::default();
        ring.push(begun("a"));
        let mut place = Place::default();
        assert_eq!(drain(&ring, &mut place).0, "SK");
        for _ in 0..2 {
            ring.push(picture(false, 5));
            ring.push(picture(true, 5));
        }
        // The group of pictures before is still there.
        assert!(ring.is_overtaken(&place));
        let (text, lost) = drain(&ring, &mut place);
        assert_eq!((text.as_str(), lost), ("K", true));
        ring.push(picture(false, 5));
        assert_eq!(drain(&ring, &mut place), ("p".to_owned(), false));
    }

    #[test]
    fn another_beginning_reaches_everybody() {
        let mut ring = Ring::default();
        ring.push(begun("a"));
        let mut place = Place::default();
        assert_eq!(drain(&ring, &mut place).0, "SK");
        ring.push(picture(false, 5));
        ring.push(begun("b"));
        ring.push(picture(false, 5));
        assert_eq!(drain(&ring, &mut place).0, "pSKp");
    }

    #[test]
    fn nobody_begins_with_a_group_that_was_cut_short() {
        let mut ring = Ring::default();
        ring.push(begun("a"));
        ring.push(picture(false, 5));
        ring.close();
        let mut place = Place::default();
        assert_eq!(drain(&ring, &mut place).0, "");
        ring.push(picture(true, 5));
        assert_eq!(drain(&ring, &mut place).0, "SK");
    }

    #[test]
    fn a_group_without_end_stays_within_its_bounds() {
        let mut ring = Ring::default();
        ring.push(begun("a"));
        let mut steady = Place::default();
        drain(&ring, &mut steady);
        for _ in 0..40 {
            ring.push(picture(false, 1024 * 1024));
            assert_eq!(drain(&ring, &mut steady), ("p".to_owned(), false));
            assert!(ring.bytes <= BYTES_MAX);
        }
        let mut late = Place::default();
        assert_eq!(drain(&ring, &mut late).0, "", "its beginning is gone");
        for _ in 0..2 * PICTURES_MAX {
            ring.push(picture(false, 1));
        }
        assert_eq!(ring.entries.len(), PICTURES_MAX);
        let held: usize = ring.entries.iter().map(|entry| entry.fragment.len()).sum();
        assert_eq!(ring.bytes, held);
        assert_eq!(drain(&ring, &mut steady), (String::new(), true));
        ring.push(picture(true, 5));
        assert_eq!(drain(&ring, &mut steady).0, "K");
    }
}
