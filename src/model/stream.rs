//! Live streams: one camera's one profile, as an engine has it and as others want it.

use std::sync::Arc;

use super::lease::Quality;
use super::names::CameraName;
use super::server::Engine;
use super::time::Mono;

/// One stream of an engine, or one that should be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Its name in the engine.
    pub name: Arc<str>,
    /// Of which camera.
    pub camera: CameraName,
    /// Which of its streams.
    pub quality: Quality,
    /// Who has it.
    pub engine: Engine,
    /// Why it should be there: `lease/ID`, `sweep/ID` or `alwaysOn`.
    pub wanted_by: Vec<Arc<str>>,
    /// Whether the engine has a session with the camera.
    pub present: bool,
    /// Viewers attached to it.
    pub consumers: u32,
    /// Since when it is there, or wanted.
    pub since: Mono,
}
