//! Cameras that spoke of the credentials and were taken for full, since others were connected. Where
//! that is wrong, each dial is one step towards a locked account: so they are few, and apart, for
//! both streams of a camera, live sessions and the relay's clients together. Captures by the server
//! itself are not counted: how seldom those come, their sweeps decide.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::rtsp::auth::Login;
use crate::model::desired::Device;
use crate::model::failure::{Failure, FailureKind};

/// How often in a row a device is given the benefit of the doubt.
const DOUBTS_MAX: u32 = 2;

/// How long nobody dials it then: until it is over a session that nobody watches has ended.
pub const DOUBT_PAUSE: Duration = Duration::from_secs(6);

/// A camera that was not dialled for so long begins anew: accounts are unlocked by then.
const FORGOTTEN: Duration = Duration::from_mins(30);

/// Whose doubts: a device, and the credentials that it spoke of.
type Of<'a> = (Device, Option<&'a Login>);

/// A device that spoke of credentials.
#[derive(Debug)]
struct Doubt {
    device: Device,
    login: Option<Login>,
    /// In a row, and the newest.
    times: u32,
    newest: Instant,
}

impl Doubt {
    fn is_of(&self, (device, login): Of<'_>) -> bool {
        self.device == device && self.login.as_ref() == login
    }
}

/// Whether a camera spoke of the credentials and was taken for full all the same.
pub fn is_doubtful(failure: &Failure) -> bool {
    failure.kind == FailureKind::CameraFull && matches!(failure.code, Some(401 | 403))
}

/// Those of the last half hour.
#[derive(Debug, Default)]
pub struct Doubts(Mutex<Vec<Doubt>>);

impl Doubts {
    fn lock(&self) -> MutexGuard<'_, Vec<Doubt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a failure is: as it was judged, but as `plain` as the camera said it when the device
    /// was taken for full too often.
    pub fn settle(&self, judged: Failure, plain: Failure, of: Of<'_>) -> Failure {
        if is_doubtful(&judged) && !self.may(of) { plain } else { judged }
    }

    /// Whether a device may be taken for full once more.
    fn may(&self, of: Of<'_>) -> bool {
        let now = Instant::now();
        let mut doubts = self.lock();
        doubts.retain(|doubt| now.duration_since(doubt.newest) < FORGOTTEN);
        if let Some(doubt) = doubts.iter_mut().find(|doubt| doubt.is_of(of)) {
            (doubt.times, doubt.newest) = (doubt.times.saturating_add(1), now);
            return doubt.times <= DOUBTS_MAX;
        }
        let (device, login) = (of.0, of.1.cloned());
        doubts.push(Doubt { device, login, times: 1, newest: now });
        true
    }

    /// Until when nobody dials it so, to see whether it has become free.
    pub fn hold(&self, of: Of<'_>) -> Option<Instant> {
        let doubts = self.lock();
        let doubt = doubts.iter().find(|doubt| doubt.is_of(of))?;
        let until = doubt.newest + DOUBT_PAUSE;
        (doubt.times <= DOUBTS_MAX && Instant::now() < until).then_some(until)
    }

    /// It begins to play: its credentials are right.
    pub fn clear(&self, of: Of<'_>) {
        self.lock().retain(|doubt| !doubt.is_of(of));
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::model::secret::Secret;

    #[tokio::test(start_paused = true)]
    async fn a_device_is_doubted_twice_until_it_plays() {
        let (doubts, device) = (Doubts::default(), ([10, 0, 0, 5], 554).into());
        let login = |user: &str| Login { user: user.into(), password: Secret::new("x") };
        let (ann, bob) = (login("ann"), login("bob"));
        let (of, other) = ((device, Some(&ann)), (device, Some(&bob)));
        assert_eq!(doubts.hold(of), None);
        assert!(doubts.may(of));
        assert_eq!(doubts.hold(of), Some(Instant::now() + DOUBT_PAUSE));
        assert_eq!(doubts.hold(other), None);
        advance(DOUBT_PAUSE).await;
        assert_eq!(doubts.hold(of), None);
        doubts.clear(other);
        assert_eq!([(); 3].map(|()| doubts.may(of)), [true, false, false]);
        assert_eq!(doubts.hold(of), None, "a refusal has a rest of its own");
        assert!(doubts.may(other) && doubts.may((device, None)));
        assert!(doubts.may((([10, 0, 0, 6], 554).into(), Some(&ann))));
        doubts.clear(of);
        assert_eq!([(); 3].map(|()| doubts.may(of)), [true, true, false]);
        advance(FORGOTTEN).await;
        assert!(doubts.may(of));
        assert_eq!(doubts.lock().len(), 1);
    }
}
