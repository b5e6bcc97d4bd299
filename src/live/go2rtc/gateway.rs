//! One gateway as its viewers and the engine hold it: the streams that are wanted of it, what waits
//! for them, and what is said of its process.
//!
//! Its task is `run`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::entries::{Entry, Wish};
use super::grants::{Granted, Grants};
use super::ready::Ready;
use super::report::Report;
use super::run::LOOK;
use super::viewer::Seat;
use crate::clock::Clock;
use crate::live::engine::ViewEnd;
use crate::model::gateway::{Agent, GatewayView, StreamName};
use crate::model::lease::Quality;
use crate::model::names::{CameraName, SubnetName};
use crate::model::slot::Purpose;
use crate::model::time::Mono;
use crate::plan::gateway::Wanted;
use crate::world::gateway::config::Offers;
use crate::world::gateway::instance::Launch;
use crate::world::gateway::source::GatewaySource;

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
    pub(super) settings: Settings,
    pub(super) launch: Arc<dyn Launch>,
    pub(super) grants: Arc<dyn Grants>,
    pub(super) clock: Clock,
    entries: Mutex<BTreeMap<StreamName, Entry>>,
    report: Mutex<Report>,
    /// Wakes its task.
    pub(super) changed: Notify,
    /// Tells the engine's owner that there is something to be seen.
    news: Arc<Notify>,
    pub(super) ready: watch::Sender<Ready>,
}

impl Gateway {
    pub(super) fn new(
        subnet: SubnetName,
        settings: Settings,
        (launch, grants): (Arc<dyn Launch>, Arc<dyn Grants>),
        (clock, news): (Clock, Arc<Notify>),
    ) -> Self {
        let (entries, report, changed, ready) = Default::default();
        Self { subnet, settings, launch, grants, clock, entries, report, changed, news, ready }
    }

    pub(super) fn entries(&self) -> MutexGuard<'_, BTreeMap<StreamName, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Attaches a viewer to a camera's stream.
    pub(super) fn sit(
        self: &Arc<Self>,
        name: StreamName,
        of: (&CameraName, Quality),
        purpose: Purpose,
        viewer: (Agent, Wish),
    ) -> Result<Seat, ViewEnd> {
        let agent = viewer.0.clone();
        let gone = self.join(&name, of, viewer, || {
            let grant = self.grants.grant(of.0, of.1, purpose)?;
            let source = GatewaySource::new(grant.url())
                .map_err(|error| ViewEnd::Engine(error.to_string()))?;
            Ok((grant, source))
        })?;
        Ok(Seat { gateway: Arc::clone(self), name, agent, gone })
    }

    /// Adds a viewer; `grant` is asked for the first of a stream. What it returns is cancelled when
    /// the stream is given up.
    fn join<E>(
        &self,
        name: &StreamName,
        of: (&CameraName, Quality),
        viewer: (Agent, Wish),
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
            entry.gone.clone()
        });
        drop(entries);
        self.changed.notify_one();
        self.news.notify_one();
        Ok(gone.unwrap_or_default())
    }

    /// Gives up the streams of cameras that do not belong here any more, and leads those that are
    /// declared otherwise now to where they should go.
    pub(super) fn keep(&self, belongs: impl Fn(&CameraName) -> bool) {
        self.entries().retain(|_, entry| belongs(&entry.camera) && entry.renew());
        self.changed.notify_one();
        self.news.notify_one();
    }

    /// Takes a viewer away.
    pub(super) fn leave(&self, name: &StreamName, agent: &Agent) {
        if let Some(entry) = self.entries().get_mut(name) {
            entry.viewers.remove(agent);
            if entry.viewers.is_empty() {
                entry.idle_since = Some(self.clock.now().mono);
            }
        }
        self.changed.notify_one();
    }

    /// Why the camera of a stream is not reached.
    pub(super) fn failure(&self, name: &StreamName) -> Option<ViewEnd> {
        self.entries().get(name).and_then(|entry| entry.grant.failure())
    }

    /// Why it does not serve a viewer.
    pub(super) fn absent(&self) -> ViewEnd {
        let ready = self.ready.borrow();
        let known = ready.trouble.as_ref().map(|trouble| trouble.text.as_ref().to_owned());
        ViewEnd::Engine(known.unwrap_or_else(|| "the gateway is not there".to_owned()))
    }

    /// Says what has become of the process.
    pub(super) fn tell(&self, report: Report) {
        let mut known = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != report {
            *known = report;
            self.news.notify_one();
        }
    }

    /// How it is, and what is wanted of it.
    pub(super) fn view(&self) -> GatewayView {
        let known = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let Report { state, pid, fault, mut listed, restarts } = known.clone();
        drop(known);
        let mut wanted = BTreeMap::new();
        for (name, entry) in self.entries().iter() {
            if let Some(listed) = listed.as_mut().filter(|_| entry.is_news) {
                listed.remove(name.as_str());
            }
            wanted.insert(name.clone(), (entry.camera.clone(), entry.quality));
        }
        GatewayView { state, pid, fault, wanted, listed, restarts }
    }

    /// What should be there; forgets streams that nobody has watched for a while.
    pub(super) fn wanted(&self, now: Mono) -> Wanted {
        let mut entries = self.entries();
        let before = entries.len();
        entries.retain(|_, entry| entry.idle_since.is_none_or(|since| now.since(since) < LINGER));
        if entries.len() != before {
            self.news.notify_one();
        }
        let agents = entries.values().flat_map(|entry| entry.viewers.keys().cloned()).collect();
        Wanted { streams: entries.keys().cloned().collect(), agents }
    }

    /// Until the next stream that nobody watches is given up.
    pub(super) fn next_end(&self) -> Duration {
        let now = self.clock.now().mono;
        let entries = self.entries();
        let idle = entries.values().filter_map(|entry| entry.idle_since);
        idle.map(|since| LINGER.saturating_sub(now.since(since))).min().unwrap_or(LOOK)
    }
}
