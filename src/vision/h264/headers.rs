//! Reads the headers of an H.264 access unit before anything is decoded.
//!
//! It settles what the decoder may be given: a declared size within the limit, one picture, a
//! bounded number of slices in rising order, and only slices that need no other picture.

use std::borrow::Cow;
use std::collections::BTreeMap;

use h264_reader::nal::sps::{ChromaFormat, FrameMbsFlags, SeqParameterSet};
use h264_reader::rbsp::{self, BitRead as _, BitReader, BitReaderError};

use rusty_h264_decoder::{Pps, Sps};

use super::{classify, sentinel};
use crate::vision::annex_b;
use crate::vision::colour::{Colour, MATRIX_BT709};
use crate::vision::picture::{Limits, VisionError};
use crate::vision::planes::Window;
use crate::vision::thumbnail::SampleAspect;

/// Slices of one picture; one per row of macroblocks at 4096x2304 makes 144.
const MAX_SLICES: usize = 512;

/// Parameter sets in one access unit.
const MAX_PARAMETER_SETS: usize = 64;

/// Bytes that hold the header of a slice, escapes included.
const SLICE_START: usize = 128;

/// What the sequence parameter set of the picture declares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sequence {
    /// The part of the coded picture that is meant to be seen.
    pub(super) shown: Window,
    pub(super) colour: Colour,
    pub(super) aspect: SampleAspect,
}

/// One picture, ready to be decoded.
#[derive(Debug)]
pub(super) struct AccessUnit<'a> {
    /// Parameter sets and slices in their order; the parameter sets declare one row too many.
    pub(super) feed: Vec<Cow<'a, [u8]>>,
    /// What completes that row.
    pub(super) extra_row: [Vec<u8>; 2],
    pub(super) sequence: Sequence,
}

#[derive(Debug, Default)]
struct ParameterSets {
    sequences: BTreeMap<u32, (Sequence, Sps)>,
    pictures: BTreeMap<u32, Pps>,
}

impl<'a> AccessUnit<'a> {
    /// Reads the first picture of `data`; what follows it is left out.
    pub(super) fn read(data: &'a [u8], limits: &Limits) -> Result<Self, VisionError> {
        let mut sets = ParameterSets::default();
        let (mut feed, mut last) = (Vec::new(), None::<(&[u8], SliceStart)>);
        for nal in annex_b::nal_units(data) {
            match nal.first().map_or(0, |header| header & 0x1F) {
                1 | 5 => {
                    let slice = SliceStart::read(nal)?;
                    if last.is_some() && slice.first_macroblock == 0 {
                        break;
                    }
                    slice.check(last.map(|(_, slice)| slice.first_macroblock))?;
                    last = Some((nal, slice));
                    feed.push(Cow::Borrowed(nal));
                }
                2..=4 => return Err(VisionError::unsupported("data partitioning")),
                // A parameter set after the slices belongs to the next picture.
                7 | 8 if last.is_some() => break,
                7 => feed.push(Cow::Owned(sets.add_sequence(nal, limits)?)),
                8 => {
                    sets.add_picture(nal)?;
                    feed.push(Cow::Borrowed(nal));
                }
                _ => {}
            }
            if feed.len() > MAX_SLICES + MAX_PARAMETER_SETS {
                return Err(VisionError::unsupported("picture in too many parts"));
            }
        }
        let (nal, slice) = last.ok_or(VisionError::NoPicture)?;
        let (sequence, extra_row) = sets.extra_row(nal, slice)?;
        Ok(Self { feed, extra_row, sequence })
    }
}

impl ParameterSets {
    /// Takes note of a sequence parameter set and returns it with one more row.
    fn add_sequence(&mut self, nal: &[u8], limits: &Limits) -> Result<Vec<u8>, VisionError> {
        let bits = payload(nal)?;
        let set = SeqParameterSet::from_bits(BitReader::new(bits.as_ref()))
            .map_err(|error| VisionError::damaged(format!("sequence parameter set: {error:?}")))?;
        let sequence = Sequence::of(&set, limits)?;
        let parsed = Sps::parse(&bits).map_err(|error| classify(&error))?;
        self.sequences.insert(parsed.seq_parameter_set_id, (sequence, parsed));
        sentinel::taller(&bits).map_err(|error| unreadable(&error))
    }

    fn add_picture(&mut self, nal: &[u8]) -> Result<(), VisionError> {
        let set = Pps::parse(&payload(nal)?).map_err(|error| classify(&error))?;
        self.pictures.insert(set.pic_parameter_set_id, set);
        Ok(())
    }

    /// What completes the picture whose last slice is `nal`.
    fn extra_row(
        &self,
        nal: &[u8],
        slice: SliceStart,
    ) -> Result<(Sequence, [Vec<u8>; 2]), VisionError> {
        let picture = self.pictures.get(&slice.picture_set).ok_or(VisionError::NoParameterSets)?;
        let (sequence, parsed) = self
            .sequences
            .get(&picture.seq_parameter_set_id)
            .ok_or(VisionError::NoParameterSets)?;
        let macroblocks = parsed.pic_width_in_mbs * parsed.pic_height_in_mbs;
        let macroblocks = u32::try_from(macroblocks).unwrap_or(u32::MAX);
        let header = nal.first().copied().unwrap_or_default();
        let start = payload(nal.get(..SLICE_START).unwrap_or(nal))?;
        let row = sentinel::extra_row((header, &start), (parsed, picture), macroblocks)
            .map_err(|error| unreadable(&error))?;
        Ok((*sequence, row))
    }
}

/// The RBSP of a NAL unit.
fn payload(nal: &[u8]) -> Result<Cow<'_, [u8]>, VisionError> {
    rbsp::decode_nal(nal).map_err(|error| VisionError::damaged(error.to_string()))
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
        let bits = payload(start)?;
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
