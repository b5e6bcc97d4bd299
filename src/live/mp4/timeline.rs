//! When each picture is decoded and shown, from RTP timestamps that cannot be relied on.
//!
//! The time of decoding never goes back and has no holes: browsers drop everything up to the next
//! key picture when it jumps by more than two pictures. It knows no wall clock and no arrival
//! times.
//!
//! RTP says when a picture is *shown*; pictures come in the order of *decoding*. Where a camera
//! reorders by at most `n` pictures, the time of decoding is the `n`-th latest time of showing
//! before, which is what encoders themselves write.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Ticks of the clock in a second, in RTP and in MP4.
pub(super) const TIMESCALE: u32 = 90_000;
/// A longer step forward is no time that passed, but a clock that was set (3 s).
const STEP_MAX: i64 = 3 * TIMESCALE as i64;
/// Pictures that are reordered go back by less than this (0.5 s); more is a clock that was set.
const BACK_MAX: i64 = TIMESCALE as i64 / 2;
/// Time between pictures until the first two have come: 25 a second.
const NOMINAL: i64 = TIMESCALE as i64 / 25;
/// No pause is repeated for longer than this (1 s) where the real one is not known.
const NOMINAL_MAX: i64 = TIMESCALE as i64;
/// Most pictures that H.264 and H.265 let be decoded before one that is shown earlier.
const REORDER_MAX: usize = 16;

/// The times of one picture, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    /// When it is decoded.
    pub decode: u64,
    /// From there to the next one.
    pub duration: u32,
    /// From decoding to showing.
    pub composition: i64,
    /// When it would be shown if it lasted up to the next one, which its timestamp alone says.
    pub stamped: i64,
}

impl Times {
    /// By how much it is shown before its timestamp says: by a picture, unless they are reordered.
    pub(super) fn lead(&self) -> i64 {
        self.stamped - i64::try_from(self.decode).unwrap_or(0) - self.composition
    }
}

/// The time of one stream.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    last: Option<Last>,
    // Pictures may be decoded that much before they are shown.
    depth: usize,
    // The parameter sets do not say: pictures that go back do.
    unsure: bool,
    interrupted: bool,
    // Times of showing that are still to become times of decoding, as many as `depth`.
    waiting: BinaryHeap<Reverse<i64>>,
}

/// The picture before.
#[derive(Debug, Clone, Copy)]
struct Last {
    timestamp: u32,
    /// When it is shown.
    shown: i64,
    /// The latest of all.
    latest: i64,
    /// The end of its time of decoding.
    decoded: i64,
    /// The last step that can be believed.
    nominal: i64,
}

impl Timeline {
    /// By how many pictures the stream reorders, where its parameter sets say so.
    pub(super) fn set_reorder(&mut self, depth: Option<u32>) {
        self.unsure = depth.is_none();
        if let Some(depth) = depth {
            self.depth = usize::try_from(depth).map_or(REORDER_MAX, |depth| depth.min(REORDER_MAX));
            self.interrupted = true;
        }
    }

    /// The next picture follows at once, whatever its timestamp says.
    pub(super) fn interrupt(&mut self) {
        self.interrupted = true;
    }

    /// The times of the next picture, in the order of decoding.
    ///
    /// A picture lasts as long as the one before really did: waiting for the next one to know its
    /// own length would delay every picture.
    pub(super) fn next(&mut self, timestamp: u32) -> Times {
        let depth = i64::try_from(self.depth).unwrap_or(0);
        let last = self.last.unwrap_or_else(|| {
            self.interrupted = true;
            let shown = depth * NOMINAL;
            Last { timestamp, shown, latest: shown, decoded: 0, nominal: NOMINAL }
        });
        let (shown, nominal) = self.shown(timestamp, &last);
        if self.interrupted {
            self.waiting = (1..=depth).map(|nth| Reverse(shown - nth * nominal)).collect();
            self.interrupted = false;
        }
        self.waiting.push(Reverse(shown));
        let ready = if self.waiting.len() > self.depth { self.waiting.pop() } else { None };
        let until = ready.map_or(0, |Reverse(time)| time).max(last.decoded + 1);
        let composition = if self.depth == 0 { 0 } else { shown - last.decoded };
        let latest = last.latest.max(shown);
        self.last = Some(Last { timestamp, shown, latest, decoded: until, nominal });
        Times {
            decode: u64::try_from(last.decoded).unwrap_or(0),
            duration: u32::try_from(until - last.decoded).unwrap_or(TIMESCALE),
            composition,
            stamped: shown,
        }
    }

