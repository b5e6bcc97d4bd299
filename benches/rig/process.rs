//! What the kernel says of a running process: CPU and memory.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;

/// Name, user and system time out of a `stat` file of `proc_pid_stat(5)`.
pub(crate) fn stat(path: &str) -> anyhow::Result<(String, Duration, Duration)> {
    let text = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
    let (head, fields) = text.rsplit_once(") ").context("no name in stat")?;
    let name = head.split_once('(').map_or("", |(_, name)| name);
    let mut fields = fields.split(' ').skip(11);
    let mut time = || {
        let ticks: u64 = fields.next().and_then(|field| field.parse().ok()).context("no time")?;
        let millis = ticks * 1000 / rustix::param::clock_ticks_per_second();
        anyhow::Ok(Duration::from_millis(millis))
    };
    Ok((name.to_owned(), time()?, time()?))
}

/// Memory that the process holds, in bytes.
pub(crate) fn resident(pid: u32) -> anyhow::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm"))?;
    let pages: u64 = text.split(' ').nth(1).and_then(|n| n.parse().ok()).context("no size")?;
    Ok(pages * rustix::param::page_size() as u64)
}
