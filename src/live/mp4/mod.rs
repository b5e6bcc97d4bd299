//! From pictures as cameras send them to fragmented MP4 as `MediaSource` takes it (ISO/IEC
//! 14496-12 and -15; MSE byte stream format for ISO BMFF).
//!
//! One fragment holds one picture, so that nothing waits. Nothing is decoded: only parameter sets
//! are read. Sound goes along beside the picture after it. It opens nothing and knows no viewers.

mod avc;
mod boxes;
mod hevc;
mod placement;
mod sound;
mod timeline;

use std::sync::Arc;

use bytes::Bytes;

use self::sound::Soundtrack;
use self::timeline::Timeline;
use crate::model::picture::Codec;
use crate::vision::annex_b::nal_units;
use crate::world::camera::rtp::Unit;
use crate::world::camera::rtp::aac::SoundFrame;
use crate::world::camera::rtp::clocks::Alignment;
use crate::world::camera::rtsp::sdp::SoundFormat;

/// Largest width or height in pixels that is taken; no browser decodes more.
const SIDE_MAX: u32 = 16_384;

/// Why pictures cannot be repackaged.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// There is no such thing as this codec in MP4 for browsers.
    #[error("{0} cannot be played by browsers")]
    Codec(&'static str),
    /// A parameter set is missing or cannot be read.
    #[error("unreadable parameter sets: {0}")]
    Parameters(String),
    /// The picture's announced size is beyond all bounds.
    #[error("pictures of {0}x{1} are announced")]
    Size(u32, u32),
    /// The boxes cannot be written.
    #[error("write the boxes")]
    Boxes(#[from] mp4_atom::Error),
}

/// How a stream begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The MIME type with exact codecs, `video/mp4; codecs="avc1.640028"`.
    pub mime: Arc<str>,
    /// `ftyp` and `moov`.
    pub init: Bytes,
    /// The same two without the sound, where there is some.
    pub mute: Option<(Arc<str>, Bytes)>,
}

/// One picture, repackaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packaged {
    /// Present when what follows needs another beginning; always with a key picture.
    pub start: Option<Start>,
    /// Whether a viewer can begin here.
    pub key: bool,
    /// `moof` and `mdat`, then the same for the sound, where there is some.
    pub fragment: Bytes,
    /// Bytes of it without the sound.
    pub mute: usize,
}

/// Repackages one stream, over reconnects too: its time never goes back.
#[derive(Debug, Default)]
pub struct Packager {
    // Codec, parameter sets and sound of the last start.
    running: Option<(Codec, Vec<Vec<u8>>, Option<SoundFormat>)>,
    sound: Option<Soundtrack>,
    timeline: Timeline,
    sequence: u32,
    // The pictures that came are all that the next one may refer to.
    in_step: bool,
}

impl Packager {
    /// From now on there is sound in this form, or none, by clocks that are not known yet.
    pub fn set_sound(&mut self, format: Option<SoundFormat>) {
        match &mut self.sound {
            Some(sound) if Some(sound.format()) == format => sound.forget_clocks(),
            Some(_) | None => self.sound = format.map(Soundtrack::new),
        }
    }

    /// From now on sound belongs so to the pictures; without that, it belongs where it comes.
    pub fn align(&mut self, alignment: Option<Alignment>) {
        if let Some(sound) = &mut self.sound {
            sound.align(alignment);
        }
    }

    /// Takes some sound in; it goes along with the next picture.
    pub fn hear(&mut self, frame: SoundFrame) {
        if let Some(sound) = self.sound.as_mut().filter(|_| self.in_step) {
            sound.hear(frame);
        }
    }

    /// Something is missing before the next picture: nothing can be shown up to a key picture.
    pub fn interrupt(&mut self) {
        self.in_step = false;
        if let Some(sound) = &mut self.sound {
            sound.interrupt();
        }
    }

    /// Whether it leaves out what comes until a key picture does.
    pub fn awaits_key(&self) -> bool {
        !self.in_step
    }

    /// Takes the next picture; `None` when it cannot be shown without one that is missing.
    ///
    /// After an error the stream cannot go on as it is.
    pub fn push(&mut self, codec: Codec, unit: &Unit) -> Result<Option<Packaged>, PackageError> {
        if !unit.key && !self.in_step {
            return Ok(None);
        }
        let nals: Vec<&[u8]> = nal_units(&unit.data).collect();
        let start = if unit.key { self.begin(codec, &nals)? } else { None };
        let slices: Vec<&[u8]> = nals.into_iter().filter(|nal| is_slice(codec, nal)).collect();
        let times = self.timeline.next(unit.timestamp);
        self.sequence = self.sequence.wrapping_add(1);
        let mut fragment = boxes::fragment(self.sequence, times, unit.key, &slices)?;
        let mute = fragment.len();
        if let Some(sound) = &mut self.sound {
            self.sequence = self.sequence.wrapping_add(1);
            boxes::add_sound(&mut fragment, self.sequence, &sound.beside(times, unit.timestamp))?;
        }
        Ok(Some(Packaged { start, key: unit.key, fragment: fragment.into(), mute }))
    }

