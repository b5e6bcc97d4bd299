//! The ffmpeg way: children of captures, their owners, and what the loop does to those that nobody
//! owns.
//!
//! An owner ends its child with SIGTERM, 2 s, SIGKILL, and gives up 2 s later; sometimes it forgets
//! it, or never lets go. A child that connects by itself keeps its connection for as long as it
//! lives.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::kernel::Nature;
use super::network::Owner;
use super::{Event, MINUTE, SECOND, Sim};
use crate::model::names::CameraName;
use crate::model::observed::Seen;
use crate::model::outcome::Outcome;
use crate::model::plan::Action;
use crate::model::process::{
    ChildToken, EndSignal, Mark, ProcessId, ProcessState, ProcessTable, Unit,
};
use crate::model::slot::ConnectionEnd;
use crate::model::time::Mono;
use crate::plan::fold::observe;

/// Between looks at the processes when nothing asks for an earlier one.
const LOOK_EVERY: u64 = 5 * SECOND;
/// What an owner leaves between its steps.
const OWNERS_GRACE: u64 = 2 * SECOND;

/// What a run of the server knows of its children.
#[derive(Debug)]
pub(super) struct Children {
    /// Children whose owner lives.
    pub(super) owned: BTreeSet<ChildToken>,
    /// The newest look at the processes.
    pub(super) seen: Seen<Arc<ProcessTable>>,
    /// When it was.
    looked_at: Option<Mono>,
    /// When the plan wants another one.
    pub(super) wanted: Option<Mono>,
    last_number: u64,
}

impl Children {
    pub(super) fn new(now: Mono) -> Self {
        Self {
            owned: BTreeSet::new(),
            seen: Seen::Unreadable { since: now, why: "not looked at yet".to_owned() },
            looked_at: None,
            wanted: None,
            last_number: 0,
        }
    }
}

/// A session's child.
#[derive(Debug, Clone)]
pub(super) struct Child {
    pub(super) id: ProcessId,
    token: ChildToken,
    /// It connects by itself instead of through the relay.
    pub(super) direct: bool,
    /// Its owner has begun to end it.
    stopping: bool,
}

impl Sim {
    pub(super) fn server_pid(&self) -> u32 {
        40 + self.runs % 50
    }

    pub(super) fn instance(&self) -> Arc<str> {
        format!("run-{}", self.runs).into()
    }

    /// A capture's child is started; now and then it is not one that does as it is told.
    pub(super) fn spawn_child(&mut self, camera: &CameraName, direct: bool) -> Option<Child> {
        let (mono, instance, pid) = (self.mono(), self.instance(), self.server_pid());
        self.check_spawn(camera);
        let server = self.server.as_mut()?;
        server.children.last_number += 1;
        let token = ChildToken { instance, number: server.children.last_number };
        server.children.owned.insert(token.clone());
        let unit = Unit::Capture(camera.clone());
        let mark = Mark { installation: "here".into(), unit, token: token.clone() };
        let is_odd = !self.quiet && self.rng.percent(8);
        let nature = if is_odd { Nature::Deaf } else { Nature::Obeys };
        let id = self.kernel.spawn(pid, Some(mark.clone()), nature, mono);
        if !self.quiet {
            if self.rng.percent(4) {
                let nature = *self.rng.pick(&[Nature::Obeys, Nature::Obeys, Nature::Deaf]);
                self.kernel.spawn(id.pid, Some(mark), nature, mono);
            }
            if self.rng.percent(4) {
                let soon = self.rng.between(0, 8 * SECOND);
                self.after(soon, Event::ChildFalters(id));
            }
        }
        Some(Child { id, token, direct, stopping: false })
    }

    /// A child is stopped, or waits in the kernel for a while.
    pub(super) fn child_falters(&mut self, id: ProcessId) {
        if self.quiet || !self.kernel.is_alive(id) {
            return;
        }
        if self.rng.percent(40) {
            self.note(|| format!("{id} is stopped"));
            self.kernel.set_state(id, ProcessState::Stopped);
            return;
        }
        self.note(|| format!("{id} waits in the kernel"));
        self.kernel.set_state(id, ProcessState::Uninterruptible);
        let length = self.rng.between(SECOND, 4 * MINUTE);
        self.after(length, Event::ChildWakes(id));
    }

    pub(super) fn child_wakes(&mut self, id: ProcessId) {
        if self.kernel.set_state(id, ProcessState::Sleeping) {
            self.process_ended(id);
        }
    }

    /// The session ends, and its owner sees to its child. Whether the capture has to wait for that.
    pub(super) fn stop_child(&mut self, session: u64, ends_itself: bool) -> bool {
        let is_loyal = self.quiet || self.rng.percent(97);
        let Some(server) = &mut self.server else { return false };
        let Some(held) = server.sessions.get_mut(&session) else { return false };
        let Some(child) = &mut held.child else { return false };
        if child.stopping {
            return true;
        }
        if !self.kernel.is_alive(child.id) || !is_loyal {
            return false;
        }
        child.stopping = true;
        let id = child.id;
        self.after(OWNERS_GRACE, Event::OwnerStep(session, 1));
        let state = self.kernel.get(id).map(|proc| proc.state);
        if ends_itself && state == Some(ProcessState::Sleeping) {
            self.kernel.end(id);
            self.process_ended(id);
        } else if self.kernel.signal(id, EndSignal::Terminate) {
            self.process_ended(id);
        }
        self.server.as_ref().is_some_and(|server| server.sessions.contains_key(&session))
    }

