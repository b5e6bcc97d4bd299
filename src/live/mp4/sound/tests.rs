//! Sound that is even, missing, early, late and hostile, beside even pictures.

use super::*;
use proptest::prelude::*;

const STAMP: u32 = u32::MAX - 40_000;
const FORMAT: SoundFormat = SoundFormat { rate_index: 8, rate: 16_000, channels: 1 };

fn frame(sample: u32) -> SoundFrame {
    SoundFrame { sample, data: Bytes::from_static(b"sound") }
}

/// When picture `nth` of ten a second is decoded and shown.
fn picture(nth: u64) -> Times {
    let stamped = i64::try_from((nth + 1) * 9_000).unwrap();
    Times { decode: nth * 9_000, duration: 9_000, composition: 0, stamped }
}

/// What goes with picture `nth`, the timestamps of which begin somewhere.
fn beside(track: &mut Soundtrack, nth: u64) -> Stretch {
    track.beside(picture(nth), STAMP.wrapping_add(u32::try_from(nth * 9_000).unwrap()))
}

/// How many frames of sound and of silence.
fn count(stretch: &Stretch) -> (usize, usize) {
    let heard = stretch.frames.iter().filter(|data| **data == b"sound"[..]).count();
    (heard, stretch.frames.len() - heard)
}

#[test]
fn even_sound_passes_without_silence() {
    let (mut track, mut sent, mut end) = (Soundtrack::new(FORMAT), 0_u32, 0);
    for nth in 0..600 {
        while u64::from(sent) * 1024 < nth * 1_600 {
            track.hear(frame((sent * 1024).wrapping_add(u32::MAX - 5_000)));
            sent += 1;
        }
        let stretch = beside(&mut track, nth);
        assert_eq!(stretch.decode, end);
        end += 1024 * stretch.frames.len() as u64;
        assert_eq!(count(&stretch).1, 0, "at picture {nth}");
    }
}

#[test]
fn missing_sound_is_silence_and_comes_back() {
    let mut track = Soundtrack::new(FORMAT);
    let mut total = (0, 0);
    for nth in 0..100_u64 {
        // Nothing between 2 and 8 seconds.
        if !(20..80).contains(&nth) {
            track.hear(frame(u32::try_from(nth * 1_600).unwrap()));
        }
        let (heard, silent) = count(&beside(&mut track, nth));
        total = (total.0 + heard, total.1 + silent);
        let end = track.end.unwrap();
        let now = i64::try_from(nth * 1_600).unwrap();
        assert!((now - 4_000..now + 8_000).contains(&end), "{end} at {now}");
    }
    assert_eq!(total.0, 40);
    assert!(total.1 > 60, "{total:?}");
}

#[test]
fn a_count_that_jumps_is_put_where_the_picture_is() {
    let mut track = Soundtrack::new(FORMAT);
    track.hear(frame(0));
    assert_eq!(count(&beside(&mut track, 0)), (1, 0));
    track.hear(frame(4_000_000_000));
    assert_eq!(count(&beside(&mut track, 1)), (1, 0));
    track.hear(frame(17));
    assert_eq!(count(&beside(&mut track, 2)).0, 1);
}

/// Sound in which the number of each frame can be read; frame 0 begins four seconds early.
fn numbered(n: u32) -> SoundFrame {
    let sample = 77_u32.wrapping_sub(64_000).wrapping_add(n * 1024);
    SoundFrame { sample, data: Bytes::copy_from_slice(&n.to_be_bytes()) }
}

/// What belongs together: sample 77 and the first picture.
const TOGETHER: Alignment = Alignment { timestamp: STAMP, sample: 77 };

/// Where each frame of sound (not of silence) is, against where it belongs, in samples.
#[derive(Default)]
struct Heard {
    off: Vec<(u64, i64)>,
    end: Option<u64>,
    sent: u32,
}

impl Heard {
    /// Plays two hundred pictures of a camera whose sound comes `late` samples after its picture.
    fn play(
        track: &mut Soundtrack,
        late: i64,
        reported: impl Fn(u64) -> Option<Alignment>,
    ) -> Self {
        let mut heard = Self::default();
        for nth in 0..200 {
            if let Some(alignment) = reported(nth) {
                track.align(Some(alignment));
            }
            heard.go_on(track, late, nth);
        }
        heard
    }

