//! The two clocks of a camera's tracks, brought together by what its sender reports say (RFC 3550,
//! 6.4.1): which sample belongs to which moment of the pictures.
//!
//! Reports are believed as long as they go on as the ones before; a clock that is set takes back
//! what was said with it. Whether the outcome makes sense beside what arrives is decided where the
//! sound is put. It knows no time of its own.

use super::report::SenderReport;

/// Ticks of the pictures' clock in a second.
const PICTURE_HZ: u32 = 90_000;
/// A report may differ from what the one before foretold by 1/4 s. Cameras that name the last
/// picture's timestamp in place of the moment's are off by a picture; clocks that were set by more.
const JUMP_PARTS: u32 = 4;
/// Reports of the two tracks farther apart (s) do not belong together; they are due every 5 s.
const PAIR_SECONDS: u64 = 60;
/// Of a new distance between the clocks this part is taken over: the reports of many cameras
/// tremble by some milliseconds.
const SHARE: i32 = 4;

/// Which sample of the sound belongs to which moment of the pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alignment {
    /// The moment as the pictures' timestamps count it, in 1/90,000 s, wraps.
    pub timestamp: u32,
    /// The same as [`super::aac::SoundFrame`] counts it, wraps.
    pub sample: u32,
}

/// Whose clock a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Track {
    /// The pictures'.
    Picture,
    /// The sound's, in samples.
    Sound,
}

/// One track's clock as its last report says.
#[derive(Debug, Clone, Copy)]
struct Reading {
    report: SenderReport,
    /// It goes on as the one before did.
    is_steady: bool,
}

/// What both tracks reported.
#[derive(Debug)]
pub struct Clocks {
    rate: u32,
    picture: Option<Reading>,
    sound: Option<Reading>,
    alignment: Option<Alignment>,
}

impl Clocks {
    /// For sound with `rate` samples a second.
    pub fn new(rate: u32) -> Self {
        Self { rate, picture: None, sound: None, alignment: None }
    }

    /// Takes a report; hands back what is known now, as long as anything is.
    ///
    /// The timestamp of the sound's report has to be in samples.
    pub fn push(&mut self, track: Track, report: SenderReport) -> Option<Alignment> {
        let hz = self.hz(track);
        let (own, other) = match track {
            Track::Picture => (&mut self.picture, &mut self.sound),
            Track::Sound => (&mut self.sound, &mut self.picture),
        };
        let is_steady = own.is_none_or(|before| goes_on(&before.report, &report, hz));
        *own = Some(Reading { report, is_steady });
        if !is_steady {
            // What the other said may be by a clock that has been set since.
            *other = None;
            self.alignment = None;
        }
        if let (Some(picture), Some(sound)) = (self.picture, self.sound)
            && picture.is_steady
            && sound.is_steady
            && let Some(new) = self.pair(&picture.report, &sound.report)
        {
            self.alignment = Some(self.smooth(new));
        }
        self.alignment
    }

    fn hz(&self, track: Track) -> u32 {
        match track {
            Track::Picture => PICTURE_HZ,
            Track::Sound => self.rate,
        }
    }

    /// The sample at the moment of the pictures' report.
    fn pair(&self, picture: &SenderReport, sound: &SenderReport) -> Option<Alignment> {
        let apart = picture.ntp.wrapping_sub(sound.ntp).cast_signed();
        if apart.unsigned_abs() > PAIR_SECONDS << 32 {
            return None;
        }
        let sample = sound.timestamp.wrapping_add(ticks(apart, self.rate));
        Some(Alignment { timestamp: picture.timestamp, sample })
    }

    /// Takes over a part of what is new, unless it is something else altogether.
    fn smooth(&self, new: Alignment) -> Alignment {
        let Some(before) = self.alignment else { return new };
        let passed = new.timestamp.wrapping_sub(before.timestamp).cast_signed();
        let samples = i64::from(passed) * i64::from(self.rate) / i64::from(PICTURE_HZ);
        let foretold = before.sample.wrapping_add(wrapped(samples.into()));
        let off = new.sample.wrapping_sub(foretold).cast_signed();
        if off.unsigned_abs() > self.rate / JUMP_PARTS {
            return new;
        }
        let sample = foretold.wrapping_add_signed(off / SHARE);
        Alignment { timestamp: new.timestamp, sample }
    }
}

/// Whether a report says what the one before lets expect.
fn goes_on(before: &SenderReport, after: &SenderReport, hz: u32) -> bool {
    let passed = ticks(after.ntp.wrapping_sub(before.ntp).cast_signed(), hz);
    let counted = after.timestamp.wrapping_sub(before.timestamp);
    counted.wrapping_sub(passed).cast_signed().unsigned_abs() <= hz / JUMP_PARTS
}

