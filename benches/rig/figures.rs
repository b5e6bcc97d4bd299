//! What is said of many measurements. It measures nothing.

use std::time::Duration;

/// The value below which `percent` of all lie.
pub(crate) fn at(values: &[Duration], percent: usize) -> Duration {
    let mut values = values.to_vec();
    values.sort();
    let index = (values.len() * percent / 100).min(values.len().saturating_sub(1));
    values.get(index).copied().unwrap_or_default()
}

/// As milliseconds.
pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
