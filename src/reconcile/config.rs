//! Puts sets of manifests in force: carries out what `manifest::state` decides.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use tracing::{error, info, warn};

use super::handle::IntentError;
use super::recorder::{Record, Recorder};
use crate::chain::Chain;
use crate::manifest::last_good::LastGood;
use crate::manifest::state::{ConfigState, Decision, Held, InForce};
use crate::manifest::{Loaded, Problem};
use crate::model::desired::Desired;
use crate::model::event::{EventKind, NewEvent};
use crate::model::secret::Redactor;
use crate::model::snapshot::{ConfigError, ConfigStatus, HeldConfig};
use crate::model::time::Now;
use crate::world::store::ConfigRevision;

/// Problems and removed objects that are shown; a broken set of a thousand files need not be
/// carried around whole.
const SHOWN_MAX: usize = 500;

/// The sets that are and that come.
#[derive(Debug)]
pub struct ConfigSource {
    /// The state with a set in force.
    pub state: ConfigState,
    /// The set in force.
    pub in_force: InForce,
    /// Whether the set came into force just now, rather than before a restart.
    pub is_new: bool,
    /// Newer loads.
    pub loads: watch::Receiver<Arc<Loaded>>,
    /// Where the last good set is kept.
    pub data_dir: PathBuf,
    /// Told of the secrets to be replaced in texts.
    pub redactor: watch::Sender<Redactor>,
}

/// The manifests, as the loop sees them.
#[derive(Debug)]
pub(super) struct Config {
    source: ConfigSource,
    recorder: Recorder,
    status: Arc<ConfigStatus>,
    /// A set that is to be put in force at the next pass.
    ready: Option<Arc<Desired>>,
    loads: u64,
    refused: u64,
    news: bool,
    ended: bool,
}

impl Config {
    pub(super) fn new(source: ConfigSource, recorder: Recorder) -> Self {
        let mut config = Self {
            source,
            recorder,
            status: Arc::default(),
            ready: None,
            loads: 1,
            refused: 0,
            news: false,
            ended: false,
        };
        config.renew_status();
        config
    }

    pub(super) fn status(&self) -> &Arc<ConfigStatus> {
        &self.status
    }

    /// Waits for a newer load; losing it half-way loses nothing.
    pub(super) async fn changed(&mut self) {
        if self.ended {
            std::future::pending::<()>().await;
        }
        match self.source.loads.changed().await {
            // Marked as unseen again for `take`, which comes next.
            Ok(()) => self.source.loads.mark_changed(),
            Err(_) => self.ended = true,
        }
    }

    /// Records the start, and the set in force where it is new.
    pub(super) fn announce_start(&mut self, now: Now) {
        let mut event = NewEvent::new(EventKind::ServerStarted, 0, now.wall);
        event.summary = format!("camserver {} started", env!("CARGO_PKG_VERSION"));
        self.recorder.events(vec![event]);
        if self.source.is_new {
            let in_force = self.source.in_force.clone();
            self.put_in_force(&in_force, now);
        }
        if let Some(held) = self.source.state.held().cloned() {
            self.recorder.events(vec![held_event(&held, now)]);
        } else if !self.source.state.is_valid() {
            let problems = self.source.state.problems().to_vec();
            self.recorder.events(vec![refused_event(&problems, now)]);
        }
    }

    /// Looks at a load that has come; the set that is in force from now on, if another one.
    pub(super) fn take(&mut self, now: Now) -> Option<Arc<Desired>> {
        if !self.ended && self.source.loads.has_changed().unwrap_or(false) {
            let loaded = Arc::clone(&self.source.loads.borrow_and_update());
            self.loads += 1;
            let decision = self.source.state.loaded(loaded, now.wall);
            self.carry_out(decision, now);
        }
        self.ready.take()
    }

    /// Lets the held set through.
    pub(super) fn confirm(&mut self, digest: &str, now: Now) -> Result<(), IntentError> {
        let decision = self.source.state.confirm(digest, now.wall);
        let decision = decision.map_err(|error| IntentError::Conflict(error.to_string()))?;
        info!(digest, "held manifests confirmed");
        self.carry_out(decision, now);
        Ok(())
    }

