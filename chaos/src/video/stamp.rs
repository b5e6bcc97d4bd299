//! The machine-readable stamp: which camera sent a picture, and when.
//!
//! Twelve bytes: a mark, the camera's number (2 bytes), milliseconds since 1970 (6 bytes), and the
//! low 24 bits of a CRC-32 of the nine before it, all big endian. Each byte is two lines of four
//! square cells, the highest bit first, white for one. The bytes stand side by side from the left,
//! each a twentieth of the width, in the lowest rows that are wholly visible in macroblocks (see
//! `layout`): a strip of about one part in twenty-two of the picture's height. A reader needs no
//! knowledge of the size that was sent: it tries the layouts of all sizes of the same shape, and
//! mark and checksum tell the right one.
//! It does not decode JPEG beyond its brightness.

use std::fmt;

use jiff::Timestamp;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::layout::{Layout, STAMP_BYTES};

const MARK: u8 = 0xC5;
const SUMMED: usize = 9;
/// Difference between white and black below which a strip is taken for empty.
const MIN_CONTRAST: u32 = 6;
/// The largest picture that is decoded, a side.
const MAX_SIDE: usize = 8192;

/// What a stamp says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The camera's name, `cam-001` to `cam-65535`.
    pub name: String,
    /// When the picture was sent, to the millisecond.
    pub sent: Timestamp,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:.3}", self.name, self.sent)
    }
}

/// Why a stamp could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StampError {
    /// The file is not a JPEG that can be decoded.
    #[error("decode the JPEG")]
    Decode(#[source] zune_jpeg::errors::DecodeErrors),
    /// The picture has no stamp, or it cannot be read any more.
    #[error("no readable stamp in a picture of {width}x{height}")]
    Missing {
        /// Width of the picture in pixels.
        width: usize,
        /// Height of the picture in pixels.
        height: usize,
    },
}

impl Stamp {
    /// The bytes that are drawn.
    pub(crate) fn to_bytes(&self) -> [u8; STAMP_BYTES] {
        let mut bytes = [0; STAMP_BYTES];
        bytes[0] = MARK;
        let number: u16 = self.name.trim_start_matches("cam-").parse().unwrap_or(0);
        bytes[1..3].copy_from_slice(&number.to_be_bytes());
        let millis = u64::try_from(self.sent.as_millisecond()).unwrap_or(0);
        bytes[3..SUMMED].copy_from_slice(&millis.to_be_bytes()[2..]);
        let sum = crc32(&bytes[..SUMMED]).to_be_bytes();
        bytes[SUMMED..].copy_from_slice(&sum[1..]);
        bytes
    }

    /// Reads bytes back; `None` when they are no stamp.
    pub(crate) fn from_bytes(bytes: &[u8; STAMP_BYTES]) -> Option<Self> {
        if bytes[0] != MARK || crc32(&bytes[..SUMMED]).to_be_bytes()[1..] != bytes[SUMMED..] {
            return None;
        }
        let number = u16::from_be_bytes([bytes[1], bytes[2]]);
        let mut millis = [0; 8];
        millis[2..].copy_from_slice(&bytes[3..SUMMED]);
        let sent = Timestamp::from_millisecond(i64::from_be_bytes(millis)).ok()?;
        Some(Self { name: format!("cam-{number:03}"), sent })
    }

    /// Reads the stamp of a JPEG, also when it was scaled down.
    pub fn from_jpeg(jpeg: &[u8]) -> Result<Self, StampError> {
        let options = DecoderOptions::default()
            .set_max_width(MAX_SIDE)
            .set_max_height(MAX_SIDE)
            .jpeg_set_out_colorspace(ColorSpace::Luma);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
        let luma = decoder.decode().map_err(StampError::Decode)?;
        let (width, height) = decoder.dimensions().unwrap_or((0, 0));
        Self::from_luma(&luma, width, height).ok_or(StampError::Missing { width, height })
    }

    /// Reads the stamp of a picture's brightness, row by row without padding.
    pub fn from_luma(luma: &[u8], width: usize, height: usize) -> Option<Self> {
        if width < 80 || height < 40 || luma.len() < width * height {
            return None;
        }
        let own = Layout::new(width, height);
        let wider = (20..=256).flat_map(|columns| {
            let original = columns * 16;
            let tall = (original * height + width / 2) / width;
            // A scaled picture's height was rounded, so its neighbours are as likely.
            [tall, tall + 1, tall.saturating_sub(1), tall + 2, tall.saturating_sub(2)]
                .into_iter()
                .filter_map(move |tall| Layout::new(original, tall))
        });
        own.into_iter().chain(wider).find_map(|layout| read(&layout, luma, width, height))
    }
}

