//! The wall clock. The one place that reads it.

use jiff::Timestamp;

/// Now.
#[expect(clippy::disallowed_methods, reason = "the simulator's stamps carry the true time")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// Now, in microseconds since 1970.
pub(crate) fn now_micros() -> u64 {
    u64::try_from(now().as_microsecond()).unwrap_or(0)
}

/// Now, in milliseconds since 1970.
pub(crate) fn now_millis() -> u64 {
    u64::try_from(now().as_millisecond()).unwrap_or(0)
}