    /// Begins anew at a key picture where its parameter sets are not those in force.
    fn begin(&mut self, codec: Codec, nals: &[&[u8]]) -> Result<Option<Start>, PackageError> {
        if !self.in_step {
            self.timeline.interrupt();
        }
        let sets: Vec<&[u8]> = nals.iter().copied().filter(|nal| is_set(codec, nal)).collect();
        let format = self.sound.as_ref().map(Soundtrack::format);
        let same = |(running, kept, sound): &(Codec, Vec<Vec<u8>>, Option<SoundFormat>)| {
            *running == codec && *kept == sets && *sound == format
        };
        self.in_step = true;
        if self.running.as_ref().is_some_and(same) {
            return Ok(None);
        }
        let track = match codec {
            Codec::H264 => avc::track(&sets),
            Codec::H265 => hevc::track(&sets),
            Codec::Jpeg => Err(PackageError::Codec("MJPEG")),
        }?;
        self.timeline.set_reorder(track.reorder);
        self.running = Some((codec, sets.into_iter().map(<[u8]>::to_vec).collect(), format));
        let mime = format!("video/mp4; codecs=\"{}\"", track.codecs).into();
        let init = boxes::init(&track, None)?;
        let (Some(sound), Some(format)) = (&mut self.sound, format) else {
            return Ok(Some(Start { mime, init, mute: None }));
        };
        sound.restart();
        let whole = format!("video/mp4; codecs=\"{},{}\"", track.codecs, sound::CODECS).into();
        let with_sound = boxes::init(&track, Some(format))?;
        Ok(Some(Start { mime: whole, init: with_sound, mute: Some((mime, init)) }))
    }
}

/// Whether a NAL unit belongs into the initialisation segment.
fn is_set(codec: Codec, nal: &[u8]) -> bool {
    match codec {
        Codec::H264 => matches!(nal[0] & 0x1f, avc::SPS | avc::PPS),
        Codec::H265 => matches!((nal[0] >> 1) & 0x3f, hevc::VPS..=hevc::PPS),
        Codec::Jpeg => false,
    }
}

/// Whether a NAL unit is a piece of the picture. Everything else (delimiters, fillers, remarks of
/// the camera) is left out: no player needs it.
fn is_slice(codec: Codec, nal: &[u8]) -> bool {
    match codec {
        Codec::H264 => (1..=5).contains(&(nal[0] & 0x1f)),
        Codec::H265 => (nal[0] >> 1) & 0x3f < hevc::VPS,
        Codec::Jpeg => false,
    }
}

/// Width and height as MP4 has them, if they are within bounds.
fn side(width: u32, height: u32) -> Result<(u16, u16), PackageError> {
    let fits = |side: u32| u16::try_from(side).ok().filter(|_| (1..=SIDE_MAX).contains(&side));
    fits(width).zip(fits(height)).ok_or(PackageError::Size(width, height))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 640x360, High profile, of a simulated camera; with its picture parameter set.
    const H264: [&[u8]; 2] = [
        &[
            0x67, 0x64, 0, 0x0b, 0xac, 0xb4, 0x0a, 0x0c, 0xd0, 0x80, 0, 0, 3, 0, 0x80, 0, 0, 0x0a,
            7, 0x8a, 0x15, 0x50,
        ],
        &[0x68, 0xee, 0x1f, 0x2c],
    ];
    /// Main profile, by x265, cut off behind what is read.
    const H265: [&[u8]; 3] = [
        &[0x40, 1, 0x0c, 1],
        &[
            0x42, 1, 1, 1, 0x60, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 0x3f, 0xa0, 5, 2, 1, 0x69,
            0x65, 0x95, 0x9a, 0x49, 0x32, 0xbc, 5, 0xa0, 0x20, 0, 0, 3, 0, 0x20, 0, 0, 3, 3, 0x21,
        ],
        &[0x44, 1, 0xc1, 0x72],
    ];

    fn unit(nals: &[&[u8]]) -> Unit {
        let mut data = Vec::new();
        for nal in nals {
            data.extend_from_slice(&[0, 0, 0, 1]);
            data.extend_from_slice(nal);
        }
        Unit { key: true, timestamp: 0, data: data.into() }
    }

    fn mime(codec: Codec, nals: &[&[u8]]) -> Result<String, PackageError> {
        let packaged = Packager::default().push(codec, &unit(nals))?;
        Ok(packaged.and_then(|packaged| packaged.start).unwrap().mime.to_string())
    }

    #[test]
    fn codecs_are_named_exactly() {
        assert_eq!(mime(Codec::H264, &H264).unwrap(), "video/mp4; codecs=\"avc1.64000B\"");
        assert_eq!(mime(Codec::H265, &H265).unwrap(), "video/mp4; codecs=\"hvc1.1.6.L63.90\"");
    }

    #[test]
    fn a_missing_or_cut_parameter_set_is_an_error() {
        assert!(mime(Codec::H264, &H264[..1]).is_err());
        assert!(mime(Codec::H264, &H264[1..]).is_err());
        assert!(mime(Codec::H264, &[&H264[0][..6], H264[1]]).is_err());
        assert!(mime(Codec::H265, &H265[..2]).is_err());
        assert!(mime(Codec::H265, &[H265[0], &H265[1][..20], H265[2]]).is_err());
    }

    proptest! {
        #[test]
        fn no_parameter_set_does_harm(
            bytes in proptest::collection::vec(any::<u8>(), 0..80),
            change in proptest::collection::vec((0_usize..48, any::<u8>()), 0..6),
        ) {
            for (codec, sets) in [(Codec::H264, &H264[..]), (Codec::H265, &H265[..])] {
                let rank = sets.len() - 2;
                let mut changed = sets[rank].to_vec();
                for (at, byte) in &change {
                    if let Some(place) = changed.get_mut(1 + at) {
                        *place = *byte;
                    }
                }
                let random = [&changed[..1], &bytes].concat();
                for set in [&changed, &random] {
                    let mut sets = sets.to_vec();
                    sets[rank] = set;
                    // Either is fine, as long as it is an answer.
                    drop(mime(codec, &sets));
                }
            }
        }
    }
}
