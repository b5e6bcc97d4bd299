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
    let cpu = cpu_ticks(&fs::read_to_string("/proc/stat")?)?;
    let limits = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    Ok(HostView {
        resident_bytes: resident,
        memory_percent: memory_percent()?,
        open_files: fs::read_dir("/proc/self/fd")?.count() as u64,
        open_files_max: limits.current.unwrap_or(u64::MAX),
        threads: field(after, 17)?,
        cpu_seconds: seconds(ticks),
        host_cpu_busy_seconds: seconds(cpu.busy),
        host_cpu_total_seconds: seconds(cpu.total),
        swap_in_bytes: swap_in_bytes(&fs::read_to_string("/proc/vmstat")?)?,
    })
}

/// Ticks of all processors together since the boot.
#[derive(Debug, PartialEq, Eq)]
struct CpuTicks {
    busy: u64,
    total: u64,
}

/// Reads the first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal,
/// and two that are contained in the first two (`man 5 proc_stat`).
///
/// Time stolen by other guests counts as spent: this host cannot have it.
fn cpu_ticks(stat: &str) -> io::Result<CpuTicks> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "));
    let line = line.ok_or_else(|| missing("processor time"))?;
    let figures: Result<Vec<u64>, _> = line.split_whitespace().take(8).map(str::parse).collect();
    let figures = figures.map_err(|_| missing("processor time"))?;
    let [_, _, _, idle, rest @ ..] = figures.as_slice() else {
        return Err(missing("processor time"));
    };
    let total = figures.iter().fold(0, |sum: u64, n| sum.saturating_add(*n));
    let idle = idle.saturating_add(rest.first().copied().unwrap_or(0));
    Ok(CpuTicks { busy: total.saturating_sub(idle), total })
}

/// Reads `/proc/vmstat`; a kernel without swap has no such line and reads nothing back.
fn swap_in_bytes(vmstat: &str) -> io::Result<u64> {
    let Some(line) = vmstat.lines().find(|line| line.starts_with("pswpin ")) else { return Ok(0) };
    Ok(field(line, 1)?.saturating_mul(rustix::param::page_size() as u64))
}

fn seconds(ticks: u64) -> f64 {
    to_f64(ticks) / to_f64(rustix::param::clock_ticks_per_second())
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
        assert!(view.host_cpu_busy_seconds > 0.0);
        assert!(view.host_cpu_total_seconds >= view.host_cpu_busy_seconds);
        assert_eq!(boot_id().unwrap().len(), 36);
    }

    #[test]
    fn waiting_for_the_disk_is_no_work_and_guests_count_once() {
        let stat = "cpu  100 10 50 800 40 1 2 7 90 9\ncpu0 1 1 1 1 1 1 1 1 0 0\nintr 5\n";
        assert_eq!(cpu_ticks(stat).unwrap(), CpuTicks { busy: 170, total: 1010 });
        assert_eq!(cpu_ticks("cpu 1 2 3 4\n").unwrap(), CpuTicks { busy: 6, total: 10 });
        for bad in ["", "cpu 1 2\n", "cpu a b c d\n"] {
            assert!(cpu_ticks(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn pages_read_back_are_bytes() {
        let page = rustix::param::page_size() as u64;
        assert_eq!(swap_in_bytes("pgpgin 9\npswpin 3\npswpout 4\n").unwrap(), 3 * page);
        assert_eq!(swap_in_bytes("pgpgin 9\n").unwrap(), 0);
        assert!(swap_in_bytes("pswpin x\n").is_err());
    }
}
