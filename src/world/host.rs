//! Reads this host and this process. A missing figure is an error, never a zero.

use std::fs;
use std::io;

use crate::model::observed::HostView;

/// The kernel's id of the present boot.
pub fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// One reading. Blocks for well under a millisecond.
pub fn read() -> io::Result<HostView> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let resident = field(&statm, 1)?.saturating_mul(rustix::param::page_size() as u64);
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name of the program may contain anything, so fields count from its closing bracket:
    // state is 0, utime 11, stime 12, num_threads 17 (proc_pid_stat(5)).
    let after = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = field(after, 11)? + field(after, 12)?;
    let limits = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    Ok(HostView {
        resident_bytes: resident,
        memory_percent: memory_percent()?,
        open_files: fs::read_dir("/proc/self/fd")?.count() as u64,
        open_files_max: limits.current.unwrap_or(u64::MAX),
        threads: field(after, 17)?,
        cpu_seconds: to_f64(ticks) / to_f64(rustix::param::clock_ticks_per_second()),
    })
}

fn memory_percent() -> io::Result<f64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let kib = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.map_or_else(|| Err(missing(name)), |line| field(line, 1))
    };
    let (total, available) = (kib("MemTotal:")?, kib("MemAvailable:")?);
    Ok(100.0 * to_f64(total.saturating_sub(available)) / to_f64(total.max(1)))
}

fn field(text: &str, index: usize) -> io::Result<u64> {
    let word = text.split_whitespace().nth(index);
    word.and_then(|word| word.parse().ok()).ok_or_else(|| missing("a figure in /proc"))
}

fn missing(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what} is missing"))
}

#[expect(clippy::cast_precision_loss, reason = "shown with three digits at most")]
fn to_f64(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_plausible() {
        let view = read().unwrap();
        assert!(view.resident_bytes > 1_000_000 && view.threads >= 1 && view.open_files >= 3);
        assert!((0.1..100.0).contains(&view.memory_percent));
        assert_eq!(boot_id().unwrap().len(), 36);
    }
}
