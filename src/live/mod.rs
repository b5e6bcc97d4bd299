//! Live video: who may watch, and the forwarding of media to those who do.
//!
//! It opens no camera by itself: an [`engine::Engine`] does, with slots from the keeper.

mod backoff;
mod codecs;
pub mod engine;
mod follower;
pub mod go2rtc;
mod handle;
pub mod hls;
pub mod leases;
pub mod mp4;
pub mod native;
mod refusals;
mod ring;
mod target;

pub use engine::{Engine, Media, Offers, Peer, ViewEnd, Viewer, Watch};
pub use handle::{LiveHandle, LiveView, SlotSource};
pub use hls::{Shelf, ShelfFile};
pub use leases::{Granted, LeaseError, LeaseKeeper, LeaseKey, ViewRequest};
