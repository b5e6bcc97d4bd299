//! How often a grant may be dialled: a client that cannot make use of what the camera sends may try
//! again without a pause, and each try is a login.
//!
//! Go2rtc does so: 244 connections in 40 s to a camera that sent garbage (measured, 1.9.14). It
//! knows no camera and waits for nothing.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Between two dials in the long run.
const EVERY: Duration = Duration::from_secs(5);
/// Dials that may follow each other at once after a rest: viewers who come and go, a camera that
/// restarts.
const AT_ONCE: u32 = 5;

/// The dials of one grant so far, as one moment: when the next would be due, had all been `EVERY`
/// apart.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Option<Instant>>);

impl Pace {
    /// When the next dial may begin; `None` when it may at once.
    pub(super) fn next(&self) -> Option<Instant> {
        let due = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let allowed = due?.checked_sub(EVERY * (AT_ONCE - 1))?;
        (allowed > Instant::now()).then_some(allowed)
    }

    /// A dial begins.
    pub(super) fn dialled(&self) {
        let mut due = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        *due = Some(due.map_or(now, |due| due.max(now)) + EVERY);
    }

    /// Another client begins, which has nothing to do with the dials so far.
    pub(super) fn reset(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    /// How long the next dial has to wait; it is made then.
    async fn dial(pace: &Pace) -> u64 {
        let wait = pace.next().map_or(Duration::ZERO, |next| next.duration_since(Instant::now()));
        advance(wait).await;
        pace.dialled();
        wait.as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_dials_follow_at_once_and_then_one_every_five_seconds() {
        let pace = Pace::default();
        let mut waits = Vec::new();
        for _ in 0..8 {
            waits.push(dial(&pace).await);
        }
        assert_eq!(waits, [0, 0, 0, 0, 0, 5, 5, 5]);
        advance(EVERY * 2).await;
        assert_eq!([dial(&pace).await, dial(&pace).await, dial(&pace).await], [0, 0, 5]);
        pace.reset();
        assert_eq!(dial(&pace).await, 0);
        advance(Duration::from_hours(1)).await;
        for _ in 0..AT_ONCE {
            assert_eq!(dial(&pace).await, 0);
        }
        assert_eq!(dial(&pace).await, 5, "a rest counts once");
    }
}
