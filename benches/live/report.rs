//! The tables of the measurement. It measures nothing.

use std::time::Duration;

use crate::table;

/// What was seen of one way of handing streams out.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) name: &'static str,
    /// Seconds of the window times viewers.
    pub(crate) viewer_seconds: f64,
    /// CPU of the program.
    pub(crate) own: Duration,
    /// CPU of its children.
    pub(crate) children: Duration,
    /// CPU of the cameras.
    pub(crate) simulator: Duration,
    /// Fragments that all viewers got.
    pub(crate) fragments: u64,
    /// Bytes that they got.
    pub(crate) bytes: u64,
    /// The longest time that any of them waited for the next fragment.
    pub(crate) gap: Duration,
    /// Memory at the end, children included, in bytes.
    pub(crate) resident: u64,
    /// With one more viewer that does not read.
    pub(crate) beside: Option<Beside>,
}

/// What one that does not read did to the others.
#[derive(Debug)]
pub(crate) struct Beside {
    /// The longest time that another one waited for the next fragment.
    pub(crate) gap: Duration,
    /// Memory before it came, in bytes.
    pub(crate) before: u64,
    /// The most while it was there.
    pub(crate) most: u64,
}

/// Memory that one viewer who does not read may take: the kept pictures and one message.
const GROWTH_MAX: u64 = 24 << 20;
/// Longest stutter of the others.
const GAP_MAX: Duration = Duration::from_secs(1);

impl Figures {
    fn cpu(&self) -> Duration {
        self.own + self.children
    }

    /// Milliseconds of CPU for one viewer that watches for one second.
    fn each(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * 1000.0 / self.viewer_seconds
    }
}

/// Prints everything; the first is what the others are compared with.
pub(crate) fn print(all: &[Figures]) -> anyhow::Result<()> {
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    let head = [
        "way",
        "CPU ms per viewer-second",
        "camserver",
        "children",
        "pictures",
        "KiB",
        "longest gap ms",
        "MiB",
        "(cameras, CPU ms)",
    ];
    table::print("Live video, per viewer and second", &head, &rows)?;
    if let [native, others @ ..] = all {
        for other in others {
            let ratio = other.cpu().as_secs_f64() / native.cpu().as_secs_f64().max(0.001);
            table::say(&format!("CPU of {} / {}: {ratio:.2}", other.name, native.name))?;
        }
    }
    let rows: Vec<Vec<String>> = all.iter().filter_map(beside).collect();
    let head = ["way", "longest gap ms", "", "MiB before", "most", ""];
    table::print("Beside a viewer that does not read", &head, &rows)?;
    Ok(())
}

fn row(figures: &Figures) -> Vec<String> {
    let seconds = figures.viewer_seconds;
    let is_own = figures.name.ends_with("engine");
    vec![
        figures.name.to_owned(),
        format!("{:.3}", figures.each(figures.cpu())),
        if is_own { format!("{:.3}", figures.each(figures.own)) } else { String::new() },
        format!("{:.3}", figures.each(figures.children)),
        format!("{:.1}", rate(figures.fragments, seconds)),
        format!("{:.1}", rate(figures.bytes / 1024, seconds)),
        figures.gap.as_millis().to_string(),
        mib(figures.resident),
        format!("{:.3}", figures.each(figures.simulator)),
    ]
}

fn beside(figures: &Figures) -> Option<Vec<String>> {
    let Beside { gap, before, most } = figures.beside.as_ref()?;
    let verdict = |met: bool| if met { "met" } else { "MISSED" }.to_owned();
    Some(vec![
        figures.name.to_owned(),
        gap.as_millis().to_string(),
        verdict(*gap <= GAP_MAX),
        mib(*before),
        mib(*most),
        verdict(*most <= before + GROWTH_MAX),
    ])
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn rate(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}

fn mib(bytes: u64) -> String {
    format!("{:.1}", rate(bytes >> 10, 1024.0))
}
