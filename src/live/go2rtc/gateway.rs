//! One go2rtc and the streams that are wanted of it: the task that keeps both as they should be.
//!
//! `plan::gateway` decides; this asks, and does what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::entry::{Entry, Guest};
use super::grants::{Granted, Grants};
use super::ready::{Ready, Trouble};
use crate::clock::Clock;
use crate::model::gateway::{Agent, StreamName};
use crate::model::lease::Quality;
use crate::model::names::{CameraName, SubnetName};
use crate::model::time::Mono;
use crate::plan::gateway::{
    Decision, GhostWatch, Phase, StreamStep, Supervision, Wanted, reconcile,
};
use crate::world::gateway::api::GatewayApi;
use crate::world::gateway::config::{Offers, prepare};
use crate::world::gateway::error::GatewayError;
use crate::world::gateway::instance::{Ended, Instance, Launch};
use crate::world::gateway::source::GatewaySource;

/// Between two looks at a gateway that is up.
const LOOK: Duration = Duration::from_secs(5);
/// Between two looks at one that is starting.
const SOON: Duration = Duration::from_millis(100);
/// Between two looks at one that did not answer, or would not do as asked.
const AGAIN: Duration = Duration::from_secs(1);
/// A stream is kept for so long after its last viewer: one that reconnects finds it there.
const LINGER: Duration = Duration::from_secs(5);

/// What a gateway is run with.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) program: PathBuf,
    pub(super) data_dir: PathBuf,
    pub(super) offers: Offers,
}

/// One gateway, shared by its task and its viewers.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) subnet: SubnetName,
    settings: Settings,
    launch: Arc<dyn Launch>,
    pub(super) grants: Arc<dyn Grants>,
    pub(super) clock: Clock,
    entries: Mutex<BTreeMap<StreamName, Entry>>,
    changed: Notify,
    pub(super) ready: watch::Sender<Ready>,
}

/// The process that runs, with its tasks.
#[derive(Debug)]
struct Running {
    instance: Instance,
    api: GatewayApi,
    _tasks: JoinSet<()>,
}

/// What its task remembers.
#[derive(Debug, Default)]
struct Memory {
    supervision: Supervision,
    ghosts: GhostWatch,
    /// The last thing done to it: older looks show the past.
    settled: Mono,
}

impl Gateway {
    pub(super) fn new(
        subnet: SubnetName,
        settings: Settings,
        (launch, grants): (Arc<dyn Launch>, Arc<dyn Grants>),
        clock: Clock,
    ) -> Self {
        let (entries, changed, ready) = Default::default();
        Self { subnet, settings, launch, grants, clock, entries, changed, ready }
    }

    pub(super) fn entries(&self) -> MutexGuard<'_, BTreeMap<StreamName, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a viewer; `grant` is asked for the first of a stream. What it returns is cancelled when
    /// the stream is given up.
    pub(super) fn join<E>(
        &self,
        name: &StreamName,
        of: (&CameraName, Quality),
        viewer: (Agent, Guest),
        grant: impl FnOnce() -> Result<(Box<dyn Granted>, GatewaySource), E>,
    ) -> Result<CancellationToken, E> {
        let now = self.clock.now().mono;
        let mut entries = self.entries();
        if !entries.contains_key(name) {
            let (grant, source) = grant()?;
            let (camera, quality) = (of.0.clone(), of.1);
            let (viewers, idle_since) = (BTreeMap::new(), None);
            let gone = CancellationToken::new();
            let (since, is_news) = (now, true);
            let entry =
                Entry { camera, quality, since, viewers, idle_since, source, grant, is_news, gone };
            entries.insert(name.clone(), entry);
        }
        let gone = entries.get_mut(name).map(|entry| {
            entry.viewers.insert(viewer.0, viewer.1);
            entry.idle_since = None;
            entry.weigh();
            entry.gone.clone()
        });
        drop(entries);
        self.changed.notify_one();
        Ok(gone.unwrap_or_default())
    }

