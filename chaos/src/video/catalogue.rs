//! All pieces that pictures of one size are put together from, as drawings with a number each,
//! and which of them a given view needs. Encoding them is the business of others.

use super::font;
use super::image::{Color, Image, Range};
use super::layout::{Field, Layout, Part, STAMP_BYTES, Slot};
use super::scene::{self, PHASES, VARIANTS};

/// What one picture shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// The bytes of the stamp.
    pub stamp: [u8; STAMP_BYTES],
    /// The text of the bar, as the layout's fields divide it.
    pub text: String,
    /// Which landscape, below [`VARIANTS`]; `None` is darkness.
    pub variant: Option<usize>,
    /// Where the moving object is, below [`PHASES`].
    pub phase: usize,
}

/// Drawings of one size.
pub(crate) struct Group {
    /// What it is called in the cache.
    pub name: &'static str,
    /// Width of each in pixels.
    pub width: usize,
    /// Height of each in pixels.
    pub height: usize,
    /// How many there are.
    pub count: usize,
}

/// The pieces of one picture size in one sample range.
pub(crate) struct Catalogue {
    layout: Layout,
    range: Range,
    grain: u8,
    groups: [Group; GROUPS],
}

const GROUPS: usize = 13;
const BYTES: usize = 0;
const BAR_REST: usize = 7;
const STAMP_REST: usize = 8;
const ABOVE: usize = 9;
const BAND: usize = 10;
const BELOW: usize = 11;
const FOOT: usize = 12;

/// The fields of the bar, in the order of their groups, from group 1 on.
const FIELDS: [(Field, &str); 6] = [
    (Field::Camera, "camera"),
    (Field::Pair, "pair"),
    (Field::Spaced, "spaced"),
    (Field::Dashed, "dashed"),
    (Field::Colon, "colon"),
    (Field::Tenth, "tenth"),
];

impl Catalogue {
    /// The catalogue of a layout; see [`Image::roughen`] for `grain`.
    pub(crate) fn new(layout: Layout, range: Range, grain: u8) -> Self {
        let full = layout.columns * 16;
        let group = |name, width, height: usize, count| Group { name, width, height, count };
        let text = |nth: usize| {
            let (field, name) = FIELDS[nth];
            let width = field.letters() * layout.letter * 16;
            group(name, width, 16, 2 * values(field) * layout.letter)
        };
        let groups = [
            group("bytes", layout.stamp_byte * 16, 16, 2 * 256 * layout.stamp.len()),
            text(0),
            text(1),
            text(2),
            text(3),
            text(4),
            text(5),
            group("bar", layout.bar_rest() * 16, 16, usize::from(layout.bar_rest() > 0)),
            group("strip", layout.stamp_rest() * 16, 16, usize::from(layout.stamp_rest() > 0)),
            group("above", full, layout.above().len() * 16, VARIANTS + 1),
            group("band", full, layout.band.len() * 16, VARIANTS * PHASES + 1),
            group("below", full, layout.below().len() * 16, VARIANTS + 1),
            group("foot", full, 16, usize::from(layout.rows > layout.stamp.end)),
        ];
        Self { layout, range, grain, groups }
    }

