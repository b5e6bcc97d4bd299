//! H.264 slices: reads those of the real encoder, writes new headers before their untouched data,
//! and writes slices that say "unchanged". It decides nothing about what a picture shows.

use super::bits::{BitReader, BitWriter, escape, unescape};
use super::cabac::{Context, Encoder};
use super::compose::{PictureKind, Piece, SliceError};

/// What the encoder's parameter sets say, as far as slices depend on it.
#[derive(Clone, Debug)]
pub(crate) struct Parameters {
    /// The sequence parameter set, a whole NAL unit.
    pub sps: Vec<u8>,
    /// The picture parameter set, a whole NAL unit.
    pub pps: Vec<u8>,
    init_qp: i32,
    frame_num_bits: u32,
}

impl Parameters {
    /// Takes the parameter sets out of the encoder's NAL units.
    pub(crate) fn read(units: &[&[u8]]) -> Result<Self, SliceError> {
        let find = |kind| units.iter().find(|unit| unit[0] & 0x1f == kind);
        let (Some(sps), Some(pps)) = (find(7), find(8)) else {
            return Err(SliceError::NoParameterSets);
        };
        let frame_num_bits = read_sps(&unescape(sps))?;
        let raw = unescape(pps);
        let mut bits = BitReader::new(&raw[1..]);
        bits.ue();
        bits.ue();
        let cabac = bits.flag();
        bits.flag();
        let plain = bits.ue() == 0 && bits.ue() == 0 && bits.ue() == 0 && bits.get(3) == 0;
        if !cabac || !plain {
            return Err(SliceError::Unexpected("picture parameter set"));
        }
        let init_qp = 26 + bits.se();
        Ok(Self { sps: sps.to_vec(), pps: pps.to_vec(), init_qp, frame_num_bits })
    }

    /// Reads a slice that covers a whole picture of its own.
    pub(crate) fn read_slice(&self, unit: &[u8]) -> Result<Piece, SliceError> {
        let raw = unescape(unit);
        let mut bits = BitReader::new(&raw[1..]);
        if raw[0] & 0x1f != 5 || bits.ue() != 0 || bits.ue() != 7 || bits.ue() != 0 {
            return Err(SliceError::Unexpected("slice header"));
        }
        bits.get(self.frame_num_bits);
        bits.ue();
        bits.get(2);
        let qp_delta = bits.se();
        if bits.ue() != 1 {
            return Err(SliceError::Unexpected("deblocking"));
        }
        while !bits.position().is_multiple_of(8) {
            if !bits.flag() {
                return Err(SliceError::Unexpected("slice alignment"));
            }
        }
        Ok(Piece { qp_delta, data: raw[1 + bits.position() / 8..].into(), ends: Box::default() })
    }

    /// A slice header up to the data; `piece_qp` is `None` for an unchanged run.
    pub(crate) fn header(&self, kind: PictureKind, first: usize, piece_qp: Option<i32>) -> Vec<u8> {
        let mut bits = BitWriter::default();
        bits.put(if kind.key { 0x65 } else { 0x41 }, 8);
        bits.ue(u32::try_from(first).unwrap_or(0));
        bits.ue(if piece_qp.is_some() { 2 } else { 0 });
        bits.ue(0);
        bits.put(kind.since_key, self.frame_num_bits);
        if kind.key {
            bits.ue(kind.key_number & 0xff);
        }
        if piece_qp.is_none() {
            // No override of the reference count, no reordering of references.
            bits.put(0, 2);
        }
        bits.put(0, if kind.key { 2 } else { 1 });
        if piece_qp.is_none() {
            bits.ue(0);
        }
        bits.se(piece_qp.unwrap_or(0));
        bits.ue(1);
        bits.align(true);
        bits.into_bytes()
    }

    /// The data of a slice of `count` macroblocks that all repeat the picture before.
    pub(crate) fn unchanged(&self, count: usize) -> Vec<u8> {
        let mut encoder = Encoder::new();
        let mut skipped = Context::new(23, 33, self.init_qp);
        for nth in 1..=count {
            encoder.decision(&mut skipped, true);
            encoder.terminate(nth == count);
        }
        encoder.finish()
    }

    /// The same sequence parameter set, but for pictures of 20000x20000.
    pub(crate) fn huge_sps(&self) -> Vec<u8> {
        let raw = unescape(&self.sps);
        let mut reader = BitReader::new(&raw);
        let mut writer = BitWriter::default();
        for _ in 0..4 {
            writer.put(reader.get(8), 8);
        }
        // Set number, chroma format, two bit depths.
        for _ in 0..4 {
            writer.ue(reader.ue());
        }
        writer.put(reader.get(2), 2);
        // Frame number bits, order type, reference frames.
        for _ in 0..3 {
            writer.ue(reader.ue());
        }
        writer.put(reader.get(1), 1);
        for _ in 0..2 {
            reader.ue();
            writer.ue(20_000 / 16 - 1);
        }
        reader.copy_rest(&mut writer);
        writer.align(false);
        let mut bytes = writer.into_bytes();
        while bytes.last() == Some(&0) {
            bytes.pop();
        }
        escape(&bytes)
    }
}

// Checks that the stream is of the one shape that the headers here are written for.
fn read_sps(raw: &[u8]) -> Result<u32, SliceError> {
    let mut bits = BitReader::new(raw.get(1..).unwrap_or_default());
    let profile = bits.get(8);
    bits.get(16);
    bits.ue();
    let plain = profile == 100 && bits.ue() == 1 && bits.ue() == 0 && bits.ue() == 0;
    let scaling = bits.get(2);
    let frame_num_bits = bits.ue() + 4;
    if !plain || scaling != 0 || frame_num_bits > 16 || bits.ue() != 2 {
        return Err(SliceError::Unexpected("sequence parameter set"));
    }
    Ok(frame_num_bits)
}
