//! CPU of a running process by thread.
//!
//! Threads that end between two looks are not listed; their CPU shows as what is left of the
//! process's own.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use crate::process::stat;

/// The process's clock at one moment.
#[derive(Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    /// Time of each thread, by its number.
    threads: BTreeMap<u32, (String, Duration)>,
}

/// What some threads of one name used.
#[derive(Debug, Default)]
pub(crate) struct Share {
    pub(crate) threads: u32,
    pub(crate) cpu: Duration,
}

impl Cpu {
    /// Reads it now.
    pub(crate) fn read(pid: u32) -> anyhow::Result<Self> {
        let (_, user, system) = stat(&format!("/proc/{pid}/stat"))?;
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
            let Some(id) = entry.file_name().to_str().and_then(|id| id.parse().ok()) else {
                continue;
            };
            let folder = entry.path();
            // One that ends right now is not there any more.
            let Ok((name, ..)) = stat(&format!("{}/stat", folder.display())) else { continue };
            let Ok(schedule) = fs::read_to_string(folder.join("schedstat")) else { continue };
            let nanoseconds = schedule.split(' ').next().and_then(|n| n.parse().ok());
            threads.insert(id, (name, Duration::from_nanos(nanoseconds.unwrap_or(0))));
        }
        Ok(Self { user, system, threads })
    }

    /// Both sides of the kernel's border.
    pub(crate) fn total(&self) -> Duration {
        self.user + self.system
    }

    /// What the threads have used since `before`, by name without number.
    pub(crate) fn by_name(&self, before: &Self) -> BTreeMap<String, Share> {
        let mut shares: BTreeMap<String, Share> = BTreeMap::new();
        for (id, (name, cpu)) in &self.threads {
            let earlier = before.threads.get(id).map_or(Duration::ZERO, |(_, cpu)| *cpu);
            let name = name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('-');
            let share = shares.entry(name.to_owned()).or_default();
            share.threads += 1;
            share.cpu += cpu.saturating_sub(earlier);
        }
        shares
    }
}
