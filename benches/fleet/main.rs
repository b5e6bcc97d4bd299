//! What the whole server costs while it sweeps a thousand cameras once a minute.
//!
//! Server and cameras are processes of their own; only the server counts. Nobody watches the wall
//! meanwhile. `FLEET_SECONDS` sets how long is measured, `FLEET_CAMERAS` how many cameras there are.

#[path = "../rig/child.rs"]
mod child;
#[path = "../rig/http.rs"]
mod http;
#[path = "../rig/process.rs"]
mod process;
#[path = "../rig/table.rs"]
mod table;
mod threads;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use child::Running;
use http::get;
use process::resident;
use threads::Cpu;

/// The server may take this long to be ready.
const START: Duration = Duration::from_secs(30);
/// One sweep of all cameras, and then some.
const WARM_UP: Duration = Duration::from_secs(75);
const POLL: Duration = Duration::from_secs(1);

fn main() -> anyhow::Result<()> {
    let cameras = setting("FLEET_CAMERAS", 1000)?;
    let window = Duration::from_secs(setting("FLEET_SECONDS", 180)?);
    let folder = tempfile::tempdir().context("make a folder")?;
    table::say(&format!("\nThe server with {cameras} cameras; {}", table::load()))?;
    let measured = run(folder.path(), cameras, window);
    if measured.is_err() {
        for program in ["camsim", "camserver"] {
            let log = fs::read_to_string(folder.path().join(format!("{program}.log")));
            let log = log.unwrap_or_default();
            let end = log.lines().rev().take(20).collect::<Vec<_>>();
            let end: Vec<&str> = end.into_iter().rev().collect();
            table::say(&format!("{program} said last:\n{}", end.join("\n")))?;
        }
    }
    report(&measured?)?;
    table::say(&format!("\n{}", table::load()))?;
    Ok(())
}

fn setting(name: &str, default: u64) -> anyhow::Result<u64> {
    match std::env::var(name) {
        Ok(value) => value.parse().with_context(|| format!("{name}={value} is no number")),
        Err(_) => Ok(default),
    }
}

/// What was seen in the window.
struct Measured {
    seconds: f64,
    before: Cpu,
    after: Cpu,
    resident: Vec<u64>,
    taken: f64,
    failed: f64,
    passes: f64,
    simulator: Duration,
}

