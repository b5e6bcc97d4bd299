//! The sound beside the pictures: a track without holes, whatever the camera sends.
//!
//! Browsers play only what all tracks have. So the sound follows the pictures: what comes is put
//! where it belongs (`placement.rs`), what is missing is filled with silence, and pictures wait for
//! nothing. Frames stay whole and follow each other at once, so sound is beside its picture but for
//! half a frame where the track is older than what is known of the clocks, and exactly where it is
//! not. Nothing is decoded.

use std::collections::VecDeque;

use bytes::Bytes;
use mp4_atom::esds::{DecoderConfig, DecoderSpecific, EsDescriptor, SLConfig};
use mp4_atom::{Audio, Codec, Esds, Mp4a};

use super::placement::Placement;
use super::timeline::Times;
use crate::world::camera::rtp::aac::{FRAME_SAMPLES, SoundFrame};
use crate::world::camera::rtp::clocks::Alignment;
use crate::world::camera::rtsp::sdp::SoundFormat;

/// Name of AAC with low complexity (RFC 6381, 3.3).
pub(super) const CODECS: &str = "mp4a.40.2";
/// Sound that is later than usual by so much (ms) is replaced by silence.
const LAG_MS: i64 = 250;
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
    // There is nothing in it yet, so that it may begin at any sample.
    is_bare: bool,
    placement: Placement,
    waiting: VecDeque<SoundFrame>,
}

impl Soundtrack {
    pub(super) fn new(format: SoundFormat) -> Self {
        let (placement, waiting) = (Placement::new(format.rate), VecDeque::new());
        Self { format, end: None, is_bare: true, placement, waiting }
    }

    pub(super) fn format(&self) -> SoundFormat {
        self.format
    }

    /// The track begins anew with the next picture.
    pub(super) fn restart(&mut self) {
        self.end = None;
        self.is_bare = true;
    }

    /// What comes now counts by other clocks.
    pub(super) fn forget_clocks(&mut self) {
        self.placement = Placement::new(self.format.rate);
    }

    /// What is known of the clocks from now on.
    pub(super) fn align(&mut self, alignment: Option<Alignment>) {
        self.placement.align(alignment);
    }

    /// What came does not belong to the next picture.
    pub(super) fn interrupt(&mut self) {
        self.placement.interrupt();
        self.waiting.clear();
    }

    /// Takes some sound in.
    pub(super) fn hear(&mut self, frame: SoundFrame) {
        if self.waiting.len() == WAITING_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back(frame);
    }

    /// What goes with the next picture, whose RTP timestamp is given too.
    pub(super) fn beside(&mut self, times: Times, timestamp: u32) -> Stretch {
        let frame = i64::from(FRAME_SAMPLES);
        let now = self.placement.enter(times, timestamp);
        let mut begin = self.end.unwrap_or(now);
        let silence = Bytes::from_static(SILENCE[usize::from(self.format.channels > 1)]);
        let (mut end, mut frames) = (begin, Vec::new());
        let mut add = |end: &mut i64, data: Bytes| {
            frames.push(data);
            *end += frame;
        };
        for heard in std::mem::take(&mut self.waiting) {
            let (at, slack) = self.placement.place(heard.sample, now);
            if self.is_bare && end == begin && self.placement.is_aligned() {
                begin += (at - begin).rem_euclid(frame);
                end = begin;
            }
            if at < end - slack {
                // Its place is taken.
                continue;
            }
            while at > end + slack {
                add(&mut end, silence.clone());
            }
            add(&mut end, heard.data);
        }
        let lag = i64::from(self.format.rate) * LAG_MS / 1000 + self.placement.usual_lag();
        let least = (now - lag).min(end + frame * FRAMES_MAX);
        while end < least {
            add(&mut end, silence.clone());
        }
        self.end = Some(end);
        self.is_bare &= end == begin;
        Stretch { decode: u64::try_from(begin).unwrap_or(0), frames }
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
mod tests;
