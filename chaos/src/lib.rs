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
pub mod gateway;
mod manifests;
mod rtsp;
mod sound;
mod video;

pub use camera::Face;
pub use camera::fault::{Endless, Fault, FaultError, Kind, Stage};
pub use camera::stream::Scene;
pub use cli::{Arguments, run};
pub use control::router;
pub use fleet::{Fleet, FleetError, FleetSettings};
pub use manifests::{ManifestError, ManifestSettings};
pub use rtsp::auth::Scheme;
pub use sound::{Reports, Sound, SoundError, SoundTiming};
pub use video::stamp::{Stamp, StampError};
pub use video::{Codec, EncodeError, LibraryError, SliceError};
