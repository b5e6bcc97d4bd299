//! Writes planes as a JPEG file, and checks and reads the JPEG file of a camera.
//!
//! It never rewrites a camera's own file.

use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::picture::{Limits, VisionError};
use super::planes::Planes;

/// Scans of a progressive file that are decoded; encoders use about ten.
const MAX_SCANS: usize = 24;

/// Encodes full-range BT.601 planes as a baseline 4:2:0 JPEG.
pub(super) fn encode(planes: &Planes, quality: u8) -> Result<Vec<u8>, VisionError> {
    let side = |side: usize| u16::try_from(side).ok().filter(|&side| side > 0);
    let (Some(width), Some(height)) = (side(planes.width), side(planes.height)) else {
        return Err(VisionError::Encode { why: "size does not fit a JPEG file".to_owned() });
    };
    let mut file = Vec::with_capacity(planes.y.len() / 6 + 1024);
    let mut encoder = Encoder::new(&mut file, quality.clamp(1, 100));
    encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
    encoder
        .encode_image(Rows { planes, width, height })
        .map_err(|error| VisionError::Encode { why: error.to_string() })?;
    Ok(file)
}

/// Hands planes to the encoder row by row, without a detour over RGB.
struct Rows<'a> {
    planes: &'a Planes,
    width: u16,
    height: u16,
}

impl ImageBuffer for Rows<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let (row, width) = (usize::from(y), usize::from(self.width));
        let chroma_width = self.planes.chroma_width();
        let chroma = row / 2 * chroma_width..(row / 2 + 1) * chroma_width;
        let [luma, cb, cr, _] = buffers;
        luma.extend_from_slice(
            self.planes.y.get(row * width..(row + 1) * width).unwrap_or_default(),
        );
        double(self.planes.u.get(chroma.clone()).unwrap_or_default(), width, cb);
        double(self.planes.v.get(chroma).unwrap_or_default(), width, cr);
    }
}

/// Appends every sample twice, `width` in all: the encoder wants full rows and takes every second
/// sample out of them again, so nothing is lost.
fn double(samples: &[u8], width: usize, row: &mut Vec<u8>) {
    let start = row.len();
    row.resize(start + width, 0);
    let doubled = row.get_mut(start..).unwrap_or_default();
    let (pairs, odd) = doubled.as_chunks_mut::<2>();
    for (pair, &sample) in pairs.iter_mut().zip(samples) {
        *pair = [sample; 2];
    }
    if let ([last], Some(&sample)) = (odd, samples.get(width / 2)) {
        *last = sample;
    }
}

/// A camera's JPEG, decoded: one or three interleaved full-range samples per pixel.
#[derive(Debug)]
pub(super) struct Pixels {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Luma only, or Y, Cb and Cr.
    pub(super) grey: bool,
    pub(super) samples: Vec<u8>,
}

/// Decodes a camera's JPEG after its declared size was found within the limits.
pub(super) fn decode(file: &[u8], limits: &Limits) -> Result<Pixels, VisionError> {
    require_end(file)?;
    let side = usize::from(u16::MAX);
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(side)
        .set_max_height(side)
        .jpeg_set_max_scans(MAX_SCANS)
        .jpeg_set_out_colorspace(ColorSpace::YCbCr);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers().map_err(|error| classify(&error))?;
    let info = decoder.info().ok_or_else(|| VisionError::damaged("no frame header"))?;
    limits.check(u64::from(info.width), u64::from(info.height))?;
    let grey = match info.components {
        1 => true,
        3 => false,
        count => {
            return Err(VisionError::unsupported(format!("JPEG with {count} colour components")));
        }
    };
    if grey {
        decoder.set_options(options.jpeg_set_out_colorspace(ColorSpace::Luma));
    }
    let samples = decoder.decode().map_err(|error| classify(&error))?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    if samples.len() != width * height * if grey { 1 } else { 3 } {
        return Err(VisionError::damaged("JPEG with an unexpected number of samples"));
    }
    Ok(Pixels { width, height, grey, samples })
}

/// Refuses a file whose picture data has no end marker: it was cut off on its way.
fn require_end(file: &[u8]) -> Result<(), VisionError> {
    let [0xFF, 0xD8, rest @ ..] = file else { return Err(VisionError::NoPicture) };
    let scan = scan_start(rest).ok_or_else(|| VisionError::damaged("JPEG without a scan"))?;
    // Within scan data 0xFF is always followed by 0x00 or a restart marker.
    let ended = scan.windows(2).rev().any(|pair| pair == [0xFF, 0xD9]);
    if ended { Ok(()) } else { Err(VisionError::damaged("JPEG ends before its end marker")) }
}

/// What follows the header of the first scan.
fn scan_start(mut segments: &[u8]) -> Option<&[u8]> {
    loop {
        match segments {
            [0xFF, 0xFF, ..] => segments = segments.get(1..)?,
            [0xFF, 0xDA, rest @ ..] => return Some(rest),
            [0xFF, _, high, low, ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low])).max(2);
                segments = segments.get(2 + length..)?;
            }
            _ => return None,
        }
    }
}

fn classify(error: &DecodeErrors) -> VisionError {
    if let DecodeErrors::Unsupported(scheme) = error {
        VisionError::unsupported(format!("JPEG: {scheme:?}"))
    } else {
        VisionError::damaged(format!("{error:?}"))
    }
}
