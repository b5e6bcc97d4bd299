//! A decoded 4:2:0 picture with 8 bits per sample, and what can be seen on its bare samples.
//!
//! It does not know which decoder made it.

/// A rectangle of luma samples inside a coded picture; the origin is even.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

/// One picture: luma, and chroma at half the width and height, rounded up. Rows are tight.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Planes {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) y: Vec<u8>,
    pub(super) u: Vec<u8>,
    pub(super) v: Vec<u8>,
}

impl Planes {
    pub(super) fn chroma_width(&self) -> usize {
        self.width.div_ceil(2)
    }

    pub(super) fn chroma_height(&self) -> usize {
        self.height.div_ceil(2)
    }

    /// True when every plane has exactly the samples that the size asks for, and at least one.
    pub(super) fn is_consistent(&self) -> bool {
        let chroma = self.chroma_width() * self.chroma_height();
        let luma = self.width * self.height;
        luma > 0 && self.y.len() == luma && self.u.len() == chroma && self.v.len() == chroma
    }

    /// Keeps only `window`, without allocating.
    pub(super) fn crop(&mut self, window: Window) {
        let Window { left, top, width, height } = window;
        let half = Window {
            left: left / 2,
            top: top / 2,
            width: width.div_ceil(2),
            height: height.div_ceil(2),
        };
        let stride = self.chroma_width();
        keep_window(&mut self.y, self.width, window);
        keep_window(&mut self.u, stride, half);
        keep_window(&mut self.v, stride, half);
        (self.width, self.height) = (width, height);
    }

    /// True when a macroblock was never written.
    ///
    /// The decoders start from samples that are all zero in all three planes. That colour lies far
    /// outside what RGB can show, so no camera produces it, while the flat grey that other decoders
    /// leave behind may well be a real picture. The middle of a block is looked at because the
    /// deblocking filter reaches only into its rim.
    pub(super) fn has_hole(&self) -> bool {
        let stride = self.chroma_width();
        (8..self.height).step_by(16).any(|y| {
            (8..self.width).step_by(16).any(|x| {
                let (luma, chroma) = (y * self.width + x, y / 2 * stride + x / 2);
                [luma, luma - 1, luma - self.width].iter().all(|&at| self.y.get(at) == Some(&0))
                    && self.u.get(chroma) == Some(&0)
                    && self.v.get(chroma) == Some(&0)
            })
        })
    }
}

/// Moves a rectangle of a plane with `stride` samples per row to its start and drops the rest.
fn keep_window(plane: &mut Vec<u8>, stride: usize, window: Window) {
    let Window { left, top, width, height } = window;
    let inside = left + width <= stride && (top + height) * stride <= plane.len();
    if inside && (left, top, width) != (0, 0, stride) {
        for row in 0..height {
            let start = (top + row) * stride + left;
            plane.copy_within(start..start + width, row * width);
        }
    }
    plane.truncate(width * height);
}

/// Copies a rectangle out of a plane with `stride` samples per row.
pub(super) fn copy_window<T: Copy>(
    plane: &[T],
    stride: usize,
    window: Window,
    convert: impl Fn(T) -> u8,
) -> Vec<u8> {
    let mut copy = Vec::with_capacity(window.width * window.height);
    let rows = plane.chunks_exact(stride.max(1)).skip(window.top).take(window.height);
    for row in rows {
        let row = row.get(window.left..window.left + window.width).unwrap_or_default();
        copy.extend(row.iter().map(|&sample| convert(sample)));
    }
    copy
}
