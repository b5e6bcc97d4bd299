//! The task of one gateway: keeps its process and its streams as they should be.
//!
//! `plan::gateway` decides; this asks, and does what it says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::attached::{Attached, How};
use super::gateway::Gateway;
use super::ready::{Ready, Trouble};
use super::report::{NOT_STARTED, REDECLARED, Report};
use crate::model::gateway::{GatewayState, RunEnd, StreamName};
use crate::model::slot::ConnectionEnd;
use crate::model::time::Mono;
use crate::plan::gateway::{
    Decision, GhostWatch, Phase, Reason, StreamStep, Supervision, Wanted, reconcile,
};
use crate::world::gateway::error::GatewayError;
use crate::world::gateway::instance::Ended;

/// Between two looks at the streams of a gateway that is up.
pub(super) const LOOK: Duration = Duration::from_secs(5);
/// Between two questions whether it still answers: three in vain and a restart have to be over
/// before its viewers lose their patience.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
/// Between two looks at one that is starting.
const SOON: Duration = Duration::from_millis(100);
/// Between two looks at one that did not answer, or would not do as asked.
const AGAIN: Duration = Duration::from_secs(1);
/// Between two looks at one that a capture is leaving.
const DRAINING: Duration = Duration::from_millis(250);

/// What its task remembers.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) supervision: Supervision,
    ghosts: GhostWatch,
    /// As what the present process was begun.
    begun_as: Option<How>,
    /// The last thing done to it: older looks show the past.
    settled: Mono,
    /// When its streams were last read, and what was wanted then.
    pub(super) read: Option<(Mono, Wanted)>,
    pub(super) report: Report,
    /// Since when somebody else's does not answer, and how often it was asked.
    pub(super) unanswered: Option<(Mono, u32)>,
}

impl Gateway {
    /// Keeps the process and its streams as they should be, until told to stop.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut memory = Memory::default();
        let mut running: Option<Attached> = None;
        loop {
            if memory.begun_as.as_ref().is_some_and(|begun| *begun != self.how()) {
                self.begin_otherwise(running.take(), &mut memory).await;
            }
            let now = self.clock.now().mono;
            let wanted = self.wanted(now);
            let decision = self.decide(&memory, running.is_some(), now);
            let pause = match decision {
                Decision::Start => {
                    running = self.start(&mut memory).await;
                    SOON
                }
                Decision::Stop => {
                    self.end(running.take()).await;
                    memory.report.pid = None;
                    memory.supervision.stopped(self.clock.now().mono);
                    SOON
                }
                Decision::Restart(reason) => {
                    tracing::warn!(gateway = %self.subnet, reason = reason.as_str(), "restart");
                    memory.supervision.restarting(&reason, now);
                    memory.report.ended(reason.as_str(), &reason.sentence());
                    memory.report.state = GatewayState::Starting;
                    self.tell(memory.report.clone());
                    self.end(running.take()).await;
                    memory.supervision.ended(RunEnd::ByItself, self.clock.now().mono);
                    SOON
                }
                Decision::Wait(until) => match &running {
                    // What it has begun to ask is finished by the task of the API.
                    Some(running) => tokio::select! {
                        pause = self.look(running, &wanted, &mut memory) => pause,
                        () = stop.cancelled() => SOON,
                    },
                    None => until.map_or(LOOK, |until| until.since(now).min(LOOK)),
                },
            };
            if self.how().is_external() {
                memory.report.follow_other(&memory.supervision, memory.unanswered.is_some());
            } else {
                memory.report.follow(&memory.supervision);
            }
            self.tell(memory.report.clone());
            let ended = async {
                match &mut running {
                    Some(running) => running.ended().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                ended = ended => {
                    running = None;
                    let end = ended.end;
                    self.report(ended, &mut memory.report);
                    memory.supervision.ended(end, self.clock.now().mono);
                }
                () = self.changed.notified() => {}
                () = sleep(pause.min(self.next_end())) => {}
            }
        }
        self.entries().clear();
        let is_clean = self.end(running.take()).await;
        let (known, unknown) = (ConnectionEnd::Acknowledged, ConnectionEnd::Unacknowledged);
        let end = if is_clean { known } else { unknown };
        self.give_back(&BTreeSet::new(), end);
    }

