//! Makes a still out of a key picture: bounds, decoding, colour, JPEG, thumbnail.
//!
//! H.264 and H.265 decoders are made anew for every picture: keeping one saves at most a tenth of
//! its time, and a kept one would let a picture without parameter sets use those of another camera.
//! What is kept are the buffers of the scaler.

use bytes::Bytes;
use fast_image_resize::{PixelType, Resizer};

use super::colour::{self, Colour};
use super::luma::LumaSummary;
use super::picture::{Limits, Still, VisionError};
use super::planes::Planes;
use super::thumbnail::{self, SampleAspect};
use super::{Codec, KeyPicture};
use super::{h264, h265, jpeg};

/// A picture as a video decoder leaves it.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) planes: Planes,
    pub(super) colour: Colour,
    pub(super) aspect: SampleAspect,
}

/// Makes stills on one thread.
#[derive(Debug, Default)]
pub struct Decoder {
    resizer: Resizer,
}

impl Decoder {
    /// A decoder without any state.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes one key picture and encodes it as a JPEG with thumbnail.
    ///
    /// After an error nothing of the failed picture remains in the decoder.
    pub fn still(&mut self, picture: &KeyPicture, limits: &Limits) -> Result<Still, VisionError> {
        self.still_unless(picture, limits, &|| false)
    }

    /// As [`Self::still`], but gives up between two slices or steps once `abandoned` says so.
    pub fn still_unless(
        &mut self,
        picture: &KeyPicture,
        limits: &Limits,
        abandoned: &dyn Fn() -> bool,
    ) -> Result<Still, VisionError> {
        let still = match picture.codec {
            Codec::H264 => h264::decode(&picture.data, limits, abandoned)
                .and_then(|decoded| self.finish_video(decoded, limits, abandoned)),
            Codec::H265 => h265::decode(&picture.data, limits, abandoned)
                .and_then(|decoded| self.finish_video(decoded, limits, abandoned)),
            Codec::Jpeg => self.adopt_jpeg(&picture.data, limits),
        };
        if still.is_err() {
            *self = Self::new();
        }
        still
    }

    fn finish_video(
        &mut self,
        decoded: Decoded,
        limits: &Limits,
        abandoned: &dyn Fn() -> bool,
    ) -> Result<Still, VisionError> {
        let Decoded { mut planes, colour, aspect } = decoded;
        if !planes.is_consistent() {
            return Err(VisionError::damaged("decoded planes do not fit the declared size"));
        }
        if planes.has_hole() {
            return Err(VisionError::damaged("part of the picture is missing"));
        }
        if abandoned() {
            return Err(VisionError::Abandoned);
        }
        colour::to_jpeg(&mut planes, colour);
        let shown = (planes.width, planes.height);
        let size = thumbnail::size(shown, aspect, limits.thumbnail_width);
        let small = thumbnail::scale(&mut self.resizer, &planes, size)?;
        let jpeg = Bytes::from(jpeg::encode(&planes, limits.jpeg_quality)?);
        finish(jpeg, shown, &small, limits)
    }

    fn adopt_jpeg(&mut self, file: &Bytes, limits: &Limits) -> Result<Still, VisionError> {
        let pixels = jpeg::decode(file, limits)?;
        let from = (pixels.width, pixels.height);
        let to = thumbnail::size(from, SampleAspect::SQUARE, limits.thumbnail_width);
        let pixel = if pixels.grey { PixelType::U8 } else { PixelType::U8x3 };
        let samples =
            thumbnail::scale_plane(&mut self.resizer, &pixels.samples, pixel, (from, to))?;
        let small = if pixels.grey { from_grey(samples, to) } else { from_pixels(&samples, to) };
        finish(file.clone(), from, &small, limits)
    }
}

fn finish(
    jpeg: Bytes,
    (width, height): (usize, usize),
    small: &Planes,
    limits: &Limits,
) -> Result<Still, VisionError> {
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    Ok(Still {
        jpeg,
        thumbnail: Bytes::from(jpeg::encode(small, limits.thumbnail_quality)?),
        width: side(width),
        height: side(height),
        thumbnail_width: side(small.width),
        thumbnail_height: side(small.height),
        luma: LumaSummary::of(&small.y, small.width, small.height),
    })
}

fn from_grey(y: Vec<u8>, (width, height): (usize, usize)) -> Planes {
    let neutral = vec![128; width / 2 * (height / 2)];
    Planes { width, height, y, u: neutral.clone(), v: neutral }
}

/// Splits interleaved Y, Cb, Cr of an even size and takes the chroma mean of each two by two block.
fn from_pixels(samples: &[u8], (width, height): (usize, usize)) -> Planes {
    let y = samples.iter().copied().step_by(3).collect();
    let at = |x: usize, y: usize, channel: usize| {
        u16::from(samples.get((y * width + x) * 3 + channel).copied().unwrap_or_default())
    };
    let chroma = |channel: usize| -> Vec<u8> {
        let rows = (0..height / 2).flat_map(|row| (0..width / 2).map(move |column| (column, row)));
        rows.map(|(column, row)| {
            let (x, y) = (2 * column, 2 * row);
            let sum = at(x, y, channel)
                + at(x + 1, y, channel)
                + at(x, y + 1, channel)
                + at(x + 1, y + 1, channel);
            u8::try_from((sum + 2) / 4).unwrap_or(u8::MAX)
        })
        .collect()
    };
    Planes { width, height, y, u: chroma(1), v: chroma(2) }
}
