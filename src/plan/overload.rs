//! Decides when this host is overloaded, from samples of its load, with hysteresis.
//!
//! Does not measure, and does not know what is refused while it lasts.

use std::time::Duration;

use crate::model::admission::{LoadHistory, LoadSample, OverloadCause, Overloaded};
use crate::model::server::OverloadSpec;
use crate::model::time::Mono;

/// Processor time is a mean of this time, and swapping in counts when it goes on for so long.
const WINDOW: Duration = Duration::from_secs(30);
/// Samples further apart say too little about the time between them.
const GAP_MAX: Duration = Duration::from_secs(30);
/// Samples that are kept at most, whatever their distance.
const SAMPLES_MAX: usize = 64;

/// What a sample changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// The host is overloaded from now on.
    Began(Overloaded),
    /// It no longer is; this is what it was.
    Ended(Overloaded),
}

/// Takes one sample in.
pub(super) fn sampled(
    load: &mut LoadHistory,
    sample: LoadSample,
    spec: &OverloadSpec,
) -> Option<Change> {
    remember(load, sample);
    if let Some(overloaded) = load.overloaded {
        return ends(load, sample, spec).then(|| {
            load.overloaded = None;
            load.calm_since = None;
            Change::Ended(overloaded)
        });
    }
    let overloaded = begins(load, sample, spec)?;
    load.overloaded = Some(overloaded);
    load.calm_since = None;
    Some(Change::Began(overloaded))
}

/// Keeps the samples of one window and the one right before it.
fn remember(load: &mut LoadHistory, sample: LoadSample) {
    let is_gap = load.samples.back().is_some_and(|last| {
        sample.at.since(last.at) > GAP_MAX || sample.at <= last.at || is_reset(last, &sample)
    });
    if is_gap {
        // Nothing is known of the time between; it ends a calm, and begins no overload.
        load.samples.clear();
        load.calm_since = None;
    }
    load.samples.push_back(sample);
    let start = sample.at.minus(WINDOW);
    while load.samples.len() > SAMPLES_MAX || load.samples.get(1).is_some_and(|s| s.at <= start) {
        load.samples.pop_front();
    }
}

/// Counters that went back are those of another boot.
fn is_reset(before: &LoadSample, after: &LoadSample) -> bool {
    after.cpu_total < before.cpu_total || after.swap_in_bytes < before.swap_in_bytes
}

/// Whether the samples cover a whole window.
fn is_full(load: &LoadHistory) -> bool {
    let ends = load.samples.front().zip(load.samples.back());
    ends.is_some_and(|(first, last)| last.at.since(first.at) >= WINDOW)
}

fn begins(load: &LoadHistory, sample: LoadSample, spec: &OverloadSpec) -> Option<Overloaded> {
    let since = sample.at;
    let over = |cause, measured: f64, limit: f64| Overloaded {
        since,
        cause,
        measured: whole(measured),
        limit: whole(limit),
    };
    if sample.memory_percent > spec.memory_percent {
        return Some(over(OverloadCause::Memory, sample.memory_percent, spec.memory_percent));
    }
    if !is_full(load) {
        return None;
    }
    if let Some(cpu) = cpu_percent(load).filter(|cpu| *cpu > spec.cpu_percent) {
        return Some(over(OverloadCause::Cpu, cpu, spec.cpu_percent));
    }
    let least = slowest_swap_in(load)?;
    let limit = spec.swap_in_bytes_per_second;
    (least > limit).then_some(Overloaded {
        since,
        cause: OverloadCause::SwapIn,
        measured: least,
        limit,
    })
}

fn ends(load: &mut LoadHistory, sample: LoadSample, spec: &OverloadSpec) -> bool {
    let swapped = load.samples.iter().rev().take(2).map(|s| s.swap_in_bytes);
    let (last, before) = (swapped.clone().max(), swapped.min());
    let is_calm = load.samples.len() > 1
        && cpu_percent(load).is_some_and(|cpu| cpu < spec.recover_cpu_percent)
        && sample.memory_percent < spec.recover_memory_percent
        && last == before;
    if !is_calm {
        load.calm_since = None;
        return false;
    }
    let since: Mono = *load.calm_since.get_or_insert(sample.at);
    sample.at.since(since) >= spec.recover_after
}

/// Mean over the samples that are kept: a window, or less right after the start.
fn cpu_percent(load: &LoadHistory) -> Option<f64> {
    let (first, last) = load.samples.front().zip(load.samples.back())?;
    let total = last.cpu_total - first.cpu_total;
    // Sums of seconds are not exact: a host that is busy all the time must not exceed a limit of 100.
    (total > 0.0).then(|| (100.0 * (last.cpu_busy - first.cpu_busy) / total).clamp(0.0, 100.0))
}

