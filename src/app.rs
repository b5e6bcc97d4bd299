//! The wiring: builds every part, joins the channels, and ends them in order.

mod archive;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::http::{AppState, ServeError, Settings, serve};
use crate::manifest::last_good::LastGood;
use crate::manifest::state::{ConfigState, Decision};
use crate::manifest::watch::Watcher;
use crate::manifest::{Loaded, Problem, load_dir, render};
use crate::metrics::Metrics;
use crate::model::desired::Desired;
use crate::model::history::{CameraHistory, History};
use crate::model::plan::Plan;
use crate::model::secret::Redactor;
use crate::model::server::AuthMode;
use crate::model::snapshot::{RunInfo, Snapshot};
use crate::model::time::Now;
use crate::reconcile;
use crate::reconcile::keeper::SlotKeeper;
use crate::reconcile::{CaptureContext, ConfigSource, EventLog, Parts, Reconciler, decode_pool};
use crate::world::host;
use crate::world::journal::SlotJournal;
use crate::world::store::{DataDir, REPAIR_GRACE, Store, StoreError};

/// The journal of slots, in the data directory.
const SLOTS_FILE: &str = "slots";

/// What the command line says; it goes before the manifests.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Directory of manifests.
    pub manifests: PathBuf,
    /// Where HTTP listens.
    pub listen: Option<SocketAddr>,
    /// Where files live.
    pub data_dir: Option<PathBuf>,
    /// The wall's files, instead of those in the program.
    pub ui_dir: Option<PathBuf>,
}

