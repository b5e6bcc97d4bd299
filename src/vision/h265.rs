//! Decodes one H.265 key picture with `rusty_h265`.
//!
//! That decoder reports every slice it cannot read and leaves zeros where slices are missing. The
//! declared size, the number of pictures and slices, and the need for other pictures are checked
//! here before it sees a slice.

use std::collections::BTreeMap;

use rusty_h265::bits::{BitReader, OutOfData};
use rusty_h265::nal::{NalHeader, NalType, unescape};
use rusty_h265::ps::{Sps, parse_pps, parse_sps};
use rusty_h265::{Decoder, Error, Frame, Plane};

use super::annex_b;
use super::colour::{Colour, MATRIX_BT709};
use super::decoder::Decoded;
use super::picture::{Limits, VisionError};
use super::planes::{Planes, Window, copy_window};
use super::thumbnail::SampleAspect;

/// Slice segments of one picture; level 6.2 allows 600 slices.
const MAX_SLICES: usize = 600;

/// Parameter sets in one access unit.
const MAX_PARAMETER_SETS: usize = 64;

/// Bytes of a slice segment that hold the fields read here, header and escapes included.
const SLICE_START: usize = 32;

/// Decodes the first picture of an access unit.
pub(super) fn decode(
    data: &[u8],
    limits: &Limits,
    abandoned: &dyn Fn() -> bool,
) -> Result<Decoded, VisionError> {
    let mut sets = ParameterSets::default();
    let mut decoder = Decoder::new();
    let (mut slices, mut active) = (0, None);
    for nal in annex_b::nal_units(data) {
        let Some(header) = NalHeader::parse(nal).filter(|header| header.layer_id == 0) else {
            continue;
        };
        let kind = header.nal_type;
        if kind.is_vcl() {
            let (first, picture_set) = slice_start(nal, kind)?;
            match (first, slices) {
                (true, 0) => active = Some(sets.of(picture_set)?),
                (true, _) => break,
                (false, 0) => return Err(VisionError::damaged("first slice is missing")),
                (false, MAX_SLICES..) => {
                    return Err(VisionError::unsupported("picture of too many slices"));
                }
                (false, _) => {}
            }
            slices += 1;
        } else if !sets.add(nal, kind, limits)? {
            continue;
        }
        if abandoned() {
            return Err(VisionError::Abandoned);
        }
        decoder.push_nal(nal, None).map_err(classify)?;
    }
    let sequence = active.ok_or(VisionError::NoPicture)?;
    decoder.flush();
    let frame = decoder.next_frame().map_err(|_| VisionError::NoPicture)?;
    Ok(Decoded {
        planes: planes(&frame, sequence)?,
        colour: sequence.colour,
        aspect: sequence.aspect,
    })
}

/// What a sequence parameter set declares.
#[derive(Debug, Clone, Copy)]
struct Sequence {
    /// Bits per sample of luma and chroma.
    depth: (u8, u8),
    colour: Colour,
    aspect: SampleAspect,
}

#[derive(Debug, Default)]
struct ParameterSets {
    count: usize,
    sequences: BTreeMap<u8, Sequence>,
    /// Sequence parameter set of each picture parameter set.
    pictures: BTreeMap<u8, u8>,
}

impl ParameterSets {
    /// Takes note of a parameter set. False when the NAL unit is none, so of no use here.
    fn add(&mut self, nal: &[u8], kind: NalType, limits: &Limits) -> Result<bool, VisionError> {
        if !matches!(kind, NalType::Vps | NalType::Sps | NalType::Pps) {
            return Ok(false);
        }
        self.count += 1;
        if self.count > MAX_PARAMETER_SETS {
            return Err(VisionError::unsupported("too many parameter sets"));
        }
        let payload = unescape(nal.get(2..).unwrap_or_default()).data;
        if kind == NalType::Sps {
            let (width, height) = declared_size(&payload)
                .map_err(|_| VisionError::damaged("sequence parameter set ends too early"))?;
            limits.check(u64::from(width), u64::from(height))?;
            let set = parse_sps(&payload).map_err(classify)?;
            self.sequences.insert(set.id, Sequence::of(&set));
        } else if kind == NalType::Pps {
            let set = parse_pps(&payload).map_err(classify)?;
            self.pictures.insert(set.id, set.sps_id);
        }
        Ok(true)
    }

