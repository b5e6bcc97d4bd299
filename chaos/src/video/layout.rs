//! Where everything stands in a picture, in macroblocks of 16x16 pixels.
//!
//! From top to bottom: a bar with the camera's name and clock, the scene (a still part, a band in
//! which something moves, a still part), the machine-readable stamp, and, where the height is no
//! multiple of 16, a dark foot. It knows no codec and draws nothing.

use std::ops::Range;

/// Bytes in a stamp, one piece each, side by side.
pub(crate) const STAMP_BYTES: usize = 12;
/// A byte of the stamp takes this part of the picture's width.
const BYTES_ACROSS: usize = 20;

/// A run of letters that is coded as one piece. A slice for each letter would be simpler, but
/// common decoders warn of more than 32 slices in a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// "cam-" and the hundreds, right-aligned.
    Camera,
    /// Two digits.
    Pair,
    /// A blank and two digits.
    Spaced,
    /// A dash and two digits.
    Dashed,
    /// A colon and two digits.
    Colon,
    /// A point, a digit, "Z".
    Tenth,
}

impl Field {
    /// Number of letters.
    pub(crate) const fn letters(self) -> usize {
        match self {
            Self::Camera => 6,
            Self::Pair => 2,
            Self::Spaced | Self::Dashed | Self::Colon | Self::Tenth => 3,
        }
    }
}

use Field::{Camera, Colon, Dashed, Pair, Spaced, Tenth};

/// " cam-001 2026-11-22 06:12:07.3Z".
const LONG_TEXT: &[Field] =
    &[Camera, Pair, Spaced, Pair, Dashed, Dashed, Spaced, Colon, Colon, Tenth];
/// " cam-001 06:12:07.3Z".
const SHORT_TEXT: &[Field] = &[Camera, Pair, Spaced, Colon, Colon, Tenth];

/// The geometry of one picture size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Visible width in pixels.
    pub width: usize,
    /// Visible height in pixels.
    pub height: usize,
    /// Coded columns, in macroblocks.
    pub columns: usize,
    /// Coded rows, in macroblocks.
    pub rows: usize,
    /// Columns and rows of one letter.
    pub letter: usize,
    /// The text of the bar.
    pub fields: &'static [Field],
    /// Rows of the moving band.
    pub band: Range<usize>,
    /// Rows of the stamp.
    pub stamp: Range<usize>,
    /// Columns of one stamp byte.
    pub stamp_byte: usize,
}

/// One coded run of macroblocks: where it begins and how many it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Macroblock address of the first, in raster order.
    pub first: usize,
    /// Number of macroblocks.
    pub count: usize,
    /// What stands there.
    pub part: Part,
}

/// What a slot shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Row `row` of a field of the bar.
    Text {
        /// Which form the field has.
        field: Field,
        /// The place of its first letter in the text.
        start: usize,
        /// Which row of the letters.
        row: usize,
    },
    /// The bar right of the letters.
    BarRest,
    /// The still scene above the band.
    Above,
    /// The moving band.
    Band,
    /// The still scene below the band.
    Below,
    /// Row `row` of the `nth` byte of the stamp.
    Byte {
        /// Which byte of the stamp.
        nth: usize,
        /// Which row of the stamp.
        row: usize,
    },
    /// The stamp's rows right of the bytes.
    StampRest,
    /// The rows that are only partly visible.
    Foot,
}

impl Layout {
    /// The layout of pictures of this size; `None` when text and stamp would not fit
    /// (narrower than 320, lower than 160, an odd number, more than 4096 a side).
    pub(crate) fn new(width: usize, height: usize) -> Option<Self> {
        let fits = (320..=4096).contains(&width) && (160..=4096).contains(&height);
        if !fits || width % 2 == 1 || height % 2 == 1 {
            return None;
        }
        let visible = (width / 16, height / 16);
        let columns = width.div_ceil(16);
        let letter = ((columns + 30) / 60).max(1);
        let room = visible.0 / letter;
        let fields = if room >= letters(LONG_TEXT) { LONG_TEXT } else { SHORT_TEXT };
        let stamp_byte = visible.0 / BYTES_ACROSS;
        let stamp = visible.1 - stamp_byte.div_ceil(2)..visible.1;
        let band_top = (visible.1 * 6 / 10).max(letter + 1);
        let band_rows = (visible.1 * 3 / 22).max(2).min(stamp.start - 1 - band_top);
        Some(Self {
            width,
            height,
            columns,
            rows: height.div_ceil(16),
            letter,
            fields,
            band: band_top..band_top + band_rows,
            stamp,
            stamp_byte,
        })
    }

