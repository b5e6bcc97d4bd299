//! The encoded pieces of every codec and size that the fleet sends, made once at start and shared.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::Codec;
use super::bits::split_annex_b;
use super::catalogue::Catalogue;
use super::compose::{PictureKind, Piece, SliceError};
use super::encoder::{EncodeError, Encoder, Job};
use super::image::{Color, Image, Range};
use super::layout::{Layout, Slot};
use super::{h264, h265, mjpeg};

/// Why the pieces could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// The size leaves no room for clock and stamp.
    #[error("pictures of {width}x{height}: a side must be even, from 320x160 to 4096x4096")]
    Size {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
    },
    /// RTP can carry JPEG only up to 2040 pixels a side, in steps of eight.
    #[error("{width}x{height} cannot be sent as JPEG: at most 2040x2040, in steps of 8")]
    JpegSize {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
    },
    /// The encoder failed.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The encoder's output cannot be used.
    #[error("{codec:?} pieces \"{group}\"")]
    Slice {
        /// How they are coded.
        codec: Codec,
        /// Which pieces.
        group: &'static str,
        /// What is wrong with them.
        source: SliceError,
    },
}

impl LibraryError {
    /// Refuses sizes that RTP cannot carry as JPEG.
    pub(crate) fn check_jpeg((width, height): (usize, usize)) -> Result<(), Self> {
        let fits = |side: usize| side <= 2040 && side.is_multiple_of(8);
        if fits(width) && fits(height) { Ok(()) } else { Err(Self::JpegSize { width, height }) }
    }
}

/// How the headers of one codec are written.
pub(crate) enum Coder {
    /// H.264.
    H264(h264::Parameters),
    /// H.265.
    H265(h265::Parameters),
    /// Motion JPEG.
    Mjpeg(mjpeg::Parameters),
}

impl Coder {
    /// The parameter sets that precede a key picture, as NAL units.
    pub(crate) fn parameter_sets(&self, huge: bool) -> Vec<Vec<u8>> {
        match self {
            Self::H264(p) => {
                vec![if huge { p.huge_sps() } else { p.sps.clone() }, p.pps.clone()]
            }
            Self::H265(p) => {
                let sps = if huge { p.huge_sps() } else { p.sps.clone() };
                vec![p.vps.clone(), sps, p.pps.clone()]
            }
            Self::Mjpeg(_) => Vec::new(),
        }
    }

    /// A unit of about `size` bytes that decoders skip.
    pub(crate) fn filler(&self, size: usize) -> Vec<u8> {
        let head: &[u8] = match self {
            Self::H264(_) => &[12],
            Self::H265(_) => &[38 << 1, 1],
            Self::Mjpeg(_) => &[],
        };
        let mut unit = head.to_vec();
        unit.resize((head.len() + 1).max(size), 0xff);
        unit.push(0x80);
        unit
    }

    /// A slice header; `piece_qp` is `None` for an unchanged run.
    pub(crate) fn header(&self, kind: PictureKind, first: usize, piece_qp: Option<i32>) -> Vec<u8> {
        match self {
            Self::H264(parameters) => parameters.header(kind, first, piece_qp),
            Self::H265(parameters) => parameters.header(kind, first, piece_qp),
            Self::Mjpeg(_) => Vec::new(),
        }
    }
}

/// Everything needed to put together pictures of one codec and size.
pub(crate) struct PieceSet {
    /// How they are coded.
    pub codec: Codec,
    /// Where everything stands.
    pub layout: Layout,
    /// What pieces there are.
    pub catalogue: Catalogue,
    /// The slots of a picture.
    pub slots: Vec<Slot>,
    /// The encoded pieces, by number.
    pub pieces: Vec<Piece>,
    /// How headers are written.
    pub coder: Coder,
}

/// The pieces of all codecs and sizes in use.
pub(crate) struct Library {
    encoder: Encoder,
    fps: u32,
    grain: u8,
    sets: HashMap<(Codec, usize, usize), Arc<PieceSet>>,
}

impl Library {
    /// An empty library, of landscapes with so much grain.
    pub(crate) fn new(ffmpeg: PathBuf, fps: u32, grain: u8) -> Result<Self, LibraryError> {
        Ok(Self { encoder: Encoder::new(ffmpeg)?, fps, grain, sets: HashMap::new() })
    }

