//! What cameras refused lately and will refuse again, so that viewers who come back do not ask them
//! each time: a password that is tried too often locks the account.
//!
//! Decides nothing about other failures: those may pass, and are tried again.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::engine::ViewEnd;
use crate::model::lease::Quality;
use crate::model::names::CameraName;
use crate::world::camera::classify::{DOUBT_PAUSE, DOUBTS_MAX};

/// So long nobody asks again. Somebody may have set the camera itself right meanwhile.
const STANDS: Duration = Duration::from_mins(1);

/// What was refused, by stream; at most as many as are declared.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<BTreeMap<(CameraName, Quality), Refused>>);

#[derive(Debug)]
struct Refused {
    why: ViewEnd,
    until: Instant,
    /// Times in a row that the camera was taken for full though it spoke of the credentials.
    doubts: u32,
}

impl Refusals {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(CameraName, Quality), Refused>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The camera has refused this stream, for good as far as one can know.
    pub(super) fn note(&self, camera: &CameraName, quality: Quality, why: ViewEnd) {
        let until = Instant::now() + STANDS;
        let mut refused = self.lock();
        let doubts = refused.get(&(camera.clone(), quality)).map_or(0, |refused| refused.doubts);
        refused.insert((camera.clone(), quality), Refused { why, until, doubts });
    }

    /// The camera has spoken of the credentials, and may only be full: until it is asked again
    /// nobody else asks. `false` when that has been so too often to be believed.
    pub(super) fn doubt(&self, camera: &CameraName, quality: Quality, why: ViewEnd) -> bool {
        let mut refused = self.lock();
        let key = (camera.clone(), quality);
        let doubts = refused.get(&key).map_or(0, |refused| refused.doubts);
        if doubts >= DOUBTS_MAX {
            return false;
        }
        let until = Instant::now() + DOUBT_PAUSE;
        refused.insert(key, Refused { why, until, doubts: doubts + 1 });
        true
    }

    /// The camera plays this stream: its credentials are right.
    pub(super) fn trust(&self, camera: &CameraName, quality: Quality) {
        self.lock().remove(&(camera.clone(), quality));
    }

    /// How a view of this stream would end.
    pub(super) fn of(&self, camera: &CameraName, quality: Quality) -> Option<ViewEnd> {
        let refused = self.lock();
        let Refused { why, until, .. } = refused.get(&(camera.clone(), quality))?;
        (Instant::now() < *until).then(|| why.clone())
    }

    /// Manifests have changed: another password, perhaps.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_refusal_stands_for_a_minute_or_until_manifests_change() {
        let (refusals, camera) = (Refusals::default(), CameraName::parse("cam-1").unwrap());
        let why = || ViewEnd::Camera("wrong password".to_owned());
        assert_eq!(refusals.of(&camera, Quality::Sub), None);
        refusals.note(&camera, Quality::Sub, why());
        advance(STANDS.saturating_sub(Duration::from_millis(1))).await;
        assert_eq!(refusals.of(&camera, Quality::Sub), Some(why()));
        assert_eq!(refusals.of(&camera, Quality::Main), None);
        advance(Duration::from_millis(1)).await;
        assert_eq!(refusals.of(&camera, Quality::Sub), None);
        refusals.note(&camera, Quality::Sub, why());
        refusals.forget();
        assert_eq!(refusals.of(&camera, Quality::Sub), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_camera_that_may_be_full_is_believed_twice_until_it_plays() {
        let (refusals, camera) = (Refusals::default(), CameraName::parse("cam-1").unwrap());
        let why = || ViewEnd::Camera("taken for full".to_owned());
        let doubt = || refusals.doubt(&camera, Quality::Sub, why());
        assert!(doubt());
        assert_eq!(refusals.of(&camera, Quality::Sub), Some(why()));
        advance(DOUBT_PAUSE).await;
        assert_eq!(refusals.of(&camera, Quality::Sub), None);
        assert!(doubt());
        assert!(!doubt());
        refusals.note(&camera, Quality::Sub, why());
        advance(STANDS * 10).await;
        assert!(!doubt(), "the camera has not played since");
        refusals.trust(&camera, Quality::Sub);
        assert!(doubt());
    }
}
