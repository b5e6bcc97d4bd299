//! What MP4 has to know of an H.264 stream (ISO/IEC 14496-15, 5.3), from its parameter sets.
//!
//! Only the sequence parameter set is looked into.

use h264_reader::nal::sps::{ChromaFormat, PicOrderCntType, SeqParameterSet};
use h264_reader::rbsp::{BitReader, ByteReader};
use mp4_atom::{Avc1, Avcc, AvccExt};

use super::boxes::{self, Track};
use super::{PackageError, side};

/// `nal_unit_type` of a sequence parameter set.
pub(super) const SPS: u8 = 7;
/// `nal_unit_type` of a picture parameter set.
pub(super) const PPS: u8 = 8;

/// Baseline profile: pictures come in the order in which they are shown.
const BASELINE: u8 = 66;
/// Profiles whose configuration record says nothing of chroma and depth.
const PLAIN_PROFILES: [u8; 3] = [BASELINE, 77, 88];

/// Reads the parameter sets of a key picture.
pub(super) fn track(sets: &[&[u8]]) -> Result<Track, PackageError> {
    let of_type = |kind: u8| sets.iter().copied().filter(move |nal| nal[0] & 0x1f == kind);
    let missing = || PackageError::Parameters("one is missing".to_owned());
    let first = of_type(SPS).next().ok_or_else(missing)?;
    of_type(PPS).next().ok_or_else(missing)?;
    let sps = SeqParameterSet::from_bits(BitReader::new(ByteReader::skipping_h264_header(first)))
        .map_err(|error| PackageError::Parameters(format!("{error:?}")))?;
    let size =
        sps.pixel_dimensions().map_err(|error| PackageError::Parameters(format!("{error:?}")))?;
    let (width, height) = side(size.0, size.1)?;
    let [_, profile, constraints, level, ..] = *first else { return Err(missing()) };
    let chroma = &sps.chroma_info;
    let avcc = Avcc {
        configuration_version: 1,
        avc_profile_indication: profile,
        profile_compatibility: constraints,
        avc_level_indication: level,
        length_size: 4,
        sequence_parameter_sets: of_type(SPS).map(<[u8]>::to_vec).collect(),
        picture_parameter_sets: of_type(PPS).map(<[u8]>::to_vec).collect(),
        ext: (!PLAIN_PROFILES.contains(&profile)).then(|| AvccExt {
            chroma_format: chroma_format(chroma.chroma_format),
            bit_depth_luma: chroma.bit_depth_luma_minus8 + 8,
            bit_depth_chroma: chroma.bit_depth_chroma_minus8 + 8,
            sequence_parameter_sets_ext: Vec::new(),
        }),
    };
    Ok(Track {
        entry: Avc1 { visual: boxes::visual(width, height), avcc, ..Avc1::default() }.into(),
        width,
        height,
        // RFC 6381, 3.3.
        codecs: format!("avc1.{profile:02X}{constraints:02X}{level:02X}"),
        reorder: reorder(&sps),
    })
}

/// By how many pictures the stream reorders; `None` where nothing says so.
fn reorder(sps: &SeqParameterSet) -> Option<u32> {
    let restrictions =
        sps.vui_parameters.as_ref().and_then(|vui| vui.bitstream_restrictions.as_ref());
    if let Some(restrictions) = restrictions {
        return Some(restrictions.max_num_reorder_frames);
    }
    let in_order = matches!(sps.pic_order_cnt, PicOrderCntType::TypeTwo)
        || sps.profile_idc == h264_reader::nal::sps::ProfileIdc::from(BASELINE);
    in_order.then_some(0)
}

fn chroma_format(format: ChromaFormat) -> u8 {
    match format {
        ChromaFormat::Monochrome => 0,
        ChromaFormat::YUV420 | ChromaFormat::Invalid(_) => 1,
        ChromaFormat::YUV422 => 2,
        ChromaFormat::YUV444 => 3,
    }
}