/// Why the server did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The manifests have errors and none were ever in force here.
    #[error("the manifests have errors, and there is no earlier good set to go on with\n\n{0}")]
    Manifests(String),
    /// Listening beyond loopback without authentication.
    #[error(
        "{0} can be reached by others and no authentication is declared; listen on 127.0.0.1, or \
         declare that everybody may use this server with `auth: {{mode: none}}` in the Server \
         manifest"
    )]
    OpenToAll(SocketAddr),
    /// The data directory or the store.
    #[error("the data directory cannot be used")]
    Store(#[source] StoreError),
    /// The address is taken or not this host's.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// The host lacks something that nothing works without.
    #[error("{0}")]
    Host(&'static str, #[source] std::io::Error),
    /// Serving ended by itself.
    #[error("the HTTP server ended")]
    Serve(#[source] ServeError),
    /// A part ended by itself.
    #[error("a part of the server ended abnormally")]
    Part(#[source] tokio::task::JoinError),
}

/// Runs the server until SIGTERM or SIGINT.
pub async fn run(options: RunOptions) -> Result<(), AppError> {
    let clock = Clock::System;
    let stop = CancellationToken::new();
    let signals = tokio::spawn(wait_for_end(stop.clone()));
    let offered = Arc::new(load(&options.manifests).await?);
    let data_dir = data_dir(&options, &offered)?;
    let (state, is_new) = first_set(&options, data_dir.path(), Arc::clone(&offered), &clock)?;
    let Some(in_force) = state.in_force().cloned() else {
        return Err(AppError::Manifests(render(state.problems())));
    };
    let desired = Arc::clone(&in_force.desired);
    let listen = options.listen.unwrap_or(desired.server.listen);
    if !listen.ip().is_loopback() && desired.server.auth != AuthMode::None {
        return Err(AppError::OpenToAll(listen));
    }
    let listener =
        TcpListener::bind(listen).await.map_err(|error| AppError::Listen(listen, error))?;
    let store = Store::open(&data_dir, &desired.server.store.url).await.map_err(AppError::Store)?;
    let keeper = keeper(data_dir.path(), &clock)?;
    let watcher = Watcher::start(&options.manifests, &offered);
    let loads = watcher.results();
    let (redactor, secrets) = watch::channel(Redactor::new(desired.secrets()));
    let context = Arc::new(CaptureContext {
        keeper: Arc::clone(&keeper),
        pool: decode_pool().map_err(|error| AppError::Host("no decoding threads", error))?,
        store: store.clone(),
        clock: clock.clone(),
    });
    let metrics = Arc::new(Metrics::new());
    let parts = Parts {
        context,
        config: ConfigSource {
            state,
            in_force,
            is_new,
            loads,
            data_dir: data_dir.path().to_owned(),
            redactor,
        },
        history: remember(&store, &desired, &clock).await,
        next_sweep: store.last_sweep_id().await.map_err(AppError::Store)? + 1,
        events: events(&store, &desired).await.map_err(AppError::Store)?,
        run: RunInfo {
            installation: data_dir.installation().to_owned(),
            instance: instance(),
            started: clock.now(),
        },
        metrics: Arc::clone(&metrics),
    };
    let (reconciler, handle, records) = Reconciler::new(parts);
    let wall = clock.clone();
    let http =
        AppState::builder(handle, Arc::new(archive::StoreArchive::new(store.clone())), metrics)
            .redactor(secrets)
            .clock(Arc::new(move || wall.now()))
            .settings(Settings { listen, ui_dir: options.ui_dir, ..Settings::default() })
            .build();
    info!(%listen, generation = desired.generation, cameras = desired.cameras.len(), "listening");

    let records = tokio::spawn(records.run());
    let closing = tokio::spawn({
        let (keeper, stop) = (Arc::clone(&keeper), stop.clone());
        async move { keeper.watch_closing(stop).await }
    });
    let reload = tokio::spawn(reload_on_hangup(watcher, stop.clone()));
    let repair = tokio::spawn(repair(store.clone(), clock.clone(), stop.clone()));
    let serving = tokio::spawn(serve(listener, http, stop.clone()));
    let ended = tokio::spawn(reconciler.run(stop.clone())).await;

    // The loop has ended: by the stop, or by a fault of its own, which ends everything.
    stop.cancel();
    let served = serving.await;
    let recorded = records.await;
    for task in [signals, closing, reload, repair] {
        task.await.map_err(AppError::Part)?;
    }
    store.close().await;
    info!("ended");
    ended.map_err(AppError::Part)?;
    recorded.map_err(AppError::Part)?;
    served.map_err(AppError::Part)?.map_err(AppError::Serve)
}

/// What a server that starts with this set does first, with the state that it starts from.
pub fn first_plan(desired: Arc<Desired>, now: Now) -> (Plan, Arc<Snapshot>) {
    let run = RunInfo { installation: String::new(), instance: String::new(), started: now };
    reconcile::plan_on_empty_world(desired, run, now)
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
        warn!(error = %crate::chain::Chain(&error), "the last good set cannot be read");
        None
    });
    let mut state = match &last_good {
        None => ConfigState::new(0),
        Some(last) => match last.restore(&options.manifests) {
            Ok(in_force) => ConfigState::restored(in_force),
            Err(_) => {
                warn!("the last good set is not good for this version of the program");
                ConfigState::new(last.generation)
            }
        },
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

fn keeper(data_dir: &Path, clock: &Clock) -> Result<Arc<SlotKeeper>, AppError> {
    let boot = host::boot_id().map_err(|error| AppError::Host("no boot id", error))?;
    let (journal, before) = SlotJournal::open(&data_dir.join(SLOTS_FILE), &boot)
        .map_err(|error| AppError::Host("the journal of slots cannot be used", error))?;
    Ok(Arc::new(SlotKeeper::new(clock.clone(), journal, &before)))
}

/// What the store knows of the declared cameras and subnets.
async fn remember(store: &Store, desired: &Desired, clock: &Clock) -> History {
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

async fn events(store: &Store, desired: &Desired) -> Result<Arc<EventLog>, StoreError> {
    let capacity = desired.server.buffers.events;
    let limit = u32::try_from(capacity).unwrap_or(u32::MAX);
    let mut newest = store.newest_events(None, limit).await?;
    newest.reverse();
    Ok(Arc::new(EventLog::new(capacity, newest, store.last_seq().await?)))
}

/// Removes what a crash of the run before left, then looks again each day.
///
/// What was stored right before the crash is too young for the first look; the second, soon
/// after, finds it.
async fn repair(store: Store, clock: Clock, stop: CancellationToken) {
    const RECENT: std::time::Duration = std::time::Duration::from_hours(48);
    const DAILY: std::time::Duration = std::time::Duration::from_hours(24);
    let recent = clock.now().wall.checked_sub(RECENT).ok();
    let looks = [(recent, REPAIR_GRACE * 2), (recent, DAILY)].into_iter();
    for (from, wait) in looks.chain(std::iter::repeat((None, DAILY))) {
        let looked = tokio::select! {
            () = stop.cancelled() => return,
            looked = store.repair(from, clock.now().wall) => looked,
        };
        match looked {
            Ok(found) => info!(?found, "rows and pictures compared"),
            Err(error) => warn!(error = %crate::chain::Chain(&error), "repair failed"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn reload_on_hangup(watcher: Watcher, stop: CancellationToken) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        warn!("SIGHUP cannot be heard");
        return stop.cancelled().await;
    };
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = hangup.recv() => watcher.wake(),
        }
    }
    watcher.stop().await;
}

async fn wait_for_end(stop: CancellationToken) {
    let (Ok(mut term), Ok(mut int)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        warn!("SIGTERM and SIGINT cannot be heard");
        return stop.cancelled().await;
    };
    tokio::select! {
        () = stop.cancelled() => {}
        _ = term.recv() => info!("SIGTERM"),
        _ = int.recv() => info!("SIGINT"),
    }
    stop.cancel();
}

/// Sixteen random hexadecimal digits.
fn instance() -> String {
    format!("{:016x}", rand::random::<u64>())
}
