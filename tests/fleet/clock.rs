//! Waiting for conditions, and taking turns. It never sleeps for a fixed time to be in step.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A test that measures times tightly would be disturbed by any other.
static TURN: RwLock<()> = RwLock::new(());

/// Waits until no test runs that has to be alone.
pub(crate) fn turn() -> RwLockReadGuard<'static, ()> {
    TURN.read().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until no other test of this program runs.
pub(crate) fn alone() -> RwLockWriteGuard<'static, ()> {
    TURN.write().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::disallowed_methods, reason = "tests measure")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "compared with the times that the server tells")]
pub(crate) fn wall() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// Looks until there is an answer; fails after `limit`.
pub(crate) fn until<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = now();
    loop {
        if let Some(answer) = look() {
            return answer;
        }
        assert!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Looks for the whole time; fails when the condition is hurt once.
pub(crate) fn always(time: Duration, what: &str, mut look: impl FnMut() -> bool) {
    let begun = now();
    while begun.elapsed() < time {
        assert!(look(), "not always: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

pub(crate) fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
