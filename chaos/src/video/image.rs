//! A picture in planes (4:2:0) and the few shapes that scenes are made of.
//! It does not know what is drawn, nor how it is encoded.

/// How bright and which hue, in the sample range of one codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Color {
    /// Luma.
    pub y: u8,
    /// Blue difference.
    pub u: u8,
    /// Red difference.
    pub v: u8,
}

/// The range of sample values that a codec expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    /// 16-235, as video is coded.
    Limited,
    /// 0-255, as JPEG is coded.
    Full,
}

impl Color {
    /// A colour from hue (degrees), saturation and brightness (0.0-1.0).
    pub(crate) fn from_hsv(range: Range, hue: f32, saturation: f32, value: f32) -> Self {
        let sector = (hue.rem_euclid(360.0)) / 60.0;
        let chroma = value * saturation;
        let second = chroma * (1.0 - ((sector % 2.0) - 1.0).abs());
        let (red, green, blue) = if sector < 1.0 {
            (chroma, second, 0.0)
        } else if sector < 2.0 {
            (second, chroma, 0.0)
        } else if sector < 3.0 {
            (0.0, chroma, second)
        } else if sector < 4.0 {
            (0.0, second, chroma)
        } else if sector < 5.0 {
            (second, 0.0, chroma)
        } else {
            (chroma, 0.0, second)
        };
        let base = value - chroma;
        Self::from_rgb(range, red + base, green + base, blue + base)
    }

    /// A grey of the given brightness (0.0-1.0).
    pub(crate) fn grey(range: Range, value: f32) -> Self {
        Self::from_rgb(range, value, value, value)
    }

    /// The colour `share` of the way from this one to `other`.
    pub(crate) fn mix(self, other: Self, share: f32) -> Self {
        let blend = |a: u8, b: u8| sample(f32::from(a) + (f32::from(b) - f32::from(a)) * share);
        Self { y: blend(self.y, other.y), u: blend(self.u, other.u), v: blend(self.v, other.v) }
    }

    // BT.601, which is what decoders assume of small pictures without a colour description.
    fn from_rgb(range: Range, red: f32, green: f32, blue: f32) -> Self {
        let luma = 0.299 * red + 0.587 * green + 0.114 * blue;
        let (scale, offset, chroma) = match range {
            Range::Limited => (219.0, 16.0, 224.0),
            Range::Full => (255.0, 0.0, 255.0),
        };
        Self {
            y: sample(luma * scale + offset),
            u: sample((blue - luma) / 1.772 * chroma + 128.0),
            v: sample((red - luma) / 1.402 * chroma + 128.0),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounded and clamped to the range of a sample"
)]
fn sample(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

/// A picture of three planes; width and height are even.
#[derive(Clone)]
pub(crate) struct Image {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Luma, `width * height` samples.
    pub luma: Vec<u8>,
    /// Blue and red difference, a quarter of the luma samples each.
    pub chroma: [Vec<u8>; 2],
}

impl Image {
    /// A picture of one colour.
    pub(crate) fn filled(width: usize, height: usize, color: Color) -> Self {
        let quarter = (width / 2) * (height / 2);
        Self {
            width,
            height,
            luma: vec![color.y; width * height],
            chroma: [vec![color.u; quarter], vec![color.v; quarter]],
        }
    }

    /// Fills the part of the rectangle that lies inside the picture. Corners may lie outside.
    pub(crate) fn rectangle(&mut self, x: (i32, i32), y: (i32, i32), color: Color) {
        let rows = clamp(y, self.height);
        for row in rows.0..rows.1 {
            self.span(row, x, color);
        }
    }

    /// Fills one row from `x.0` up to, not including, `x.1`.
    pub(crate) fn span(&mut self, row: usize, x: (i32, i32), color: Color) {
        let (from, to) = clamp(x, self.width);
        if from >= to {
            return;
        }
        self.luma[row * self.width + from..row * self.width + to].fill(color.y);
        if row.is_multiple_of(2) {
            let start = (row / 2) * (self.width / 2);
            let (from, to) = (from.div_ceil(2), to.div_ceil(2));
            self.chroma[0][start + from..start + to].fill(color.u);
            self.chroma[1][start + from..start + to].fill(color.v);
        }
    }

    /// Makes each luma sample up to `grain` darker or brighter, as a sensor does; always in the same
    /// way for the same `seed`.
    pub(crate) fn roughen(&mut self, grain: u8, seed: usize) {
        if grain == 0 {
            return;
        }
        // xorshift64: good enough to be as dear to code as noise.
        let mut state = 0x9e37_79b9_7f4a_7c15 ^ (seed as u64 + 1);
        let reach = 2 * u64::from(grain) + 1;
        for sample in &mut self.luma {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let step = u8::try_from(state % reach).unwrap_or(grain);
            *sample = sample.saturating_add(step).saturating_sub(grain).clamp(16, 235);
        }
    }

    /// The rows from `top` on, `height` of them; both even.
    pub(crate) fn rows(&self, top: usize, height: usize) -> Self {
        let half = self.width / 2;
        let cut = |plane: &Vec<u8>| plane[top / 2 * half..][..height / 2 * half].to_vec();
        Self {
            width: self.width,
            height,
            luma: self.luma[top * self.width..(top + height) * self.width].to_vec(),
            chroma: [cut(&self.chroma[0]), cut(&self.chroma[1])],
        }
    }
}

fn clamp(span: (i32, i32), end: usize) -> (usize, usize) {
    let inside = |value: i32| usize::try_from(value).unwrap_or(0).min(end);
    (inside(span.0), inside(span.1))
}