fn read(layout: &Layout, luma: &[u8], width: usize, height: usize) -> Option<Stamp> {
    let mut levels = [[0_u32; 8]; STAMP_BYTES];
    for (nth, byte) in levels.iter_mut().enumerate() {
        for (bit, level) in byte.iter_mut().enumerate() {
            let cell = layout.cell(nth, bit);
            let x = scaled(cell.left, cell.width, width, layout.width);
            let y = scaled(cell.top, cell.height, height, layout.height);
            *level = mean(luma, width, x, y)?;
        }
    }
    let (low, high) = levels
        .iter()
        .flatten()
        .fold((u32::MAX, 0), |(low, high), &level| (low.min(level), high.max(level)));
    if high.saturating_sub(low) < MIN_CONTRAST {
        return None;
    }
    let middle = u32::midpoint(low, high);
    let mut bytes = [0; STAMP_BYTES];
    for (byte, cells) in bytes.iter_mut().zip(levels) {
        *byte = cells.iter().fold(0, |bits, &level| (bits << 1) | u8::from(level > middle));
    }
    Stamp::from_bytes(&bytes)
}

// The middle half of a cell in the picture's own pixels, never empty.
fn scaled(start: usize, extent: usize, actual: usize, original: usize) -> (usize, usize) {
    let from = (4 * start + extent) * actual / (4 * original);
    let to = ((4 * start + 3 * extent) * actual).div_ceil(4 * original);
    (from, to.max(from + 1))
}

fn mean(luma: &[u8], width: usize, x: (usize, usize), y: (usize, usize)) -> Option<u32> {
    let mut sum = 0;
    let mut count = 0;
    for row in y.0..y.1 {
        for &value in luma.get(row * width + x.0..row * width + x.1)? {
            sum += u32::from(value);
            count += 1;
        }
    }
    sum.checked_div(count)
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp() -> Stamp {
        Stamp { name: "cam-017".to_owned(), sent: "2026-11-22T06:12:07.345Z".parse().unwrap() }
    }

    fn drawn(width: usize, height: usize, white: u8) -> Vec<u8> {
        let layout = Layout::new(width, height).unwrap();
        let mut luma = vec![0; width * height];
        for (nth, byte) in stamp().to_bytes().into_iter().enumerate() {
            for bit in 0..8 {
                let cell = layout.cell(nth, bit);
                if byte & (0x80 >> bit) != 0 {
                    for row in cell.top..cell.top + cell.height {
                        luma[row * width + cell.left..][..cell.width].fill(white);
                    }
                }
            }
        }
        luma
    }

    #[test]
    fn stamp_prints_name_and_time() {
        assert_eq!(stamp().to_string(), "cam-017 2026-11-22T06:12:07.345Z");
    }

    #[test]
    fn stamp_is_read_back_at_every_size() {
        for (width, height) in [(320, 180), (352, 288), (640, 360), (854, 480), (1920, 1080)] {
            let read = Stamp::from_luma(&drawn(width, height, 235), width, height);
            assert_eq!(read, Some(stamp()), "{width}x{height}");
        }
    }

    #[test]
    fn stamp_survives_scaling_down() {
        let full = drawn(1920, 1080, 235);
        for factor in [2, 3, 4] {
            let (width, height) = (1920 / factor, 1080 / factor);
            let small: Vec<u8> = (0..width * height)
                .map(|at| full[(at / width * factor) * 1920 + (at % width) * factor])
                .collect();
            assert_eq!(Stamp::from_luma(&small, width, height), Some(stamp()), "1/{factor}");
        }
    }

    #[test]
    fn dim_stamp_is_read_too() {
        assert_eq!(Stamp::from_luma(&drawn(640, 360, 24), 640, 360), Some(stamp()));
    }

    #[test]
    fn one_wrong_bit_is_noticed() {
        let mut bytes = stamp().to_bytes();
        bytes[7] ^= 4;
        assert_eq!(Stamp::from_bytes(&bytes), None);
    }
}
