//! When sweeps start: multiples of the interval, cool-down, quiet hours.

use std::time::Duration;

use crate::model::desired::{DayWindow, SweepSpec};
use crate::model::history::SubnetHistory;
use crate::model::time::{Mono, Now, millis};

/// When a subnet's next sweep is due, and how many starts will have been skipped by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    /// The moment.
    pub(super) at: Mono,
    /// Multiples of the interval that passed while the sweep before was going on.
    pub(super) skipped: u64,
}

/// The first multiple of the interval, counted from the first start, that is after the last start
/// and not before the end of the last sweep plus the cool-down.
pub(super) fn next_start(spec: &SweepSpec, history: &SubnetHistory, now: Now) -> Due {
    let (Some(first), Some(last_start)) = (history.first_start, history.last_start) else {
        return Due { at: now.mono, skipped: 0 };
    };
    let interval = millis(spec.interval).max(1);
    // Another interval starts the count anew from the last start.
    let base = if history.interval_ms == interval { first } else { last_start };
    let rested = history.last_end.map_or(last_start, |end| end.plus(spec.cooldown));
    let after_last = last_start.0.saturating_sub(base.0) / interval + 1;
    let not_before = rested.0.saturating_sub(base.0).div_ceil(interval);
    let multiple = after_last.max(not_before);
    let at = Mono(base.0.saturating_add(multiple.saturating_mul(interval)));
    Due { at, skipped: multiple - after_last }
}

/// When the quiet hours that hold now are over, counted on the monotonic clock.
pub(super) fn quiet_until(
    windows: &[DayWindow],
    zone: &jiff::tz::TimeZone,
    now: Now,
) -> Option<Mono> {
    let local = now.wall.to_zoned(zone.clone()).time();
    windows
        .iter()
        .filter(|window| contains(window, local))
        .map(|window| {
            let seconds = i64::from(seconds_of_day(window.to)) - i64::from(seconds_of_day(local));
            let ahead = seconds.rem_euclid(24 * 3600);
            now.mono.plus(Duration::from_secs(ahead.unsigned_abs().max(1)))
        })
        .max()
}

fn contains(window: &DayWindow, time: jiff::civil::Time) -> bool {
    if window.from <= window.to {
        window.from <= time && time < window.to
    } else {
        time >= window.from || time < window.to
    }
}

fn seconds_of_day(time: jiff::civil::Time) -> u32 {
    let part = |value: i8| u32::try_from(value).unwrap_or(0);
    part(time.hour()) * 3600 + part(time.minute()) * 60 + part(time.second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(interval: u64, cooldown: u64) -> SweepSpec {
        SweepSpec {
            interval: Duration::from_secs(interval),
            cooldown: Duration::from_secs(cooldown),
            concurrency: 1,
            suspend: false,
            quiet_hours: Vec::new(),
        }
    }

    fn history(first: u64, last: u64, end: u64) -> SubnetHistory {
        SubnetHistory {
            first_start: Some(Mono(first)),
            last_start: Some(Mono(last)),
            last_end: Some(Mono(end)),
            interval_ms: 60_000,
            ..SubnetHistory::default()
        }
    }

    fn now(mono: u64, wall: &str) -> Now {
        Now { mono: Mono(mono), wall: wall.parse().unwrap() }
    }

    #[test]
    fn starts_are_multiples_of_the_interval_and_do_not_drift() {
        let spec = spec(60, 15);
        let at = now(0, "2026-01-05T12:00:00Z");
        let due = |first, last, end| next_start(&spec, &history(first, last, end), at);
        assert_eq!(due(500, 500, 20_500), Due { at: Mono(60_500), skipped: 0 });
        // A sweep that started late keeps to the same multiples.
        assert_eq!(due(500, 60_900, 70_000), Due { at: Mono(120_500), skipped: 0 });
        // Its end plus the cool-down passes the next multiple: one start is skipped.
        assert_eq!(due(500, 60_500, 110_000), Due { at: Mono(180_500), skipped: 1 });
        // Exactly at the multiple is not before it.
        assert_eq!(due(500, 60_500, 105_500), Due { at: Mono(120_500), skipped: 0 });
        assert_eq!(due(500, 60_500, 400_000), Due { at: Mono(420_500), skipped: 5 });
    }

    #[test]
    fn the_first_sweep_starts_at_once() {
        let at = now(77, "2026-01-05T12:00:00Z");
        assert_eq!(next_start(&spec(60, 15), &SubnetHistory::default(), at).at, Mono(77));
    }

    #[test]
    fn another_interval_counts_from_the_last_start() {
        let at = now(0, "2026-01-05T12:00:00Z");
        let due = next_start(&spec(10, 1), &history(500, 60_500, 61_000), at);
        assert_eq!(due, Due { at: Mono(70_500), skipped: 0 });
    }

    #[test]
    fn quiet_hours_go_over_midnight() {
        let window =
            DayWindow { from: jiff::civil::time(22, 0, 0, 0), to: jiff::civil::time(5, 0, 0, 0) };
        let until = |wall| quiet_until(&[window], &jiff::tz::TimeZone::UTC, now(1000, wall));
        assert_eq!(until("2026-01-05T21:59:59Z"), None);
        assert_eq!(until("2026-01-05T22:00:00Z"), Some(Mono(1000 + 7 * 3_600_000)));
        assert_eq!(until("2026-01-06T04:59:00Z"), Some(Mono(61_000)));
        assert_eq!(until("2026-01-06T05:00:00Z"), None);
    }
}
