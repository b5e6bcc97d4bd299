//! Live video: who may watch, and the forwarding of media to those who do.
//!
//! It opens no camera by itself: an [`engine::Engine`] does, with slots from the keeper.

pub mod engine;
pub mod mp4;
pub mod native;
