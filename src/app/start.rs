//! What a start finds: manifests, the last good set, the data directory, what the store knows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::warn;

use super::{AppError, RunOptions};
use crate::chain::Chain;
use crate::clock::Clock;
use crate::manifest::last_good::LastGood;
use crate::manifest::state::{ConfigState, Decision, InForce};
use crate::manifest::{Loaded, Problem, load_dir, render};
use crate::model::desired::Desired;
use crate::model::history::{CameraHistory, History};
use crate::model::snapshot::RunInfo;
use crate::reconcile::EventLog;
use crate::reconcile::keeper::SlotKeeper;
use crate::world::host;
use crate::world::journal::SlotJournal;
use crate::world::store::{DataDir, Store, StoreError};

/// The journal of slots, in the data directory.
const SLOTS_FILE: &str = "slots";

/// The set that a server starts with.
pub(super) struct Start {
    pub(super) data_dir: DataDir,
    pub(super) state: ConfigState,
    pub(super) in_force: InForce,
    /// Whether the set came into force just now.
    pub(super) is_new: bool,
    /// What the directory of manifests held.
    pub(super) offered: Arc<Loaded>,
}

impl Start {
    pub(super) async fn new(options: &RunOptions, clock: &Clock) -> Result<Self, AppError> {
        let offered = Arc::new(load(&options.manifests).await?);
        let data_dir = data_dir(options, &offered)?;
        let (state, is_new) = first_set(options, data_dir.path(), Arc::clone(&offered), clock)?;
        match state.in_force().cloned() {
            Some(in_force) => Ok(Self { data_dir, state, in_force, is_new, offered }),
            None => Err(AppError::Manifests(render(state.problems()))),
        }
    }
}

async fn load(directory: &Path) -> Result<Loaded, AppError> {
    let directory = directory.to_owned();
    tokio::task::spawn_blocking(move || load_dir(&directory)).await.map_err(AppError::Part)
}

/// The data directory of the command line, of the manifests offered, or the default.
fn data_dir(options: &RunOptions, loaded: &Loaded) -> Result<DataDir, AppError> {
    let declared = loaded.desired.as_ref().map(|desired| desired.server.data_dir.clone());
    let path = options.data_dir.clone().or(declared).unwrap_or_else(|| PathBuf::from("./data"));
    DataDir::open(&path).map_err(AppError::Store)
}

/// The state with a set in force, and whether that set is new.
///
/// A set offered at the start goes the same way as one offered later: one with errors leaves the
/// last good one in force, one that removes too much is held.
fn first_set(
    options: &RunOptions,
    data_dir: &Path,
    loaded: Arc<Loaded>,
    clock: &Clock,
) -> Result<(ConfigState, bool), AppError> {
    let last_good = LastGood::read(data_dir).unwrap_or_else(|error| {
        warn!(error = %Chain(&error), "the last good set cannot be read");
        None
    });
    let mut state = match &last_good {
        None => ConfigState::new(0),
        Some(last) => last.restore(&options.manifests).map_or_else(
            |_| {
                warn!("the last good set is not good for this version of the program");
                ConfigState::new(last.generation)
            },
            ConfigState::restored,
        ),
    };
    let warnings: Vec<Problem> = loaded.warnings().cloned().collect();
    if !warnings.is_empty() {
        warn!("the manifests draw warnings\n{}", render(&warnings));
    }
    match state.loaded(loaded, clock.now().wall) {
        Decision::Apply(_) => Ok((state, true)),
        Decision::Unchanged => Ok((state, false)),
        Decision::Hold(held) => {
            warn!(reason = %held.reason, "the manifests are held; the last good set goes on");
            Ok((state, false))
        }
        Decision::Refuse { problems } if state.in_force().is_none() => {
            Err(AppError::Manifests(render(&problems)))
        }
        Decision::Refuse { problems } => {
            warn!("the manifests have errors; the last good set goes on\n{}", render(&problems));
            Ok((state, false))
        }
    }
}

pub(super) fn keeper(data_dir: &Path, clock: &Clock) -> Result<Arc<SlotKeeper>, AppError> {
    let boot = host::boot_id().map_err(|error| AppError::Host("no boot id", error))?;
    let (journal, before) = SlotJournal::open(&data_dir.join(SLOTS_FILE), &boot)
        .map_err(|error| AppError::Host("the journal of slots cannot be used", error))?;
    Ok(Arc::new(SlotKeeper::new(clock.clone(), journal, &before)))
}

/// What the store knows of the declared cameras and subnets.
pub(super) async fn remember(store: &Store, desired: &Desired, clock: &Clock) -> History {
    let mut history = History::default();
    let now = clock.now();
    match store.latest_frames().await {
        Ok(frames) => {
            for frame in frames.into_iter().filter(|f| desired.cameras.contains_key(&f.camera)) {
                let camera = frame.camera.clone();
                let entry = CameraHistory { last_frame: Some(frame), ..CameraHistory::default() };
                history.cameras.insert(camera, entry);
            }
        }
        Err(error) => warn!(%error, "the latest pictures cannot be read"),
    }
    if let Err(error) = store.abort_running(now.wall).await {
        warn!(%error, "sweeps of the run before cannot be ended");
    }
    match store.last_sweeps().await {
        Ok(sweeps) => {
            for sweep in sweeps.into_iter().filter(|s| desired.subnets.contains_key(&s.subnet)) {
                let subnet = sweep.subnet.clone();
                history.subnets.entry(subnet).or_default().last = Some(sweep);
            }
        }
        Err(error) => warn!(%error, "the last sweeps cannot be read"),
    }
    history
}

pub(super) async fn events(store: &Store, desired: &Desired) -> Result<Arc<EventLog>, StoreError> {
    let capacity = desired.server.buffers.events;
    let limit = u32::try_from(capacity).unwrap_or(u32::MAX);
    let mut newest = store.newest_events(None, limit).await?;
    newest.reverse();
    Ok(Arc::new(EventLog::new(capacity, newest, store.last_seq().await?)))
}

/// Facts of this run.
pub(super) fn run_info(installation: &str, clock: &Clock) -> RunInfo {
    RunInfo { installation: installation.to_owned(), instance: instance(), started: clock.now() }
}

/// Sixteen random hexadecimal digits.
fn instance() -> String {
    format!("{:016x}", rand::random::<u64>())
}
