//! Where the time comes from. Everything else takes `now` or a [`Clock`] as a parameter.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};

use crate::model::time::{Mono, Now};

/// A source of time.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The host's clocks.
    System,
    /// A clock that only moves when told to.
    Manual(Arc<Mutex<Now>>),
}

impl Clock {
    /// A clock that stands at `now` until it is told to move.
    pub fn manual(now: Now) -> Self {
        Self::Manual(Arc::new(Mutex::new(now)))
    }

    /// Reads both clocks.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
    pub fn now(&self) -> Now {
        match self {
            Self::System => {
                let boot = clock_gettime(ClockId::Boottime);
                let seconds = u64::try_from(boot.tv_sec).unwrap_or(0);
                let millis = u64::try_from(boot.tv_nsec / 1_000_000).unwrap_or(0);
                Now { mono: Mono(seconds * 1000 + millis), wall: Timestamp::now() }
            }
            Self::Manual(now) => *now.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Moves a manual clock; the host's cannot be moved.
    pub fn advance(&self, length: Duration) {
        if let Self::Manual(now) = self {
            let mut now = now.lock().unwrap_or_else(PoisonError::into_inner);
            now.wall = now.wall_at(now.mono.plus(length));
            now.mono = now.mono.plus(length);
        }
    }
}
