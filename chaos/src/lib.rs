//! `camsim`, a fleet of simulated cameras that speak real RTSP: what tests, demonstrations and
//! measurements of camserver are made against, and the ground truth about connections.
//!
//! It is a program of its own and no part of the product. It does not behave well on demand only:
//! every camera has a limit, a face for being full, a phase of its own, and faults.

mod camera;
mod cli;
mod clock;
mod control;
mod director;
mod fleet;
mod manifests;
mod rtsp;
mod video;

pub use cli::{Arguments, run};
pub use video::stamp;
