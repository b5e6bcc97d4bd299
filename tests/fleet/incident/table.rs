//! What a replay came to, for people.

use std::fmt::Display;

/// One way of sweeping the network.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) sweeps: usize,
    pub(super) pictures: usize,
    pub(super) processes_most: usize,
    pub(super) processes_left: usize,
    /// Of any one camera, by its own count.
    pub(super) connections_most: u64,
    /// Of all cameras together.
    pub(super) connections_left: u64,
    /// Cameras that serve one more client at the end.
    pub(super) reachable: usize,
}

pub(super) fn render(before: &Row, after: &Row) -> String {
    let lines = [
        ("sweeps", before.sweeps, after.sweeps),
        ("pictures", before.pictures, after.pictures),
        ("ffmpeg processes, at most", before.processes_most, after.processes_most),
        ("ffmpeg processes, at the end", before.processes_left, after.processes_left),
        (
            "connections of one camera, at most",
            wide(before.connections_most),
            wide(after.connections_most),
        ),
        (
            "connections of all, at the end",
            wide(before.connections_left),
            wide(after.connections_left),
        ),
        ("cameras that can be reached", before.reachable, after.reachable),
    ];
    let line = |what: &str, before: &dyn Display, after: &dyn Display| {
        format!("{what:<36} {before:>8} {after:>10}\n")
    };
    let rows = lines.iter().map(|(what, before, after)| line(what, before, after));
    line("", &"naive", &"camserver") + &rows.collect::<String>()
}

fn wide(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
