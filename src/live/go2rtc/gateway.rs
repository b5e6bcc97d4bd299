//! One go2rtc and the streams that are wanted of it: the task that keeps both as they should be.
//!
//! `plan::gateway` decides; this asks, and does what it says.

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::attached::{Attached, How};
use super::entry::Entry;
use super::grants::{Granted, Grants};
use super::ready::{Ready, Trouble};
use super::reserved::Reservation;
use crate::clock::Clock;
use crate::model::frame::SweepId;
use crate::model::gateway::{Agent, StreamName};
use crate::model::lease::{LeaseId, Quality};
use crate::model::names::{CameraName, SubnetName};
use crate::model::slot::ConnectionEnd;
use crate::model::time::Mono;
use crate::plan::gateway::{
    Decision, GhostWatch, Phase, StreamStep, Supervision, Wanted, reconcile,
};
use crate::world::camera::sharing::Reach;
use crate::world::gateway::error::GatewayError;
use crate::world::gateway::instance::{Ended, Launch};
use crate::world::gateway::source::GatewaySource;

/// Between two looks at a gateway that is up.
const LOOK: Duration = Duration::from_secs(5);
/// Between two looks at one that is starting.
const SOON: Duration = Duration::from_millis(100);
/// Between two looks at one that did not answer, or would not do as asked.
const AGAIN: Duration = Duration::from_secs(1);
/// Between two looks at one that a capture is leaving.
const DRAINING: Duration = Duration::from_millis(250);
/// A stream is kept for so long after its last viewer: one that reconnects finds it there.
const LINGER: Duration = Duration::from_secs(5);

/// One gateway, shared by its task and its viewers.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) subnet: SubnetName,
    pub(super) how: How,
    launch: Arc<dyn Launch>,
    pub(super) grants: Arc<dyn Grants>,
    pub(super) clock: Clock,
    entries: Mutex<BTreeMap<StreamName, Entry>>,
    /// Of streams that may have a session which nobody here sees. Locked after the entries.
    pub(super) slots: Mutex<BTreeMap<StreamName, Arc<Reservation>>>,
    /// How often a camera's stream was cut. Each time it gets another name: what go2rtc still has
    /// under the old one must not see it again. Locked after `entries`.
    cuts: Mutex<BTreeMap<(CameraName, Quality), u64>>,
    installation: Arc<str>,
    changed: Notify,
    pub(super) ready: watch::Sender<Ready>,
}

/// What its task remembers.
#[derive(Debug, Default)]
pub(super) struct Memory {
    supervision: Supervision,
    ghosts: GhostWatch,
    /// The last thing done to it: older looks show the past.
    settled: Mono,
    /// Since when an external one has not answered, and how often in a row.
    pub(super) unanswered: Option<(Mono, u32)>,
}

impl Gateway {
    pub(super) fn new(
        (subnet, installation): (SubnetName, Arc<str>),
        how: How,
        (launch, grants): (Arc<dyn Launch>, Arc<dyn Grants>),
        clock: Clock,
    ) -> Self {
        let (entries, slots, cuts, changed, ready) = Default::default();
        Self {
            subnet,
            how,
            launch,
            grants,
            clock,
            entries,
            slots,
            cuts,
            installation,
            changed,
            ready,
        }
    }

    /// Under which name a camera's stream is there now.
    pub(super) fn name(&self, camera: &CameraName, quality: Quality) -> StreamName {
        let cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        match cuts.get(&(camera.clone(), quality)) {
            None => StreamName::of(&self.installation, camera, quality),
            Some(cuts) => StreamName::of(&format!("{}/{cuts}", self.installation), camera, quality),
        }
    }

    pub(super) fn entries(&self) -> MutexGuard<'_, BTreeMap<StreamName, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a viewer of a camera's stream; `grant` is asked for the first. `is_past_us`: its media
    /// will not come through this server. What it returns is the stream's name, and what is
    /// cancelled when the stream is given up.
    pub(super) fn join<E>(
        &self,
        of: (&CameraName, Quality),
        viewer: (Agent, Option<LeaseId>),
        is_past_us: bool,
        grant: impl FnOnce() -> Result<(Box<dyn Granted>, GatewaySource), E>,
    ) -> Result<(StreamName, CancellationToken), E> {
        let mut entries = self.entries();
        let name = self.name(of.0, of.1);
        let entry = self.entry(&mut entries, &name, of, grant)?;
        entry.is_past_us |= is_past_us;
        let gone = entry.add(viewer);
        drop(entries);
        self.changed.notify_one();
        Ok((name, gone))
    }

