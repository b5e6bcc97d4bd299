//! Where in its track a piece of sound belongs: beside the picture of the same moment where the
//! camera's reports tell which that is, otherwise where the pictures are when it comes.
//!
//! Reports may be wrong in any way, so they count only as long as sound and pictures that come
//! together belong together, more or less. It knows no clock and no arrival times but the order.

use super::timeline::{TIMESCALE, Times};
use crate::world::camera::rtp::aac::FRAME_SAMPLES;
use crate::world::camera::rtp::clocks::Alignment;

/// Sound whose own clock leads farther away from the picture (ms) is put anew, without reports.
const DRIFT_MS: i64 = 500;
/// Reports that put sound farther ahead of the picture that it comes with (ms) are wrong.
const AHEAD_MS: i64 = 3_000;
/// Sound that is farther behind it (ms) is not waited for: with it the whole view would be late.
const BEHIND_MS: i64 = 1_000;
/// What was reported so long ago (s) is not true any more: clocks that differ by one part in
/// 10,000 have gone apart by a third of a second.
const REPORT_SECONDS_MAX: u32 = 3_600;
/// Beside half a frame, sound may be off by so much (ms) before it is put anew. With frames of
/// 64 ms (16 kHz) that makes 40 ms, which is as early as EBU R37 lets sound be.
const TREMBLE_MS: i64 = 8;
/// Pictures over which is averaged by how much they are shown early.
const AVERAGED: i64 = 16;
/// By this part the usual lag follows one that is smaller.
const EASE: i64 = 64;

/// What is known of the two clocks.
#[derive(Debug)]
pub(super) struct Placement {
    rate: i64,
    // The camera's count of samples, and where in the track that is, of the last sound.
    anchor: Option<(u32, i64)>,
    alignment: Option<Alignment>,
    // The count that belongs to the latest picture, and where in the track that picture is.
    aim: Option<(u32, i64)>,
    // How long before their timestamps pictures are shown, in ticks, on average of so many.
    lead: (i64, i64),
    // How far behind its picture sound comes, in samples.
    lag: i64,
}

impl Placement {
    /// For sound with `rate` samples a second.
    pub(super) fn new(rate: u32) -> Self {
        let (anchor, alignment, aim) = (None, None, None);
        Self { rate: rate.into(), anchor, alignment, aim, lead: (0, 0), lag: 0 }
    }

    /// What the camera reports from now on.
    pub(super) fn align(&mut self, alignment: Option<Alignment>) {
        self.alignment = alignment;
    }

    /// Whether the camera's reports tell where sound belongs.
    pub(super) fn is_aligned(&self) -> bool {
        self.aim.is_some()
    }

    /// Sound before now says nothing about the sound to come.
    pub(super) fn interrupt(&mut self) {
        self.anchor = None;
    }

    /// How far sound usually is behind the picture that it comes with, in samples.
    pub(super) fn usual_lag(&self) -> i64 {
        self.lag
    }

    /// Goes on to the next picture; hands back where in the track it is decoded, in samples.
    pub(super) fn enter(&mut self, times: Times, timestamp: u32) -> i64 {
        // Pictures of uneven length are shown early by uneven times; sound cannot be put anew with
        // each of them. The very first one's length was a guess.
        let (lead, count) = self.lead;
        let lead = lead + (times.lead() - lead) / count.clamp(1, AVERAGED);
        self.lead = (lead, (count + 1).min(AVERAGED));
        self.aim = self.alignment.and_then(|reported| {
            let passed = timestamp.wrapping_sub(reported.timestamp).cast_signed();
            if passed.unsigned_abs() > REPORT_SECONDS_MAX * TIMESCALE {
                return None;
            }
            let samples = self.samples(passed.into());
            let sample = i64::from(reported.sample) + samples;
            let sample = u32::try_from(sample & i64::from(u32::MAX)).ok()?;
            Some((sample, self.samples(times.stamped - lead)))
        });
        self.samples(i64::try_from(times.decode).unwrap_or(0))
    }

    /// Where some sound belongs that came before the picture at `now`, and how far it may be away
    /// from there.
    pub(super) fn place(&mut self, sample: u32, now: i64) -> (i64, i64) {
        let counted =
            |(before, at): (u32, i64)| at + i64::from(sample.wrapping_sub(before).cast_signed());
        let rate = self.rate;
        let near = |ahead: i64, behind: i64| {
            let bounds = now - rate * behind / 1000..=now + rate * ahead / 1000;
            move |at: &i64| bounds.contains(at)
        };
        let frame = i64::from(FRAME_SAMPLES);
        let told = self.aim.map(counted).filter(near(AHEAD_MS, BEHIND_MS));
        if told.is_none() && self.aim.is_some() {
            (self.aim, self.alignment) = (None, None);
        }
        let guessed = self.anchor.map(counted).filter(near(DRIFT_MS, DRIFT_MS));
        let at = told.or(guessed).unwrap_or(now);
        self.anchor = Some((sample, at));
        let behind = (now - at).max(0);
        if behind < self.lag {
            self.lag -= (self.lag - behind) / EASE;
        } else if told.is_some() {
            self.lag = behind;
        }
        let slack = match told {
            Some(_) => frame / 2 + self.of_ms(TREMBLE_MS),
            None => frame + self.rate / 8,
        };
        (at, slack)
    }

    fn of_ms(&self, millis: i64) -> i64 {
        self.rate * millis / 1000
    }

    /// Ticks of the pictures' clock as samples.
    fn samples(&self, ticks: i64) -> i64 {
        ticks * self.rate / i64::from(TIMESCALE)
    }
}
