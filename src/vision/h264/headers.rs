//! Reads the headers of an H.264 access unit before anything is decoded.
//!
//! It settles what the decoder may be given: a declared size within the limit, one picture, a
//! bounded number of slices in rising order, and only slices that need no other picture.

use std::collections::BTreeMap;

use h264_reader::nal::sps::{ChromaFormat, FrameMbsFlags, SeqParameterSet};
use h264_reader::rbsp::{self, BitRead as _, BitReader, BitReaderError};

use crate::vision::annex_b;
use crate::vision::colour::{Colour, MATRIX_BT709};
use crate::vision::picture::{Limits, VisionError};
use crate::vision::planes::Window;
use crate::vision::thumbnail::SampleAspect;

/// Slices of one picture; one per row of macroblocks at 4096x2304 makes 144.
const MAX_SLICES: usize = 512;

/// Parameter sets in one access unit.
const MAX_PARAMETER_SETS: usize = 64;

/// Bytes of a slice that hold the three fields read here, escapes included.
const SLICE_START: usize = 32;

/// What the sequence parameter set of the picture declares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sequence {
    /// The part of the coded picture that is meant to be seen.
    pub(super) shown: Window,
    pub(super) colour: Colour,
    pub(super) aspect: SampleAspect,
}

/// One NAL unit for the decoder.
#[derive(Debug)]
pub(super) struct Feed<'a> {
    pub(super) nal: &'a [u8],
    pub(super) cabac_slice: bool,
}

/// One picture, ready to be decoded.
#[derive(Debug)]
pub(super) struct AccessUnit<'a> {
    /// Parameter sets and slices in their order.
    pub(super) feed: Vec<Feed<'a>>,
    pub(super) sequence: Sequence,
}

#[derive(Debug, Clone, Copy)]
struct PictureSet {
    sequence: u32,
    cabac: bool,
}

#[derive(Debug, Default)]
struct ParameterSets {
    sequences: BTreeMap<u32, Sequence>,
    pictures: BTreeMap<u32, PictureSet>,
}

impl<'a> AccessUnit<'a> {
    /// Reads the first picture of `data`; what follows it is left out.
    pub(super) fn read(data: &'a [u8], limits: &Limits) -> Result<Self, VisionError> {
        let mut sets = ParameterSets::default();
        let (mut feed, mut slices, mut last) = (Vec::new(), 0, None);
        let mut active = None;
        for nal in annex_b::nal_units(data) {
            let kind = nal.first().map_or(0, |header| header & 0x1F);
            let mut cabac_slice = false;
            match kind {
                1 | 5 => {
                    let slice = SliceStart::read(nal)?;
                    if last.is_some() && slice.first_macroblock == 0 {
                        break;
                    }
                    slice.check(last)?;
                    last = Some(slice.first_macroblock);
                    slices += 1;
                    let (sequence, cabac) = sets.of(slice.picture_set)?;
                    active = Some(sequence);
                    cabac_slice = cabac;
                }
                2..=4 => return Err(VisionError::unsupported("data partitioning")),
                // A parameter set after the slices belongs to the next picture.
                7 | 8 if active.is_some() => break,
                7 => sets.add_sequence(nal, limits)?,
                8 => sets.add_picture(nal)?,
                _ => continue,
            }
            if slices > MAX_SLICES || feed.len() >= MAX_SLICES + MAX_PARAMETER_SETS {
                return Err(VisionError::unsupported("picture in too many parts"));
            }
            feed.push(Feed { nal, cabac_slice });
        }
        active.map(|sequence| Self { feed, sequence }).ok_or(VisionError::NoPicture)
    }
}

impl ParameterSets {
    fn add_sequence(&mut self, nal: &[u8], limits: &Limits) -> Result<(), VisionError> {
        let bits =
            rbsp::decode_nal(nal).map_err(|error| VisionError::damaged(error.to_string()))?;
        let set = SeqParameterSet::from_bits(BitReader::new(bits.as_ref()))
            .map_err(|error| VisionError::damaged(format!("sequence parameter set: {error:?}")))?;
        self.sequences.insert(u32::from(set.id().id()), Sequence::of(&set, limits)?);
        Ok(())
    }

    fn add_picture(&mut self, nal: &[u8]) -> Result<(), VisionError> {
        let bits =
            rbsp::decode_nal(nal).map_err(|error| VisionError::damaged(error.to_string()))?;
        let mut bits = BitReader::new(bits.as_ref());
        let id = bits.read_ue("pic_parameter_set_id").map_err(|error| unreadable(&error))?;
        let sequence = bits.read_ue("seq_parameter_set_id").map_err(|error| unreadable(&error))?;
        let cabac =
            bits.read_bool("entropy_coding_mode_flag").map_err(|error| unreadable(&error))?;
        self.pictures.insert(id, PictureSet { sequence, cabac });
        Ok(())
    }

