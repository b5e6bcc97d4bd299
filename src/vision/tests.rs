//! Decoding compared with ffmpeg, and what becomes of damaged and hostile pictures.
//!
//! ffmpeg makes every stream when the tests run; nothing is recorded.

mod damage;
mod encoders;
mod fixtures;
mod stills;