    /// True when the bar has room for the date.
    pub(crate) fn has_date(&self) -> bool {
        self.fields == LONG_TEXT
    }

    /// The rows of the still scene above the band.
    pub(crate) fn above(&self) -> Range<usize> {
        self.letter..self.band.start
    }

    /// The rows of the still scene below the band.
    pub(crate) fn below(&self) -> Range<usize> {
        self.band.end..self.stamp.start
    }

    /// Columns right of the letters.
    pub(crate) fn bar_rest(&self) -> usize {
        self.columns - letters(self.fields) * self.letter
    }

    /// Columns right of the stamp.
    pub(crate) fn stamp_rest(&self) -> usize {
        self.columns - STAMP_BYTES * self.stamp_byte
    }

    /// Every slot of a picture, in raster order and without a gap.
    pub(crate) fn slots(&self) -> Vec<Slot> {
        let mut slots = Vec::new();
        let mut first = 0;
        let mut push = |count: usize, part: Part| {
            if count > 0 {
                slots.push(Slot { first, count, part });
                first += count;
            }
        };
        for row in 0..self.letter {
            let mut start = 0;
            for &field in self.fields {
                push(field.letters() * self.letter, Part::Text { field, start, row });
                start += field.letters();
            }
            push(self.bar_rest(), Part::BarRest);
        }
        push(self.above().len() * self.columns, Part::Above);
        push(self.band.len() * self.columns, Part::Band);
        push(self.below().len() * self.columns, Part::Below);
        for row in 0..self.stamp.len() {
            for nth in 0..STAMP_BYTES {
                push(self.stamp_byte, Part::Byte { nth, row });
            }
            push(self.stamp_rest(), Part::StampRest);
        }
        push((self.rows - self.stamp.end) * self.columns, Part::Foot);
        slots
    }

    /// Centre and half extent, in pixels, of a stamp cell: byte `nth`, bit `bit` (0 is the
    /// highest). A byte has two lines of four cells.
    pub(crate) fn cell(&self, nth: usize, bit: usize) -> Cell {
        let width = self.stamp_byte * 4;
        let height = self.stamp.len() * 8;
        let left = nth * self.stamp_byte * 16 + (bit % 4) * width;
        let top = self.stamp.start * 16 + (bit / 4) * height;
        Cell { left, top, width, height }
    }
}

fn letters(fields: &[Field]) -> usize {
    fields.iter().map(|field| field.letters()).sum()
}

/// The rectangle of one bit, in pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    /// Left edge.
    pub left: usize,
    /// Top edge.
    pub top: usize,
    /// Width.
    pub width: usize,
    /// Height.
    pub height: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_cover_every_macroblock_once() {
        for (width, height) in [
            (320, 180),
            (352, 288),
            (640, 360),
            (854, 480),
            (1280, 720),
            (1920, 1080),
            (3840, 2160),
        ] {
            let layout = Layout::new(width, height).unwrap();
            let mut next = 0;
            for slot in layout.slots() {
                assert_eq!(slot.first, next, "{width}x{height} {slot:?}");
                next += slot.count;
            }
            assert_eq!(next, layout.columns * layout.rows);
            assert!(!layout.above().is_empty() && !layout.below().is_empty());
        }
    }

    #[test]
    fn usual_sizes_need_no_more_slices_than_decoders_like() {
        for (width, height) in [(320, 180), (352, 288), (640, 360), (640, 480), (704, 576)] {
            assert!(Layout::new(width, height).unwrap().slots().len() <= 31, "{width}x{height}");
        }
    }

    #[test]
    fn sizes_without_room_for_the_stamp_are_refused() {
        assert_eq!(Layout::new(160, 120), None);
        assert_eq!(Layout::new(641, 360), None);
    }
}
