//! The server's conditions about processes. Both are negative: they are there only while they hold.

use crate::model::condition::{ConditionType, Verdict};
use crate::model::history::History;
use crate::model::observed::Observed;
use crate::model::process::Process;
use crate::plan::processes::is_undead;

/// Named one by one.
const NAMED_MAX: usize = 5;

/// What is wrong with processes, if anything.
pub(super) fn verdicts(observed: &Observed, history: &History) -> Vec<Verdict> {
    let Some(table) = observed.processes.fresh() else { return Vec::new() };
    let own = &history.processes;
    let alive = || table.processes.iter().filter(|process| process.is_alive());
    let is_orphan = |process: &&Process| {
        let is_unowned = process.mark().is_some_and(|mark| !table.owned.contains(&mark.token));
        is_unowned && !is_undead(own, process.id)
    };
    let orphans: Vec<&Process> = alive().filter(is_orphan).collect();
    let undead: Vec<&Process> = alive().filter(|process| is_undead(own, process.id)).collect();
    let verdict = |kind, reason, what: &str, of: &[&Process]| {
        (!of.is_empty()).then(|| Verdict::new(kind, true, reason, format!("{what}: {}", list(of))))
    };
    [
        verdict(
            ConditionType::OrphansPresent,
            "Orphans",
            "processes that nobody owns are being ended",
            &orphans,
        ),
        verdict(
            ConditionType::UndeadProcesses,
            "Undead",
            "processes cannot be ended, their connections go on counting",
            &undead,
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn list(processes: &[&Process]) -> String {
    let name = |process: &&Process| {
        let unit = process.mark().map_or(String::new(), |mark| format!(" for {}", mark.unit));
        format!("{} ({}){unit}", process.command, process.id)
    };
    let names: Vec<String> = processes.iter().take(NAMED_MAX).map(name).collect();
    match processes.len().saturating_sub(NAMED_MAX) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}