    /// Gives up the streams of cameras that do not belong here any more, and leads those that are
    /// declared otherwise now to where they should go.
    pub(super) fn keep(&self, belongs: impl Fn(&CameraName) -> bool) {
        self.entries().retain(|_, entry| belongs(&entry.camera) && entry.renew());
        self.changed.notify_one();
    }

    /// Takes a viewer away.
    pub(super) fn leave(&self, name: &StreamName, agent: &Agent) {
        if let Some(entry) = self.entries().get_mut(name) {
            entry.viewers.remove(agent);
            if entry.viewers.is_empty() {
                entry.idle_since = Some(self.clock.now().mono);
            }
            entry.weigh();
        }
        self.changed.notify_one();
    }

    /// Why the camera of a stream is not reached.
    pub(super) fn failure(&self, name: &StreamName) -> Option<super::ViewEnd> {
        self.entries().get(name).and_then(|entry| entry.grant.failure())
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
        let mut running: Option<Running> = None;
        loop {
            let now = self.clock.now().mono;
            let wanted = self.wanted(now);
            let ghost = memory.ghosts.ghosts(now).next().cloned();
            let decision = memory.supervision.decide(true, ghost.as_ref(), now);
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
                    Some(running) => running.instance.ended().await,
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
        self.end(running.take()).await;
        self.entries().clear();
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
        entries.retain(|_, entry| entry.idle_since.is_none_or(|since| now.since(since) < LINGER));
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

    async fn start(&self, memory: &mut Memory) -> Option<Running> {
        let started = self.launched().await;
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

    async fn launched(&self) -> Result<Running, GatewayError> {
        let prepared = prepare(&self.settings.data_dir, &self.subnet, self.settings.offers)?;
        let program = &self.settings.program;
        let (instance, log) = Instance::start(&*self.launch, program, &prepared, &self.subnet)
            .await
            .map_err(|source| {
                let path = program.display().to_string();
                GatewayError::Prepare { path, source }
            })?;
        tracing::info!(gateway = %self.subnet, pid = instance.pid(), "the gateway was started");
        let (api, task) = GatewayApi::new(prepared.endpoint);
        let mut tasks = JoinSet::new();
        tasks.spawn(log);
        tasks.spawn(task.run());
        Ok(Running { instance, api, _tasks: tasks })
    }

    async fn end(&self, running: Option<Running>) {
        self.ready.send_replace(Ready::default());
        if let Some(running) = running {
            running.instance.stop().await;
        }
    }

    /// Asks what is there and does what is missing; returns when to look again.
    async fn look(&self, running: &Running, wanted: &Wanted, memory: &mut Memory) -> Duration {
        let began = self.clock.now().mono;
        let answered = running.api.version().await.is_ok();
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
        let has = |name: &StreamName| steps.contains(&StreamStep::Put(name.clone()));
        let news = self.news().into_iter().filter(|name| !has(name));
        steps.extend(news.map(StreamStep::Put).collect::<Vec<_>>());
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
                        StreamStep::Drain(_) => {}
                    }
                }
                Err(error) => {
                    let error = crate::chain::Chain(&error).to_string();
                    tracing::warn!(gateway = %self.subnet, error, "a stream is not as it should be");
                    pause = AGAIN;
                }
            }
        }
        there.retain(|name| wanted.streams.contains(name));
        let endpoint = Some(running.api.endpoint().clone());
        self.ready.send_replace(Ready { trouble: None, endpoint, streams: there });
        pause
    }

    /// Streams whose source the gateway was not told.
    fn news(&self) -> Vec<StreamName> {
        let entries = self.entries();
        entries.iter().filter(|(_, entry)| entry.is_news).map(|(name, _)| name.clone()).collect()
    }

    async fn carry_out(&self, running: &Running, step: &StreamStep) -> Result<(), GatewayError> {
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
