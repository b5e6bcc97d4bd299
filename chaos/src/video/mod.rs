//! The pictures that the cameras send: encoded once by a real encoder, in pieces that can be
//! decoded on their own, then put together anew for every picture with the camera's name and clock.
//!
//! Nothing here knows of connections, sessions or RTP.

mod bits;
mod cabac;
mod catalogue;
mod compose;
mod encoder;
mod font;
mod h264;
mod h265;
mod image;
mod layout;
mod library;
mod mjpeg;
mod scene;
pub(crate) mod stamp;

pub(crate) use bits::unescape;
pub(crate) use catalogue::View;
pub use compose::SliceError;
pub(crate) use compose::{Composer, Picture, PictureKind};
pub use encoder::EncodeError;
pub use library::LibraryError;
pub(crate) use library::{Coder, Library, PieceSet};
pub(crate) use scene::{PHASES, VARIANTS};

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

/// How pictures are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// H.264, High profile, CABAC, several slices a picture.
    H264,
    /// H.265, Main profile, several slices a picture.
    H265,
    /// Motion JPEG with restart markers (RTP payload type 26).
    Mjpeg,
}
