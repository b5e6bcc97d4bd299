//! A key picture by somebody else's session: one that is open anyway, which costs the camera
//! nothing, or one that a gateway opens for it.
//!
//! It joins captures and the live engines, which do not know each other. Slots are the business of
//! whoever asks.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::gate::Waiting;
use crate::model::failure::Failure;
use crate::model::frame::SweepId;
use crate::model::lease::Quality;
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

/// How a gateway gets to cameras.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It is on this host and is given a grant of the relay.
    Relay,
    /// It dials the camera itself, and knows where it is and its password.
    Itself,
}

/// A stream that a gateway is to open for one picture.
#[derive(Debug, Clone)]
pub struct Lent {
    /// Of which camera.
    pub camera: CameraName,
    /// Which of its streams.
    pub quality: Quality,
    /// What the gateway is to dial; may hold a grant or a password.
    pub url: Url,
    /// For which sweep.
    pub sweep: Option<SweepId>,
    /// When to give up.
    pub until: Instant,
    /// Ends it earlier.
    pub stop: CancellationToken,
    /// Whether to wait until the gateway says that the session has ended.
    pub see_end: bool,
}

/// What came of a stream that was lent.
#[derive(Debug)]
pub struct Returned {
    /// The picture, or why there is none.
    pub picture: Result<KeyPicture, Unopened>,
    /// The gateway says that it has no session any more.
    pub ended: bool,
}

/// Why a gateway brought no picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unopened {
    /// It is not there or does not answer, and was not told of the camera's stream.
    Unavailable(String),
    /// It tried.
    Failed(Failure),
}

/// The gateways, as captures know them.
pub trait Gateways: Send + Sync + std::fmt::Debug {
    /// How the gateway that serves this camera reaches it; `None` without one.
    fn reach(&self, camera: &CameraName) -> Option<Reach>;

    /// The latest key picture of a stream of the camera that somebody watches through its gateway,
    /// or the next one within `patience` when that is older than `not_before`. `None` at once when
    /// nobody does.
    fn watched<'a>(
        &'a self,
        camera: &'a CameraName,
        not_before: Now,
        patience: Duration,
    ) -> Waiting<'a, Option<Result<(KeyPicture, Now), Failure>>>;

    /// Has a gateway open a stream, takes the first key picture and has it forget the stream.
    /// Dropping the future does the same, only unseen.
    fn open(&self, lent: Lent) -> Waiting<'_, Returned>;
}
