//! What one snapshot costs: this program's own client against one ffmpeg per snapshot.
//!
//! The cameras are simulated by a process of their own, whose CPU is not counted. The ways take
//! turns, so that other work on the host burdens all of them alike: only ratios of one run count.

mod capture;
#[path = "../rig/child.rs"]
mod child;
#[path = "../rig/figures.rs"]
mod figures;
#[path = "../rig/table.rs"]
mod table;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use camserver::reconcile::decode_pool;
use camserver::vision::DecodePool;
use tokio::task::JoinSet;

use capture::{Method, Taken, take};
use child::Running;
use figures::{at, millis};

/// A power of two.
const CAMERAS: u32 = 64;
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 126, 1, 1);
const PORT: u16 = 10_654;
const ROUNDS: u32 = 2;

/// The streams, with their names and the bit rate that they are padded to.
///
/// The smooth ones have key pictures of 6 and 40 KB; the grain makes one of 640x360 about 28 KB.
const STREAMS: [(&str, &str, &str, u8); 3] = [
    ("640x360", "/sub", "600", 0),
    ("640x360 grainy", "/sub", "600", 6),
    ("1920x1080", "/main", "4000", 0),
];
/// Snapshots at once, and how many each way takes in a round.
const LOADS: [(u32, [u32; 3]); 3] = [(1, [20, 10, 8]), (16, [64, 32, 32]), (64, [128, 64, 64])];

/// What one way did under one load.
#[derive(Default)]
struct Tally {
    taken: Vec<Taken>,
    faults: Vec<String>,
    cpu: Duration,
}

impl Tally {
    /// Milliseconds of CPU for each snapshot; failed ones are paid for by the others.
    fn cpu_ms(&self) -> f64 {
        let count = u32::try_from(self.taken.len()).unwrap_or(u32::MAX).max(1);
        millis(self.cpu / count)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let pool = Arc::new(decode_pool().context("start the decoders")?);
    table::say(&format!("Snapshots of {CAMERAS} simulated cameras; {}", table::load()))?;
    let (mut costs, mut walls) = (Vec::new(), Vec::new());
    let mut verdicts = Vec::new();
    for (name, path, bitrate, grain) in STREAMS {
        let _cameras = simulate(bitrate, grain)?;
        for (at_once, counts) in LOADS {
            let tallies = compare(&pool, path, at_once, counts).await?;
            rows(&mut costs, name, at_once, &tallies);
            if at_once == 1 {
                walls.push(wall_row(name, &tallies[0]));
            }
            verdicts.extend(judge(name, at_once, &tallies));
        }
    }
    let head = ["stream", "at once", "way", "snapshots", "failed", "CPU ms", "ratio"];
    let head = [&head[..], &["wall median ms", "wall p90 ms"]].concat();
    table::print("CPU per snapshot, client and its children only (native = 1)", &head, &costs)?;
    let head = ["stream", "snapshots", "median", "p90", "connect", "RTSP", "teardown", "picture"];
    table::print(
        "Native, one at a time: ms of wall time beyond the wait for the key picture; then the \
         medians of its parts",
        &head,
        &walls,
    )?;
    table::print("Targets", &["figure", "measured", "target", ""], &verdicts)?;
    table::say(&format!("\n{}", table::load()))?;
    Ok(())
}

fn simulate(bitrate: &str, grain: u8) -> anyhow::Result<Running> {
    let log = std::env::temp_dir().join(format!("camsim-{}.log", std::process::id()));
    let arguments = format!(
        "--cameras {CAMERAS} --first {FIRST} --port {PORT} --control 127.0.0.1:0 --limit 16 \
         --fps 15 --gop 2s --bitrate {bitrate} --grain {grain}"
    );
    let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
    let mut cameras = Running::start("camsim", &arguments, &log)?;
    let started = cameras.first_line().and_then(|_| cameras.check());
    started.with_context(|| format!("camsim: {}", fs::read_to_string(&log).unwrap_or_default()))?;
    drop(fs::remove_file(&log));
    Ok(cameras)
}

async fn compare(
    pool: &Arc<DecodePool>,
    path: &'static str,
    at_once: u32,
    counts: [u32; 3],
) -> anyhow::Result<[Tally; 3]> {
    let mut tallies = [Tally::default(), Tally::default(), Tally::default()];
    for _ in 0..ROUNDS {
        for ((tally, method), count) in tallies.iter_mut().zip(Method::ALL).zip(counts) {
            let before = cpu()?;
            let next = Arc::new(AtomicU32::new(0));
            let mut tasks = JoinSet::new();
            for _ in 0..at_once {
                tasks.spawn(some(method, Arc::clone(pool), path, (Arc::clone(&next), count)));
            }
            for done in tasks.join_all().await.into_iter().flatten() {
                match done {
                    Ok(taken) => tally.taken.push(taken),
                    Err(fault) => tally.faults.push(format!("{fault:#}")),
                }
            }
            tally.cpu += cpu()?.saturating_sub(before);
        }
    }
    for (tally, method) in tallies.iter().zip(Method::ALL) {
        if let Some(fault) = tally.faults.first() {
            table::say(&format!("{}, {at_once} at once, first fault: {fault}", method.name()))?;
        }
    }
    Ok(tallies)
}

/// Takes snapshots until all `count` are under way.
async fn some(
    method: Method,
    pool: Arc<DecodePool>,
    path: &'static str,
    (next, count): (Arc<AtomicU32>, u32),
) -> Vec<anyhow::Result<Taken>> {
    let mut results = Vec::new();
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= count {
            return results;
        }
        // Neighbours send their key pictures at fixed distances: in order of number every wait
        // would be the same.
        let camera = (index % CAMERAS).reverse_bits() >> (CAMERAS.leading_zeros() + 1);
        let address = Ipv4Addr::from(u32::from(FIRST) + camera);
        let device = SocketAddr::from((address, PORT));
        results.push(take(method, &pool, device, path).await);
    }
}