    /// The groups, in the order of their pieces' numbers.
    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The drawings of a group, in order.
    pub(crate) fn drawings(&self, group: usize) -> Box<dyn Iterator<Item = Image> + '_> {
        let Group { width, height, count, .. } = self.groups[group];
        let black = Image::filled(width, height, Color::grey(self.range, 0.0));
        match group {
            BYTES => Box::new((0..count).map(|nth| self.byte(nth))),
            1..BAR_REST => {
                let field = FIELDS[group - 1].0;
                Box::new((0..count).map(move |nth| self.text(field, nth)))
            }
            ABOVE | BELOW => {
                let rows = if group == ABOVE { self.layout.above() } else { self.layout.below() };
                let cut = move |variant| {
                    scene::landscape(&self.layout, self.range, variant, self.grain)
                        .rows(rows.start * 16, height)
                };
                Box::new((0..VARIANTS).map(cut).chain(std::iter::once(black)))
            }
            BAND => {
                let moving = (0..VARIANTS).flat_map(move |variant| {
                    let still = scene::landscape(&self.layout, self.range, variant, self.grain)
                        .rows(self.layout.band.start * 16, height);
                    (0..PHASES).map(move |phase| {
                        let mut band = still.clone();
                        scene::mover(&mut band, self.range, variant, phase);
                        band
                    })
                });
                Box::new(moving.chain(std::iter::once(black)))
            }
            _ => Box::new(std::iter::repeat_n(black, count)),
        }
    }

    /// The number of the piece that each slot of a picture needs.
    pub(crate) fn pieces(&self, slots: &[Slot], view: &View) -> Vec<usize> {
        let mut bases = [0; GROUPS];
        for group in 1..GROUPS {
            bases[group] = bases[group - 1] + self.groups[group - 1].count;
        }
        let dim = usize::from(view.variant.is_none());
        let variant = view.variant.unwrap_or(VARIANTS);
        let phase = if view.variant.is_some() { view.phase } else { 0 };
        let text = view.text.as_bytes();
        let number = |slot: &Slot| match slot.part {
            Part::Text { field, start, row } => {
                let letters = text.get(start..start + field.letters()).unwrap_or_default();
                let digits = letters.iter().filter(|letter| letter.is_ascii_digit());
                let value = digits.fold(0, |value, digit| value * 10 + usize::from(digit - b'0'));
                let nth = dim * values(field) + value % values(field);
                let group = FIELDS.iter().position(|(known, _)| *known == field).unwrap_or(0);
                bases[1 + group] + nth * self.layout.letter + row
            }
            Part::BarRest => bases[BAR_REST],
            Part::Above => bases[ABOVE] + variant,
            Part::Band => bases[BAND] + variant * PHASES + phase,
            Part::Below => bases[BELOW] + variant,
            Part::Byte { nth, row } => {
                let nth = dim * 256 + usize::from(view.stamp[nth]);
                bases[BYTES] + nth * self.layout.stamp.len() + row
            }
            Part::StampRest => bases[STAMP_REST],
            Part::Foot => bases[FOOT],
        };
        slots.iter().map(number).collect()
    }

    fn ink(&self, dim: bool) -> Color {
        // The dim ink keeps a dark picture dark and the stamp readable.
        Color::grey(self.range, if dim { 0.13 } else { 0.95 })
    }

    fn byte(&self, nth: usize) -> Image {
        let rows = self.layout.stamp.len();
        let (row, value) = (nth % rows, nth / rows % 256);
        let ink = self.ink(nth / rows >= 256);
        let mut image =
            Image::filled(self.layout.stamp_byte * 16, 16, Color::grey(self.range, 0.0));
        for bit in (0..8).filter(|bit| value & (0x80 >> bit) != 0) {
            let cell = self.layout.cell(0, bit);
            let above = (self.layout.stamp.start + row) * 16;
            let y =
                (signed(cell.top) - signed(above), signed(cell.top + cell.height) - signed(above));
            image.rectangle((signed(cell.left), signed(cell.left + cell.width)), y, ink);
        }
        image
    }

    fn text(&self, field: Field, nth: usize) -> Image {
        let size = self.layout.letter;
        let (row, value) = (nth % size, nth / size % values(field));
        let ink = self.ink(nth / size >= values(field));
        let text = match field {
            Field::Camera => format!("{:>6}", format!("cam-{value}")),
            Field::Pair => format!("{value:02}"),
            Field::Spaced => format!(" {value:02}"),
            Field::Dashed => format!("-{value:02}"),
            Field::Colon => format!(":{value:02}"),
            Field::Tenth => format!(".{value}Z"),
        };
        let width = size * 16;
        let black = Color::grey(self.range, 0.0);
        let mut image = Image::filled(width * field.letters(), 16, black);
        let dot = size * 2;
        for (place, letter) in text.bytes().map(font::index_of).enumerate() {
            for y in 0..16 {
                for x in (0..8).filter(|&x| font::is_set(letter, x, (row * 16 + y) / dot)) {
                    let left = place * width + x * dot;
                    image.span(y, (signed(left), signed(left + dot)), ink);
                }
            }
        }
        image
    }
}

// How many texts a field can show.
const fn values(field: Field) -> usize {
    match field {
        Field::Camera | Field::Pair | Field::Spaced | Field::Dashed | Field::Colon => 100,
        Field::Tenth => 10,
    }
}

fn signed(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