    /// The pieces of a codec and size; the first call makes them, which takes a while.
    pub(crate) fn set(
        &mut self,
        codec: Codec,
        (width, height): (usize, usize),
    ) -> Result<Arc<PieceSet>, LibraryError> {
        if let Some(set) = self.sets.get(&(codec, width, height)) {
            return Ok(Arc::clone(set));
        }
        let layout = Layout::new(width, height).ok_or(LibraryError::Size { width, height })?;
        let set = Arc::new(match codec {
            Codec::Mjpeg => jpeg_set(layout, self.grain)?,
            Codec::H264 | Codec::H265 => self.slice_set(codec, layout)?,
        });
        self.sets.insert((codec, width, height), Arc::clone(&set));
        Ok(set)
    }

    fn slice_set(&self, codec: Codec, layout: Layout) -> Result<PieceSet, LibraryError> {
        let catalogue = Catalogue::new(layout.clone(), Range::Limited, self.grain);
        let slots = layout.slots();
        let size = (layout.width, layout.height);
        let job = Job {
            codec,
            name: "whole",
            picture: size,
            size,
            fps: self.fps,
            grain: self.grain,
            each_alone: false,
        };
        let blank = Image::filled(size.0, size.1, Color::grey(Range::Limited, 0.4));
        let stream = self.encoder.encode(&job, std::iter::repeat_n(blank, 3))?;
        let units = split_annex_b(&stream);
        let wrong = |group| move |source| LibraryError::Slice { codec, group, source };
        let headers = if codec == Codec::H264 {
            Coder::H264(h264::Parameters::read(&units).map_err(wrong("whole"))?)
        } else {
            let blocks = layout.columns * layout.rows;
            let parameters = h265::Parameters::read(&units, blocks, slots.len());
            Coder::H265(parameters.map_err(wrong("whole"))?)
        };
        let mut pieces = Vec::new();
        for (number, group) in catalogue.groups().iter().enumerate() {
            if group.count == 0 {
                continue;
            }
            let piece = (group.width, group.height);
            let job = Job { name: group.name, size: piece, each_alone: true, ..job };
            let stream = self.encoder.encode(&job, catalogue.drawings(number))?;
            let read = read_pieces(&headers, &stream, group.count).map_err(wrong(group.name))?;
            pieces.extend(read);
        }
        Ok(PieceSet { codec, layout, catalogue, slots, pieces, coder: headers })
    }
}

fn read_pieces(coder: &Coder, stream: &[u8], expected: usize) -> Result<Vec<Piece>, SliceError> {
    let mut pieces = Vec::with_capacity(expected);
    for unit in split_annex_b(stream) {
        match coder {
            Coder::H264(parameters) => match unit[0] & 0x1f {
                8 if unit != parameters.pps => return Err(SliceError::Mixed),
                1 | 5 => pieces.push(parameters.read_slice(unit)?),
                _ => {}
            },
            Coder::H265(parameters) => match unit[0] >> 1 {
                34 if unit != parameters.pps => return Err(SliceError::Mixed),
                0..=31 => pieces.push(h265::Parameters::read_slice(unit)?),
                _ => {}
            },
            Coder::Mjpeg(_) => {}
        }
    }
    if pieces.len() == expected {
        Ok(pieces)
    } else {
        Err(SliceError::Count { found: pieces.len(), expected })
    }
}

fn jpeg_set(layout: Layout, grain: u8) -> Result<PieceSet, LibraryError> {
    let (width, height) = (layout.width, layout.height);
    let codec = Codec::Mjpeg;
    let wrong = |group| move |source| LibraryError::Slice { codec, group, source };
    let catalogue = Catalogue::new(layout.clone(), Range::Full, grain);
    let blank = Image::filled(width, height, Color::grey(Range::Full, 0.4));
    let parameters = mjpeg::Parameters::new(&layout, &blank).map_err(wrong("whole"))?;
    let mut pieces = Vec::new();
    for (number, group) in catalogue.groups().iter().enumerate() {
        for drawing in catalogue.drawings(number) {
            pieces.push(parameters.encode(&drawing).map_err(wrong(group.name))?);
        }
    }
    let slots = layout.slots();
    Ok(PieceSet { codec, layout, catalogue, slots, pieces, coder: Coder::Mjpeg(parameters) })
}
