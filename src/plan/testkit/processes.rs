//! Processes of a small world: they end at once when they are told to, unless they were made not to.

use std::sync::Arc;
use std::time::Duration;

use super::{Case, camera_name};
use crate::model::observed::{ConnectionOwner, Seen};
use crate::model::outcome::Outcome;
use crate::model::plan::Action;
use crate::model::process::{
    ChildToken, EndSignal, Mark, Process, ProcessId, ProcessOwner, ProcessState, ProcessTable, Unit,
};
use crate::model::time::Mono;
use crate::plan::fold::observe;

/// This run, in marks.
pub(in crate::plan) const RUN: &str = "run-2";
/// The run before it.
pub(in crate::plan) const RUN_BEFORE: &str = "run-1";
/// Pid of the server.
pub(in crate::plan) const SERVER_PID: u32 = 40;

/// The processes of a case.
#[derive(Debug)]
pub(in crate::plan) struct Processes {
    pub(in crate::plan) table: ProcessTable,
    /// While set, they cannot be read; since when and why.
    pub(in crate::plan) blind: Option<(Mono, &'static str)>,
    /// Pids that only SIGKILL ends.
    pub(in crate::plan) stubborn: Vec<u32>,
    /// Pids that cannot be signalled.
    pub(in crate::plan) untouchable: Vec<u32>,
    /// Signals that were sent: pid, which, when.
    pub(in crate::plan) sent: Vec<(u32, EndSignal, Mono)>,
    /// Everyone that ever was.
    pub(in crate::plan) born: Vec<ProcessId>,
}

impl Processes {
    pub(super) fn new() -> Self {
        Self {
            table: ProcessTable::default(),
            blind: None,
            stubborn: Vec::new(),
            untouchable: Vec::new(),
            sent: Vec::new(),
            born: Vec::new(),
        }
    }

    pub(super) fn seen(&self, at: Mono) -> Seen<Arc<ProcessTable>> {
        match self.blind {
            Some((since, why)) => Seen::Unreadable { since, why: why.to_owned() },
            None => Seen::Fresh { at, value: Arc::new(self.table.clone()) },
        }
    }
}

impl Case {
    /// A child of a run for a picture of the camera appears, owned by nobody.
    pub(in crate::plan) fn child(&mut self, pid: u32, camera: &str, run: &str) -> ProcessId {
        self.process(pid, Unit::Capture(camera_name(camera)), run)
    }

    /// A child of a run appears, owned by nobody. Its token's number is its pid.
    pub(in crate::plan) fn process(&mut self, pid: u32, unit: Unit, run: &str) -> ProcessId {
        let token = ChildToken { instance: run.into(), number: pid.into() };
        let owner = ProcessOwner::Ours(Mark { installation: "here".into(), unit, token });
        self.appear(pid, owner)
    }

    /// A process appears.
    pub(in crate::plan) fn appear(&mut self, pid: u32, owner: ProcessOwner) -> ProcessId {
        let id = ProcessId { pid, start_ticks: self.now.mono.0 / 10 };
        self.processes.born.push(id);
        self.processes.table.processes.push(Process {
            id,
            parent: SERVER_PID,
            owner,
            state: ProcessState::Sleeping,
            command: "ffmpeg".into(),
            started: self.now.mono,
            resident_bytes: 1 << 20,
            cpu_ms: 10,
            open_files: Some(5),
        });
        id
    }

    /// The child has an owner that lives.
    pub(in crate::plan) fn own(&mut self, pid: u32) {
        let mark = self.process_mut(pid).mark().unwrap().token.clone();
        self.processes.table.owned.insert(mark);
    }

    /// Its owner lets go of the child without ending it.
    pub(in crate::plan) fn disown(&mut self, pid: u32) {
        self.processes.table.owned.retain(|token| token.number != u64::from(pid));
    }

    /// A process that is there.
    pub(in crate::plan) fn process_mut(&mut self, pid: u32) -> &mut Process {
        self.processes.table.processes.iter_mut().find(|p| p.id.pid == pid).unwrap()
    }

    /// A process is gone, and its connections with it.
    pub(in crate::plan) fn ends_process(&mut self, pid: u32) {
        self.processes.table.processes.retain(|process| process.id.pid != pid);
        self.connections.retain(|connection| {
            !matches!(&connection.owner, ConnectionOwner::Child { process, .. } if process.pid == pid)
        });
    }

    /// Pids of the processes that are there.
    pub(in crate::plan) fn pids(&self) -> Vec<u32> {
        self.processes.table.processes.iter().map(|process| process.id.pid).collect()
    }

    /// The history takes in what a pass would see of the processes.
    pub(super) fn see_processes(&mut self) {
        let observed = self.observed();
        let folded = observe(&mut self.history, &observed, self.now);
        self.events.extend(folded.events);
    }

    /// Lets seconds pass with a look and a plan, carried out, every quarter of one.
    pub(in crate::plan) fn live(&mut self, seconds: u64) {
        for _ in 0..seconds * 4 {
            self.wait(Duration::from_millis(250));
            self.settle();
        }
    }

    pub(super) fn execute_on_process(&mut self, action: Action) {
        let now = self.now.mono;
        match action {
            Action::SignalProcess { process, mark, command, signal, cause } => {
                let ok = !self.processes.untouchable.contains(&process.pid);
                self.processes.sent.push((process.pid, signal, now));
                let is_deaf = signal == EndSignal::Terminate
                    && (self.processes.stubborn.contains(&process.pid)
                        || self.process_mut(process.pid).state == ProcessState::Stopped);
                let stays = self.process_mut(process.pid).state == ProcessState::Uninterruptible;
                if ok && !is_deaf && !stays {
                    self.ends_process(process.pid);
                }
                let unit = mark.unit;
                let outcome =
                    Outcome::ProcessSignalled { process, unit, command, cause, signal, ok };
                self.fold(outcome);
            }
            Action::ReapProcess { process } => {
                self.processes.table.processes.retain(|p| p.id != process);
                self.fold(Outcome::ReapTried { process });
            }
            other @ (Action::StartSweep { .. }
            | Action::Capture { .. }
            | Action::SkipCamera { .. }
            | Action::Destruct { .. }
            | Action::FinishSweep { .. }
            | Action::AbortSweep { .. }
            | Action::CancelCapture { .. }
            | Action::CutSlot { .. }
            | Action::EndLease { .. }
            | Action::Delete { .. }
            | Action::Forget { .. }) => unreachable!("{other:?} is not about a process"),
        }
    }
}
