//! H.265 slices: reads those of the real encoder, writes new headers before their untouched data,
//! and writes slices that say "unchanged". It decides nothing about what a picture shows.

use super::bits::{BitReader, BitWriter, escape, unescape};
use super::cabac::{Context, Encoder};
use super::compose::{PictureKind, Piece, SliceError};

const TRAIL: u32 = 1;
const IDR: u32 = 20;
/// Bits of the picture order count in slice headers, as x265 always sets them.
const ORDER_BITS: u32 = 8;

/// What the encoder's parameter sets say, as far as slices depend on it.
#[derive(Clone, Debug)]
pub(crate) struct Parameters {
    /// The video parameter set, a whole NAL unit.
    pub vps: Vec<u8>,
    /// The sequence parameter set, a whole NAL unit.
    pub sps: Vec<u8>,
    /// The picture parameter set, a whole NAL unit.
    pub pps: Vec<u8>,
    init_qp: i32,
    address_bits: u32,
}

impl Parameters {
    /// Takes the parameter sets out of the encoder's NAL units, for pictures of `blocks` coding
    /// tree blocks in at most `slices` slices.
    pub(crate) fn read(units: &[&[u8]], blocks: usize, slices: usize) -> Result<Self, SliceError> {
        let find = |kind| units.iter().find(|unit| unit[0] >> 1 == kind);
        let (Some(vps), Some(sps), Some(pps)) = (find(32), find(33), find(34)) else {
            return Err(SliceError::NoParameterSets);
        };
        check_sps(&unescape(sps))?;
        let init_qp = read_pps(&unescape(pps))?;
        let address_bits = blocks.next_power_of_two().trailing_zeros();
        Ok(Self {
            vps: with_level(vps, 17, slices),
            sps: with_level(sps, 14, slices),
            pps: pps.to_vec(),
            init_qp,
            address_bits,
        })
    }

    /// Reads a slice that covers a whole picture of its own.
    pub(crate) fn read_slice(unit: &[u8]) -> Result<Piece, SliceError> {
        let raw = unescape(unit);
        let mut bits = BitReader::new(&raw[2..]);
        let kind = u32::from(raw[0] >> 1);
        // First slice, no prior output flag either way, set 0, intra.
        let first = bits.flag();
        bits.flag();
        if !(19..=IDR).contains(&kind) || !first || bits.ue() != 0 || bits.ue() != 2 {
            return Err(SliceError::Unexpected("slice header"));
        }
        let qp_delta = bits.se();
        if !bits.flag() {
            return Err(SliceError::Unexpected("slice alignment"));
        }
        while !bits.position().is_multiple_of(8) {
            if bits.flag() {
                return Err(SliceError::Unexpected("slice alignment"));
            }
        }
        Ok(Piece { qp_delta, data: raw[2 + bits.position() / 8..].into(), ends: Box::default() })
    }

    /// A slice header up to the data; `piece_qp` is `None` for an unchanged run.
    pub(crate) fn header(&self, kind: PictureKind, first: usize, piece_qp: Option<i32>) -> Vec<u8> {
        let mut bits = BitWriter::default();
        let unit_type = if kind.key { IDR } else { TRAIL };
        bits.put((unit_type << 9) | 1, 16);
        bits.flag(first == 0);
        if kind.key {
            bits.flag(false);
        }
        bits.ue(0);
        if first != 0 {
            bits.put(u32::try_from(first).unwrap_or(0), self.address_bits);
        }
        bits.ue(if piece_qp.is_some() { 2 } else { 1 });
        if !kind.key {
            bits.put(kind.since_key, ORDER_BITS);
            // Its own reference set: one picture, the one before, used.
            bits.flag(false);
            bits.ue(1);
            bits.ue(0);
            bits.ue(0);
            bits.flag(true);
        }
        if piece_qp.is_none() {
            // No override of the reference count; one merge candidate: repeat what was there.
            bits.flag(false);
            bits.ue(4);
        }
        bits.se(piece_qp.unwrap_or(0));
        bits.flag(true);
        bits.align(false);
        bits.into_bytes()
    }

