//! Converts decoded samples to what JPEG files hold: full range, BT.601 matrix.
//!
//! The primaries and the transfer function are left alone: their difference is not visible on the
//! wall. A stream that does not name its matrix is taken for BT.601, as viewers take its JPEG.

use super::planes::Planes;

/// How the samples of a picture are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Colour {
    /// Samples use 0 to 255 instead of 16 to 235 (luma) and 16 to 240 (chroma).
    pub(super) full_range: bool,
    /// Samples were made with the BT.709 matrix.
    pub(super) bt709: bool,
}

/// `matrix_coefficients` of BT.709 in both H.264 and H.265.
pub(super) const MATRIX_BT709: u8 = 1;

/// Converts `planes` in place.
pub(super) fn to_jpeg(planes: &mut Planes, colour: Colour) {
    if !colour.full_range {
        planes.y.iter_mut().for_each(|sample| *sample = expand_luma(*sample));
        planes.u.iter_mut().for_each(|sample| *sample = expand_chroma(*sample));
        planes.v.iter_mut().for_each(|sample| *sample = expand_chroma(*sample));
    }
    if colour.bt709 {
        bt709_to_bt601(planes);
    }
}

/// 255/219 in 1/256; the product stays within 16 bits, which keeps the loop in SIMD registers.
pub(super) fn expand_luma(sample: u8) -> u8 {
    let above = u16::from(sample.saturating_sub(16).min(219));
    narrow((above * 298 + 128) >> 8)
}

/// 255/224 in 1/256, around 128.
pub(super) fn expand_chroma(sample: u8) -> u8 {
    let centred = i16::from(sample.clamp(16, 240)) - 128;
    clamp(((centred * 291 + 128) >> 8) + 128)
}

fn narrow(value: u16) -> u8 {
    u8::try_from(value.min(255)).unwrap_or(u8::MAX)
}

fn clamp(value: i16) -> u8 {
    u8::try_from(value.clamp(0, 255)).unwrap_or(u8::MAX)
}

/// The product of the BT.601 matrix and the inverse of the BT.709 matrix, in 1/128.
///
/// Y' = Y + 0.1016 Cb + 0.1961 Cr, Cb' = 0.9899 Cb - 0.1107 Cr, Cr' = 0.9834 Cr - 0.0725 Cb.
fn bt709_to_bt601(planes: &mut Planes) {
    let (width, chroma_width) = (planes.width, planes.chroma_width());
    let mut shift = vec![0_i16; chroma_width];
    for (row, luma) in planes.y.chunks_exact_mut(width.max(1)).enumerate() {
        let chroma = row / 2 * chroma_width..(row / 2 + 1) * chroma_width;
        if row % 2 == 0 {
            let cb = planes.u.get_mut(chroma.clone()).unwrap_or_default();
            let cr = planes.v.get_mut(chroma).unwrap_or_default();
            for ((shift, cb), cr) in shift.iter_mut().zip(cb).zip(cr) {
                let (b, r) = (i16::from(*cb) - 128, i16::from(*cr) - 128);
                *shift = (13 * b + 25 * r + 64) >> 7;
                *cb = clamp(((127 * b - 14 * r + 64) >> 7) + 128);
                *cr = clamp(((126 * r - 9 * b + 64) >> 7) + 128);
            }
        }
        for (pair, shift) in luma.chunks_mut(2).zip(&shift) {
            for sample in pair {
                *sample = clamp(i16::from(*sample) + shift);
            }
        }
    }
}
