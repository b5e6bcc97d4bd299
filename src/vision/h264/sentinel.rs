//! Makes the decoder tell whether a picture ends exactly where it should.
//!
//! The decoder stops at the last macroblock of a picture without looking whether the slice says that
//! it ends there, and reads zeros for ever when slice data was cut off: it would invent the rest of
//! the picture. So it is given a picture that is one row of macroblocks taller than the real one. A
//! sound slice ends before that row, a slice that was cut off or went astray runs on into it. The
//! row itself then comes from a slice that is written here.
//!
//! Nothing here looks at samples, and the extra row is cropped away by the caller.

use h264_reader::rbsp::{BitRead, BitReader, BitReaderError};
use rusty_h264_decoder::{Pps, Sps};

/// A macroblock that predicts the mean of its neighbours and adds nothing: `I_16x16_2_0_0` with
/// chroma mode, quantiser step and coefficient count of zero, in CAVLC.
const PLAIN_MACROBLOCK: u32 = 0b0010_0111;

/// `nal_unit_type` and `nal_ref_idc` of the NAL units written here.
const SEQUENCE_SET: u8 = 0x67;
const PICTURE_SET: u8 = 0x68;

/// Copies syntax elements from one RBSP to another.
struct Copy<R> {
    from: R,
    to: Bits,
}

/// The sequence parameter set `rbsp` with one more row of map units and without cropping or VUI.
pub(super) fn taller(rbsp: &[u8]) -> Result<Vec<u8>, BitReaderError> {
    let mut copy = Copy { from: BitReader::new(rbsp), to: Bits::default() };
    let profile = copy.bits(8)?;
    copy.bits(16)?;
    copy.exp_golomb()?;
    if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
        copy.chroma_and_scaling()?;
    }
    copy.exp_golomb()?;
    match copy.exp_golomb()? {
        0 => drop(copy.exp_golomb()?),
        1 => copy.order_count_cycle()?,
        _ => {}
    }
    copy.exp_golomb()?;
    copy.bits(1)?;
    copy.exp_golomb()?;
    let rows = copy.from.read_ue("pic_height_in_map_units_minus1")?;
    copy.to.exp_golomb(rows.saturating_add(1));
    if copy.bits(1)? == 0 {
        copy.bits(1)?;
    }
    copy.bits(1)?;
    // No cropping, no VUI.
    copy.to.put(0, 2);
    Ok(copy.to.into_nal(SEQUENCE_SET))
}

impl<R: BitRead> Copy<R> {
    fn bits(&mut self, count: u32) -> Result<u32, BitReaderError> {
        let value = self.from.read::<u32>(count, "copied bits")?;
        self.to.put(value, count);
        Ok(value)
    }

    fn exp_golomb(&mut self) -> Result<u32, BitReaderError> {
        let value = self.from.read_ue("copied number")?;
        self.to.exp_golomb(value);
        Ok(value)
    }

    fn chroma_and_scaling(&mut self) -> Result<(), BitReaderError> {
        for _ in 0..3 {
            self.exp_golomb()?;
        }
        self.bits(1)?;
        if self.bits(1)? == 0 {
            return Ok(());
        }
        for list in 0..8 {
            if self.bits(1)? == 1 {
                self.scaling_list(if list < 6 { 16 } else { 64 })?;
            }
        }
        Ok(())
    }

    fn scaling_list(&mut self, size: u32) -> Result<(), BitReaderError> {
        let mut scale: i64 = 8;
        for _ in 0..size {
            scale = (scale + signed(self.exp_golomb()?) + 256).rem_euclid(256);
            if scale == 0 {
                break;
            }
        }
        Ok(())
    }

    fn order_count_cycle(&mut self) -> Result<(), BitReaderError> {
        self.bits(1)?;
        self.exp_golomb()?;
        self.exp_golomb()?;
        for _ in 0..self.exp_golomb()?.min(255) {
            self.exp_golomb()?;
        }
        Ok(())
    }
}

fn signed(code: u32) -> i64 {
    if code % 2 == 1 { i64::from(code / 2) + 1 } else { -i64::from(code / 2) }
}

