//! How long to wait before a camera is tried again.

use std::time::Duration;

use crate::model::failure::{Failure, FailureKind};

/// The first pause, and the longest.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The pause after what does not pass by itself: a refused password tried too often locks the
/// account.
const PAUSE_FINAL: Duration = Duration::from_mins(5);
/// A session that played for so long is no proof of a camera that ends every one.
const STEADY: Duration = Duration::from_secs(30);

/// The pauses between attempts at one stream.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: PAUSE_MIN }
    }
}

impl Backoff {
    /// The pause after an attempt that failed; `played` is how long its session did.
    pub(super) fn after(&mut self, is_final: bool, played: Duration) -> Duration {
        if is_final {
            return PAUSE_FINAL;
        }
        if played >= STEADY {
            self.next = PAUSE_MIN;
        }
        let pause = self.next;
        self.next = (pause * 2).min(PAUSE_MAX);
        pause
    }
}

/// The shortest pause, for a viewer who has just come.
pub(super) const PAUSE_OF_NEWCOMERS: Duration = PAUSE_MIN;

/// Whether the same attempt will fail the same way until somebody changes something.
pub(super) fn is_final(failure: &Failure) -> bool {
    matches!(
        failure.kind,
        FailureKind::AuthFailed
            | FailureKind::NotFound
            | FailureKind::UnsupportedCodec
            | FailureKind::UnsupportedProtocol
            | FailureKind::SecretMissing
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_begin_anew_after_a_steady_session() {
        let mut backoff = Backoff::default();
        let mut pause = |played| backoff.after(false, Duration::from_secs(played)).as_secs();
        let pauses = [0, 0, 3, 0, 0, 0, 0, 40, 0].map(&mut pause);
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 1, 2]);
    }

    #[test]
    fn a_refused_password_is_seldom_tried_again() {
        let refused = is_final(&Failure::new(FailureKind::AuthFailed, ""));
        let pause = Backoff::default().after(refused, Duration::ZERO);
        assert_eq!(pause, Duration::from_mins(5));
    }
}
