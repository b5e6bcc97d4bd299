//! From pictures as cameras send them to fragmented MP4 as `MediaSource` takes it (ISO/IEC
//! 14496-12 and -15; MSE byte stream format for ISO BMFF).
//!
//! One fragment holds one picture, so that nothing waits. Nothing is decoded: only parameter sets
//! are read. Audio is not carried. It opens nothing and knows no viewers.

mod avc;
mod boxes;
mod hevc;
mod timeline;

use std::sync::Arc;

use bytes::Bytes;

use self::timeline::Timeline;
use crate::model::picture::Codec;
use crate::vision::annex_b::nal_units;
use crate::world::camera::rtp::Unit;

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
}

/// One picture, repackaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packaged {
    /// Present when what follows needs another beginning; always with a key picture.
    pub start: Option<Start>,
    /// Whether a viewer can begin here.
    pub key: bool,
    /// `moof` and `mdat`.
    pub fragment: Bytes,
}

/// Repackages one stream, over reconnects too: its time never goes back.
#[derive(Debug, Default)]
pub struct Packager {
    // Codec and parameter sets of the last start.
    running: Option<(Codec, Vec<Vec<u8>>)>,
    timeline: Timeline,
    sequence: u32,
    // The pictures that came are all that the next one may refer to.
    in_step: bool,
}

impl Packager {
    /// Something is missing before the next picture: nothing can be shown up to a key picture.
    pub fn interrupt(&mut self) {
        self.in_step = false;
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
        let fragment = boxes::fragment(self.sequence, times, unit.key, &slices)?;
        Ok(Some(Packaged { start, key: unit.key, fragment }))
    }

    /// Begins anew at a key picture where its parameter sets are not those in force.
    fn begin(&mut self, codec: Codec, nals: &[&[u8]]) -> Result<Option<Start>, PackageError> {
        if !self.in_step {
            self.timeline.interrupt();
        }
        let sets: Vec<&[u8]> = nals.iter().copied().filter(|nal| is_set(codec, nal)).collect();
        let same = |(running, kept): &(Codec, Vec<Vec<u8>>)| *running == codec && *kept == sets;
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
        self.running = Some((codec, sets.into_iter().map(<[u8]>::to_vec).collect()));
        let mime = Arc::from(format!("video/mp4; codecs=\"{}\"", track.codecs));
        Ok(Some(Start { mime, init: boxes::init(track)? }))
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
