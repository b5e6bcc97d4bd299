//! camsim.

mod video;
pub use video::Codec;
