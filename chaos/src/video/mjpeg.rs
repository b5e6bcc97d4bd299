//! Motion JPEG: every piece is coded in restart intervals, which can be decoded on their own.
//! It decides nothing about what a picture shows.

use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};

use super::compose::{Piece, SliceError};
use super::image::Image;
use super::layout::Layout;

const QUALITY: u8 = 75;

/// What all pictures of a size share.
#[derive(Clone, Debug)]
pub(crate) struct Parameters {
    /// Blocks of 16x16 pixels between two restart markers.
    pub interval: u16,
    /// The two quantisation tables, 64 bytes each, in zigzag order.
    pub tables: Vec<u8>,
    /// Everything of a JPEG file before the coded data.
    pub header: Vec<u8>,
}

impl Parameters {
    /// The parameters of a layout; `blank` is any picture of its visible size.
    pub(crate) fn new(layout: &Layout, blank: &Image) -> Result<Self, SliceError> {
        let common = gcd(gcd(layout.columns, layout.stamp_byte), layout.letter);
        let interval = u16::try_from(common).unwrap_or(1);
        let jpeg = encode(blank, interval)?;
        let (tables, scan) = read_header(&jpeg)?;
        Ok(Self { interval, tables, header: jpeg[..scan].to_vec() })
    }

    /// Encodes a drawing whose blocks fill whole intervals.
    pub(crate) fn encode(&self, drawing: &Image) -> Result<Piece, SliceError> {
        let jpeg = encode(drawing, self.interval)?;
        let (_, start) = read_header(&jpeg)?;
        let mut data = Vec::new();
        let mut ends = Vec::new();
        let mut at = start;
        while at + 1 < jpeg.len() {
            match (jpeg[at], jpeg[at + 1]) {
                (0xff, 0xd0..=0xd7) => ends.push(data.len()),
                (0xff, 0xd9) => break,
                (0xff, second) => data.extend([0xff, second]),
                (first, _) => {
                    data.push(first);
                    at += 1;
                    continue;
                }
            }
            at += 2;
        }
        ends.push(data.len());
        Ok(Piece { qp_delta: 0, data: data.into(), ends: ends.into() })
    }
}

fn encode(image: &Image, interval: u16) -> Result<Vec<u8>, SliceError> {
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
    encoder.set_restart_interval(interval);
    encoder.encode_image(Planes(image)).map_err(SliceError::Jpeg)?;
    Ok(jpeg)
}

// The quantisation tables, and where the coded data begin.
fn read_header(jpeg: &[u8]) -> Result<(Vec<u8>, usize), SliceError> {
    let mut tables = vec![0; 128];
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = jpeg.get(at..at + 4) {
        let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
        let body = jpeg.get(at + 4..end).ok_or(SliceError::Unexpected("JPEG header"))?;
        if marker == 0xdb {
            for table in body.chunks_exact(65) {
                let number = usize::from(table[0] & 1);
                tables[number * 64..][..64].copy_from_slice(&table[1..]);
            }
        }
        at = end;
        if marker == 0xda {
            return Ok((tables, at));
        }
    }
    Err(SliceError::Unexpected("JPEG header"))
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

struct Planes<'a>(&'a Image);

impl ImageBuffer for Planes<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        u16::try_from(self.0.width).unwrap_or(u16::MAX)
    }

    fn height(&self) -> u16 {
        u16::try_from(self.0.height).unwrap_or(u16::MAX)
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let (row, width) = (usize::from(y), self.0.width);
        buffers[0].extend_from_slice(&self.0.luma[row * width..][..width]);
        for (plane, buffer) in self.0.chroma.iter().zip(&mut buffers[1..3]) {
            let samples = &plane[row / 2 * (width / 2)..][..width / 2];
            buffer.extend(samples.iter().flat_map(|&sample| [sample, sample]));
        }
    }
}
