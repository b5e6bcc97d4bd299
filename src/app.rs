//! The wiring: builds every part, joins the channels, and ends them in order.

mod archive;
mod live;
mod outlets;
mod start;
mod upkeep;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::http::{AppState, ServeError, Settings, serve};
use crate::manifest::watch::Watcher;

use crate::metrics::Metrics;
use crate::model::desired::Desired;
use crate::model::plan::Plan;
use crate::model::secret::Redactor;
use crate::model::server::AuthMode;
use crate::model::snapshot::{RunInfo, Snapshot};
use crate::model::time::Now;
use crate::reconcile;
use crate::reconcile::keeper::SlotKeeper;
use crate::reconcile::{
    CaptureContext, ConfigSource, FacilityWatch, Parts, Reconciler, RecordTask, decode_pool,
};
use crate::world::camera::relay::RelayError;
use crate::world::process::ProcessError;
use crate::world::store::{DataDir, Store, StoreError};
use archive::StoreArchive;
use live::{Live, Ways};
use outlets::Outlets;
use start::Start;

/// How long parts get to end; together they stay below the ten seconds that SIGTERM allows.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// What the command line says; it goes before the manifests.
#[derive(Debug)]
pub struct RunOptions {
    /// Directory of manifests.
    pub manifests: PathBuf,
    /// Where HTTP listens.
    pub listen: Option<SocketAddr>,
    /// Where files live.
    pub data_dir: Option<PathBuf>,
    /// The wall's files, instead of those in the program.
    pub ui_dir: Option<PathBuf>,
    /// Told of the secrets that must not appear in any text.
    pub redactor: watch::Sender<Redactor>,
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
    /// The manifests ask for something that this version does not have, and going on without it
    /// would be less safe than was asked for.
    #[error("{0} is declared, which this version cannot do; remove it and listen on 127.0.0.1")]
    NotYet(&'static str),
    /// The data directory or the store.
    #[error("the data directory cannot be used")]
    Store(#[from] StoreError),
    /// The address is taken or not this host's.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// The host lacks something that nothing works without.
    #[error("{0}")]
    Host(&'static str, #[source] std::io::Error),
    /// No children can be started safely.
    #[error("child processes cannot be started")]
    Children(#[source] ProcessError),
    /// Children cannot be given a way to the cameras.
    #[error("the relay cannot be started")]
    Relay(#[source] RelayError),
    /// Serving ended by itself.
    #[error("the HTTP server ended")]
    Serve(#[source] ServeError),
    /// A part ended by itself.
    #[error("a part of the server ended abnormally")]
    Part(#[source] tokio::task::JoinError),
}

/// Runs the server until SIGTERM or SIGINT.
pub async fn run(options: RunOptions) -> Result<(), AppError> {
    let stop = CancellationToken::new();
    let mut tasks = Tasks::default();
    tasks.add("signals", upkeep::wait_for_end(stop.clone()));
    let result = match Server::prepare(options, Clock::System).await {
        Ok(server) => server.serve(&mut tasks, &stop).await,
        Err(error) => Err(error),
    };
    stop.cancel();
    let ended = tasks.end(END_PATIENCE).await;
    info!("ended");
    result.and(ended)
}

/// Everything that is built before anything runs.
struct Server {
    listener: TcpListener,
    http: AppState,
    reconciler: Reconciler,
    records: RecordTask,
    watcher: Watcher,
    keeper: Arc<SlotKeeper>,
    outlets: Outlets,
    facility_watch: (FacilityWatch, watch::Receiver<Arc<Snapshot>>),
    live: Live,
    store: Store,
    clock: Clock,
    /// Holds the lock on the directory for as long as anything writes there.
    data_dir: DataDir,
}

impl Server {
    async fn prepare(options: RunOptions, clock: Clock) -> Result<Self, AppError> {
        let start = Start::new(&options, &clock).await?;
        let desired = Arc::clone(&start.in_force.desired);
        let (listen, listener) = listener(&options, &desired).await?;
        let Start { data_dir, state, in_force, is_new, offered } = start;
        let store = Store::open(&data_dir, &desired.server.store.url).await?;
        let keeper = start::keeper(data_dir.path(), &clock)?;
        let watcher = Watcher::start(&options.manifests, &offered);
        options.redactor.send_replace(Redactor::new(desired.secrets()));
        let secrets = options.redactor.subscribe();
        let config = ConfigSource {
            state,
            in_force,
            is_new,
            loads: watcher.results(),
            data_dir: data_dir.path().to_owned(),
            redactor: options.redactor,
        };
        let (metrics, run) = (Arc::default(), start::run_info(data_dir.installation(), &clock));
        let outlets = Outlets::open(&desired, &run, &keeper).await?;
        let (facility_watch, facilities) = FacilityWatch::new(outlets.spawner.clone());
        let places = (data_dir.path(), listen.ip());
        let ways = Ways::new((&desired, &run), (&keeper, &outlets), places, &secrets);
        let live = Live::start((&clock, &metrics, &store), ways).await;
        let reach = (&keeper, &outlets, &live);
        let context = captures(reach, &store, &clock, (&metrics, &secrets))?;
        let parts = Parts {
            context,
            config,
            history: start::remember(&store, &desired, &clock).await,
            next_sweep: store.last_sweep_id().await? + 1,
            events: start::events(&store, &desired).await?,
            facilities,
            run,
            views: live.views(),
            metrics: Arc::clone(&metrics),
        };
        let (reconciler, handle, records) = Reconciler::new(parts);
        let (wall, ui_dir) = (clock.clone(), options.ui_dir);
        let (viewing, snapshots) = (live.handle(&keeper, handle.watch()), handle.watch());
        let archive = StoreArchive::new(store.clone(), handle.watch());
        let http = AppState::builder(handle, Arc::new(archive), metrics, viewing)
            .redactor(secrets)
            .clock(Arc::new(move || wall.now()))
            .settings(Settings { listen, ui_dir, ..Settings::default() })
            .build();
        info!(%listen, cameras = desired.cameras.len(), "ready");
        Ok(Self {
            listener,
            http,
            reconciler,
            records,
            watcher,
            keeper,
            outlets,
            facility_watch: (facility_watch, snapshots),
            live,
            store,
            clock,
            data_dir,
        })
    }

    /// Serves until `stop`, or until a part ends by itself, which ends everything.
    async fn serve(self, tasks: &mut Tasks, stop: &CancellationToken) -> Result<(), AppError> {
        let Self { keeper, live, store, clock, .. } = self;
        let outlets = self.outlets.run();
        let (facility_watch, snapshots) = self.facility_watch;
        tasks.add("manifests for live", live.follow(snapshots.clone(), stop.clone()));
        tasks.add("leases", live.write_leases(store.clone(), stop.clone()));
        tasks.add("live", live.end_in_order(stop.clone()));
        let closing = stop.clone();
        tasks.add("slots", async move { keeper.watch_closing(closing).await });
        tasks.add("manifests", upkeep::reload_on_hangup(self.watcher, stop.clone()));
        tasks.add("facilities", facility_watch.run(snapshots, stop.clone()));
        tasks.add("repair", upkeep::repair(store.clone(), clock, stop.clone()));
        let records = tokio::spawn(self.records.run());
        let serving = tokio::spawn(serve(self.listener, self.http, stop.clone()));
        let mut serving = std::pin::pin!(serving);
        let mut reconciling = std::pin::pin!(tokio::spawn(self.reconciler.run(stop.clone())));
        let (served, reconciled) = tokio::select! {
            served = &mut serving => {
                stop.cancel();
                (served, reconciling.await)
            }
            reconciled = &mut reconciling => {
                stop.cancel();
                (serving.await, reconciled)
            }
        };
        let ended = outlets.end().await;
        // A store that does not answer must not keep the program from ending.
        if tokio::time::timeout(END_PATIENCE, records).await.is_err() {
            warn!("the last records could not be written");
        }
        if tokio::time::timeout(END_PATIENCE, store.close()).await.is_err() {
            warn!("the store did not close in time");
        }
        drop(self.data_dir);
        reconciled.map_err(AppError::Part)?;
        ended?;
        served.map_err(AppError::Part)?.map_err(AppError::Serve)
    }
}

/// Listens for HTTP, if that is safe and everything declared can be done.
async fn listener(
    options: &RunOptions,
    desired: &Desired,
) -> Result<(SocketAddr, TcpListener), AppError> {
    let listen = options.listen.unwrap_or(desired.server.listen);
    if !listen.ip().is_loopback() && desired.server.auth != AuthMode::None {
        return Err(AppError::OpenToAll(listen));
    }
    if desired.server.auth == AuthMode::Users {
        return Err(AppError::NotYet("auth.mode users"));
    }
    if desired.server.tls.is_some() {
        return Err(AppError::NotYet("tls"));
    }
    let bound = TcpListener::bind(listen).await;
    Ok((listen, bound.map_err(|error| AppError::Listen(listen, error))?))
}

/// Everything that captures need.
fn captures(
    (keeper, outlets, live): (&Arc<SlotKeeper>, &Outlets, &Live),
    store: &Store,
    clock: &Clock,
    (metrics, secrets): (&Arc<Metrics>, &watch::Receiver<Redactor>),
) -> Result<Arc<CaptureContext>, AppError> {
    Ok(Arc::new(CaptureContext {
        keeper: Arc::clone(keeper),
        pool: decode_pool().map_err(|error| AppError::Host("no threads", error))?,
        shared: live.sessions(),
        gateways: live.gateways(),
        spawner: outlets.spawner.clone(),
        relay: outlets.relay.clone(),
        children: outlets.children.clone(),
        store: store.clone(),
        clock: clock.clone(),
        metrics: Arc::clone(metrics),
        secrets: secrets.clone(),
    }))
}

/// Tasks beside the loop and HTTP, each under a name.
#[derive(Default)]
struct Tasks(Vec<(&'static str, JoinHandle<()>)>);

impl Tasks {
    fn add(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.0.push((name, tokio::spawn(task)));
    }

    /// Waits for all of them; those that do not end are cut.
    async fn end(self, patience: Duration) -> Result<(), AppError> {
        let mut result = Ok(());
        for (name, mut task) in self.0 {
            match tokio::time::timeout(patience, &mut task).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => result = Err(AppError::Part(error)),
                Err(_) => {
                    warn!(task = name, "did not end in time");
                    task.abort();
                }
            }
        }
        result
    }
}

/// What a server that starts with this set does first, with the state that it starts from.
pub fn first_plan(desired: &Arc<Desired>, now: Now) -> (Plan, Arc<Snapshot>) {
    let run = RunInfo { installation: String::new(), instance: String::new(), started: now };
    reconcile::plan_on_empty_world(desired, run, now)
}
