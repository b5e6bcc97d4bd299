//! Pieces of media as the segments and the playlist of HLS (RFC 8216). Pure.
//!
//! A segment begins with a key picture where one comes in time, and lasts about a second, so that
//! a player is only a few seconds behind. Everything that is kept is bounded in number and bytes.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::str::FromStr;

use bytes::{Bytes, BytesMut};

use super::timing::{Timing, time_scale, timing};
use crate::live::engine::Media;

/// A key picture ends a segment that is at least so long, in seconds.
const SHORT: f64 = 0.5;
/// Any picture ends a segment of this length.
const FULL: f64 = 1.0;
/// What the playlist promises: no segment is longer, rounded.
const TARGET: u32 = 2;
/// Longest length that keeps that promise.
const LONGEST: f64 = 2.4;
/// Segments from which on a player can begin. Chromium 156 asks for a playlist of two again at once,
/// and gives up when it is still the same.
const FIRST: usize = 3;
/// Segments that are kept; players hold on to those that were just named.
const KEPT: usize = 12;
/// Bytes of them.
const BYTES_MAX: usize = 12 << 20;
/// Bytes of one.
const SEGMENT_BYTES_MAX: usize = 8 << 20;

/// A file that a playlist names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShelfFile {
    /// `init-3.mp4`
    Init(u64),
    /// `17.m4s`
    Segment(u64),
}

impl FromStr for ShelfFile {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let init = name.strip_prefix("init-").and_then(|rest| rest.strip_suffix(".mp4"));
        let (digits, file): (&str, fn(u64) -> Self) = match (init, name.strip_suffix(".m4s")) {
            (Some(digits), _) => (digits, Self::Init),
            (None, Some(digits)) => (digits, Self::Segment),
            (None, None) => return Err(()),
        };
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|_| is_number).map(file).ok_or(())
    }
}

#[derive(Debug)]
struct Segment {
    number: u64,
    init: u64,
    seconds: f64,
    data: Bytes,
}

/// The one that is being filled.
#[derive(Debug)]
struct Open {
    began: u64,
    newest: u64,
    data: BytesMut,
}

/// What one player is given.
#[derive(Debug, Default)]
pub(super) struct Segments {
    /// The newest start, with its number and ticks a second.
    init: Option<(u64, Bytes, u32)>,
    /// The one before, as long as segments of it are kept.
    before: Option<(u64, Bytes)>,
    open: Option<Open>,
    kept: VecDeque<Segment>,
    next: u64,
    /// Changes of start among what was dropped.
    breaks: u64,
    /// Some were dropped since they had too many bytes: there may never be more than now.
    is_heavy: bool,
}

impl Segments {
    /// Takes the next piece; `None` when it cannot be read.
    pub(super) fn push(&mut self, media: Media) -> Option<()> {
        match media {
            Media::Start { init, .. } => {
                self.close(None);
                let scale = time_scale(&init)?;
                let before = self.init.take();
                let number = before.as_ref().map_or(1, |(number, ..)| number + 1);
                self.before = before.map(|(number, bytes, _)| (number, bytes));
                // Two starts are kept at most, and what belongs to older ones goes.
                while self.kept.front().is_some_and(|oldest| oldest.init + 1 < number) {
                    self.drop_oldest();
                }
                self.init = Some((number, init, scale));
                Some(())
            }
            Media::Fragment(data) => self.add(&data),
        }
    }

    fn add(&mut self, data: &Bytes) -> Option<()> {
        let Timing { decode, is_key } = timing(data)?;
        let scale = f64::from(self.init.as_ref()?.2);
        let ends = self.open.as_ref().is_some_and(|open| {
            let length = seconds(decode.saturating_sub(open.began), scale);
            let is_back = decode < open.newest;
            let is_full = open.data.len() + data.len() > SEGMENT_BYTES_MAX;
            is_back || is_full || length >= FULL || (is_key && length >= SHORT)
        });
        if ends {
            self.close(Some(decode));
        }
        let open = self.open.get_or_insert_with(|| Open {
            began: decode,
            newest: decode,
            data: BytesMut::new(),
        });
        open.newest = decode;
        open.data.extend_from_slice(data);
        Some(())
    }

    /// Ends the segment that is being filled; the next begins at `next`.
    fn close(&mut self, next: Option<u64>) {
        let (Some(open), Some((init, _, scale))) = (self.open.take(), &self.init) else { return };
        let until = next.filter(|next| *next > open.began).unwrap_or(open.newest);
        let length = seconds(until.saturating_sub(open.began), f64::from(*scale));
        let (number, data) = (self.next, open.data.freeze());
        // A single picture has no length that is known; a gap is no longer than was promised.
        let seconds = length.clamp(0.05, LONGEST);
        self.kept.push_back(Segment { number, init: *init, seconds, data });
        self.next += 1;
        let bytes = |kept: &VecDeque<Segment>| kept.iter().map(|s| s.data.len()).sum::<usize>();
        while self.kept.len() > 1 && bytes(&self.kept) > BYTES_MAX {
            self.is_heavy = true;
            self.drop_oldest();
        }
        while self.kept.len() > KEPT {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some(oldest) = self.kept.pop_front() else { return };
        if self.kept.front().is_some_and(|next| next.init != oldest.init) {
            self.breaks += 1;
        }
    }

    /// Whether a player can begin.
    pub(super) fn is_filled(&self) -> bool {
        self.kept.len() >= FIRST || self.is_heavy
    }

    /// The playlist of what is kept.
    pub(super) fn playlist(&self) -> String {
        let first = self.kept.front().map_or(self.next, |segment| segment.number);
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{TARGET}\n\
             #EXT-X-MEDIA-SEQUENCE:{first}\n#EXT-X-DISCONTINUITY-SEQUENCE:{}\n",
            self.breaks
        );
        let mut before = None;
        for Segment { number, init, seconds, .. } in &self.kept {
            if before.is_some_and(|before| before != *init) {
                text.push_str("#EXT-X-DISCONTINUITY\n");
            }
            if before != Some(*init) {
                // Writing into a text does not fail.
                let _written = writeln!(text, "#EXT-X-MAP:URI=\"init-{init}.mp4\"");
            }
            let _written = writeln!(text, "#EXTINF:{seconds:.3},\n{number}.m4s");
            before = Some(*init);
        }
        text
    }

    /// A file that the playlist names, or named a moment ago.
    pub(super) fn file(&self, file: ShelfFile) -> Option<Bytes> {
        match file {
            ShelfFile::Init(wanted) => {
                let newest = self.init.as_ref().map(|(number, init, _)| (*number, init));
                let before = self.before.as_ref().map(|(number, init)| (*number, init));
                let mut known = newest.into_iter().chain(before);
                known.find(|(number, _)| *number == wanted).map(|(_, init)| init.clone())
            }
            ShelfFile::Segment(wanted) => {
                let found = self.kept.iter().find(|segment| segment.number == wanted);
                found.map(|segment| segment.data.clone())
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "lengths of segments, not of centuries")]
fn seconds(ticks: u64, scale: f64) -> f64 {
    ticks as f64 / scale
}

#[cfg(test)]
mod tests;
