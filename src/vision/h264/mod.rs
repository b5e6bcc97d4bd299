//! Decodes one H.264 key picture with `rusty_h264-decoder`.
//!
//! That decoder reports a slice it cannot read and a picture whose last slice ends too early. What
//! it lets pass is caught before it (see [`headers`]) and here: CABAC data that was cut off.

mod headers;

use rusty_h264_decoder::{DecodeError, Decoder};

use self::headers::{AccessUnit, Feed};
use super::decoder::Decoded;
use super::picture::{Limits, VisionError};
use super::planes::Planes;

/// Appended to CABAC slices. A whole slice ends before it; the decoder of a slice that was cut off
/// would read zeros for ever and invent a smooth picture, but runs into an error in this noise.
static NOISE: [u8; NOISE_LENGTH] = noise();

/// Enough for some hundred macroblocks of the noise, among which it nearly always fails.
const NOISE_LENGTH: usize = 32 * 1024;

/// Decodes the first picture of an access unit.
pub(super) fn decode(
    data: &[u8],
    limits: &Limits,
    abandoned: &dyn Fn() -> bool,
) -> Result<Decoded, VisionError> {
    let unit = AccessUnit::read(data, limits)?;
    let mut decoder = Decoder::new();
    let mut framed = Vec::new();
    let mut complete = None;
    for feed in &unit.feed {
        if abandoned() {
            return Err(VisionError::Abandoned);
        }
        frame(&mut framed, feed);
        complete = decoder.decode(&framed).map_err(|error| classify(&error))?;
    }
    let picture = complete.ok_or_else(|| VisionError::damaged("picture ends too early"))?;
    let coded = Planes {
        width: picture.width,
        height: picture.height,
        y: picture.y,
        u: picture.u,
        v: picture.v,
    };
    let shown = unit.sequence.shown;
    // The decoder cuts off the right and the bottom only.
    if coded.width < shown.left + shown.width || coded.height < shown.top + shown.height {
        return Err(VisionError::damaged("decoded picture is smaller than declared"));
    }
    let planes = coded.crop(shown);
    Ok(Decoded { planes, colour: unit.sequence.colour, aspect: unit.sequence.aspect })
}

/// Writes one NAL unit in the form that the decoder wants.
fn frame(framed: &mut Vec<u8>, feed: &Feed<'_>) {
    framed.clear();
    framed.extend_from_slice(&[0, 0, 1]);
    framed.extend_from_slice(feed.nal);
    if feed.cabac_slice {
        framed.extend_from_slice(&NOISE);
    }
}

/// Pseudo-random bytes without zeros, so that they form neither a start code nor an escape.
const fn noise() -> [u8; NOISE_LENGTH] {
    let mut bytes = [0; NOISE_LENGTH];
    let mut state: u32 = 0x9E37_79B9;
    let mut at = 0;
    while at < bytes.len() {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        bytes[at] = state.to_le_bytes()[1] | 1;
        at += 1;
    }
    bytes
}

/// The decoder says `Unsupported` of nonsense in damaged slices too; only what a sound stream can
/// ask for is taken at its word.
fn classify(error: &DecodeError) -> VisionError {
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