/// The two NAL units that fill the extra row: a picture parameter set and a slice.
///
/// `rbsp` is the last slice of the picture, `header` its NAL unit header, `macroblocks` the number
/// of macroblocks in the real picture. The filter strength of that slice is taken over because the
/// decoder applies the strength of the last slice to the row above it.
pub(super) fn extra_row(
    (header, rbsp): (u8, &[u8]),
    (sequence, picture): (&Sps, &Pps),
    macroblocks: u32,
) -> Result<[Vec<u8>; 2], BitReaderError> {
    let id = if picture.pic_parameter_set_id == 255 { 254 } else { 255 };
    let mut copy = Copy { from: BitReader::new(rbsp), to: Bits::default() };
    for _ in 0..3 {
        copy.from.read_ue("first_mb_in_slice, slice_type, pic_parameter_set_id")?;
    }
    copy.to.exp_golomb(macroblocks).exp_golomb(7).exp_golomb(id);
    copy.until_deblocking(header, sequence, picture)?;
    let (mut mode, mut strength) = (0, [0, 0]);
    if picture.deblocking_filter_control_present_flag {
        mode = copy.from.read_ue("disable_deblocking_filter_idc")?;
        if mode != 1 {
            strength = [copy.from.read_ue("alpha")?, copy.from.read_ue("beta")?];
        }
    }
    // Mode 2 leaves the border to the real picture unfiltered.
    copy.to.exp_golomb(if mode == 1 { 1 } else { 2 });
    if mode != 1 {
        copy.to.exp_golomb(strength[0]).exp_golomb(strength[1]);
    }
    let rows = if sequence.frame_mbs_only { 1 } else { 2 };
    for _ in 0..rows * sequence.pic_width_in_mbs {
        copy.to.put(PLAIN_MACROBLOCK, 8);
    }
    Ok([picture_set(id, picture), copy.to.into_nal(header)])
}

impl<R: BitRead> Copy<R> {
    /// Copies an intra slice header from `frame_num` to `slice_qp_delta`.
    fn until_deblocking(
        &mut self,
        header: u8,
        sequence: &Sps,
        picture: &Pps,
    ) -> Result<(), BitReaderError> {
        let idr = header & 0x1F == 5;
        self.bits(sequence.log2_max_frame_num)?;
        if !sequence.frame_mbs_only {
            self.bits(1)?;
        }
        if idr {
            self.exp_golomb()?;
        }
        let bottom = u32::from(picture.bottom_field_pic_order_present);
        if sequence.pic_order_cnt_type == 0 {
            self.bits(sequence.log2_max_pic_order_cnt_lsb)?;
            (0..bottom).try_for_each(|_| self.exp_golomb().map(drop))?;
        } else if sequence.pic_order_cnt_type == 1 && !sequence.delta_pic_order_always_zero {
            (0..=bottom).try_for_each(|_| self.exp_golomb().map(drop))?;
        }
        if picture.redundant_pic_cnt_present_flag {
            self.exp_golomb()?;
        }
        if header & 0x60 != 0 {
            self.reference_marking(idr)?;
        }
        self.exp_golomb().map(drop)
    }

    fn reference_marking(&mut self, idr: bool) -> Result<(), BitReaderError> {
        if idr {
            return self.bits(2).map(drop);
        }
        if self.bits(1)? == 0 {
            return Ok(());
        }
        for _ in 0..64 {
            match self.exp_golomb()? {
                0 => return Ok(()),
                1 | 2 | 4 | 6 => drop(self.exp_golomb()?),
                3 => {
                    self.exp_golomb()?;
                    self.exp_golomb()?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// `picture` for CAVLC under another id, with explicit deblocking and without extensions.
fn picture_set(id: u32, picture: &Pps) -> Vec<u8> {
    let flag = u32::from;
    let mut to = Bits::default();
    to.exp_golomb(id).exp_golomb(picture.seq_parameter_set_id);
    to.put(0, 1).put(flag(picture.bottom_field_pic_order_present), 1);
    to.exp_golomb(0).exp_golomb(0).exp_golomb(0).put(0, 3);
    to.exp_golomb(0).exp_golomb(0).exp_golomb(0);
    to.put(1, 1).put(flag(picture.constrained_intra_pred_flag), 1);
    to.put(flag(picture.redundant_pic_cnt_present_flag), 1);
    to.into_nal(PICTURE_SET)
}

/// Bits of an RBSP, most significant first.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, value: u32, count: u32) -> &mut Self {
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    fn exp_golomb(&mut self, value: u32) -> &mut Self {
        let value = value.saturating_add(1);
        let length = u32::BITS - value.leading_zeros();
        self.put(0, length - 1).put(value, length)
    }

    /// Ends the RBSP and makes it a NAL unit with `header`.
    fn into_nal(mut self, header: u8) -> Vec<u8> {
        self.0.push(true);
        let byte = |bits: &[bool]| {
            let places = bits.iter().zip([7, 6, 5, 4, 3, 2, 1, 0]);
            places.fold(0, |byte, (&bit, place)| byte | u8::from(bit) << place)
        };
        let rbsp: Vec<u8> = self.0.chunks(8).map(byte).collect();
        let mut nal = vec![header];
        rusty_h265::nal::escape_into(&rbsp, &mut nal);
        nal
    }
}
