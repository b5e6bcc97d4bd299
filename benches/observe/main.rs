//! What a look at the kernel's tables costs on a crowded host: processes and sockets.
//!
//! The crowd is made up and leaves with this program, however it ends. What the server does with
//! a look is not part of it.

mod crowd;
#[path = "../rig/figures.rs"]
mod figures;
#[path = "../rig/table.rs"]
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use camserver::model::observed::{Connection, ConnectionOwner};
use camserver::model::time::Mono;
use camserver::world::process::ProcessScanner;
use camserver::world::sockets::{Attributor, SocketDiag};
use rustix::time::{ClockId, clock_gettime};

use crowd::{Connections, Processes};
use figures::{at, millis};

const PROCESSES: usize = 3_000;
const CONNECTIONS: usize = 4_000;
/// Steady looks that are measured.
const LOOKS: usize = 50;
/// The scanner takes nobody younger than five seconds for a stranger for good.
const SETTLED: Duration = Duration::from_secs(6);
/// What a steady look may cost.
const TARGET_MS: f64 = 10.0;

/// What one look took.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    cpu: Duration,
}

/// The looks of one observer.
#[derive(Default)]
struct Looks {
    first: Option<Cost>,
    steady: Vec<Cost>,
}

/// Both observers, joined as the server joins them.
struct Observers {
    scanner: ProcessScanner,
    diag: SocketDiag,
    attributor: Attributor,
}

fn main() -> anyhow::Result<()> {
    let _processes = Processes::start(PROCESSES)?;
    let connections = Connections::open(CONNECTIONS)?;
    table::say(&format!(
        "{PROCESSES} processes of others, {CONNECTIONS} connections to one device; {}",
        table::load()
    ))?;
    let mut observers = Observers {
        scanner: ProcessScanner::default(),
        diag: SocketDiag::open()?,
        attributor: Attributor::default(),
    };
    let (mut sockets, mut processes) = (Looks::default(), Looks::default());
    let (first, at_first) = observers.look(&connections)?;
    (sockets.first, processes.first) = (Some(first), Some(at_first));
    std::thread::sleep(SETTLED);
    // The looks in which strangers are made out for good are neither first nor steady.
    for _ in 0..2 {
        observers.look(&connections)?;
    }
    for _ in 0..LOOKS {
        let (at_sockets, at_processes) = observers.look(&connections)?;
        sockets.steady.push(at_sockets);
        processes.steady.push(at_processes);
    }
    let rows = [row("sockets", &sockets), row("processes", &processes)];
    let head = ["a look at", "first ms", "first CPU ms", "median ms", "p90 ms", "CPU ms", "target"];
    let head = [&head[..], &[""]].concat();
    table::print(&format!("The first look, and {LOOKS} steady ones"), &head, &rows)?;
    table::say(&format!("\n{}", table::load()))?;
    Ok(())
}

impl Observers {
    /// One look at each table, checked.
    fn look(&mut self, open: &Connections) -> anyhow::Result<(Cost, Cost)> {
        let (seen, sockets) = cost(|| -> anyhow::Result<Vec<Connection>> {
            let all = self.diag.connections(false)?;
            let is_device = |device: &_| *device == open.device;
            let looked = (&BTreeMap::new(), Mono(1));
            Ok(self.attributor.connections(&all, is_device, &open.slots, looked))
        })?;
        let seen = seen?;
        let slots = seen.iter().filter(|c| matches!(c.owner, ConnectionOwner::Slot(_))).count();
        ensure!(slots == CONNECTIONS, "{slots} connections were seen to be ours");
        let foreign = |connection: &Connection| match connection.owner {
            ConnectionOwner::Foreign { pid, .. } => Some(pid),
            ConnectionOwner::Slot(_)
            | ConnectionOwner::Stray
            | ConnectionOwner::Child { .. }
            | ConnectionOwner::Unattributable => None,
        };
        let foreign: BTreeSet<u32> = seen.iter().filter_map(foreign).collect();
        ensure!(foreign.len() == 1, "{} other programs were seen to be connected", foreign.len());
        let (found, processes) = cost(|| self.scanner.scan("observe", &foreign))?;
        ensure!(!found?.is_empty(), "no process was found");
        Ok((sockets, processes))
    }
}

/// Measures on this thread, which is the only one at work.
#[expect(clippy::disallowed_methods, reason = "real time is what a measurement is about")]
fn cost<T>(work: impl FnOnce() -> T) -> anyhow::Result<(T, Cost)> {
    let cpu = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime));
    let (wall, before) = (Instant::now(), cpu().context("read the clock of this thread")?);
    let done = work();
    let wall = wall.elapsed();
    let cpu = cpu().context("read the clock of this thread")?.saturating_sub(before);
    Ok((done, Cost { wall, cpu }))
}

fn row(name: &str, looks: &Looks) -> Vec<String> {
    let ms = |time: Duration| format!("{:.2}", millis(time));
    let walls: Vec<Duration> = looks.steady.iter().map(|cost| cost.wall).collect();
    let cpus: Vec<Duration> = looks.steady.iter().map(|cost| cost.cpu).collect();
    let median = at(&walls, 50);
    vec![
        name.to_owned(),
        looks.first.map(|cost| ms(cost.wall)).unwrap_or_default(),
        looks.first.map(|cost| ms(cost.cpu)).unwrap_or_default(),
        ms(median),
        ms(at(&walls, 90)),
        ms(at(&cpus, 50)),
        format!("{TARGET_MS:.0}"),
        if millis(median) <= TARGET_MS { "met" } else { "MISSED" }.to_owned(),
    ]
}
