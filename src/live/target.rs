//! Which stream of a camera is opened for a quality, and how to get in.
//!
//! It looks nothing up and opens nothing.

use std::sync::Arc;

use crate::model::desired::{Camera, Credentials, Device, Profile, Transport};
use crate::model::failure::{Failure, FailureKind};
use crate::model::lease::Quality;
use crate::model::secret::SourceUrl;
use crate::world::camera::request::Source;
use crate::world::camera::rtsp::auth::Login;

/// Everything that a session depends on: when it changes, the session is opened anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::live) struct Target {
    pub(in crate::live) device: Device,
    url: SourceUrl,
    credentials: Option<Credentials>,
    transport: Transport,
}

impl Target {
    /// The stream for a quality: the declared one, or the other where only that exists. `None`
    /// when the camera is switched off or has no stream.
    pub(in crate::live) fn of(camera: &Camera, quality: Quality) -> Option<(Quality, Self)> {
        let main = camera.main.as_ref().map(|url| (Quality::Main, url));
        let sub = camera.sub.as_ref().map(|url| (Quality::Sub, url));
        let (quality, url) = match quality {
            Quality::Main => main.or(sub),
            Quality::Sub => sub.or(main),
        }?;
        let target = Self {
            device: camera.device_of(url),
            url: url.clone(),
            credentials: camera.credentials.clone(),
            transport: camera.capture.transport,
        };
        camera.enabled.then_some((quality, target))
    }

    /// The quality whose session stays open without viewers, where one does: that of captures,
    /// so that they need no connection of their own.
    pub(in crate::live) fn always_on(camera: &Camera) -> Option<Quality> {
        let (profile, _) = camera.capture_stream().filter(|_| camera.always_on)?;
        Some(match profile {
            Profile::Main => Quality::Main,
            Profile::Sub => Quality::Sub,
        })
    }

    /// What to open, or why it cannot be tried.
    pub(in crate::live) fn source(&self) -> Result<Source, Failure> {
        let login = match &self.credentials {
            None => None,
            Some(Credentials { username, password: Ok(password) }) => {
                Some(Login { user: Arc::clone(username), password: password.clone() })
            }
            Some(Credentials { password: Err(why), .. }) => {
                return Err(Failure::new(FailureKind::SecretMissing, why.as_ref()));
            }
        };
        let url = self.url.clone();
        Ok(Source { url, device: self.device, login, transport: self.transport })
    }
}