/// CPU time of this process and of its children that have ended.
///
/// The kernel tells the children's in hundredths of a second, rounded once over all of them.
fn cpu() -> anyhow::Result<Duration> {
    let own = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let own = Duration::try_from(own).context("read the clock of this process")?;
    let stat = fs::read_to_string("/proc/self/stat").context("read /proc/self/stat")?;
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    // Fields 16 and 17 of proc_pid_stat(5); the first after the name is the third.
    let ticks: Option<u64> =
        fields.split(' ').skip(13).take(2).map(|t| t.parse::<u64>().ok()).sum();
    let ticks = ticks.context("read the children's time")?;
    Ok(own + Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}

fn rows(costs: &mut Vec<Vec<String>>, stream: &str, at_once: u32, tallies: &[Tally; 3]) {
    let native = tallies[0].cpu_ms();
    for (tally, method) in tallies.iter().zip(Method::ALL) {
        let walls: Vec<Duration> = tally.taken.iter().map(|taken| taken.wall).collect();
        costs.push(vec![
            stream.to_owned(),
            at_once.to_string(),
            method.name().to_owned(),
            tally.taken.len().to_string(),
            tally.faults.len().to_string(),
            format!("{:.1}", tally.cpu_ms()),
            format!("{:.1}", tally.cpu_ms() / native),
            format!("{:.0}", millis(at(&walls, 50))),
            format!("{:.0}", millis(at(&walls, 90))),
        ]);
    }
}

fn beyond_wait(tally: &Tally) -> Vec<Duration> {
    tally.taken.iter().map(|taken| taken.wall.saturating_sub(taken.steps.stream)).collect()
}

fn wall_row(stream: &str, native: &Tally) -> Vec<String> {
    let beyond = beyond_wait(native);
    let median = |part: fn(&Taken) -> Duration| {
        let parts: Vec<Duration> = native.taken.iter().map(part).collect();
        format!("{:.1}", millis(at(&parts, 50)))
    };
    vec![
        stream.to_owned(),
        beyond.len().to_string(),
        format!("{:.1}", millis(at(&beyond, 50))),
        format!("{:.1}", millis(at(&beyond, 90))),
        median(|taken| taken.steps.connect),
        median(|taken| taken.steps.describe + taken.steps.setup + taken.steps.play),
        median(|taken| taken.steps.teardown),
        median(|taken| taken.vision),
    ]
}

/// The rows of the targets that this load has.
fn judge(stream: &str, at_once: u32, tallies: &[Tally; 3]) -> Vec<Vec<String>> {
    let [native, tuned, default] = tallies;
    let mut rows = Vec::new();
    if stream.starts_with("640x360") {
        for (name, tally, target, aim) in
            [("default", default, 12.0, 18.0), ("tuned", tuned, 6.0, 9.0)]
        {
            let ratio = tally.cpu_ms() / native.cpu_ms();
            rows.push(vec![
                format!("{stream}, {at_once} at once: CPU of ffmpeg {name} / native"),
                format!("{ratio:.1}"),
                format!("{target} (aim {aim})"),
                verdict(ratio >= target, ratio >= aim),
            ]);
        }
    }
    if at_once == 1 {
        let median = millis(at(&beyond_wait(native), 50));
        rows.push(vec![
            format!("{stream}: median wall time beyond the wait, ms"),
            format!("{median:.0}"),
            "100 (aim 60)".to_owned(),
            verdict(median <= 100.0, median <= 60.0),
        ]);
    }
    rows
}

fn verdict(met: bool, aimed: bool) -> String {
    match (met, aimed) {
        (true, true) => "aim met",
        (true, false) => "met",
        (false, _) => "MISSED",
    }
    .to_owned()
}
