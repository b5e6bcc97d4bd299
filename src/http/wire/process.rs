//! Processes: children of this server, and those of others that are connected to its cameras.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Time, View};
use crate::model::observed::{Connection, ConnectionOwner};
use crate::model::process::{self, ProcessOwner, ProcessTable, Standing};

/// One process of this host that concerns the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Its number; used again some time after its end.
    pub pid: u32,
    /// When it began.
    pub started_at: Time,
    /// What it was started for: `capture` or `gateway`; `foreign` for one that this server did not
    /// start; `unknown` for a descendant without a mark.
    pub kind: Cow<'static, str>,
    /// Who answers for it. A child of this run: what it was started for, as `capture/CAMERA` or
    /// `gateway/SUBNET`. `orphan`: a child of this run that nobody owns any more. `previous-run`:
    /// left behind by a run before this one. Both are ended. `unmarked`: a descendant that cannot
    /// be recognised by a mark, such as a zombie. `foreign`: somebody else's; never touched.
    pub owner: String,
    /// The camera that it was started for; of a foreign one, the only camera it is connected to.
    pub camera: Option<String>,
    /// `running`, `sleeping`, `uninterruptible` (waits in the kernel and cannot be killed),
    /// `stopped` or `zombie` (has ended and was not reaped).
    pub state: Cow<'static, str>,
    /// Since it began.
    pub age_seconds: u64,
    /// Resident memory.
    pub resident_bytes: u64,
    /// Whether this server, or a run of it before, started it.
    pub ours: bool,
    /// Number of its parent.
    pub parent: u32,
    /// Name of its program, at most 15 bytes.
    pub command: String,
    /// Processor time that it has used.
    pub cpu_seconds: f64,
    /// Open file descriptors; null where they may not be seen.
    pub open_files: Option<u32>,
    /// Connections to declared devices that it opened itself; null while connections cannot be
    /// observed.
    pub connections: Option<usize>,
}

/// What the processes themselves have opened.
struct Dialled<'a>(Option<BTreeMap<u32, Vec<&'a Connection>>>);

impl<'a> Dialled<'a> {
    fn of(connections: Option<&'a [Connection]>) -> Self {
        Self(connections.map(|all| {
            let mut by_pid: BTreeMap<u32, Vec<&Connection>> = BTreeMap::new();
            for connection in all {
                match &connection.owner {
                    ConnectionOwner::Child { process, .. } => {
                        by_pid.entry(process.pid).or_default().push(connection);
                    }
                    ConnectionOwner::Foreign { pid, .. } => {
                        by_pid.entry(*pid).or_default().push(connection);
                    }
                    ConnectionOwner::Slot(_)
                    | ConnectionOwner::Stray
                    | ConnectionOwner::Unattributable => {}
                }
            }
            by_pid
        }))
    }

    fn by(&self, pid: u32) -> Option<&[&'a Connection]> {
        Some(self.0.as_ref()?.get(&pid).map_or(&[], Vec::as_slice))
    }
}

impl View {
    /// All processes of a table, by pid.
    pub fn processes(&self, table: &ProcessTable) -> Vec<Process> {
        let connections = self.snapshot.connections.fresh().map(|all| all.as_slice());
        let dialled = Dialled::of(connections);
        let mut all: Vec<Process> =
            table.processes.iter().map(|process| self.process(table, process, &dialled)).collect();
        all.sort_by_key(|process| process.pid);
        all
    }

    fn process(
        &self,
        table: &ProcessTable,
        process: &process::Process,
        dialled: &Dialled<'_>,
    ) -> Process {
        let standing = table.standing(process, &self.snapshot.run.instance);
        let unit = process.mark().map(|mark| &mark.unit);
        let dialled = dialled.by(process.id.pid);
        let camera = unit.and_then(|unit| Some(unit.camera()?.as_str().to_owned()));
        Process {
            pid: process.id.pid,
            started_at: self.wall(process.started),
            kind: kind(&process.owner).into(),
            owner: match (standing, unit) {
                (Standing::Owned, Some(unit)) => unit.to_string(),
                (standing, _) => word(standing).to_owned(),
            },
            camera: camera.or_else(|| self.only_camera_of(dialled.unwrap_or_default())),
            state: process.state.as_str().into(),
            age_seconds: self.snapshot.at.mono.since(process.started).as_secs(),
            resident_bytes: process.resident_bytes,
            ours: standing.is_ours(),
            parent: process.parent,
            command: self.text(&process.command),
            cpu_seconds: std::time::Duration::from_millis(process.cpu_ms).as_secs_f64(),
            open_files: process.open_files,
            connections: dialled.map(<[_]>::len),
        }
    }

    /// The camera that all of these connections lead to.
    fn only_camera_of(&self, connections: &[&Connection]) -> Option<String> {
        let mut cameras = connections.iter().map(|connection| self.camera_of(connection));
        let first = cameras.next()??;
        cameras.all(|camera| camera.as_ref() == Some(&first)).then_some(first)
    }
}

fn kind(owner: &ProcessOwner) -> &'static str {
    match owner {
        ProcessOwner::Ours(mark) => mark.unit.kind(),
        ProcessOwner::Unmarked => "unknown",
        ProcessOwner::Foreign => "foreign",
    }
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Owned => "owned",
        Standing::Orphan => "orphan",
        Standing::PreviousRun => "previous-run",
        Standing::Unmarked => "unmarked",
        Standing::Foreign => "foreign",
    }
}