/// A stretch of NTP time as ticks of a clock, wraps.
fn ticks(stretch: i64, hz: u32) -> u32 {
    wrapped((i128::from(stretch) * i128::from(hz)) >> 32)
}

/// The lowest 32 bits.
fn wrapped(number: i128) -> u32 {
    u32::try_from(number & i128::from(u32::MAX)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::Track::{Picture, Sound};
    use super::*;
    use proptest::prelude::*;

    const RATE: u32 = 16_000;

    /// What a camera reports `millis` after it was switched on, whose wall clock is `ahead` ms off.
    fn report(track: Track, millis: u64, ahead: i64) -> SenderReport {
        let (hz, start) = match track {
            Picture => (90_000, u32::MAX - 100_000),
            Sound => (u64::from(RATE), 4_000),
        };
        let wall = u64::try_from(3_900_000_000_000 + i64::try_from(millis).unwrap() + ahead);
        let wall = u128::from(wall.unwrap());
        let ntp = u64::try_from((wall << 32) / 1000).unwrap();
        let counted = u32::try_from(millis * hz / 1000).unwrap();
        SenderReport { ntp, timestamp: start.wrapping_add(counted) }
    }

    /// By how much (ms) an alignment is wrong.
    fn error(alignment: Alignment) -> i64 {
        let moment = alignment.timestamp.wrapping_sub(u32::MAX - 100_000) / 90;
        let sample = alignment.sample.wrapping_sub(4_000).cast_signed() / 16;
        i64::from(sample) - i64::from(moment)
    }

    fn run(reports: &[(Track, u64, i64)]) -> Vec<Option<i64>> {
        let mut clocks = Clocks::new(RATE);
        let push = |(track, millis, ahead): &(Track, u64, i64)| {
            clocks.push(*track, report(*track, *millis, *ahead)).map(error)
        };
        reports.iter().map(push).collect()
    }

    #[test]
    fn one_report_of_each_track_tells() {
        assert_eq!(run(&[(Picture, 0, 0), (Sound, 3_000, 0)]), [None, Some(0)]);
        assert_eq!(run(&[(Sound, 0, 0), (Picture, 3_000, 0)]), [None, Some(0)]);
        assert_eq!(run(&[(Picture, 0, 0), (Picture, 5_000, 0)]), [None, None]);
    }

    #[test]
    fn tracks_by_clocks_of_their_own_tell_nothing() {
        let hour = 3_600_000;
        assert_eq!(run(&[(Picture, 0, 0), (Sound, 1_000, hour)]), [None, None]);
    }

    #[test]
    fn a_clock_that_was_set_is_believed_again_once_it_goes_on() {
        let told = run(&[
            (Picture, 0, 0),
            (Sound, 100, 0),
            (Picture, 5_000, 1_500),
            (Sound, 5_100, 1_500),
            (Picture, 10_000, 1_500),
        ]);
        assert_eq!(told, [None, Some(0), None, None, Some(0)]);
    }

    #[test]
    fn a_clock_that_is_set_again_and_again_is_not_believed() {
        let jumping = (1..20_u64).flat_map(|n| {
            let ahead = if n % 2 == 0 { 0 } else { 900 };
            [(Picture, n * 5_000, ahead), (Sound, n * 5_000 + 100, 0)]
        });
        let told = run(&jumping.collect::<Vec<_>>());
        assert!(told[2..].iter().all(Option::is_none), "{told:?}");
    }

    #[test]
    fn reports_that_tremble_are_taken_on_average() {
        let trembling = (0..40_u64).flat_map(|n| {
            let off = [60, -60, 20, -20][usize::try_from(n % 4).unwrap()];
            [(Picture, n * 5_000, 0), (Sound, n * 5_000 + 100, off)]
        });
        let told = run(&trembling.collect::<Vec<_>>());
        for error in &told[20..] {
            assert!(error.unwrap().abs() <= 30, "{told:?}");
        }
    }

    #[test]
    fn clocks_that_drift_are_followed() {
        let drifting = (0..200_u64).flat_map(|n| {
            [(Picture, n * 5_000, 0), (Sound, n * 5_000, -i64::try_from(n).unwrap())]
        });
        let told = run(&drifting.collect::<Vec<_>>());
        let last = told.last().unwrap().unwrap();
        assert!((190..=199).contains(&last), "{last}");
    }

    proptest! {
        #[test]
        fn no_report_does_harm(
            reports in proptest::collection::vec(
                (any::<bool>(), any::<u64>(), any::<u32>()), 1..40),
            rate in 1_000_u32..192_000,
        ) {
            let mut clocks = Clocks::new(rate);
            for (is_sound, ntp, timestamp) in reports {
                let track = if is_sound { Sound } else { Picture };
                let _known = clocks.push(track, SenderReport { ntp, timestamp });
            }
        }
    }
}
