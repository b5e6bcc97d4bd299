//! What live video costs: 60 viewers on 30 cameras, through the native engine, through the go2rtc
//! engine, and through go2rtc alone.
//!
//! Cameras and servers are processes of their own; only the servers count, with the children that
//! hand streams out. Without go2rtc on the host only the native engine is measured. `LIVE_SECONDS`
//! sets how long each is watched.

#[path = "../rig/child.rs"]
mod child;
#[path = "../rig/http.rs"]
mod http;
#[path = "../rig/process.rs"]
mod process;
mod report;
mod scene;
#[path = "../rig/table.rs"]
mod table;
mod viewers;

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use process::{resident, stat};
use report::{Beside, Figures};
use scene::{CAMERAS, Cameras, Source, Span, find_go2rtc, wait};
use viewers::{Idler, Viewer};

const VIEWERS: u16 = 60;
/// From the first fragment of everybody on.
const WARM_UP: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(500);

fn main() -> anyhow::Result<()> {
    let window = Duration::from_secs(seconds()?);
    let folder = tempfile::tempdir().context("make a folder")?;
    table::say(&format!("\n{VIEWERS} viewers of {CAMERAS} cameras; {}", table::load()))?;
    let cameras = Cameras::start(folder.path())?;
    let mut all = vec![of_camserver(folder.path(), &cameras, None, window)?];
    if let Some(go2rtc) = find_go2rtc() {
        all.push(of_camserver(folder.path(), &cameras, Some(&go2rtc), window)?);
        let source = Source::go2rtc(folder.path(), &go2rtc)?;
        let (_viewers, figures) = watch("go2rtc alone", &cameras, &source, window)?;
        all.push(figures);
    } else {
        table::say("SKIPPED: go2rtc is neither on the PATH nor named by GO2RTC")?;
    }
    report::print(&all)?;
    table::say(&format!("\n{}", table::load()))?;
    Ok(())
}

fn seconds() -> anyhow::Result<u64> {
    match std::env::var("LIVE_SECONDS") {
        Ok(value) => value.parse().with_context(|| format!("LIVE_SECONDS={value} is no number")),
        Err(_) => Ok(60),
    }
}

/// One engine: the cost of its viewers, then what one more that does not read does to them.
fn of_camserver(
    folder: &Path,
    cameras: &Cameras,
    go2rtc: Option<&Path>,
    window: Duration,
) -> anyhow::Result<Figures> {
    let name = if go2rtc.is_some() { "go2rtc engine" } else { "native engine" };
    let source = Source::camserver(folder, go2rtc)?;
    let (viewers, mut figures) = watch(name, cameras, &source, window)?;
    let before = memory(&source)?;
    let idler = Idler::open(&source.place(VIEWERS.into())?)?;
    viewers.iter().for_each(Viewer::reset);
    let mut most = 0;
    for _ in 0..window.as_millis() / POLL.as_millis() {
        sleep(POLL);
        most = most.max(memory(&source)?);
    }
    let gap = viewers.iter().map(|viewer| viewer.seen().gap).max().unwrap_or_default();
    figures.beside = Some(Beside { gap, before, most });
    drop(idler);
    one_connection_each(name, cameras)?;
    Ok(figures)
}

/// Lets everybody watch for a while.
#[expect(clippy::disallowed_methods, reason = "real time is what a measurement is about")]
fn watch(
    name: &'static str,
    cameras: &Cameras,
    source: &Source,
    window: Duration,
) -> anyhow::Result<(Vec<Viewer>, Figures)> {
    cameras.settle()?;
    let open = |nth: u16| Viewer::open(&source.place(nth.into())?);
    let viewers = (0..VIEWERS).map(open).collect::<anyhow::Result<Vec<Viewer>>>()?;
    wait("everybody sees something", || Ok(viewers.iter().all(|v| v.seen().fragments > 0)))?;
    sleep(WARM_UP);
    viewers.iter().for_each(Viewer::reset);
    let pid = source.program.child.id();
    let below = children(pid)?;
    let simulated = cpu(cameras.pid())?;
    let (begun, before) = (Instant::now(), spent(pid, &below)?);
    sleep(window);
    let (elapsed, after) = (begun.elapsed(), spent(pid, &below)?);
    let seen: Vec<_> = viewers.iter().map(Viewer::seen).collect();
    if let Some(why) = seen.iter().find_map(|seen| seen.ended.as_ref()) {
        anyhow::bail!("{name}: a view ended: {why}");
    }
    one_connection_each(name, cameras).context(name)?;
    let figures = Figures {
        name,
        viewer_seconds: elapsed.as_secs_f64() * f64::from(VIEWERS),
        own: after.0.saturating_sub(before.0),
        children: after.1.saturating_sub(before.1),
        simulator: cpu(cameras.pid())?.saturating_sub(simulated),
        fragments: seen.iter().map(|seen| seen.fragments).sum(),
        bytes: seen.iter().map(|seen| seen.bytes).sum(),
        gap: seen.iter().map(|seen| seen.gap).max().unwrap_or_default(),
        resident: memory(source)?,
        beside: None,
    };
    Ok((viewers, figures))
}

/// CPU of a process, and of its children.
fn spent(pid: u32, below: &[u32]) -> anyhow::Result<(Duration, Duration)> {
    let children = below.iter().map(|child| cpu(*child)).sum::<anyhow::Result<Duration>>();
    Ok((cpu(pid)?, children.context("a child has ended")?))
}

fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let (_, user, system) = stat(&format!("/proc/{pid}/stat"))?;
    Ok(user + system)
}

/// The processes that a process has started itself and that still run.
fn children(pid: u32) -> anyhow::Result<Vec<u32>> {
    let mut found = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
        // A thread that ends right now is not there any more.
        let Ok(list) = fs::read_to_string(task.path().join("children")) else { continue };
        found.extend(list.split_ascii_whitespace().filter_map(|child| child.parse::<u32>().ok()));
    }
    Ok(found)
}

/// Memory of the program and its children, in bytes.
fn memory(source: &Source) -> anyhow::Result<u64> {
    let pid = source.program.child.id();
    let below = children(pid)?.into_iter().map(resident).sum::<anyhow::Result<u64>>()?;
    Ok(resident(pid)? + below)
}

/// However many watch, each camera has one connection, and never had more. go2rtc may dial again
/// after the end of one; the native engine has no reason to.
fn one_connection_each(name: &str, cameras: &Cameras) -> anyhow::Result<()> {
    let one = Span { min: 1, max: 1 };
    let dials = name.starts_with("native").then_some("accepted");
    for field in ["connections", "connectionsMost"].into_iter().chain(dials) {
        let counted = cameras.counts(field)?;
        ensure!(counted == one, "{field} of the cameras: {} to {}", counted.min, counted.max);
    }
    Ok(())
}
