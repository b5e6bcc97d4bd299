//! A key picture from a session that somebody else holds already: costs the camera nothing.

use std::time::Duration;

use super::gate::Waiting;
use crate::model::failure::Failure;
use crate::model::names::CameraName;
use crate::model::picture::KeyPicture;
use crate::model::time::Now;

/// Whoever holds sessions open: the live engine.
pub trait SharedSessions: Send + Sync + std::fmt::Debug {
    /// The latest key picture of a session of the camera, whichever of its streams, or the next one
    /// within `patience` when that is older than `not_before`. `None` at once when there is no
    /// session of this camera.
    fn key_picture<'a>(
        &'a self,
        camera: &'a CameraName,
        not_before: Now,
        patience: Duration,
    ) -> Waiting<'a, Option<Result<(KeyPicture, Now), Failure>>>;
}
