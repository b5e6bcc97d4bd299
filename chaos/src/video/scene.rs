//! What the simulated cameras see: landscapes in a few colourings, and something that drives by.
//! Drawn once at start; it knows nothing of codecs, cameras or time.

use super::image::{Color, Image, Range};
use super::layout::Layout;

/// Colourings of the landscape that a fleet shares.
pub(crate) const VARIANTS: usize = 6;
/// Positions of the moving object until it begins anew.
pub(crate) const PHASES: usize = 48;

/// The whole picture's landscape; bar, stamp and foot are drawn over by others.
pub(crate) fn landscape(layout: &Layout, range: Range, variant: usize, grain: u8) -> Image {
    let hue = hue(variant);
    let (width, height) = (layout.columns * 16, layout.rows * 16);
    let high = Color::from_hsv(range, hue, 0.45, 0.62);
    let low = Color::from_hsv(range, hue + 12.0, 0.22, 0.95);
    let horizon = height * 55 / 100;
    let mut image = Image::filled(width, height, low);
    let full = (0, int(width));
    for row in 0..height {
        // Steps of eight rows keep the gradient cheap to code.
        image.span(row, full, high.mix(low, ratio(row / 8 * 8, horizon).min(1.0)));
    }
    hills(
        &mut image,
        Color::from_hsv(range, hue + 25.0, 0.45, 0.42),
        [38, 24, 40, 30, 46],
        horizon,
    );
    hills(&mut image, Color::from_hsv(range, hue + 40.0, 0.5, 0.28), [48, 40, 52, 38, 44], horizon);
    let ground = Color::from_hsv(range, hue + 55.0, 0.4, 0.34);
    image.rectangle(full, (int(horizon), int(height)), ground);
    building(&mut image, range, variant, horizon);
    road(&mut image, layout, range);
    image.roughen(grain, variant);
    image
}

/// Draws the moving object into a copy of the band.
pub(crate) fn mover(band: &mut Image, range: Range, variant: usize, phase: usize) {
    let (width, height) = (int(band.width), int(band.height));
    let length = height * 9 / 4;
    let travel = width + length;
    let left = travel * int(phase) / int(PHASES) - length;
    let at = |x: i32| left + length * x / 100;
    let down = |y: i32| height * y / 100;
    let body = Color::from_hsv(range, hue(variant) + 180.0, 0.75, 0.85);
    let dark = Color::grey(range, 0.06);
    band.rectangle((at(18), at(78)), (down(18), down(52)), body);
    band.rectangle((at(26), at(46)), (down(24), down(50)), Color::grey(range, 0.9));
    band.rectangle((at(51), at(72)), (down(24), down(50)), Color::grey(range, 0.9));
    band.rectangle((at(0), at(100)), (down(50), down(78)), body);
    band.rectangle((at(12), at(28)), (down(70), down(92)), dark);
    band.rectangle((at(70), at(86)), (down(70), down(92)), dark);
    band.rectangle((at(94), at(100)), (down(54), down(64)), Color::grey(range, 1.0));
}

fn hue(variant: usize) -> f32 {
    ratio(variant * 360, VARIANTS) + 95.0
}

// Skyline points in percent of the height, joined by straight lines.
fn hills(image: &mut Image, color: Color, points: [usize; 5], bottom: usize) {
    let (width, height) = (image.width, image.height);
    let skyline = |x: usize| {
        let along = x * (points.len() - 1);
        let nth = (along / width).min(points.len() - 2);
        let share = ratio(along - nth * width, width);
        let (from, to) = (ratio(points[nth], 100), ratio(points[nth + 1], 100));
        (from + (to - from) * share) * ratio(height, 1)
    };
    let tops: Vec<f32> = (0..width).step_by(2).map(skyline).collect();
    for row in 0..bottom {
        let level = ratio(row, 1);
        let mut start = None;
        for (index, top) in tops.iter().chain(std::iter::once(&f32::MAX)).enumerate() {
            match (start, *top <= level) {
                (None, true) => start = Some(index),
                (Some(from), false) => {
                    image.span(row, (int(from * 2), int(index * 2)), color);
                    start = None;
                }
                (None, false) | (Some(_), true) => {}
            }
        }
    }
}

fn building(image: &mut Image, range: Range, variant: usize, horizon: usize) {
    let (width, height) = (int(image.width), int(image.height));
    let left = width * (12 + 11 * int(variant)) / 100;
    let (right, bottom) = (left + width * 17 / 100, int(horizon) + height * 3 / 100);
    let top = bottom - height * 24 / 100;
    image.rectangle((left, right), (top, bottom), Color::from_hsv(range, hue(variant), 0.12, 0.72));
    let roof = Color::from_hsv(range, hue(variant) + 150.0, 0.55, 0.45);
    image.rectangle((left - width / 80, right + width / 80), (top - height / 36, top), roof);
    let window = Color::from_hsv(range, 48.0, 0.5, 0.95);
    for nth in 0..3 {
        let x = left + (right - left) * (8 + 31 * nth) / 100;
        let y = top + height * 4 / 100;
        image.rectangle((x, x + width * 3 / 100), (y, y + height * 7 / 100), window);
    }
}

fn road(image: &mut Image, layout: &Layout, range: Range) {
    let full = (0, int(image.width));
    let rows = (int(layout.band.start * 16), int(layout.band.end * 16));
    image.rectangle(full, rows, Color::grey(range, 0.38));
    let edge = (rows.1 - rows.0) / 14;
    image.rectangle(full, (rows.0, rows.0 + edge), Color::grey(range, 0.75));
    let step = (rows.1 - rows.0) * 3 / 2;
    let mut left = step / 4;
    while left < full.1 {
        let dash = (left, left + step / 2);
        image.rectangle(dash, (rows.1 - edge * 2, rows.1 - edge), Color::grey(range, 0.9));
        left += step;
    }
}

fn int(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "pixel counts are far below 2^24")]
fn ratio(value: usize, whole: usize) -> f32 {
    value as f32 / whole as f32
}
