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

/// So long nobody asks again. Somebody may have set the camera itself right meanwhile.
const STANDS: Duration = Duration::from_mins(1);

/// What was refused, by stream; at most as many as are declared.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<BTreeMap<(CameraName, Quality), Refused>>);

#[derive(Debug)]
struct Refused {
    why: ViewEnd,
    until: Instant,
}

impl Refusals {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(CameraName, Quality), Refused>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The camera has refused this stream, for good as far as one can know.
    pub(super) fn note(&self, camera: &CameraName, quality: Quality, why: ViewEnd) {
        self.note_for(STANDS, (camera, quality), why);
    }

    /// It has refused it for a time.
    pub(super) fn note_for(&self, time: Duration, of: (&CameraName, Quality), why: ViewEnd) {
        let refused = Refused { why, until: Instant::now() + time };
        self.lock().insert((of.0.clone(), of.1), refused);
    }

    /// How a view of this stream would end.
    pub(super) fn of(&self, camera: &CameraName, quality: Quality) -> Option<ViewEnd> {
        let refused = self.lock();
        let Refused { why, until } = refused.get(&(camera.clone(), quality))?;
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
        refusals.note_for(STANDS * 2, (&camera, Quality::Sub), why());
        advance(STANDS).await;
        assert_eq!(refusals.of(&camera, Quality::Sub), Some(why()));
        refusals.forget();
        assert_eq!(refusals.of(&camera, Quality::Sub), None);
    }
}