    /// It is declared otherwise than it was begun: it ends, and its streams go on with another one.
    async fn begin_otherwise(&self, running: Option<Attached>, memory: &mut Memory) {
        tracing::info!(gateway = %self.subnet, "the gateway is declared otherwise");
        memory.begun_as = None;
        if running.is_some() {
            memory.report.ended(REDECLARED, "it is declared otherwise than it was begun");
            memory.report.state = GatewayState::Starting;
            self.tell(memory.report.clone());
        }
        self.end(running).await;
        memory.supervision.declared_otherwise(self.clock.now().mono);
    }

    fn decide(&self, memory: &Memory, is_attached: bool, now: Mono) -> Decision {
        if self.how().is_external() {
            // Whoever runs it restarts it.
            return if is_attached { Decision::Wait(None) } else { Decision::Start };
        }
        let ghost = memory.ghosts.ghosts(now).next().cloned();
        memory.supervision.decide(true, ghost.as_ref(), now)
    }

    /// Tells the log and those who wait of an end that nobody asked for.
    fn report(&self, ended: Ended, report: &mut Report) {
        let Ended { how, end } = ended;
        let never_ran = end == RunEnd::NeverRan;
        tracing::warn!(gateway = %self.subnet, how, "the gateway has ended");
        let text = if never_ran { format!("{how}: install it or set gateway.binary") } else { how };
        report.ended(if never_ran { NOT_STARTED } else { Reason::Ended.as_str() }, &text);
        let trouble = Some(Trouble { text: text.into(), needs_help: never_ran });
        self.ready.send_replace(Ready { trouble, ..Ready::default() });
    }

    async fn start(&self, memory: &mut Memory) -> Option<Attached> {
        self.entries().values().for_each(|entry| entry.grant.begin_anew());
        let how = self.how();
        let started = Attached::begin(&how, &*self.launch, &self.subnet).await;
        memory.begun_as = Some(how);
        let now = self.clock.now().mono;
        memory.supervision.started(now);
        memory.ghosts.reset();
        memory.settled = now;
        memory.read = None;
        memory.report.begins();
        match started {
            Ok(running) => {
                memory.report.pid = running.pid();
                Some(running)
            }
            Err(error) => {
                let error = crate::chain::Chain(&error).to_string();
                tracing::warn!(gateway = %self.subnet, error, "the gateway does not start");
                memory.report.ended(NOT_STARTED, &error);
                let trouble = Some(Trouble { text: error.into(), needs_help: false });
                self.ready.send_replace(Ready { trouble, ..Ready::default() });
                memory.supervision.ended(RunEnd::NeverRan, now);
                None
            }
        }
    }

    /// Ends it, and says whether no stream of ours is left there.
    async fn end(&self, running: Option<Attached>) -> bool {
        self.ready.send_replace(Ready::default());
        match running {
            Some(running) => running.end(&self.owner).await,
            None => false,
        }
    }

    /// Asks whether it answers, and what it has when that is due; returns when to look again.
    async fn look(&self, running: &Attached, wanted: &Wanted, memory: &mut Memory) -> Duration {
        let began = self.clock.now().mono;
        let asked = running.api.version().await;
        let (answered, now) = (asked.is_ok(), self.clock.now().mono);
        memory.supervision.looked(began, answered, now);
        if let (Err(error), true) = (&asked, self.how().is_external()) {
            return self.unreachable(error, memory);
        }
        memory.unanswered = None;
        if !answered {
            (memory.report.listed, memory.read) = (None, None);
        }
        match memory.supervision.phase() {
            Phase::Up { .. } if answered => {}
            Phase::Up { .. } => return AGAIN,
            Phase::Starting { .. } | Phase::Down { .. } => return SOON,
        }
        let is_due = memory.read.as_ref().is_none_or(|(at, before)| {
            now.since(*at) >= LOOK || before != wanted || !self.news().is_empty()
        });
        if !is_due {
            return SIGN_OF_LIFE;
        }
        match self.mend(running, wanted, memory).await {
            Ok(None) => SIGN_OF_LIFE,
            Ok(Some(soon)) => {
                memory.read = None;
                soon
            }
            Err(error) => {
                let error = crate::chain::Chain(&error).to_string();
                tracing::warn!(
                    gateway = %self.subnet, error, "its streams are not as they should be"
                );
                memory.read = None;
                AGAIN
            }
        }
    }

