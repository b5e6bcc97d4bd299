//! What goes into a decoder, what comes out of it, and why it may fail.
//!
//! It decides nothing.

use std::borrow::Cow;

use bytes::Bytes;

use super::luma::LumaSummary;

/// Bounds and qualities of one still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The greatest number of coded luma samples (width times height) that is decoded at all.
    pub max_pixels: u32,
    /// Width of the thumbnail in pixels; odd numbers are rounded down, never above the picture.
    pub thumbnail_width: u32,
    /// Quality of the JPEG, 1 to 100. A JPEG camera's own file is kept as it is.
    pub jpeg_quality: u8,
    /// Quality of the thumbnail, 1 to 100.
    pub thumbnail_quality: u8,
}

impl Default for Limits {
    /// Room for 4096x2304, a 320 pixel wide thumbnail, quality 75 and 70.
    fn default() -> Self {
        Self {
            max_pixels: 4096 * 2304,
            thumbnail_width: 320,
            jpeg_quality: 75,
            thumbnail_quality: 70,
        }
    }
}

/// A decoded key picture, encoded again for storage and display.
#[derive(Debug, Clone, PartialEq)]
pub struct Still {
    /// The picture as a JPEG file; for a JPEG camera its own bytes, unchanged.
    pub jpeg: Bytes,
    /// The thumbnail as a baseline JPEG file with square pixels.
    pub thumbnail: Bytes,
    /// Width of `jpeg` in samples.
    pub width: u32,
    /// Height of `jpeg` in samples.
    pub height: u32,
    /// Width of `thumbnail` in pixels, even.
    pub thumbnail_width: u32,
    /// Height of `thumbnail` in pixels, even.
    pub thumbnail_height: u32,
    /// What the picture's brightness looks like.
    pub luma: LumaSummary,
}

/// Why a key picture gave no still.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VisionError {
    /// The declared size is beyond the limit; nothing was decoded.
    #[error("picture of {width}x{height} is larger than {max_pixels} pixels")]
    TooLarge {
        /// Declared width in samples.
        width: u32,
        /// Declared height in samples.
        height: u32,
        /// The limit that was exceeded.
        max_pixels: u32,
    },
    /// The picture is probably sound, but uses a coding tool that is not decoded here.
    #[error("unsupported coding: {what}")]
    Unsupported {
        /// The coding tool.
        what: Cow<'static, str>,
    },
    /// The picture is incomplete or contradicts itself.
    #[error("damaged picture: {why}")]
    Damaged {
        /// What was found wrong.
        why: Cow<'static, str>,
    },
    /// The data holds no picture that can be decoded on its own.
    #[error("no key picture in the data")]
    NoPicture,
    /// The parameter sets that the picture refers to are not in the data.
    #[error("key picture without its parameter sets")]
    NoParameterSets,
    /// The JPEG encoder refused the decoded picture.
    #[error("cannot encode the picture: {why}")]
    Encode {
        /// The encoder's reason.
        why: String,
    },
    /// A decoder panicked; it was thrown away.
    #[error("decoder panicked")]
    Panicked,
    /// Nobody waits for this picture any more.
    #[error("decoding was abandoned")]
    Abandoned,
    /// The pool is shutting down.
    #[error("decode pool is closed")]
    Closed,
}

impl VisionError {
    pub(super) fn damaged(why: impl Into<Cow<'static, str>>) -> Self {
        Self::Damaged { why: why.into() }
    }

    pub(super) fn unsupported(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Unsupported { what: what.into() }
    }
}

impl Limits {
    /// Refuses a declared size that is empty or beyond the limit.
    pub(super) fn check(&self, width: u64, height: u64) -> Result<(), VisionError> {
        if width == 0 || height == 0 {
            return Err(VisionError::damaged("empty picture"));
        }
        // JPEG stores both sides in 16 bits.
        let side = u64::from(u16::MAX);
        let fits = width <= side && height <= side && width * height <= u64::from(self.max_pixels);
        if fits {
            return Ok(());
        }
        Err(VisionError::TooLarge {
            width: u32::try_from(width).unwrap_or(u32::MAX),
            height: u32::try_from(height).unwrap_or(u32::MAX),
            max_pixels: self.max_pixels,
        })
    }
}