    fn go_on(&mut self, track: &mut Soundtrack, late: i64, nth: u64) {
        let now = i64::try_from(nth).unwrap() * 1_600;
        while i64::from(self.sent) * 1024 - 64_000 + late <= now {
            // What is older than the session is not sent, except for the last of it.
            if nth > 0 || i64::from(self.sent + 2) * 1024 - 64_000 + late > now {
                track.hear(numbered(self.sent));
            }
            self.sent += 1;
        }
        let stretch = beside(track, nth);
        self.take(nth, &stretch);
    }

    fn take(&mut self, nth: u64, stretch: &Stretch) {
        if stretch.frames.is_empty() {
            return;
        }
        assert!(self.end.is_none_or(|end| end == stretch.decode), "a hole at picture {nth}");
        for (index, data) in stretch.frames.iter().enumerate() {
            let at = i64::try_from(stretch.decode + 1024 * index as u64).unwrap();
            if let Ok(number) = <[u8; 4]>::try_from(&data[..])
                && number[0] == 0
            {
                let belongs = i64::from(u32::from_be_bytes(number)) * 1024 - 64_000;
                self.off.push((nth, at - belongs));
            }
        }
        self.end = Some(stretch.decode + 1024 * stretch.frames.len() as u64);
    }

    fn after(&self, picture: u64) -> impl Iterator<Item = i64> {
        self.off.iter().filter(move |(nth, _)| *nth >= picture).map(|(_, off)| *off)
    }
}

#[test]
fn sound_that_comes_early_or_late_is_put_exactly_beside_its_picture() {
    // Up to nearly what is believed: a second late, three seconds early.
    for late in [0, 6_400, -6_400, 14_000, -40_000] {
        let mut track = Soundtrack::new(FORMAT);
        let heard = Heard::play(&mut track, late, |nth| (nth == 0).then_some(TOGETHER));
        assert!(heard.after(60).count() > 200, "{late}");
        for off in heard.after(2) {
            assert!(off.abs() <= 2, "{off} samples off where it is {late} late");
        }
    }
}

#[test]
fn reports_that_come_later_move_the_sound_once() {
    for late in [6_400, -6_400] {
        let mut track = Soundtrack::new(FORMAT);
        let heard = Heard::play(&mut track, late, |nth| (nth == 50).then_some(TOGETHER));
        assert!(heard.after(10).take(5).all(|off| off.abs() > 4_000), "{:?}", heard.off);
        // Half a frame and eight milliseconds.
        for off in heard.after(60) {
            assert!(off.abs() <= 512 + 128, "{off} samples off where it is {late} late");
        }
        let mut offs: Vec<i64> = heard.after(20).collect();
        offs.dedup_by(|a, b| (*a - *b).abs() <= 2);
        assert_eq!(offs.len(), 2, "{late} {offs:?}");
    }
}

#[test]
fn reports_that_cannot_be_change_nothing() {
    let far = |seconds: i32| Alignment {
        sample: TOGETHER.sample.wrapping_add_signed(seconds * 16_000),
        ..TOGETHER
    };
    let play = |reported: Option<Alignment>| {
        let mut track = Soundtrack::new(FORMAT);
        Heard::play(&mut track, 0, |nth| reported.filter(|_| nth % 25 == 10)).off
    };
    let without = play(None);
    for wrong in
        [far(2), far(4), far(-4), far(20_000), Alignment { timestamp: STAMP / 2, sample: 0 }]
    {
        assert_eq!(play(Some(wrong)), without, "{wrong:?}");
    }
}

#[test]
fn what_is_no_longer_reported_stays_where_it_was() {
    let mut track = Soundtrack::new(FORMAT);
    let mut heard = Heard::play(&mut track, 3_200, |nth| (nth == 0).then_some(TOGETHER));
    track.align(None);
    (200..300).for_each(|nth| heard.go_on(&mut track, 3_200, nth));
    assert!(heard.after(200).count() > 60);
    assert!(heard.after(200).all(|off| off.abs() <= 2), "{:?}", heard.off);
}