/// The lowest rate between two neighbouring samples, bytes per second.
fn slowest_swap_in(load: &LoadHistory) -> Option<u64> {
    let pairs = load.samples.iter().zip(load.samples.iter().skip(1));
    let rates = pairs.map(|(a, b)| {
        let millis = u64::try_from(b.at.since(a.at).as_millis()).unwrap_or(u64::MAX).max(1);
        b.swap_in_bytes.saturating_sub(a.swap_in_bytes).saturating_mul(1000) / millis
    });
    rates.min()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a percentage for people; a cast of a float saturates"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EVERY: u64 = 5_000;

    fn spec() -> OverloadSpec {
        OverloadSpec {
            cpu_percent: 85.0,
            memory_percent: 90.0,
            swap_in_bytes_per_second: 1 << 20,
            recover_cpu_percent: 60.0,
            recover_memory_percent: 70.0,
            recover_after: Duration::from_mins(1),
        }
    }

    /// A host with one processor, looked at every five seconds.
    struct Host {
        load: LoadHistory,
        last: LoadSample,
    }

    impl Host {
        fn new() -> Self {
            let last = LoadSample {
                at: Mono(1_000_000),
                cpu_busy: 0.0,
                cpu_total: 0.0,
                memory_percent: 30.0,
                swap_in_bytes: 0,
            };
            let mut host = Self { load: LoadHistory::default(), last };
            assert_eq!(sampled(&mut host.load, last, &spec()), None);
            host
        }

        /// Five seconds with these loads.
        fn step(&mut self, cpu: f64, memory: f64, swap_rate: u64) -> Option<Change> {
            self.last.at = Mono(self.last.at.0 + EVERY);
            self.last.cpu_busy += 5.0 * cpu / 100.0;
            self.last.cpu_total += 5.0;
            self.last.memory_percent = memory;
            self.last.swap_in_bytes += swap_rate * 5;
            sampled(&mut self.load, self.last, &spec())
        }

        /// How many steps it takes until something changes, at most `most`.
        fn steps(&mut self, most: u32, cpu: f64, memory: f64, swap: u64) -> Option<u32> {
            (1..=most).find(|_| self.step(cpu, memory, swap).is_some())
        }
    }

    #[test]
    fn no_load_exceeds_a_limit_of_one_hundred_percent() {
        let spec = OverloadSpec { cpu_percent: 100.0, ..spec() };
        let mut load = LoadHistory::default();
        for tick in 0..1000_u32 {
            // Idle time was 71.9 s when this host began to be busy all the time.
            let cpu_busy = 0.01 * f64::from(tick);
            let cpu_total = 71.9 + cpu_busy;
            let (at, last) = (Mono(1 + 5_000 * u64::from(tick)), Host::new().last);
            let sample = LoadSample { at, cpu_busy, cpu_total, ..last };
            assert_eq!(sampled(&mut load, sample, &spec), None, "{tick}");
        }
    }

    #[test]
    fn a_busy_processor_counts_after_half_a_minute_of_it() {
        let mut host = Host::new();
        assert_eq!(host.steps(20, 84.0, 30.0, 0), None);
        // The mean of 30 s needs all of them.
        assert_eq!(host.steps(20, 86.0, 30.0, 0), Some(4));
        assert_eq!(host.load.overloaded.unwrap().cause, OverloadCause::Cpu);
        let mut host = Host::new();
        assert_eq!(host.steps(20, 100.0, 30.0, 0), Some(6), "not before a whole window");
    }

    #[test]
    fn full_memory_counts_at_once_and_swapping_in_only_when_it_goes_on() {
        let mut host = Host::new();
        assert_eq!(host.step(0.0, 90.0, 0), None);
        let Some(Change::Began(over)) = host.step(0.0, 90.6, 0) else { panic!() };
        assert_eq!((over.cause, over.measured, over.limit), (OverloadCause::Memory, 91, 90));
        let mut host = Host::new();
        for _ in 0..10 {
            assert_eq!(host.steps(5, 0.0, 30.0, 2 << 20), None, "a pause begins it anew");
            assert_eq!(host.step(0.0, 30.0, 0), None);
        }
        assert_eq!(host.steps(20, 0.0, 30.0, 2 << 20), Some(6));
    }

    #[test]
    fn it_ends_only_after_a_whole_minute_of_calm() {
        let mut host = Host::new();
        host.step(0.0, 95.0, 0);
        assert_eq!(host.steps(60, 0.0, 70.0, 0), None, "not below the lower bound");
        assert_eq!(host.steps(60, 0.0, 69.0, 1), None, "still swapping");
        assert_eq!(host.steps(11, 0.0, 69.0, 0), None);
        assert_eq!(host.step(0.0, 71.0, 0), None, "the minute begins anew");
        assert_eq!(host.steps(20, 0.0, 69.0, 0), Some(13));
        assert_eq!(host.load.overloaded, None);
    }

    #[test]
    fn a_time_nobody_looked_neither_begins_nor_ends_it() {
        let mut host = Host::new();
        host.step(0.0, 95.0, 0);
        assert_eq!(host.steps(11, 0.0, 10.0, 0), None);
        host.last.at = host.last.at.plus(Duration::from_mins(10));
        assert_eq!(host.steps(12, 0.0, 10.0, 0), None);
        assert!(host.load.overloaded.is_some());
        assert!(host.steps(3, 0.0, 10.0, 0).is_some());
        host.last.at = host.last.at.plus(Duration::from_mins(10));
        host.last.cpu_busy += 600.0;
        host.last.cpu_total += 600.0;
        assert_eq!(host.step(0.0, 10.0, 0), None, "what was in between is not judged");
    }

    proptest! {
        #[test]
        fn the_state_never_flaps_within_the_recovery_time(
            steps in prop::collection::vec((0.0..100.0_f64, 0.0..100.0_f64, 0..4_000_000_u64), 1..300),
        ) {
            let mut host = Host::new();
            let mut began: Option<Mono> = None;
            for (cpu, memory, swap) in steps {
                match host.step(cpu, memory, swap) {
                    Some(Change::Began(_)) => {
                        prop_assert_eq!(began, None);
                        began = Some(host.last.at);
                    }
                    Some(Change::Ended(_)) => {
                        let since = began.take().unwrap();
                        prop_assert!(host.last.at.since(since) >= Duration::from_mins(1));
                        prop_assert!(memory < 70.0 && swap == 0);
                    }
                    None => {}
                }
                prop_assert_eq!(began.is_some(), host.load.overloaded.is_some());
                prop_assert!(host.load.samples.len() <= 8);
            }
        }
    }
}