    /// Whether the status has changed since it was last asked.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    fn carry_out(&mut self, decision: Decision, now: Now) {
        match decision {
            Decision::Apply(in_force) => {
                self.ready = Some(Arc::clone(&in_force.desired));
                self.put_in_force(&in_force, now);
            }
            Decision::Refuse { problems } => {
                self.refused += 1;
                warn!(errors = problems.len(), "manifests refused; the last good set stays");
                self.recorder.events(vec![refused_event(&problems, now)]);
            }
            Decision::Hold(held) => {
                warn!(reason = %held.reason, digest = %held.loaded.digest, "manifests held");
                self.recorder.events(vec![held_event(&held, now)]);
            }
            Decision::Unchanged => {}
        }
        self.renew_status();
        self.news = true;
    }

    /// Keeps the set for a restart, records it, and makes its secrets known.
    fn put_in_force(&mut self, in_force: &InForce, now: Now) {
        let desired = &in_force.desired;
        info!(
            generation = desired.generation,
            revision = desired.revision.as_deref(),
            cameras = desired.cameras.len(),
            "manifests applied"
        );
        self.source.in_force = in_force.clone();
        self.source.redactor.send_replace(Redactor::new(desired.secrets()));
        // The set is in force even where it cannot be kept; a restart then needs good manifests.
        if let Err(error) = LastGood::of(in_force).write(&self.source.data_dir) {
            error!(error = %Chain(&error), "the last good set cannot be kept");
        }
        let objects = objects(desired);
        self.recorder.record(Record::Config(ConfigRevision {
            generation: desired.generation,
            digest: desired.digest.as_ref().to_owned(),
            revision: desired.revision.as_deref().map(str::to_owned),
            applied_at: desired.applied_at,
            objects: serde_json::json!(objects),
        }));
        let mut event = NewEvent::new(EventKind::ConfigApplied, 0, now.wall);
        event.summary = format!(
            "set {} applied: {} in {}",
            desired.generation,
            count(objects["cameras"], "camera"),
            count(objects["subnets"], "subnet")
        );
        event.attributes.insert("generation".to_owned(), desired.generation.into());
        event.attributes.insert("cameras".to_owned(), desired.cameras.len().into());
        if let Some(revision) = &desired.revision {
            event.attributes.insert("revision".to_owned(), revision.as_ref().into());
        }
        self.recorder.events(vec![event]);
    }

    fn renew_status(&mut self) {
        let state = &self.source.state;
        let in_force = &self.source.in_force.desired;
        let errors = state.problems().iter().filter(|problem| problem.is_error());
        self.status = Arc::new(ConfigStatus {
            generation: in_force.generation,
            digest: in_force.digest.as_ref().to_owned(),
            revision: in_force.revision.as_deref().map(str::to_owned),
            applied_at: Some(in_force.applied_at),
            valid: state.is_valid(),
            errors: errors.take(SHOWN_MAX).map(config_error).collect(),
            held: state.held().map(|held| HeldConfig {
                digest: held.loaded.digest.as_ref().to_owned(),
                message: held.reason.clone(),
                removed: removed(in_force, held),
            }),
            loads: self.loads,
            loads_refused: self.refused,
        });
    }
}

fn config_error(problem: &Problem) -> ConfigError {
    let message = if problem.remedy.is_empty() {
        problem.message.clone()
    } else {
        format!("{}; {}", problem.message, problem.remedy)
    };
    ConfigError { file: problem.file.clone(), line: problem.line, column: problem.column, message }
}

fn count(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

fn objects(desired: &Desired) -> BTreeMap<&'static str, usize> {
    BTreeMap::from([
        ("cameras", desired.cameras.len()),
        ("subnets", desired.subnets.len()),
        ("detectors", desired.detectors.len()),
        ("notifiers", desired.notifiers.len()),
    ])
}

/// Cameras and subnets that a held set lacks.
fn removed(in_force: &Desired, held: &Held) -> Vec<String> {
    let Some(new) = &held.loaded.desired else { return Vec::new() };
    let cameras = in_force.cameras.keys().filter(|name| !new.cameras.contains_key(*name));
    let subnets = in_force.subnets.keys().filter(|name| !new.subnets.contains_key(*name));
    cameras
        .map(|name| format!("camera/{name}"))
        .chain(subnets.map(|name| format!("subnet/{name}")))
        .take(SHOWN_MAX)
        .collect()
}

fn refused_event(problems: &[Problem], now: Now) -> NewEvent {
    let errors = problems.iter().filter(|problem| problem.is_error());
    let count = errors.clone().count();
    let mut event = NewEvent::new(EventKind::ConfigRefused, 2, now.wall);
    let first = errors.clone().next().map(ToString::to_string).unwrap_or_default();
    event.summary = format!("manifests refused, {}; first: {first}", self::count(count, "error"));
    event.attributes.insert("errors".to_owned(), count.into());
    event.attributes.insert("first".to_owned(), first.into());
    event
}

fn held_event(held: &Held, now: Now) -> NewEvent {
    let mut event = NewEvent::new(EventKind::ConfigHeld, 2, now.wall);
    event.summary.clone_from(&held.reason);
    event.attributes.insert("removed".to_owned(), held.removed.into());
    event.attributes.insert("total".to_owned(), held.total.into());
    event.attributes.insert("digest".to_owned(), held.loaded.digest.as_ref().into());
    event
}
