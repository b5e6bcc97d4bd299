//! Scales a decoded picture down to a thumbnail with square pixels.
//!
//! It never enlarges, and it does not encode.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::picture::VisionError;
use super::planes::Planes;

/// Width and height of one sample, as the stream declares them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SampleAspect(pub(super) u32, pub(super) u32);

impl SampleAspect {
    pub(super) const SQUARE: Self = Self(1, 1);

    /// The declared ratio, or square samples where it is absent or beyond any real camera.
    pub(super) fn declared(width: u16, height: u16) -> Self {
        let (wide, high) = (u32::from(width), u32::from(height));
        let plausible = wide > 0 && high > 0 && wide <= 4 * high && high <= 4 * wide;
        if plausible { Self(wide, high) } else { Self::SQUARE }
    }
}

/// Size of the thumbnail of a picture: at most `target` wide, both sides even and at least two.
pub(super) fn size(
    (width, height): (usize, usize),
    aspect: SampleAspect,
    target: u32,
) -> (usize, usize) {
    let SampleAspect(wide, high) = aspect;
    let shown = (width as u64 * u64::from(wide) / u64::from(high)).max(1);
    let even = |side: u64| usize::try_from(side.max(2) / 2 * 2).unwrap_or(2);
    let thumbnail_width = even(u64::from(target).min(shown));
    // The nearest even height; rounding by a whole pixel more would bend narrow pictures.
    let exact = height as u64 * thumbnail_width as u64;
    (thumbnail_width, even((exact + shown) / shown))
}

/// Scales all three planes to `size`, which must be even.
pub(super) fn scale(
    resizer: &mut Resizer,
    planes: &Planes,
    size: (usize, usize),
) -> Result<Planes, VisionError> {
    let (width, height) = size;
    let (luma, half) = ((planes.width, planes.height), (width / 2, height / 2));
    let chroma = (planes.chroma_width(), planes.chroma_height());
    Ok(Planes {
        width,
        height,
        y: scale_plane(resizer, &planes.y, PixelType::U8, (luma, size))?,
        u: scale_plane(resizer, &planes.u, PixelType::U8, (chroma, half))?,
        v: scale_plane(resizer, &planes.v, PixelType::U8, (chroma, half))?,
    })
}

/// Scales one plane, or interleaved samples, from the first size to the second.
pub(super) fn scale_plane(
    resizer: &mut Resizer,
    samples: &[u8],
    pixel: PixelType,
    (from, to): ((usize, usize), (usize, usize)),
) -> Result<Vec<u8>, VisionError> {
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    let refuse = |why: String| VisionError::Encode { why };
    let source = ImageRef::new(side(from.0), side(from.1), samples, pixel)
        .map_err(|error| refuse(error.to_string()))?;
    let mut target = Image::new(side(to.0), side(to.1), pixel);
    let options =
        ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Box)).use_alpha(false);
    resizer.resize(&source, &mut target, &options).map_err(|error| refuse(error.to_string()))?;
    Ok(target.into_vec())
}