    fn of(&self, picture_set: u32) -> Result<(Sequence, bool), VisionError> {
        let picture = self.pictures.get(&picture_set).ok_or(VisionError::NoParameterSets)?;
        let sequence = self.sequences.get(&picture.sequence);
        Ok((*sequence.ok_or(VisionError::NoParameterSets)?, picture.cabac))
    }
}

impl Sequence {
    fn of(set: &SeqParameterSet, limits: &Limits) -> Result<Self, VisionError> {
        let fields = matches!(set.frame_mbs_flags, FrameMbsFlags::Fields { .. });
        let rows = if fields { 2 } else { 1 };
        let width = (u64::from(set.pic_width_in_mbs_minus1) + 1) * 16;
        let height = (u64::from(set.pic_height_in_map_units_minus1) + 1) * 16 * rows;
        limits.check(width, height)?;
        if set.chroma_info.chroma_format != ChromaFormat::YUV420 {
            return Err(VisionError::unsupported("chroma other than 4:2:0"));
        }
        let signal = set.vui_parameters.as_ref().and_then(|vui| vui.video_signal_type.as_ref());
        let ratio = set.vui_parameters.as_ref().and_then(|vui| vui.aspect_ratio_info.as_ref());
        Ok(Self {
            shown: shown(set, (width, height), 2 * rows)?,
            colour: Colour {
                full_range: signal.is_some_and(|signal| signal.video_full_range_flag),
                bt709: signal
                    .and_then(|signal| signal.colour_description.as_ref())
                    .is_some_and(|colour| colour.matrix_coefficients == MATRIX_BT709),
            },
            aspect: ratio
                .and_then(h264_reader::nal::sps::AspectRatioInfo::get)
                .map_or(SampleAspect::SQUARE, |(wide, high)| SampleAspect::declared(wide, high)),
        })
    }
}

/// The cropping window in luma samples of a 4:2:0 picture; `unit` is the height of one crop step.
fn shown(set: &SeqParameterSet, size: (u64, u64), unit: u64) -> Result<Window, VisionError> {
    let (left, right, top, bottom) = set.frame_cropping.as_ref().map_or((0, 0, 0, 0), |crop| {
        (crop.left_offset, crop.right_offset, crop.top_offset, crop.bottom_offset)
    });
    let (left, top) = (2 * u64::from(left), unit * u64::from(top));
    let width = size.0.checked_sub(left + 2 * u64::from(right));
    let height = size.1.checked_sub(top + unit * u64::from(bottom));
    let (Some(width @ 1..), Some(height @ 1..)) = (width, height) else {
        return Err(VisionError::damaged("cropping leaves nothing of the picture"));
    };
    let samples = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    Ok(Window {
        left: samples(left),
        top: samples(top),
        width: samples(width),
        height: samples(height),
    })
}

/// The first fields of a slice header.
#[derive(Debug, Clone, Copy)]
struct SliceStart {
    first_macroblock: u32,
    kind: u32,
    picture_set: u32,
}

impl SliceStart {
    fn read(nal: &[u8]) -> Result<Self, VisionError> {
        let start = nal.get(..SLICE_START).unwrap_or(nal);
        let bits =
            rbsp::decode_nal(start).map_err(|error| VisionError::damaged(error.to_string()))?;
        let mut bits = BitReader::new(bits.as_ref());
        Ok(Self {
            first_macroblock: bits
                .read_ue("first_mb_in_slice")
                .map_err(|error| unreadable(&error))?,
            kind: bits.read_ue("slice_type").map_err(|error| unreadable(&error))?,
            picture_set: bits
                .read_ue("pic_parameter_set_id")
                .map_err(|error| unreadable(&error))?,
        })
    }

    /// Refuses a slice that needs another picture or does not come after the one before it.
    fn check(&self, last: Option<u32>) -> Result<(), VisionError> {
        if !matches!(self.kind, 2 | 7) {
            return Err(VisionError::NoPicture);
        }
        match last {
            None if self.first_macroblock > 0 => {
                Err(VisionError::damaged("first slice is missing"))
            }
            Some(last) if self.first_macroblock <= last => {
                Err(VisionError::damaged("slices out of order"))
            }
            None | Some(_) => Ok(()),
        }
    }
}

fn unreadable(error: &BitReaderError) -> VisionError {
    VisionError::damaged(format!("header: {error:?}"))
}
