//! Turns one encoded key picture of a camera, honest or hostile, into a JPEG and a thumbnail.
//!
//! It does no I/O and knows neither cameras nor time. It decodes single pictures, never video: only
//! pictures that need no other picture are accepted.

pub(crate) mod annex_b;
mod colour;
mod decoder;
mod h264;
mod h265;
mod jpeg;
mod luma;
mod picture;
mod planes;
mod pool;
mod thumbnail;

#[cfg(test)]
mod tests;

pub use decoder::Decoder;
pub use luma::{LUMA_GRID, LumaSummary};
pub use picture::{Limits, Still, VisionError};

pub use crate::model::picture::{Codec, KeyPicture};
pub use pool::DecodePool;