    /// Asks what streams it has, and does what is missing. Whatever fails of that, the rest is
    /// done; the last failure is told. Returns when they have to be read again before their time.
    async fn mend(
        &self,
        running: &Attached,
        wanted: &Wanted,
        memory: &mut Memory,
    ) -> Result<Option<Duration>, GatewayError> {
        memory.report.listed = None;
        let began = self.clock.now().mono;
        let listed = running.api.streams().await?;
        memory.read = Some((began, wanted.clone()));
        let late = self.late_dials.load(Ordering::Relaxed);
        memory.ghosts.looked(wanted, &listed, late, (began, memory.settled));
        memory.report.strangers = self.strangers(&memory.ghosts, began);
        let mut steps = reconcile(&self.owner, &wanted.streams, &listed);
        steps.retain(|step| self.may(step));
        let has = |name: &StreamName| steps.contains(&StreamStep::Put(name.clone()));
        let news = self.news().into_iter().filter(|name| !has(name));
        steps.extend(news.map(StreamStep::Put).filter(|step| self.may(step)).collect::<Vec<_>>());
        let mut there = self.concerning(&listed);
        let mut result = Ok(None::<Duration>);
        for step in steps {
            match self.carry_out(running, &step).await {
                Ok(()) => {
                    memory.settled = self.clock.now().mono;
                    match step {
                        StreamStep::Put(name) => drop(there.insert(name.shared())),
                        StreamStep::Remove(name) => drop(there.remove(name.as_str())),
                        StreamStep::Drain(name) => {
                            // Its consumer has left, or is about to.
                            let soon = if name.is_of_capture() { DRAINING } else { AGAIN };
                            result = result.map(|s| Some(s.map_or(soon, |s| s.min(soon))));
                        }
                    }
                }
                Err(error) => result = Err(error),
            }
        }
        let ours: BTreeSet<StreamName> =
            there.iter().filter_map(|name| self.owner.parse(name)).collect();
        self.give_back(&ours, ConnectionEnd::Acknowledged);
        let (mut streams, leaving): (BTreeSet<StreamName>, _) =
            ours.into_iter().partition(|name| wanted.streams.contains(name));
        for name in self.news() {
            streams.remove(&name);
        }
        let api = Some(running.api.clone());
        self.ready.send_replace(Ready { trouble: None, api, streams, leaving });
        memory.report.listed = Some(there);
        result
    }

    /// Streams whose source the gateway was not told.
    fn news(&self) -> Vec<StreamName> {
        let entries = self.entries();
        entries.iter().filter(|(_, entry)| entry.is_news).map(|(name, _)| name.clone()).collect()
    }

    async fn carry_out(&self, running: &Attached, step: &StreamStep) -> Result<(), GatewayError> {
        match step {
            StreamStep::Put(name) => {
                let source = self.entries().get(name).map(|entry| {
                    self.grants.told(entry.grant.url(), &self.late_dials);
                    entry.source.clone()
                });
                // It may have been given up meanwhile.
                let Some(source) = source else { return Ok(()) };
                running.api.put_stream(name.clone(), source.clone()).await?;
                let mut entries = self.entries();
                if let Some(entry) = entries.get_mut(name).filter(|e| e.source == source) {
                    entry.is_news = false;
                }
                Ok(())
            }
            StreamStep::Remove(name) => running.api.remove_stream(name.clone()).await,
            // Its grant is gone, which cuts its session; its consumers end themselves.
            StreamStep::Drain(_) => Ok(()),
        }
    }
}
