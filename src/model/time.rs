//! Moments and lengths of time, as values that are handed in.
//!
//! Decisions use [`Mono`], which never jumps; what people read uses the wall clock. Nothing here
//! asks the system for the time: that is `clock`'s work.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Milliseconds since this host booted, time asleep included (`CLOCK_BOOTTIME`).
///
/// It goes on counting over a restart of the server, so it may be kept beside the boot id.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Mono(pub u64);

impl Mono {
    /// The time from `earlier` to this moment, zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The moment `length` after this one.
    #[must_use]
    pub fn plus(self, length: Duration) -> Self {
        Self(self.0.saturating_add(millis(length)))
    }

    /// The moment `length` before this one, at the earliest the boot.
    #[must_use]
    pub fn minus(self, length: Duration) -> Self {
        Self(self.0.saturating_sub(millis(length)))
    }
}

/// A length in whole milliseconds, cut at what fits.
pub fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// One reading of both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For decisions.
    pub mono: Mono,
    /// For people and for the store; may jump.
    pub wall: Timestamp,
}

impl Now {
    /// What the wall clock would show at `at`, seen from this reading.
    ///
    /// Wrong by as much as the wall clock is stepped between now and then.
    pub fn wall_at(&self, at: Mono) -> Timestamp {
        let ahead = i64::try_from(at.0).unwrap_or(i64::MAX);
        let here = i64::try_from(self.mono.0).unwrap_or(i64::MAX);
        let shift = jiff::SignedDuration::from_millis(ahead.saturating_sub(here));
        self.wall.checked_add(shift).unwrap_or(self.wall)
    }

    /// Where on the monotonic clock a moment of the wall clock lies, seen from this reading.
    pub fn mono_at(&self, wall: Timestamp) -> Mono {
        let shift = wall.as_millisecond().saturating_sub(self.wall.as_millisecond());
        Mono(self.mono.0.saturating_add_signed(shift))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_translate_into_each_other() {
        let wall: Timestamp = "2026-01-05T22:00:00Z".parse().unwrap();
        let now = Now { mono: Mono(10_000), wall };
        let later = now.wall_at(Mono(12_500));
        assert_eq!(later.to_string(), "2026-01-05T22:00:02.5Z");
        assert_eq!(now.mono_at(later), Mono(12_500));
    }
}
