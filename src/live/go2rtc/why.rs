//! Why a view through a gateway ends, or waits: what the gateway's errors mean, and what is known
//! better than it says.

use std::sync::atomic::Ordering;

use super::gateway::Gateway;
use crate::live::engine::ViewEnd;
use crate::model::failure::{Failure, FailureKind};
use crate::model::gateway::StreamName;
use crate::model::lease::Quality;
use crate::model::names::CameraName;
use crate::world::camera::sharing::Reach;
use crate::world::gateway::error::{GatewayError, HELD_BACK, LiveError};

impl Gateway {
    /// Why a view of a camera ends whose stream was given up.
    pub(super) fn given_up(&self, (camera, quality): (&CameraName, Quality)) -> ViewEnd {
        let engine = |why: &str| ViewEnd::Engine(why.to_owned());
        if self.is_replaced.load(Ordering::Relaxed) {
            engine("another gateway takes the place of this one")
        } else if self.grants.declares(camera, quality) {
            engine("the camera's stream was given up, and begins anew")
        } else {
            ViewEnd::Removed
        }
    }

    /// Why the camera of a stream was not reached, after the gateway said so.
    pub(super) fn failure(&self, name: &StreamName) -> Option<ViewEnd> {
        let entries = self.entries();
        let grant = &entries.get(name)?.grant;
        // The session that failed may still be ending.
        grant.failure().or_else(|| grant.newest_failure().as_ref().map(of_camera))
    }

    /// What the camera of a stream said of the credentials, when the gateway says that they are not
    /// accepted: nothing, where that is the relay's word to who comes with a grant that another one
    /// has taken the place of, or where the camera only takes no more connections.
    pub(super) fn login_refused(&self, name: &StreamName) -> Option<ViewEnd> {
        match self.reach() {
            Reach::Relay => {
                let failure = self.entries().get(name).and_then(|e| e.grant.newest_failure());
                let refused = failure.filter(|failure| failure.kind == FailureKind::AuthFailed);
                refused.as_ref().map(of_camera)
            }
            Reach::Itself => Some(ViewEnd::Camera("it does not accept the credentials".to_owned())),
        }
    }
}

fn of_camera(failure: &Failure) -> ViewEnd {
    ViewEnd::Camera(failure.to_string())
}

/// What an error means for views that may pass by itself.
pub(super) fn passing(error: &GatewayError) -> ViewEnd {
    if matches!(error, GatewayError::Live(LiveError::HeldBack)) {
        ViewEnd::Codec(HELD_BACK.to_owned())
    } else {
        ViewEnd::Camera(error.to_string())
    }
}

/// What an error means for views of a stream, when it does not pass by itself.
pub(super) fn verdict(
    gateway: &Gateway,
    name: &StreamName,
    error: &GatewayError,
) -> Option<ViewEnd> {
    match error {
        GatewayError::Live(LiveError::Codecs(codecs)) => Some(ViewEnd::Codec(codecs.to_string())),
        GatewayError::Live(LiveError::Auth) => gateway.login_refused(name),
        GatewayError::NotThere(_) => Some(ViewEnd::Engine(error.to_string())),
        GatewayError::Live(
            LiveError::NotFound
            | LiveError::Dial(_)
            | LiveError::Said(_)
            | LiveError::Silent(_)
            | LiveError::Ended
            | LiveError::Malformed(_)
            | LiveError::TooLarge(_)
            | LiveError::NoKeyPicture
            | LiveError::HeldBack,
        )
        | GatewayError::Prepare { .. }
        | GatewayError::Client(_)
        | GatewayError::Unreachable(_)
        | GatewayError::Timeout
        | GatewayError::Auth
        | GatewayError::Status(_)
        | GatewayError::TooLong(_)
        | GatewayError::Nonsense(_)
        | GatewayError::Alias
        | GatewayError::NotAsAsked
        | GatewayError::StillThere
        | GatewayError::InUse(_)
        | GatewayError::Closed => None,
    }
}