    /// The owner's later steps: SIGKILL, then it gives up.
    pub(super) fn owner_step(&mut self, session: u64, step: u8) {
        let Some(held) = self.server.as_ref().and_then(|s| s.sessions.get(&session)) else {
            return;
        };
        let Some(child) = &held.child else { return };
        let id = child.id;
        if step == 1 {
            self.after(OWNERS_GRACE, Event::OwnerStep(session, 2));
            if self.kernel.signal(id, EndSignal::Kill) {
                self.process_ended(id);
            }
        } else {
            self.note(|| format!("the owner of {id} gives up"));
            self.finish_session(session);
            self.pass();
        }
    }

    /// The session is over: nobody owns its child any more.
    pub(super) fn let_go(&mut self, child: &Child) {
        if let Some(server) = &mut self.server {
            server.children.owned.remove(&child.token);
        }
        if self.kernel.is_alive(child.id) {
            self.note(|| format!("{} is let go", child.id));
            self.net.let_go(child.id);
        }
    }

    /// What follows when a process has ended: its sockets go, its owner takes its exit status.
    pub(super) fn process_ended(&mut self, id: ProcessId) {
        let sockets: Vec<u64> = self
            .net
            .iter()
            .filter(|(_, socket)| socket.owner == Owner::Child(id) && socket.open)
            .map(|(socket, _)| socket)
            .collect();
        for socket in sockets {
            if let Some(device) = self.net.get_mut(socket).map(|socket| socket.device) {
                self.close(socket, device, ConnectionEnd::Unacknowledged);
            }
        }
        if self.server.is_none() {
            self.net.forget_loose();
        }
        let Some(server) = &self.server else { return };
        let is_its = |child: &Child| child.id == id;
        let mut sessions = server.sessions.iter();
        let session = sessions.find(|(_, session)| session.child.as_ref().is_some_and(is_its));
        if let Some(session) = session.map(|(session, _)| *session) {
            let soon = self.rng.between(0, 300);
            self.after(soon, Event::OwnerReaps(id));
            self.after(soon, Event::OwnerHears(session));
        }
    }

    /// The owner finds that its child has ended.
    pub(super) fn owner_hears(&mut self, session: u64) {
        if self.server.as_ref().is_some_and(|server| server.sessions.contains_key(&session)) {
            self.finish_session(session);
            self.pass();
        }
    }

    /// The server is killed: the parent-death signal reaches most children, not all.
    pub(super) fn children_orphaned(&mut self) {
        let instance = self.instance();
        let own: Vec<ProcessId> = self
            .kernel
            .marked()
            .filter(|(_, mark)| mark.token.instance == instance)
            .map(|(proc, _)| proc.id)
            .collect();
        self.kernel.server_dies();
        for id in own {
            if self.rng.percent(50) && self.kernel.signal(id, EndSignal::Kill) {
                self.process_ended(id);
            } else if self.rng.percent(30) {
                let soon = self.rng.between(0, 20 * SECOND);
                self.after(soon, Event::ChildExits(id));
            }
        }
    }

    /// A child ends by itself, if it can.
    pub(super) fn child_exits(&mut self, id: ProcessId) {
        let state = self.kernel.get(id).map(|proc| proc.state);
        if state == Some(ProcessState::Sleeping) {
            self.kernel.end(id);
            self.process_ended(id);
        }
    }

    /// Looks at the processes where that is due, and takes the look in.
    pub(super) fn see_processes(&mut self) {
        let (mono, now, blind) = (self.mono(), self.now(), self.blind_to_processes);
        let Some(server) = &mut self.server else { return };
        let children = &mut server.children;
        let is_old = children.looked_at.is_none_or(|at| at.0 + LOOK_EVERY <= mono.0);
        let wanted = children.wanted.filter(|at| *at <= mono);
        if !is_old && wanted.is_none_or(|at| children.looked_at.is_some_and(|last| last >= at)) {
            return;
        }
        children.looked_at = Some(mono);
        children.seen = if blind {
            Seen::Unreadable { since: mono, why: "no".to_owned() }
        } else {
            let value = Arc::new(self.kernel.table(&children.owned));
            Seen::Fresh { at: mono, value }
        };
        let observed = server.observed_processes();
        let folded = observe(&mut server.history, &observed, now);
        self.check_events(&folded.events);
    }

    /// Carries out what the loop does to processes.
    pub(super) fn execute_on_process(&mut self, action: Action) {
        match action {
            Action::SignalProcess { process, mark, command, signal, cause } => {
                let ok = self.quiet || self.rng.percent(97);
                self.note(|| format!("{process} gets {}: {ok}", signal.as_str()));
                // The world looks again before it sends: another process may have the pid.
                let is_it = self.kernel.get(process).is_some_and(|p| p.mark == Some(mark.clone()));
                self.checks.signalled(process, signal, ok, self.t);
                if ok && is_it && self.kernel.signal(process, signal) {
                    self.process_ended(process);
                }
                let unit = mark.unit;
                let outcome =
                    Outcome::ProcessSignalled { process, unit, command, cause, signal, ok };
                self.fold(outcome);
            }
            Action::ReapProcess { process } => {
                self.kernel.reap(process);
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
            | Action::Forget { .. }) => self.fail(format!("{other:?} is not about a process")),
        }
    }

    pub(super) fn processes_vanish(&mut self) {
        self.blind_to_processes = true;
        self.note(|| "the processes cannot be read".to_owned());
        let length = self.rng.between(SECOND, 5 * MINUTE);
        self.after(length, Event::ProcessesReturn);
    }

    pub(super) fn processes_return(&mut self) {
        self.blind_to_processes = false;
        self.note(|| "the processes can be read".to_owned());
        self.checks.all_calm_from(self.t);
        self.pass();
    }
}
