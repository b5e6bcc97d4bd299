//! What MP4 has to know of an H.265 stream (ISO/IEC 14496-15, 8.3), from its parameter sets.
//!
//! Of the sequence parameter set only the part up to the reordering is read (ITU-T H.265,
//! 7.3.2.2): what follows can be malformed without harm here.

use std::num::NonZeroUsize;

use h264_reader::rbsp::{BitRead as _, BitReader, BitReaderError, ByteReader};
use mp4_atom::{Hvc1, HvcCArray, Hvcc};

use super::boxes::{self, Track};
use super::{PackageError, side};

/// `nal_unit_type` of a video parameter set.
pub(super) const VPS: u8 = 32;
/// `nal_unit_type` of a sequence parameter set.
pub(super) const SPS: u8 = 33;
/// `nal_unit_type` of a picture parameter set.
pub(super) const PPS: u8 = 34;

const HEADER_BYTES: NonZeroUsize = NonZeroUsize::new(2).unwrap();

/// The beginning of a sequence parameter set.
#[derive(Debug, Default)]
struct Sequence {
    layers: u8,
    nested: bool,
    profile_space: u8,
    high_tier: bool,
    profile: u8,
    compatibility: u32,
    constraints: [u8; 6],
    level: u8,
    chroma: u32,
    size: (u32, u32),
    depths: (u32, u32),
    reorder: u32,
}

/// Reads the parameter sets of a key picture.
pub(super) fn track(sets: &[&[u8]]) -> Result<Track, PackageError> {
    let of_type = |kind: u8| sets.iter().copied().filter(move |nal| (nal[0] >> 1) & 0x3f == kind);
    let missing = || PackageError::Parameters("one is missing".to_owned());
    for kind in [VPS, PPS] {
        of_type(kind).next().ok_or_else(missing)?;
    }
    let sequence = Sequence::read(of_type(SPS).next().ok_or_else(missing)?)
        .map_err(|error| PackageError::Parameters(format!("{error:?}")))?;
    let (width, height) = side(sequence.size.0, sequence.size.1)?;
    let array = |kind: u8| HvcCArray {
        completeness: true,
        nal_unit_type: kind,
        nalus: of_type(kind).map(<[u8]>::to_vec).collect(),
    };
    let small = |value: u32| u8::try_from(value).unwrap_or(0);
    let hvcc = Hvcc {
        general_profile_space: sequence.profile_space,
        general_tier_flag: sequence.high_tier,
        general_profile_idc: sequence.profile,
        general_profile_compatibility_flags: sequence.compatibility.to_be_bytes(),
        general_constraint_indicator_flags: sequence.constraints,
        general_level_idc: sequence.level,
        chroma_format_idc: small(sequence.chroma),
        bit_depth_luma_minus8: small(sequence.depths.0),
        bit_depth_chroma_minus8: small(sequence.depths.1),
        num_temporal_layers: sequence.layers,
        temporal_id_nested: sequence.nested,
        length_size_minus_one: 3,
        arrays: [VPS, SPS, PPS].map(array).into(),
        ..Hvcc::new()
    };
    Ok(Track {
        entry: Hvc1 { visual: boxes::visual(width, height), hvcc, ..Hvc1::default() }.into(),
        width,
        height,
        codecs: sequence.codecs(),
        reorder: Some(sequence.reorder),
    })
}

impl Sequence {
    fn read(nal: &[u8]) -> Result<Self, BitReaderError> {
        let mut bits = BitReader::new(ByteReader::skipping_bytes(nal, HEADER_BYTES));
        let mut sequence = Self::default();
        bits.skip(4, "sps_video_parameter_set_id")?;
        let sub_layers: u8 = bits.read(3, "sps_max_sub_layers_minus1")?;
        sequence.layers = sub_layers + 1;
        sequence.nested = bits.read_bool("sps_temporal_id_nesting_flag")?;
        sequence.read_profile(&mut bits, sub_layers)?;
        bits.read_ue("sps_seq_parameter_set_id")?;
        sequence.chroma = bits.read_ue("chroma_format_idc")?;
        if sequence.chroma == 3 {
            bits.skip(1, "separate_colour_plane_flag")?;
        }
        sequence.size.0 = bits.read_ue("pic_width_in_luma_samples")?;
        sequence.size.1 = bits.read_ue("pic_height_in_luma_samples")?;
        if bits.read_bool("conformance_window_flag")? {
            sequence.crop(&mut bits)?;
        }
        sequence.depths.0 = bits.read_ue("bit_depth_luma_minus8")?;
        sequence.depths.1 = bits.read_ue("bit_depth_chroma_minus8")?;
        bits.read_ue("log2_max_pic_order_cnt_lsb_minus4")?;
        let all = bits.read_bool("sps_sub_layer_ordering_info_present_flag")?;
        for _ in (if all { 0 } else { sub_layers })..=sub_layers {
            bits.read_ue("sps_max_dec_pic_buffering_minus1")?;
            sequence.reorder = bits.read_ue("sps_max_num_reorder_pics")?;
            bits.read_ue("sps_max_latency_increase_plus1")?;
        }
        Ok(sequence)
    }

    /// `profile_tier_level` (7.3.3).
    fn read_profile(
        &mut self,
        bits: &mut BitReader<ByteReader<&[u8]>>,
        sub_layers: u8,
    ) -> Result<(), BitReaderError> {
        self.profile_space = bits.read(2, "general_profile_space")?;
        self.high_tier = bits.read_bool("general_tier_flag")?;
        self.profile = bits.read(5, "general_profile_idc")?;
        self.compatibility = bits.read(32, "general_profile_compatibility_flags")?;
        for byte in &mut self.constraints {
            *byte = bits.read(8, "general_constraint_indicator_flags")?;
        }
        self.level = bits.read(8, "general_level_idc")?;
        let mut further = 0;
        for _ in 0..sub_layers {
            let has_profile = bits.read_bool("sub_layer_profile_present_flag")?;
            let has_level = bits.read_bool("sub_layer_level_present_flag")?;
            further += if has_profile { 88 } else { 0 } + if has_level { 8 } else { 0 };
        }
        if sub_layers > 0 {
            bits.skip(2 * (8 - u32::from(sub_layers)), "reserved_zero_2bits")?;
        }
        bits.skip(further, "sub_layers")
    }

    /// Takes off what is not to be seen.
    fn crop(&mut self, bits: &mut BitReader<ByteReader<&[u8]>>) -> Result<(), BitReaderError> {
        let (across, down) = match self.chroma {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        for (step, horizontal) in [(across, true), (across, true), (down, false), (down, false)] {
            let off = bits.read_ue("conf_win_offset")?.saturating_mul(step);
            let side = if horizontal { &mut self.size.0 } else { &mut self.size.1 };
            *side = side.saturating_sub(off);
        }
        Ok(())
    }

    /// The codec's name (ISO/IEC 14496-15, E.3).
    fn codecs(&self) -> String {
        let space = ["", "A", "B", "C"][usize::from(self.profile_space & 3)];
        let tier = if self.high_tier { 'H' } else { 'L' };
        let compatibility = self.compatibility.reverse_bits();
        let (profile, level) = (self.profile, self.level);
        let end = self.constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let constraints: Vec<String> =
            self.constraints[..end].iter().map(|byte| format!(".{byte:X}")).collect();
        let constraints = constraints.concat();
        format!("hvc1.{space}{profile}.{compatibility:X}.{tier}{level}{constraints}")
    }
}
