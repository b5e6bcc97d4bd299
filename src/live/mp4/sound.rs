//! The sound beside the pictures: a track without holes, whatever the camera sends.
//!
//! Browsers play only what all tracks have. So the sound follows the pictures: what comes is put
//! where the pictures are when it comes, what is missing is filled with silence, and pictures wait
//! for nothing. Camera clocks of sound and picture need not agree; nothing is decoded.

use std::collections::VecDeque;

use bytes::Bytes;
use mp4_atom::esds::{DecoderConfig, DecoderSpecific, EsDescriptor, SLConfig};
use mp4_atom::{Audio, Codec, Esds, Mp4a};

use super::timeline::{TIMESCALE, Times};
use crate::world::camera::rtp::aac::{FRAME_SAMPLES, SoundFrame};
use crate::world::camera::rtsp::sdp::SoundFormat;

/// Name of AAC with low complexity (RFC 6381, 3.3).
pub(super) const CODECS: &str = "mp4a.40.2";
/// Sound may lag behind the picture for so long (ms) before silence takes its place.
const LAG_MS: i64 = 250;
/// Sound whose own clock leads farther away from the picture (ms) is put anew.
const DRIFT_MS: i64 = 500;
/// Frames of one picture that are kept: more than two seconds at 48 kHz.
const WAITING_MAX: usize = 128;
/// Most frames with one picture; what is missing beyond comes with the next.
const FRAMES_MAX: i64 = 256;
/// One frame of nothing, as ffmpeg's encoder writes it, with one channel and with two.
const SILENCE: [&[u8]; 2] = [&[1, 0x18, 0x20, 7], &[0x21, 0x10, 4, 0x60, 0x8c, 0x1c]];

/// The sound that goes with one picture.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stretch {
    /// When it is decoded, in samples.
    pub decode: u64,
    /// One frame after the other, each of 1,024 samples.
    pub frames: Vec<Bytes>,
}

/// The sound of one stream.
#[derive(Debug)]
pub(super) struct Soundtrack {
    format: SoundFormat,
    // Samples of the track so far; none before its first picture.
    end: Option<i64>,
    // The camera's count of samples, and where in the track that is.
    anchor: Option<(u32, i64)>,
    waiting: VecDeque<SoundFrame>,
}

impl Soundtrack {
    pub(super) fn new(format: SoundFormat) -> Self {
        Self { format, end: None, anchor: None, waiting: VecDeque::new() }
    }

    pub(super) fn format(&self) -> SoundFormat {
        self.format
    }

    /// The track begins anew with the next picture.
    pub(super) fn restart(&mut self) {
        self.end = None;
    }

    /// What came does not belong to the next picture.
    pub(super) fn interrupt(&mut self) {
        self.anchor = None;
        self.waiting.clear();
    }

    /// Takes some sound in.
    pub(super) fn hear(&mut self, frame: SoundFrame) {
        if self.waiting.len() == WAITING_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back(frame);
    }

    /// What goes with the next picture.
    pub(super) fn beside(&mut self, times: Times) -> Stretch {
        let rate = i64::from(self.format.rate);
        let frame = i64::from(FRAME_SAMPLES);
        let now = i64::try_from(times.decode).unwrap_or(0) * rate / i64::from(TIMESCALE);
        let slack = rate / 8 + frame;
        let begin = self.end.unwrap_or(now);
        let silence = Bytes::from_static(SILENCE[usize::from(self.format.channels > 1)]);
        let (mut end, mut frames) = (begin, Vec::new());
        let mut add = |end: &mut i64, data: Bytes| {
            frames.push(data);
            *end += frame;
        };
        for heard in std::mem::take(&mut self.waiting) {
            let at = self.place(heard.sample, now, rate);
            if at < end - slack {
                // Its place is taken.
                continue;
            }
            while at > end + slack {
                add(&mut end, silence.clone());
            }
            add(&mut end, heard.data);
        }
        let least = (now - rate * LAG_MS / 1000).min(end + frame * FRAMES_MAX);
        while end < least {
            add(&mut end, silence.clone());
        }
        self.end = Some(end);
        Stretch { decode: u64::try_from(begin).unwrap_or(0), frames }
    }

    /// Where some sound belongs: where the camera's count says, as long as that is near the picture.
    fn place(&mut self, sample: u32, now: i64, rate: i64) -> i64 {
        let counted =
            |(before, at): (u32, i64)| at + i64::from(sample.wrapping_sub(before).cast_signed());
        let near = |at: &i64| (at - now).abs() <= rate * DRIFT_MS / 1000;
        let at = self.anchor.map(counted).filter(near).unwrap_or(now);
        self.anchor = Some((sample, at));
        at
    }
}

/// The sample entry.
pub(super) fn entry(format: SoundFormat) -> Codec {
    let specific = DecoderSpecific {
        profile: 2,
        freq_index: format.rate_index,
        chan_conf: format.channels,
        raw: Vec::new(),
    };
    let config = DecoderConfig {
        // ISO/IEC 14496-1, tables 5 and 6: AAC, a stream of sound.
        object_type_indication: 0x40,
        stream_type: 5,
        dec_specific: Some(specific),
        ..DecoderConfig::default()
    };
    let es_desc = EsDescriptor {
        es_id: 2,
        dec_config: config,
        sl_config: SLConfig::default(),
        ..EsDescriptor::default()
    };
    let audio = Audio {
        data_reference_index: 1,
        channel_count: format.channels.into(),
        sample_size: 16,
        // What does not fit is said by the decoder's own configuration.
        sample_rate: u16::try_from(format.rate).unwrap_or(0).into(),
    };
    Mp4a { audio, esds: Esds { es_desc }, btrt: None, taic: None }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FORMAT: SoundFormat = SoundFormat { rate_index: 8, rate: 16_000, channels: 1 };

    fn frame(sample: u32) -> SoundFrame {
        SoundFrame { sample, data: Bytes::from_static(b"sound") }
    }

    fn picture(nth: u64) -> Times {
        Times { decode: nth * 9_000, duration: 9_000, composition: 0 }
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
            let stretch = track.beside(picture(nth));
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
            let (heard, silent) = count(&track.beside(picture(nth)));
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
        assert_eq!(count(&track.beside(picture(0))), (1, 0));
        track.hear(frame(4_000_000_000));
        assert_eq!(count(&track.beside(picture(1))), (1, 0));
        track.hear(frame(17));
        assert_eq!(count(&track.beside(picture(2))).0, 1);
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
                let times = Times { decode, duration: 0, composition: 0 };
                let stretch = track.beside(times);
                let now = i64::try_from(decode * 16 / 90).unwrap();
                prop_assert!(end.is_none_or(|end| end == stretch.decode));
                end = Some(stretch.decode + 1024 * stretch.frames.len() as u64);
                let ahead = i64::try_from(end.unwrap()).unwrap() - now;
                prop_assert!((-4_100..16_000).contains(&ahead), "{ahead} ahead");
                decode += duration;
            }
        }
    }
}