    /// When a picture is shown, and the step to go on with where none can be believed.
    fn shown(&mut self, timestamp: u32, last: &Last) -> (i64, i64) {
        // The difference is right over the wrap at 2^32.
        let step = i64::from(timestamp.wrapping_sub(last.timestamp).cast_signed());
        let is_back = (-BACK_MAX..0).contains(&step);
        if self.interrupted {
            return (last.latest + last.nominal, last.nominal);
        }
        if is_back && self.unsure && self.depth < REORDER_MAX && last.shown + step <= last.decoded {
            self.depth += 1;
            self.waiting.push(Reverse(last.decoded));
        }
        match step {
            1..=STEP_MAX if self.depth == 0 => (last.shown + step, step.min(NOMINAL_MAX)),
            1..=STEP_MAX => (last.shown + step, last.nominal),
            _ if is_back && self.depth > 0 => (last.shown + step, last.nominal),
            // Set forth, set back, or standing still.
            _ => {
                self.interrupted = true;
                (last.latest + last.nominal, last.nominal)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(reorder: Option<u32>, timestamps: &[u32]) -> Vec<Times> {
        let mut timeline = Timeline::default();
        timeline.set_reorder(reorder);
        timestamps.iter().map(|timestamp| timeline.next(*timestamp)).collect()
    }

    fn shown(times: &[Times]) -> Vec<i64> {
        times.iter().map(|t| i64::try_from(t.decode).unwrap() + t.composition).collect()
    }

    fn assert_without_holes(times: &[Times]) {
        for pair in times.windows(2) {
            assert_eq!(pair[0].decode + u64::from(pair[0].duration), pair[1].decode, "{times:?}");
            assert!(pair[0].duration > 0, "{times:?}");
        }
    }

    #[test]
    fn an_even_stream_keeps_its_pace_over_the_wrap() {
        let start = u32::MAX - 10_000;
        let timestamps: Vec<u32> = (0..6).map(|n| start.wrapping_add(n * 9_000)).collect();
        let times = run(Some(0), &timestamps);
        assert_without_holes(&times);
        assert!(times[1..].iter().all(|t| t.duration == 9_000 && t.composition == 0), "{times:?}");
    }

    #[test]
    fn an_uneven_stream_keeps_its_length() {
        let times = run(None, &[0, 3_000, 93_000, 96_000, 276_000, 279_000]);
        assert_without_holes(&times);
        let durations: Vec<u32> = times.iter().map(|t| t.duration).collect();
        assert_eq!(durations[1..], [3_000, 90_000, 3_000, 180_000, 3_000]);
    }

    #[test]
    fn a_clock_that_is_set_leaves_no_trace() {
        for jump in [900_000, 4_000_000_000, 0, 4_294_367_296] {
            let after = u32::try_from((12_000 + jump) % (1_i64 << 32)).unwrap();
            let times = run(Some(0), &[3_000, 6_000, 9_000, after, after.wrapping_add(3_000)]);
            assert_without_holes(&times);
            let is_even = times[1..].iter().all(|t| t.duration == 3_000);
            assert!(is_even, "{jump} {times:?}");
        }
    }

    #[test]
    fn an_interruption_takes_no_time() {
        let mut timeline = Timeline::default();
        let mut times: Vec<_> = [0, 3_000, 6_000].map(|t| timeline.next(t)).into();
        timeline.interrupt();
        times.extend([150_000, 153_000].map(|t| timeline.next(t)));
        assert_without_holes(&times);
        assert!(times[1..].iter().all(|t| t.duration == 3_000), "{times:?}");
    }

    /// I P b b P b b in the order of decoding, as multiples of 40 ms.
    const REORDERED: [u32; 10] = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8];

    #[test]
    fn reordered_pictures_are_shown_in_their_order() {
        let times = run(Some(1), &REORDERED.map(|n| n * 3_600));
        assert_without_holes(&times);
        let shown = shown(&times);
        for (index, nth) in REORDERED.iter().enumerate() {
            assert_eq!(shown[index] - shown[0], i64::from(*nth) * 3_600, "{times:?}");
        }
        assert!(times.iter().all(|t| t.composition >= 0), "{times:?}");
    }

    #[test]
    fn reordering_that_is_not_announced_is_noticed() {
        let twice: Vec<u32> =
            (0..3).flat_map(|g| REORDERED.map(|n| (n + g * 10) * 3_600)).collect();
        let times = run(None, &twice);
        assert_without_holes(&times);
        let shown = shown(&times);
        for (index, timestamp) in twice.iter().enumerate().skip(10) {
            assert_eq!(shown[index] - shown[10], i64::from(*timestamp) - 36_000, "{times:?}");
            assert!(times[index].composition >= 0, "{times:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_timestamps_decoding_goes_on_without_holes(
            timestamps in proptest::collection::vec(
                prop_oneof![any::<u32>(), 0_u32..90_000], 1..200),
            reorder in proptest::option::of(0_u32..40),
        ) {
            let times = run(reorder, &timestamps);
            assert_without_holes(&times);
            let most = u32::try_from(STEP_MAX).unwrap() * 18;
            prop_assert!(times.iter().all(|t| t.duration <= most), "{:?}", times);
            prop_assert!(times.iter().all(|t| i32::try_from(t.composition).is_ok()), "{:?}", times);
        }
    }
}
