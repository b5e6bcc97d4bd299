//! Puts pictures together: every slot of the layout gets its piece, and between key pictures only
//! the slots that changed are sent, the rest repeats the picture before. Nothing is encoded here
//! but headers; it does not know when a picture is due or who receives it.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::bits::escape_into;
use super::catalogue::View;
use super::library::{Coder, PieceSet};

/// One encoded piece, ready to be placed.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Difference of the slice's quantiser from the parameter set's.
    pub qp_delta: i32,
    /// The slice's data, without emulation prevention; with JPEG the coded intervals.
    pub data: Box<[u8]>,
    /// With JPEG the end of each interval in `data`, else empty.
    pub ends: Box<[usize]>,
}

/// Why the real encoder's slices cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SliceError {
    /// The stream carries no parameter sets.
    #[error("the encoder sent no parameter sets")]
    NoParameterSets,
    /// The stream uses a tool that the rewritten headers do not know.
    #[error("the encoder's {0} is not of the expected form")]
    Unexpected(&'static str),
    /// Two runs of the encoder do not belong together.
    #[error("the parameter sets of two runs differ")]
    Mixed,
    /// There are fewer or more slices than drawings.
    #[error("{found} slices for {expected} drawings")]
    Count {
        /// Slices in the stream.
        found: usize,
        /// Drawings that were encoded.
        expected: usize,
    },
    /// A JPEG could not be encoded.
    #[error("encode a JPEG")]
    Jpeg(#[source] jpeg_encoder::EncodingError),
}

/// Where a picture stands in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PictureKind {
    /// True when it can be decoded without any other.
    pub key: bool,
    /// Pictures since the key picture.
    pub since_key: u32,
    /// Counts the key pictures; neighbours must differ.
    pub key_number: u32,
    /// True when its parameter sets shall claim 20000x20000 pixels.
    pub huge: bool,
    /// Bytes that it is filled up to with filler data, where the codec has such.
    pub padded_to: usize,
}

/// One coded picture.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    /// All its bytes.
    pub data: Bytes,
    /// Its NAL units in `data`; with JPEG the one scan.
    pub units: Vec<Range<usize>>,
    /// True when it can be decoded without any other.
    pub key: bool,
    /// True when its size shall be announced as larger than it is (JPEG).
    pub huge: bool,
}

impl Picture {
    /// The NAL units.
    pub(crate) fn units(&self) -> impl Iterator<Item = &[u8]> {
        self.units.iter().map(|range| &self.data[range.clone()])
    }

    /// The same picture after an accident: large units are cut in half, the others have wrong bits.
    /// Parameter sets stay whole.
    pub(crate) fn damaged(&self) -> Self {
        let mut data = self.data.to_vec();
        let mut units = self.units.clone();
        for unit in units.iter_mut().filter(|unit| unit.len() > 16) {
            let is_parameter_set = matches!(data[unit.start], 0x67 | 0x68 | 0x40 | 0x42 | 0x44);
            if is_parameter_set {
                continue;
            }
            if unit.len() > 200 {
                unit.end = unit.start + unit.len() / 2;
            }
            for at in (unit.start + 12..unit.end).step_by(7) {
                data[at] ^= 0x28;
            }
        }
        Self { data: data.into(), units, key: self.key, huge: self.huge }
    }
}

/// Puts together the pictures of one stream.
pub(crate) struct Composer {
    set: Arc<PieceSet>,
    before: Option<Vec<usize>>,
}

impl Composer {
    /// A composer whose first picture has no picture before.
    pub(crate) fn new(set: Arc<PieceSet>) -> Self {
        Self { set, before: None }
    }

    /// Takes `view` for what the viewers have already seen.
    pub(crate) fn assume(&mut self, view: &View) {
        self.before = Some(self.set.catalogue.pieces(&self.set.slots, view));
    }

    /// The next picture.
    pub(crate) fn compose(&mut self, view: &View, kind: PictureKind) -> Picture {
        let set = Arc::clone(&self.set);
        let pieces = set.catalogue.pieces(&set.slots, view);
        let picture = match &set.coder {
            Coder::Mjpeg(_) => set.scan(&pieces, kind),
            Coder::H264(_) | Coder::H265(_) => {
                let before = if kind.key { None } else { self.before.as_deref() };
                set.slices(&pieces, before, kind)
            }
        };
        self.before = Some(pieces);
        picture
    }
}

impl PieceSet {
    fn slices(&self, pieces: &[usize], before: Option<&[usize]>, kind: PictureKind) -> Picture {
        let mut out = Units::default();
        if kind.key {
            for set in self.coder.parameter_sets(kind.huge) {
                out.push_escaped(&set);
            }
        }
        let mut unchanged_from = None;
        for (nth, slot) in self.slots.iter().enumerate() {
            if before.is_some_and(|before| before[nth] == pieces[nth]) {
                unchanged_from.get_or_insert(slot.first);
                continue;
            }
            if let Some(first) = unchanged_from.take() {
                self.push_unchanged(&mut out, kind, first, slot.first);
            }
            let piece = &self.pieces[pieces[nth]];
            out.push(&self.coder.header(kind, slot.first, Some(piece.qp_delta)), &piece.data);
        }
        if let Some(first) = unchanged_from {
            self.push_unchanged(&mut out, kind, first, self.layout.columns * self.layout.rows);
        }
        if out.data.len() < kind.padded_to {
            out.push_escaped(&self.coder.filler(kind.padded_to - out.data.len()));
        }
        out.into_picture(kind)
    }

    fn push_unchanged(&self, out: &mut Units, kind: PictureKind, first: usize, end: usize) {
        let data = match &self.coder {
            Coder::H264(parameters) => parameters.unchanged(end - first),
            Coder::H265(parameters) => {
                parameters.unchanged(self.layout.columns, first, end - first)
            }
            Coder::Mjpeg(_) => return,
        };
        out.push(&self.coder.header(kind, first, None), &data);
    }

    fn scan(&self, pieces: &[usize], kind: PictureKind) -> Picture {
        let mut out = Units::default();
        let mut restarts: u8 = 0;
        for &number in pieces {
            let piece = &self.pieces[number];
            let mut start = 0;
            for &end in &piece.ends {
                if !out.data.is_empty() {
                    out.data.extend([0xff, 0xd0 + restarts]);
                    restarts = (restarts + 1) % 8;
                }
                out.data.extend(&piece.data[start..end]);
                start = end;
            }
        }
        out.units.push(0..out.data.len());
        out.into_picture(PictureKind { key: true, ..kind })
    }
}

#[derive(Default)]
struct Units {
    data: Vec<u8>,
    units: Vec<Range<usize>>,
}

impl Units {
    fn push_escaped(&mut self, unit: &[u8]) {
        let start = self.data.len();
        self.data.extend_from_slice(unit);
        self.units.push(start..self.data.len());
    }

    fn push(&mut self, header: &[u8], data: &[u8]) {
        let start = self.data.len();
        let mut zeros = 0;
        escape_into(&mut self.data, header, &mut zeros);
        escape_into(&mut self.data, data, &mut zeros);
        self.units.push(start..self.data.len());
    }

    fn into_picture(self, kind: PictureKind) -> Picture {
        let Self { data, units } = self;
        Picture { data: data.into(), units, key: kind.key, huge: kind.huge }
    }
}