#[test]
fn uneven_pictures_do_not_move_the_sound() {
    let mut track = Soundtrack::new(FORMAT);
    track.align(Some(TOGETHER));
    let (mut stamp, mut decode, mut sent, mut silent) = (0_u32, 0_u64, 0_u32, 0);
    for nth in 0..400_u64 {
        // 25 a second, each shown for as long as the one before was.
        let step = if nth % 2 == 0 { 2_400 } else { 4_800 };
        while (sent + 1) * 1024 < 64_000 + stamp * 16 / 90 {
            track.hear(numbered(sent));
            sent += 1;
        }
        let (duration, stamped) = (step, i64::try_from(decode + u64::from(step)).unwrap());
        let times = Times { decode, duration, composition: 0, stamped };
        let stretch = track.beside(times, STAMP.wrapping_add(stamp));
        silent += if nth < 50 { 0 } else { count_silence(&stretch) };
        (stamp, decode) = (stamp + 7_200 - step, decode + u64::from(step));
    }
    assert_eq!(silent, 0);
}

fn count_silence(stretch: &Stretch) -> usize {
    stretch.frames.iter().filter(|data| data[..] == *SILENCE[0]).count()
}

proptest! {
    #[test]
    fn the_track_has_no_holes_and_stays_with_the_pictures(
        steps in proptest::collection::vec(
            (proptest::collection::vec(any::<u32>(), 0..4), 1_u64..90_000), 1..80),
    ) {
        let (mut track, mut end, mut decode) = (Soundtrack::new(FORMAT), None, 0);
        for (samples, duration) in steps {
            for sample in samples {
                track.hear(frame(sample));
            }
            let stamped = i64::try_from(decode).unwrap();
            let times = Times { decode, duration: 0, composition: 0, stamped };
            let stretch = track.beside(times, 0);
            let now = i64::try_from(decode * 16 / 90).unwrap();
            prop_assert!(end.is_none_or(|end| end == stretch.decode));
            end = Some(stretch.decode + 1024 * stretch.frames.len() as u64);
            let ahead = i64::try_from(end.unwrap()).unwrap() - now;
            prop_assert!((-4_100..16_000).contains(&ahead), "{ahead} ahead");
            decode += duration;
        }
    }

    #[test]
    fn whatever_is_reported_the_track_has_no_holes_and_stays_near_the_pictures(
        steps in proptest::collection::vec(
            (
                proptest::collection::vec(any::<u32>(), 0..4),
                1_u64..90_000,
                prop_oneof![any::<u32>(), 0_u32..90_000],
                proptest::option::of(proptest::option::of((any::<u32>(), any::<u32>()))),
                any::<bool>(),
            ), 1..80),
    ) {
        let (mut track, mut end, mut decode) = (Soundtrack::new(FORMAT), None, 0);
        for (samples, duration, timestamp, reported, near) in steps {
            if let Some(reported) = reported {
                track.align(reported.map(|(a, b)| {
                    // Half of them within what is believed.
                    let sample = if near { b % 90_000 } else { b };
                    Alignment { timestamp: if near { timestamp } else { a }, sample }
                }));
            }
            for sample in samples {
                track.hear(frame(if near { sample % 90_000 } else { sample }));
            }
            let stamped = i64::try_from(decode + duration).unwrap();
            let times = Times { decode, duration: 0, composition: 0, stamped };
            let stretch = track.beside(times, timestamp);
            let now = i64::try_from(decode * 16 / 90).unwrap();
            if !stretch.frames.is_empty() {
                prop_assert!(end.is_none_or(|end| end == stretch.decode));
                end = Some(stretch.decode + 1024 * stretch.frames.len() as u64);
            }
            let ahead = i64::try_from(end.unwrap_or(stretch.decode)).unwrap() - now;
            // Three seconds early, or late and a lag on top.
            prop_assert!((-53_100..51_100).contains(&ahead), "{ahead} ahead");
            decode += duration;
        }
    }
}
