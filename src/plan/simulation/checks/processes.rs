//! What must hold of processes: nobody else's is touched, SIGKILL comes after SIGTERM and a grace,
//! no two children of a camera, no sweep beside what a dead run left, nothing left for long.

use std::collections::BTreeMap;

use super::Checks;
use crate::model::names::CameraName;
use crate::model::plan::{Action, Plan};
use crate::model::process::{
    EndCause, EndSignal, Mark, Process, ProcessId, ProcessState, ProcessTable, Unit,
};
use crate::model::time::millis;
use crate::plan::processes::{GRACE, STEPS_MAX};
use crate::plan::simulation::{SECOND, Sim};

/// Between two SIGKILLs to the same process.
const KILLS_APART: u64 = 30 * SECOND;
/// Longest time that something unowned may stay when nothing keeps the loop from ending it: a look
/// every ten seconds at worst, the grace, and tries that failed.
const LEFT_MAX: u64 = 60 * SECOND;

/// The steps taken on one process.
#[derive(Debug, Clone, Default)]
struct Taken {
    term_sent: Option<u64>,
    kill_sent: Option<u64>,
    last: u64,
}

/// The steps that this run took on processes, and what it has not ended yet.
#[derive(Debug, Default)]
pub(super) struct Steps {
    taken: BTreeMap<ProcessId, Taken>,
    left: BTreeMap<ProcessId, u64>,
}

impl Checks {
    /// A signal is sent.
    pub(in crate::plan::simulation) fn signalled(
        &mut self,
        id: ProcessId,
        signal: EndSignal,
        ok: bool,
        at: u64,
    ) {
        let taken = self.steps.taken.entry(id).or_default();
        taken.last = at;
        match signal {
            EndSignal::Terminate if ok => taken.term_sent = taken.term_sent.or(Some(at)),
            EndSignal::Kill if ok => taken.kill_sent = Some(at),
            EndSignal::Terminate | EndSignal::Kill => {}
        }
    }
}

impl Sim {
    pub(super) fn check_bound(&mut self, plan: &Plan) {
        let steps = plan.actions.iter().filter(|planned| {
            let action = &planned.action;
            matches!(action, Action::SignalProcess { .. } | Action::ReapProcess { .. })
        });
        if steps.count() > STEPS_MAX {
            self.fail("more steps on processes than a pass may take");
        }
    }

    /// A step of a plan, as far as processes are concerned.
    pub(super) fn check_step(&mut self, action: &Action) {
        let wrong = match action {
            Action::SignalProcess { process, mark, signal, cause, .. } => {
                self.checks.seen.insert(cause.as_str());
                self.check_signal(*process, mark, *signal, *cause)
            }
            Action::ReapProcess { process } => self.check_reap(*process),
            Action::StartSweep { .. } => self.check_cleared(),
            Action::Capture { camera, children, .. } => self.check_way(camera, *children),
            Action::SkipCamera { .. }
            | Action::Destruct { .. }
            | Action::FinishSweep { .. }
            | Action::AbortSweep { .. }
            | Action::CancelCapture { .. }
            | Action::CutSlot { .. }
            | Action::EndLease { .. }
            | Action::Delete { .. }
            | Action::Forget { .. } => None,
        };
        if let Some(wrong) = wrong {
            self.fail(wrong);
        }
    }

    fn seen_process(&self, id: ProcessId) -> Option<(u64, &ProcessTable, &Process)> {
        let (at, table) = self.server.as_ref()?.children.seen.fresh_at()?;
        let process = table.processes.iter().find(|process| process.id == id)?;
        Some((at.0 + self.boot, table, process))
    }