#[expect(clippy::disallowed_methods, reason = "real time is what a measurement is about")]
fn run(folder: &Path, cameras: u64, window: Duration) -> anyhow::Result<Measured> {
    let manifests = folder.join("manifests");
    let arguments = format!(
        "--cameras {cameras} --first 127.127.1.1 --port 10754 --control 127.0.0.1:0 --limit 2 \
         --gop 2s --interval 60s --cooldown 1s --concurrency 32 --manifests {}",
        manifests.display()
    );
    let mut simulator = Running::start("camsim", &words(&arguments), &folder.join("camsim.log"))?;
    simulator.first_line().and_then(|_| simulator.check()).context("camsim")?;
    let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let arguments = format!(
        "run -f {} --data-dir {} --listen {listen}",
        manifests.display(),
        folder.join("data").display()
    );
    let mut server =
        Running::start("camserver", &words(&arguments), &folder.join("camserver.log"))?;
    let begun = Instant::now();
    while get(listen, "/readyz").is_err() {
        server.check().context("camserver")?;
        ensure!(begun.elapsed() < START, "camserver is not ready in time");
        sleep(POLL);
    }
    sleep(WARM_UP);

    let counted = Counted::read(listen)?;
    let simulated = Cpu::read(simulator.child.id())?.total();
    let (begun, before) = (Instant::now(), Cpu::read(server.child.id())?);
    let mut memory = Vec::new();
    while begun.elapsed() < window {
        sleep(POLL);
        server.check().context("camserver")?;
        memory.push(resident(server.child.id())?);
    }
    let (seconds, after) = (begun.elapsed().as_secs_f64(), Cpu::read(server.child.id())?);
    let now = Counted::read(listen)?;
    Ok(Measured {
        seconds,
        before,
        after,
        resident: memory,
        taken: now.taken - counted.taken,
        failed: now.failed - counted.failed,
        passes: now.passes - counted.passes,
        simulator: Cpu::read(simulator.child.id())?.total().saturating_sub(simulated),
    })
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// The server's own counters.
#[derive(Debug, Default)]
struct Counted {
    taken: f64,
    failed: f64,
    passes: f64,
}

impl Counted {
    fn read(server: SocketAddr) -> anyhow::Result<Self> {
        let text = get(server, "/metrics").context("read the server's counters")?;
        let mut counted = Self::default();
        for line in text.lines() {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let value = || value.parse::<f64>().context("a counter that is no number");
            if series.starts_with("camserver_captures_total") {
                if series.contains("\"Captured\"") {
                    counted.taken += value()?;
                } else {
                    counted.failed += value()?;
                }
            } else if series.starts_with("camserver_reconcile_passes_total") {
                counted.passes += value()?;
            }
        }
        Ok(counted)
    }
}

fn report(measured: &Measured) -> anyhow::Result<()> {
    ensure!(measured.taken > 0.0, "no picture was taken");
    let cpu = measured.after.total().saturating_sub(measured.before.total());
    let share = |cpu: Duration| format!("{:.3}", cpu.as_secs_f64() / measured.seconds);
    let each = |cpu: Duration| format!("{:.2}", cpu.as_secs_f64() * 1000.0 / measured.taken);
    let row =
        |name: &str, threads: String, cpu| vec![name.to_owned(), threads, share(cpu), each(cpu)];
    let mut rows = Vec::new();
    let mut rest = cpu;
    let shares = measured.after.by_name(&measured.before);
    for (name, used) in &shares {
        rows.push(row(name, used.threads.to_string(), used.cpu));
        rest = rest.saturating_sub(used.cpu);
    }
    rows.push(row("threads that have ended", String::new(), rest));
    rows.push(row("all", String::new(), cpu));
    let user = measured.after.user.saturating_sub(measured.before.user);
    let system = measured.after.system.saturating_sub(measured.before.system);
    rows.push(row("  in the program", String::new(), user));
    rows.push(row("  in the kernel", String::new(), system));
    rows.push(row("(the simulated cameras)", String::new(), measured.simulator));
    let head = ["threads", "number", "cores", "CPU ms per picture"];
    table::print("Where the server's CPU goes", &head, &rows)?;

    let mib = |bytes: u64| bytes / (1024 * 1024);
    let most = measured.resident.iter().copied().max().unwrap_or(0);
    let mean = measured.resident.iter().sum::<u64>() / measured.resident.len().max(1) as u64;
    let cores = cpu.as_secs_f64() / measured.seconds;
    let verdict = |met: bool, aimed: bool| match (met, aimed) {
        (true, true) => "aim met".to_owned(),
        (true, false) => "met".to_owned(),
        (false, _) => "MISSED".to_owned(),
    };
    let plain =
        |name: &str, value: String| vec![name.to_owned(), value, String::new(), String::new()];
    let rows = [
        plain("seconds", format!("{:.0}", measured.seconds)),
        plain("pictures taken", format!("{:.0}", measured.taken)),
        plain("captures without a picture", format!("{:.0}", measured.failed)),
        plain("pictures a minute", format!("{:.0}", measured.taken * 60.0 / measured.seconds)),
        plain("passes of the loop per picture", format!("{:.2}", measured.passes / measured.taken)),
        vec![
            "cores".to_owned(),
            format!("{cores:.3}"),
            "0.35 (aim 0.25)".to_owned(),
            verdict(cores <= 0.35, cores <= 0.25),
        ],
        plain("resident memory, mean MiB", mib(mean).to_string()),
        vec![
            "resident memory, most MiB".to_owned(),
            mib(most).to_string(),
            "200 (aim 150)".to_owned(),
            verdict(mib(most) <= 200, mib(most) <= 150),
        ],
    ];
    table::print("The whole server", &["figure", "measured", "target", ""], &rows)?;
    Ok(())
}
