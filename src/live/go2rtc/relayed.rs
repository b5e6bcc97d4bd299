//! Grants of the relay: what gateways of this server reach cameras through.
//!
//! The relay takes the slot at each dial and knows the password. This says which stream a grant
//! leads to, and what its end means for a view.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use url::Url;

use super::grants::{Granted, Grants};
use crate::chain::Chain;
use crate::live::engine::ViewEnd;
use crate::live::target::Target;
use crate::model::desired::{Camera, Desired};
use crate::model::failure::Failure;
use crate::model::lease::Quality;
use crate::model::names::CameraName;
use crate::model::slot::{Holder, Purpose};
use crate::world::camera::relay::{Grant, GrantSpec, GrantStatus, Relay, SessionLimits};

/// How long a gateway waits for a slot at each dial: for a capture to give way, for a rest of the
/// device. Shorter than the ten seconds for which go2rtc waits for a reply.
const SLOT_PATIENCE: Duration = Duration::from_secs(5);

/// How long a camera may send nothing before its session is cut, for go2rtc to dial again. A
/// capture through that session would keep it for longer than viewers have patience.
const SILENCE: Duration = Duration::from_secs(10);

/// Gives grants of the relay for declared cameras.
#[derive(Debug, Clone)]
pub struct RelayGrants(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    relay: Relay,
    cameras: Mutex<BTreeMap<CameraName, Arc<Camera>>>,
}

impl RelayGrants {
    /// Grants of this relay; no camera is known yet.
    pub fn new(relay: Relay) -> Self {
        Self(Arc::new(Shared { relay, cameras: Mutex::default() }))
    }

    fn target(&self, camera: &CameraName, quality: Quality) -> Option<Target> {
        let cameras = self.0.cameras.lock().unwrap_or_else(PoisonError::into_inner);
        Target::of(cameras.get(camera)?, quality).map(|(_, target)| target)
    }

    fn open(&self, camera: &CameraName, quality: Quality, purpose: Purpose) -> Opened {
        let target = self.target(camera, quality).ok_or(ViewEnd::Removed)?;
        let failed = |failure: String| ViewEnd::Camera(failure);
        let source = target.source().map_err(|failure| failed(failure.to_string()))?;
        let spec = GrantSpec {
            source,
            holder: Holder { camera: camera.clone(), purpose },
            sessions: 1,
            wait: SLOT_PATIENCE,
            bytes: None,
            limits: SessionLimits { idle: SILENCE, ..SessionLimits::default() },
        };
        let grant = self.0.relay.grant(spec);
        let grant = grant.map_err(|error| failed(Chain(&error).to_string()))?;
        let url = grant.url().parse().map_err(|_| failed("its address is none".to_owned()))?;
        let of = (camera.clone(), quality, purpose);
        Ok(Box::new(Relayed { grants: self.clone(), of, target, url, grant }))
    }
}

type Opened = Result<Box<dyn Granted>, ViewEnd>;

impl Grants for RelayGrants {
    fn declare(&self, desired: &Desired) {
        let cameras = desired.cameras.clone();
        *self.0.cameras.lock().unwrap_or_else(PoisonError::into_inner) = cameras;
    }

    fn declares(&self, camera: &CameraName, quality: Quality) -> bool {
        self.target(camera, quality).is_some()
    }

    fn grant(&self, camera: &CameraName, quality: Quality, purpose: Purpose) -> Opened {
        self.open(camera, quality, purpose)
    }

    fn told(&self, url: &Url, late: &Arc<AtomicU64>) {
        self.0.relay.count_late(url.as_str(), late);
    }
}

/// One grant of the relay.
#[derive(Debug)]
struct Relayed {
    grants: RelayGrants,
    of: (CameraName, Quality, Purpose),
    target: Target,
    url: Url,
    grant: Grant,
}

impl Granted for Relayed {
    fn url(&self) -> &Url {
        &self.url
    }

    fn serve(&mut self, purpose: Purpose) {
        self.of.2 = purpose;
        self.grant.serve(purpose);
    }

    fn begin_anew(&self) {
        self.grant.reset_pace();
    }

    fn failure(&self) -> Option<ViewEnd> {
        failure(&self.grant.status())
    }

    fn newest_failure(&self) -> Option<Failure> {
        self.grant.status().failure
    }

    fn renewed(&self) -> Option<Opened> {
        let (camera, quality, purpose) = &self.of;
        let is_current = self.grants.target(camera, *quality).as_ref() == Some(&self.target);
        (!is_current).then(|| self.grants.open(camera, *quality, *purpose))
    }
}

/// Why there is no session, in terms of a view.
fn failure(status: &GrantStatus) -> Option<ViewEnd> {
    if status.sessions > 0 {
        return None;
    }
    match (&status.refusal, &status.failure) {
        // A dial forgets the refusal before it.
        (Some(refusal), _) => Some(ViewEnd::NoSlot(refusal.to_string())),
        (None, Some(failure)) => Some(ViewEnd::Camera(failure.to_string())),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::failure::FailureKind;
    use crate::model::slot::Refusal;

    #[test]
    fn what_the_relay_knows_is_told_in_terms_of_a_view() {
        let full = Some(Refusal::Full { limit: 1, ours: 1, others: 0 });
        let broken = Some(Failure::new(FailureKind::Unreachable, "no route"));
        let status = |refusal: &Option<Refusal>, failure: &Option<Failure>, sessions| GrantStatus {
            sessions,
            refusal: refusal.clone(),
            failure: failure.clone(),
            ..GrantStatus::default()
        };
        assert_eq!(failure(&status(&None, &None, 0)), None);
        assert_eq!(failure(&status(&full, &broken, 1)), None);
        assert!(matches!(failure(&status(&full, &broken, 0)), Some(ViewEnd::NoSlot(_))));
        assert!(matches!(failure(&status(&None, &broken, 0)), Some(ViewEnd::Camera(_))));
    }
}