    /// The data of a slice of `count` blocks from block `first` on, in rows of `columns`, that all
    /// repeat the picture before.
    pub(crate) fn unchanged(&self, columns: usize, first: usize, count: usize) -> Vec<u8> {
        let mut encoder = Encoder::new();
        // Initial values 197, 185, 201 of cu_skip_flag in P slices.
        let mut skipped =
            [(15, 24), (10, 56), (15, 56)].map(|(m, n)| Context::new(m, n, self.init_qp));
        for nth in 1..=count {
            let block = first + nth - 1;
            let left = !block.is_multiple_of(columns) && nth > 1;
            let above = nth > columns;
            encoder.decision(&mut skipped[usize::from(left) + usize::from(above)], true);
            encoder.terminate(nth == count);
        }
        encoder.finish()
    }

    /// The same sequence parameter set, but for pictures of 20000x20000.
    pub(crate) fn huge_sps(&self) -> Vec<u8> {
        let raw = unescape(&self.sps);
        let mut reader = BitReader::new(&raw);
        let mut writer = BitWriter::default();
        for _ in 0..15 {
            writer.put(reader.get(8), 8);
        }
        writer.ue(reader.ue());
        writer.ue(reader.ue());
        for _ in 0..2 {
            reader.ue();
            writer.ue(20_000);
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

// The level also bounds the number of slices in a picture (table A.8), which x265, thinking of one
// slice, does not reckon with.
fn with_level(unit: &[u8], byte: usize, slices: usize) -> Vec<u8> {
    let least = match slices {
        0..=16 => 30,
        17..=20 => 63,
        21..=30 => 90,
        31..=40 => 93,
        41..=75 => 120,
        76..=200 => 150,
        _ => 180,
    };
    let mut raw = unescape(unit);
    raw[byte] = raw[byte].max(least);
    escape(&raw)
}

// Checks that the stream is of the one shape that the headers here are written for.
fn check_sps(raw: &[u8]) -> Result<(), SliceError> {
    let mut bits = BitReader::new(raw.get(15..).unwrap_or_default());
    let main = raw.get(2).is_some_and(|byte| byte & 0x0e == 0) && bits.ue() == 0 && bits.ue() == 1;
    bits.ue();
    bits.ue();
    if bits.flag() {
        for _ in 0..4 {
            bits.ue();
        }
    }
    let depth = bits.ue() == 0 && bits.ue() == 0 && bits.ue() + 4 == ORDER_BITS;
    bits.flag();
    for _ in 0..3 {
        bits.ue();
    }
    let blocks = bits.ue() == 1 && bits.ue() == 0;
    for _ in 0..4 {
        bits.ue();
    }
    // Scaling lists, asymmetric partitions, sample adaptive offset, PCM: none.
    let tools = bits.get(4) == 0;
    // No reference sets of its own, no long term references, no temporal motion prediction.
    let references = bits.ue() == 0 && bits.get(2) == 0;
    if main && depth && blocks && tools && references {
        return Ok(());
    }
    Err(SliceError::Unexpected("sequence parameter set"))
}

fn read_pps(raw: &[u8]) -> Result<i32, SliceError> {
    let mut bits = BitReader::new(raw.get(2..).unwrap_or_default());
    let plain = bits.ue() == 0 && bits.ue() == 0 && bits.get(7) == 0;
    let references = bits.ue() == 0 && bits.ue() == 0;
    let init_qp = 26 + bits.se();
    let tools = bits.get(3) == 0;
    bits.se();
    bits.se();
    let prediction = bits.get(6) == 0;
    bits.flag();
    // Deblocking is controlled, cannot be overridden, and is off.
    let deblocking = bits.get(3) == 0b101;
    let rest = bits.get(2) == 0 && bits.ue() == 0 && bits.get(2) == 0;
    if plain && references && tools && prediction && deblocking && rest {
        return Ok(init_qp);
    }
    Err(SliceError::Unexpected("picture parameter set"))
}