    fn check_signal(
        &self,
        id: ProcessId,
        mark: &Mark,
        signal: EndSignal,
        cause: EndCause,
    ) -> Option<String> {
        let Some((at, table, process)) = self.seen_process(id) else {
            return Some(format!("{id} is signalled and was not seen"));
        };
        if process.mark() != Some(mark) || !process.is_alive() {
            return Some(format!("{id} is signalled and is not what it was taken for"));
        }
        if id.pid <= 1 || id.pid == self.server_pid() {
            return Some(format!("{id} is signalled"));
        }
        let age = self.mono().since(process.started);
        let is_cause = match cause {
            EndCause::Orphan | EndCause::PreviousRun => !table.owned.contains(&mark.token),
            EndCause::OverAge => age >= self.fleet.desired.server.processes.max_age,
            EndCause::OverLimit => true,
        };
        let before = self.checks.steps.taken.get(&id).cloned().unwrap_or_default();
        if !is_cause && before.last == 0 {
            return Some(format!("{id} is signalled without cause: {cause:?}"));
        }
        if before.last >= at && before.last > 0 {
            return Some(format!("{id} is signalled on a look from before the last signal"));
        }
        let grace = millis(GRACE);
        match signal {
            EndSignal::Terminate if before.term_sent.is_some() => {
                Some(format!("{id} gets SIGTERM twice"))
            }
            EndSignal::Kill if before.term_sent.is_none_or(|term| self.t < term + grace) => {
                Some(format!("{id} is killed before SIGTERM and its grace"))
            }
            EndSignal::Kill if before.kill_sent.is_some_and(|kill| self.t < kill + KILLS_APART) => {
                Some(format!("{id} is killed again and again"))
            }
            EndSignal::Terminate | EndSignal::Kill => None,
        }
    }

    fn check_reap(&self, id: ProcessId) -> Option<String> {
        let (_, _, process) = self.seen_process(id)?;
        let is_ours = process.parent == self.server_pid();
        (process.is_alive() || !is_ours).then(|| format!("{id} is reaped and is no zombie of ours"))
    }

    /// No sweep begins beside what a dead run left, as far as the processes could ever be read.
    fn check_cleared(&self) -> Option<String> {
        let server = self.server.as_ref()?;
        let own = &server.history.processes;
        if own.cleared.is_none() && server.children.seen.fresh().is_none() {
            let since = own.unreadable_since?;
            let early = self.mono().0 < since.0 + 15 * SECOND;
            return early.then(|| "a sweep begins without sight".to_owned());
        }
        let instance = self.instance();
        let left = self.kernel.marked().find(|(proc, mark)| {
            let known = own.ending.get(&proc.id);
            mark.token.instance != instance && known.is_none_or(|e| e.undead_since.is_none())
        });
        left.map(|(proc, _)| format!("a sweep begins beside {} of a dead run", proc.id))
    }

    fn check_way(&self, camera: &CameraName, children: bool) -> Option<String> {
        let order = &self.fleet.desired.cameras.get(camera)?.capture.order;
        let only = order.iter().all(|backend| backend.starts_child());
        let is_blind = self.server.as_ref()?.children.seen.fresh().is_none();
        if only && !children {
            return Some(format!("{camera} cannot be captured without a child"));
        }
        (children && is_blind).then(|| format!("a child for {camera} is started without sight"))
    }

    /// A child is about to be started: the camera has no other that lives.
    pub(in crate::plan::simulation) fn check_spawn(&mut self, camera: &CameraName) {
        let is_its = |mark: &Mark| matches!(&mark.unit, Unit::Capture(name) if name == camera);
        let other = self.kernel.marked().find(|(_, mark)| is_its(mark)).map(|(proc, _)| proc.id);
        if let Some(other) = other {
            self.fail(format!("a second child of {camera} is started beside {other}"));
        }
    }

    /// Nothing that nobody owns stays for long, unless it cannot be ended.
    pub(super) fn check_leftovers(&mut self) {
        let Some(server) = &self.server else { return };
        let own = &server.history.processes;
        let mut left = BTreeMap::new();
        for proc in self.kernel.iter() {
            let Some(mark) = &proc.mark else { continue };
            let is_undead = own.ending.get(&proc.id).is_some_and(|e| e.undead_since.is_some());
            let is_excused = match proc.state {
                ProcessState::Zombie => proc.parent != self.server_pid(),
                ProcessState::Uninterruptible => true,
                ProcessState::Running | ProcessState::Sleeping | ProcessState::Stopped => {
                    is_undead || server.children.owned.contains(&mark.token)
                }
            };
            if !is_excused {
                let since = self.checks.steps.left.get(&proc.id).copied().unwrap_or(self.t);
                left.insert(proc.id, since);
            }
        }
        let late = left.iter().find(|(_, since)| **since + LEFT_MAX < self.t);
        let late = late.map(|(id, _)| format!("{id} is nobody's and still there"));
        let known = own.ending.len() + own.zombies.len();
        self.checks.steps.left = left;
        if let Some(late) = late {
            self.fail(late);
        } else if known > 100 {
            self.fail("what is remembered of processes grows");
        }
    }
}