    fn of(&self, picture_set: u32) -> Result<Sequence, VisionError> {
        u8::try_from(picture_set)
            .ok()
            .and_then(|id| self.pictures.get(&id))
            .and_then(|id| self.sequences.get(id))
            .copied()
            .ok_or(VisionError::NoParameterSets)
    }
}

impl Sequence {
    fn of(set: &Sps) -> Self {
        let vui = set.vui.as_ref();
        Self {
            depth: (set.bit_depth_luma, set.bit_depth_chroma),
            colour: Colour {
                full_range: vui.is_some_and(|vui| vui.video_full_range_flag),
                bt709: vui.is_some_and(|vui| vui.matrix_coeffs == MATRIX_BT709),
            },
            // The parser keeps a ratio that is written out, not one named by its table index.
            aspect: vui.map_or(SampleAspect::SQUARE, |vui| {
                SampleAspect::declared(vui.sar_width, vui.sar_height)
            }),
        }
    }
}

/// Coded width and height, read by hand: the parser calls sizes beyond its own limit damaged.
fn declared_size(payload: &[u8]) -> Result<(u32, u32), OutOfData> {
    let mut bits = BitReader::new(payload);
    bits.skip_bits(4)?;
    let sub_layers = bits.read_bits(3)?;
    // One flag, then profile (88 bits) and level (8 bits) of the whole.
    bits.skip_bits(1 + 88 + 8)?;
    let mut skipped = 0;
    for _ in 0..sub_layers {
        let (profile, level) = (bits.read_flag()?, bits.read_flag()?);
        skipped += if profile { 88 } else { 0 } + if level { 8 } else { 0 };
    }
    if sub_layers > 0 {
        skipped += 2 * 8_u32.saturating_sub(sub_layers);
    }
    bits.skip_bits(skipped)?;
    bits.read_ue()?;
    if bits.read_ue()? == 3 {
        bits.skip_bits(1)?;
    }
    Ok((bits.read_ue()?, bits.read_ue()?))
}

/// Whether a slice segment is the first of its picture, and its picture parameter set.
fn slice_start(nal: &[u8], kind: NalType) -> Result<(bool, u32), VisionError> {
    if !(kind.is_idr() || kind.is_bla() || kind.is_cra()) {
        return Err(VisionError::NoPicture);
    }
    let payload = unescape(nal.get(2..SLICE_START.min(nal.len())).unwrap_or_default()).data;
    let mut bits = BitReader::new(&payload);
    let mut read = || {
        let first = bits.read_flag()?;
        bits.skip_bits(1)?;
        Ok((first, bits.read_ue()?))
    };
    read().map_err(|_: OutOfData| VisionError::damaged("slice header ends too early"))
}

/// Cuts out the shown part and brings it to eight bits.
fn planes(frame: &Frame, sequence: Sequence) -> Result<Planes, VisionError> {
    let picture = &frame.picture;
    if picture.chroma_format_idc != 1 {
        return Err(VisionError::unsupported("chroma other than 4:2:0"));
    }
    let (left, top, width, height) = picture.crop;
    let luma = Window { left, top, width, height };
    let chroma = Window {
        left: left / 2,
        top: top / 2,
        width: width.div_ceil(2),
        height: height.div_ceil(2),
    };
    let [y, u, v] = &picture.planes;
    let (luma_depth, chroma_depth) = sequence.depth;
    Ok(Planes {
        width,
        height,
        y: copy_plane(y, luma, luma_depth),
        u: copy_plane(u, chroma, chroma_depth),
        v: copy_plane(v, chroma, chroma_depth),
    })
}

fn copy_plane(plane: &Plane, window: Window, depth: u8) -> Vec<u8> {
    if depth == 8 {
        // A constant depth leaves a loop of plain narrowing.
        copy_window(&plane.data, plane.stride, window, |sample| narrow(sample, 8))
    } else {
        copy_window(&plane.data, plane.stride, window, |sample| narrow(sample, depth))
    }
}

/// Rounds a sample of `depth` bits to eight.
#[inline]
fn narrow(sample: u16, depth: u8) -> u8 {
    let surplus = depth.saturating_sub(8);
    let half = (1_u16 << surplus) >> 1;
    u8::try_from(((sample + half) >> surplus).min(255)).unwrap_or(u8::MAX)
}

fn classify(error: Error) -> VisionError {
    if let Error::Unsupported(what) = error {
        VisionError::unsupported(what)
    } else {
        VisionError::damaged(error.to_string())
    }
}
