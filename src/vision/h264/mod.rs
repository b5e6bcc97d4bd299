//! Decodes one H.264 key picture with `rusty_h264-decoder`.
//!
//! That decoder reports a slice it cannot read. What it lets pass is caught around it: [`headers`]
//! refuses what it must not be given, [`sentinel`] finds slices that end in the wrong place, and
//! macroblocks that no slice wrote are found in the samples.

mod headers;
mod sentinel;

use rusty_h264_decoder::{DecodeError, Decoder};

use self::headers::{AccessUnit, Sequence};
use super::decoder::Decoded;
use super::picture::{Limits, VisionError};
use super::planes::Planes;

/// Decodes the first picture of an access unit.
pub(super) fn decode(
    data: &[u8],
    limits: &Limits,
    abandoned: &dyn Fn() -> bool,
) -> Result<Decoded, VisionError> {
    let unit = AccessUnit::read(data, limits)?;
    let mut decoder = Decoder::new();
    let mut framed = Vec::new();
    let mut push = |nal: &[u8]| {
        framed.clear();
        framed.extend_from_slice(&[0, 0, 1]);
        framed.extend_from_slice(nal);
        decoder.decode(&framed).map_err(|error| classify(&error))
    };
    for nal in &unit.feed {
        if abandoned() {
            return Err(VisionError::Abandoned);
        }
        if push(nal)?.is_some() {
            return Err(VisionError::damaged("slice runs on past the end of the picture"));
        }
    }
    let mut complete = None;
    for nal in &unit.extra_row {
        complete = push(nal)?;
    }
    let picture = complete.ok_or_else(|| VisionError::damaged("picture is incomplete"))?;
    let mut planes = Planes {
        width: picture.width,
        height: picture.height,
        y: picture.y,
        u: picture.u,
        v: picture.v,
    };
    let Sequence { shown, colour, aspect, .. } = unit.sequence;
    if !planes.is_consistent()
        || planes.width < shown.left + shown.width
        || planes.height < shown.top + shown.height
    {
        return Err(VisionError::damaged("decoded picture is smaller than declared"));
    }
    if planes.has_hole() {
        return Err(VisionError::damaged("part of the picture is missing"));
    }
    planes.crop(shown);
    Ok(Decoded { planes, colour, aspect })
}

/// The decoder says `Unsupported` of nonsense in damaged slices too; only what a sound stream can
/// ask for is taken at its word.
pub(super) fn classify(error: &DecodeError) -> VisionError {
    const TOOLS: [&str; 6] =
        ["interlace", "transform-bypass", "slice groups", "SP/SI", "bit depth", "non-4:2:0"];
    match *error {
        DecodeError::Unsupported(what) if TOOLS.iter().any(|tool| what.starts_with(tool)) => {
            VisionError::unsupported(what)
        }
        DecodeError::Unsupported(why) | DecodeError::Internal(why) => VisionError::damaged(why),
        DecodeError::Truncated => VisionError::damaged("slice data ends too early"),
        DecodeError::MissingParameterSet => VisionError::NoParameterSets,
    }
}
