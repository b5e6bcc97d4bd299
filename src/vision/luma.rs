//! Summarises the brightness of a picture, so that frozen, dark or flat pictures can be told later.
//!
//! It judges nothing, and it is taken from the thumbnail, which is what makes it cheap.

/// Cells per side of [`LumaSummary::grid`].
pub const LUMA_GRID: usize = 8;

/// Brightness of a picture, 0 (black) to 255 (white), measured on its thumbnail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LumaSummary {
    /// Mean over all pixels.
    pub mean: f32,
    /// Variance over all pixels, in squared steps.
    pub variance: f32,
    /// Mean of each cell of an even grid, row by row from the top left.
    pub grid: [u8; LUMA_GRID * LUMA_GRID],
    /// Difference hash: bit `8 * row + column` is set when a cell is darker than its right
    /// neighbour in a grid of nine columns and eight rows. Similar pictures differ in few bits.
    pub digest: u64,
}

impl LumaSummary {
    /// Number of bits in which two digests differ, 0 to 64.
    pub fn distance(&self, other: &Self) -> u32 {
        (self.digest ^ other.digest).count_ones()
    }

    /// Summarises a luma plane with tight rows.
    pub(super) fn of(plane: &[u8], width: usize, height: usize) -> Self {
        let (mut sum, mut squares) = (0_u64, 0_u64);
        for &sample in plane {
            sum += u64::from(sample);
            squares += u64::from(sample) * u64::from(sample);
        }
        let count = as_f64(plane.len().max(1) as u64);
        let mean = as_f64(sum) / count;
        let variance = (as_f64(squares) / count - mean * mean).max(0.0);
        Self {
            mean: as_f32(mean),
            variance: as_f32(variance),
            grid: cells::<{ LUMA_GRID * LUMA_GRID }>(plane, (width, height), LUMA_GRID),
            digest: difference_hash(&cells::<72>(plane, (width, height), 9)),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "sums of a thumbnail stay far below 2^52")]
fn as_f64(value: u64) -> f64 {
    value as f64
}

#[expect(clippy::cast_possible_truncation, reason = "a summary needs no more than six digits")]
fn as_f32(value: f64) -> f32 {
    value as f32
}

/// Means of `CELLS` cells in `columns` columns. A side shorter than its cells repeats samples.
fn cells<const CELLS: usize>(
    plane: &[u8],
    (width, height): (usize, usize),
    columns: usize,
) -> [u8; CELLS] {
    let rows = CELLS / columns;
    std::array::from_fn(|cell| {
        let (column, row) = (cell % columns, cell / columns);
        let (left, right) = span(column, columns, width);
        let (top, bottom) = span(row, rows, height);
        let (mut sum, mut count) = (0_u64, 0_u64);
        for line in plane.chunks_exact(width.max(1)).skip(top).take(bottom - top) {
            for &sample in line.get(left..right).unwrap_or_default() {
                sum += u64::from(sample);
                count += 1;
            }
        }
        u8::try_from(sum / count.max(1)).unwrap_or(u8::MAX)
    })
}

/// The samples that belong to cell `index` of `cells` on a side of `length`; at least one.
fn span(index: usize, cells: usize, length: usize) -> (usize, usize) {
    let start = (index * length / cells).min(length.saturating_sub(1));
    (start, ((index + 1) * length / cells).max(start + 1))
}

fn difference_hash(cells: &[u8; 72]) -> u64 {
    let mut hash = 0;
    for (row, line) in cells.chunks_exact(9).enumerate() {
        for (column, pair) in line.windows(2).enumerate() {
            let &[left, right] = pair else { continue };
            hash |= u64::from(left < right) << (8 * row + column);
        }
    }
    hash
}