    /// Adds the stream of one capture, which nobody else joins.
    pub(super) fn join_alone(
        &self,
        name: &StreamName,
        of: (&CameraName, Quality),
        agent: Agent,
        (granted, sweep): ((Box<dyn Granted>, GatewaySource), Option<SweepId>),
    ) -> CancellationToken {
        let mut entries = self.entries();
        let Ok(entry) = self.entry(&mut entries, name, of, || Ok::<_, Infallible>(granted));
        entry.sweep = sweep;
        let gone = entry.add((agent, None));
        drop(entries);
        self.changed.notify_one();
        gone
    }

    fn entry<'a, E>(
        &self,
        entries: &'a mut BTreeMap<StreamName, Entry>,
        name: &StreamName,
        of: (&CameraName, Quality),
        grant: impl FnOnce() -> Result<(Box<dyn Granted>, GatewaySource), E>,
    ) -> Result<&'a mut Entry, E> {
        let entry = match entries.entry(name.clone()) {
            btree_map::Entry::Occupied(there) => there.into_mut(),
            btree_map::Entry::Vacant(place) => {
                let of = (of.0.clone(), of.1);
                place.insert(Entry::new(of, self.clock.now().mono, grant()?))
            }
        };
        if let Some(slot) = entry.grant.slot() {
            self.slots().entry(name.clone()).or_insert_with(|| Arc::clone(slot));
        }
        Ok(entry)
    }

    /// Gives up the streams of cameras that do not belong here any more, and leads those that are
    /// declared otherwise now to where they should go.
    pub(super) fn keep(&self, belongs: impl Fn(&CameraName) -> bool) {
        self.entries().retain(|_, entry| belongs(&entry.camera) && entry.renew());
        let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        cuts.retain(|(camera, _), _| belongs(camera));
        drop(cuts);
        self.changed.notify_one();
    }

    /// Something has changed that the task should see.
    pub(super) fn look_again(&self) {
        self.changed.notify_one();
    }

    /// Takes a viewer away. With the last one a stream that somebody watched past this server ends
    /// at once, since nothing else ends what is left of that, and so does one of a capture; others
    /// are kept for a moment.
    pub(super) fn leave(&self, name: &StreamName, agent: &Agent) {
        let mut entries = self.entries();
        if let Some(entry) = entries.get_mut(name) {
            entry.viewers.remove(agent);
            if entry.viewers.is_empty() {
                entry.idle_since = Some(self.clock.now().mono);
            }
            if entry.viewers.is_empty() && entry.is_past_us {
                let of = (entry.camera.clone(), entry.quality);
                let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
                *cuts.entry(of).or_default() += 1;
                drop(cuts);
                entries.remove(name);
            } else if entry.viewers.is_empty() && name.is_of_capture() {
                entries.remove(name);
            }
        }
        drop(entries);
        self.changed.notify_one();
    }

    /// Why the camera of a stream is not reached.
    pub(super) fn failure(&self, name: &StreamName) -> Option<super::ViewEnd> {
        self.entries().get(name).and_then(|entry| entry.grant.failure())
    }

    /// How it gets to cameras.
    pub(super) fn reach(&self) -> Reach {
        self.how.reach()
    }

    /// Why it does not serve a viewer.
    pub(super) fn absent(&self) -> super::ViewEnd {
        let ready = self.ready.borrow();
        let known = ready.trouble.as_ref().map(|trouble| trouble.text.as_ref().to_owned());
        super::ViewEnd::Engine(known.unwrap_or_else(|| "the gateway is not there".to_owned()))
    }

    /// Keeps the process and its streams as they should be, until told to stop.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut memory = Memory::default();
        let mut running: Option<Attached> = None;
        loop {
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
                    memory.supervision.stopped(self.clock.now().mono);
                    SOON
                }
                Decision::Restart(reason) => {
                    tracing::warn!(gateway = %self.subnet, reason = reason.as_str(), "restart");
                    memory.supervision.restarting(&reason, now);
                    self.end(running.take()).await;
                    memory.supervision.ended(self.clock.now().mono);
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
                    self.report(ended);
                    memory.supervision.ended(self.clock.now().mono);
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

    fn decide(&self, memory: &Memory, is_attached: bool, now: Mono) -> Decision {
        if self.how.is_external() {
            // Whoever runs it restarts it.
            return if is_attached { Decision::Wait(None) } else { Decision::Start };
        }
        let ghost = memory.ghosts.ghosts(now).next().cloned();
        memory.supervision.decide(true, ghost.as_ref(), now)
    }

    /// Tells the log and those who wait of an end that nobody asked for.
    fn report(&self, ended: Ended) {
        let Ended { how, never_ran } = ended;
        tracing::warn!(gateway = %self.subnet, how, "the gateway has ended");
        let text = if never_ran { format!("{how}: install it or set gateway.binary") } else { how };
        let trouble = Some(Trouble { text: text.into(), needs_help: never_ran });
        self.ready.send_replace(Ready { trouble, ..Ready::default() });
    }

    /// What should be there; forgets streams that nobody has watched for a while.
    fn wanted(&self, now: Mono) -> Wanted {
        let mut entries = self.entries();
        let slots = self.slots();
        let is_lost = |name: &StreamName| slots.get(name).is_some_and(|slot| slot.is_lost());
        entries.retain(|name, entry| {
            let is_fresh = entry.idle_since.is_none_or(|since| now.since(since) < LINGER);
            is_fresh && !is_lost(name)
        });
        drop(slots);
        let agents = entries.values().flat_map(|entry| entry.viewers.keys().cloned()).collect();
        Wanted { streams: entries.keys().cloned().collect(), agents }
    }

    /// Until the next stream that nobody watches is given up.
    fn next_end(&self) -> Duration {
        let now = self.clock.now().mono;
        let entries = self.entries();
        let idle = entries.values().filter_map(|entry| entry.idle_since);
        idle.map(|since| LINGER.saturating_sub(now.since(since))).min().unwrap_or(LOOK)
    }

    async fn start(&self, memory: &mut Memory) -> Option<Attached> {
        let started = Attached::begin(&self.how, &*self.launch, &self.subnet).await;
        let now = self.clock.now().mono;
        memory.supervision.started(now);
        memory.ghosts.reset();
        memory.settled = now;
        match started {
            Ok(running) => Some(running),
            Err(error) => {
                let error = crate::chain::Chain(&error).to_string();
                tracing::warn!(gateway = %self.subnet, error, "the gateway does not start");
                let trouble = Some(Trouble { text: error.into(), needs_help: false });
                self.ready.send_replace(Ready { trouble, ..Ready::default() });
                memory.supervision.ended(now);
                None
            }
        }
    }

    /// Ends it, and says whether no stream of ours is left there.
    async fn end(&self, running: Option<Attached>) -> bool {
        self.ready.send_replace(Ready::default());
        match running {
            Some(running) => running.end().await,
            None => false,
        }
    }

    /// Asks what is there and does what is missing; returns when to look again.
    async fn look(&self, running: &Attached, wanted: &Wanted, memory: &mut Memory) -> Duration {
        let began = self.clock.now().mono;
        let asked = running.api.version().await;
        if let (Err(error), true) = (&asked, self.how.is_external()) {
            return self.unreachable(error, memory);
        }
        memory.unanswered = None;
        let answered = asked.is_ok();
        memory.supervision.looked(began, answered, self.clock.now().mono);
        match memory.supervision.phase() {
            Phase::Up { .. } if answered => {}
            Phase::Up { .. } => return AGAIN,
            Phase::Starting { .. } | Phase::Down { .. } => return SOON,
        }
        let began = self.clock.now().mono;
        let Ok(listed) = running.api.streams().await else { return AGAIN };
        let refused = self.grants.refused_dials();
        memory.ghosts.looked(wanted, &listed, refused, (began, memory.settled));
        let mut steps = reconcile(&wanted.streams, &listed);
        steps.retain(|step| self.may(step));
        let has = |name: &StreamName| steps.contains(&StreamStep::Put(name.clone()));
        let news = self.news().into_iter().filter(|name| !has(name));
        steps.extend(news.map(StreamStep::Put).filter(|step| self.may(step)).collect::<Vec<_>>());
        let mut there: BTreeSet<StreamName> =
            listed.iter().filter_map(|stream| StreamName::parse(&stream.name)).collect();
        let mut pause = LOOK;
        for step in steps {
            match self.carry_out(running, &step).await {
                Ok(()) => {
                    memory.settled = self.clock.now().mono;
                    match step {
                        StreamStep::Put(name) => drop(there.insert(name)),
                        StreamStep::Remove(name) => drop(there.remove(&name)),
                        // Its consumer has left, or is about to.
                        StreamStep::Drain(name) if name.is_of_capture() => pause = DRAINING,
                        StreamStep::Drain(_) => pause = pause.min(AGAIN),
                    }
                }
                Err(error) => {
                    let error = crate::chain::Chain(&error).to_string();
                    tracing::warn!(gateway = %self.subnet, error, "a stream is not as it should be");
                    pause = pause.min(AGAIN);
                }
            }
        }
        self.give_back(&there, ConnectionEnd::Acknowledged);
        let (streams, leaving) = there.into_iter().partition(|name| wanted.streams.contains(name));
        let endpoint = Some(running.api.endpoint().clone());
        self.ready.send_replace(Ready { trouble: None, endpoint, streams, leaving });
        pause
    }

    /// Streams whose source the gateway was not told.
    fn news(&self) -> Vec<StreamName> {
        let entries = self.entries();
        entries.iter().filter(|(_, entry)| entry.is_news).map(|(name, _)| name.clone()).collect()
    }

    async fn carry_out(&self, running: &Attached, step: &StreamStep) -> Result<(), GatewayError> {
        match step {
            StreamStep::Put(name) => {
                let source = self.entries().get(name).map(|entry| entry.source.clone());
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
