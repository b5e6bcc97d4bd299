//! Takes one picture: the ways in their order, one deadline, a slot for each connection.
//!
//! Whatever ends the future, the slot's guard and the socket end with it.

mod access;
mod child;
mod direct;
mod gateway;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::keeper::{SlotGuard, SlotKeeper};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::model::desired::{Backend, Camera, Credentials, Device, DeviceLimits};
use crate::model::failure::{Failure, FailureKind, Stage};
use crate::model::frame::SweepId;
use crate::model::outcome::{CaptureEnded, CaptureResult};
use crate::model::picture::KeyPicture;
use crate::model::secret::{Redactor, SourceUrl};
use crate::model::slot::{Holder, Purpose, Refusal};
use crate::model::time::{Now, millis};
use crate::vision::{self, DecodePool, VisionError};
use crate::world::camera::relay::Relay;
use crate::world::camera::rtsp::auth::Login;
use crate::world::camera::sharing::{Gateways, SharedSessions};
use crate::world::process::Spawner;
use crate::world::store::{NewFrame, Store, StoreError};

/// Kept of the deadline for the camera's own JPEG, when that is still to be tried.
const KEPT_FOR_HTTP: Duration = Duration::from_secs(5);

/// What a cancelled capture gets to end its session in order: TEARDOWN, its reply, both FINs.
const CANCEL_PATIENCE: Duration = Duration::from_secs(2);

/// Pictures that wait for a decoder; a longer queue would only age them.
const DECODE_QUEUE: usize = 64;

/// What captures need of the rest of the program.
#[derive(Debug)]
pub struct CaptureContext {
    /// Gives slots.
    pub keeper: Arc<SlotKeeper>,
    /// Decodes.
    pub pool: DecodePool,
    /// Sessions that are open anyway.
    pub shared: Arc<dyn SharedSessions>,
    /// Gateways, which open streams for captures.
    pub gateways: Arc<dyn Gateways>,
    /// Starts children.
    pub spawner: Spawner,
    /// Lets children reach cameras.
    pub relay: Relay,
    /// Work that ends in order also when nobody waits for it any more.
    pub children: TaskTracker,
    /// Keeps pictures.
    pub store: Store,
    /// Tells the time.
    pub clock: Clock,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// What must not appear in any text.
    pub secrets: watch::Receiver<Redactor>,
}

/// Starts as many decoding threads as the host has processors.
pub fn decode_pool() -> std::io::Result<DecodePool> {
    let workers = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let queue = NonZeroUsize::new(DECODE_QUEUE).unwrap_or(NonZeroUsize::MIN);
    DecodePool::start(workers, queue)
}

/// One capture to be made.
#[derive(Debug, Clone)]
pub struct CaptureOrder {
    /// Of which camera.
    pub camera: Arc<Camera>,
    /// For which sweep.
    pub sweep: Option<SweepId>,
    /// The picture has to be from after this moment: the sweep's start.
    pub not_before: Now,
    /// Limits of its devices.
    pub limits: Vec<(Device, DeviceLimits)>,
    /// These very settings have brought a picture before.
    pub worked_before: bool,
    /// The ffmpeg program.
    pub ffmpeg: PathBuf,
    /// Whether a child may be started for it.
    pub children: bool,
    /// Ends the capture.
    pub cancel: CancellationToken,
}

/// One way of taking the picture that applies to the camera.
#[derive(Debug, Clone)]
struct Way {
    backend: Backend,
    url: SourceUrl,
    device: Device,
}

/// Makes one capture.
pub async fn capture(context: &Arc<CaptureContext>, order: &CaptureOrder) -> CaptureEnded {
    let started = context.clock.now();
    let mut attempt = std::pin::pin!(attempt(context, order));
    let (backend, result) = tokio::select! {
        biased;
        done = &mut attempt => done,
        () = order.cancel.cancelled() => {
            // Whatever has not ended in order by then goes with the future: socket and slot.
            drop(tokio::time::timeout(CANCEL_PATIENCE, attempt).await);
            let failure = Failure::new(FailureKind::Cancelled, "the capture was cancelled");
            (None, CaptureResult::Failed(failure))
        }
    };
    let duration = context.clock.now().mono.since(started.mono);
    let result = match result {
        // A camera may repeat in its answer what it was sent.
        CaptureResult::Failed(failure) => CaptureResult::Failed(Failure {
            message: context.secrets.borrow().redact(&failure.message),
            ..failure
        }),
        CaptureResult::Ok { .. } | CaptureResult::Skipped { .. } => result,
    };
    CaptureEnded {
        camera: order.camera.name.clone(),
        subnet: order.camera.subnet.clone(),
        started,
        duration_ms: millis(duration),
        backend,
        result,
        spec_digest: order.camera.spec_digest,
    }
}

/// Tries the ways in turn.
async fn attempt(
    context: &Arc<CaptureContext>,
    order: &CaptureOrder,
) -> (Option<Backend>, CaptureResult) {
    let ways = ways(order);
    let deadline = Instant::now() + order.camera.capture.timeout;
    let mut last: Option<(Backend, Failure)> = None;
    let mut unavailable: Option<(Backend, Failure)> = None;
    for (index, way) in ways.iter().enumerate() {
        if order.cancel.is_cancelled() {
            break;
        }
        let rest = ways.get(index + 1..).unwrap_or_default();
        if let Some((_, failure)) = &last
            && !failure.kind.falls_through()
            && way.backend != Backend::Http
        {
            continue;
        }
        let http_follows =
            way.backend != Backend::Http && rest.iter().any(|way| way.backend == Backend::Http);
        let until = if http_follows { deadline - KEPT_FOR_HTTP } else { deadline };
        let taken = match way.backend {
            Backend::Live => shared(context, order, until).await,
            Backend::Ffmpeg => child::open(context, order, way, until).await,
            Backend::Gateway => gateway::open(context, order, way, until).await,
            Backend::Native | Backend::Http => direct::open(context, order, way, until).await,
        };
        match taken {
            Ok(taken) => {
                return (Some(way.backend), keep(context, order, way.backend, taken).await);
            }
            Err(Missed::NoSlot(refusal)) if last.is_none() => {
                return (Some(way.backend), no_slot(refusal.to_string()));
            }
            Err(Missed::Busy(message)) if last.is_none() => {
                return (Some(way.backend), CaptureResult::Skipped { reason: "Busy", message });
            }
            // The first way's failure says more than a full device on the way after it.
            Err(Missed::NotOpen | Missed::NoSlot(_) | Missed::Busy(_)) => {}
            // The camera was not touched, so every other way is open.
            Err(Missed::Unavailable(failure)) => unavailable = Some((way.backend, failure)),
            Err(Missed::Yielded) => return yielded(context, order, &ways, deadline).await,
            Err(Missed::Failed(failure)) => last = Some((way.backend, failure)),
        }
    }
    if let Some((backend, failure)) = last.or(unavailable) {
        return (Some(backend), CaptureResult::Failed(failure));
    }
    let message = "no way in capture.order applies to this camera's streams";
    (None, CaptureResult::Failed(Failure::new(FailureKind::UnsupportedProtocol, message)))
}

/// A viewer has the slot now: its session has the picture too.
async fn yielded(
    context: &CaptureContext,
    order: &CaptureOrder,
    ways: &[Way],
    deadline: Instant,
) -> (Option<Backend>, CaptureResult) {
    if ways.iter().any(|way| way.backend == Backend::Live)
        && let Ok(taken) = shared(context, order, deadline).await
    {
        return (Some(Backend::Live), keep(context, order, Backend::Live, taken).await);
    }
    if ways.iter().any(|way| way.backend == Backend::Gateway)
        && let Some(Ok(taken)) = gateway::watched(context, order, deadline).await
    {
        return (Some(Backend::Gateway), keep(context, order, Backend::Gateway, taken).await);
    }
    (None, no_slot("a viewer took the connection".to_owned()))
}

fn no_slot(message: String) -> CaptureResult {
    CaptureResult::Skipped { reason: "NoSlot", message }
}

/// Takes the key picture of a session that is open anyway.
async fn shared(
    context: &CaptureContext,
    order: &CaptureOrder,
    until: Instant,
) -> Result<Taken, Missed> {
    let patience = until.saturating_duration_since(Instant::now());
    let asked = context.shared.key_picture(&order.camera.name, order.not_before, patience);
    match asked.await {
        None => Err(Missed::NotOpen),
        Some(Err(failure)) => Err(Missed::Failed(failure)),
        Some(Ok((picture, received_at))) => {
            let codec = Some(picture.codec.as_str());
            Ok(Taken { picture, received_at, codec })
        }
    }
}

/// A slot of the device that a way leads to.
fn slot(context: &CaptureContext, order: &CaptureOrder, way: &Way) -> Result<SlotGuard, Missed> {
    let holder = Holder { camera: order.camera.name.clone(), purpose: Purpose::Sweep };
    context.keeper.acquire(way.device, holder).map_err(|refusal| {
        context.metrics.slot_refused(refusal.as_str());
        Missed::NoSlot(refusal)
    })
}

/// Whether nothing else may use the device while somebody does.
fn is_exclusive(order: &CaptureOrder, device: Device) -> bool {
    order.limits.iter().any(|(other, limits)| *other == device && limits.exclusive)
}

/// The user name and password, where the camera has some.
fn login(camera: &Camera) -> Result<Option<Login>, Missed> {
    match &camera.credentials {
        None => Ok(None),
        Some(Credentials { username, password: Ok(password) }) => {
            Ok(Some(Login { user: Arc::clone(username), password: password.clone() }))
        }
        Some(Credentials { password: Err(why), .. }) => {
            Err(Missed::Failed(Failure::new(FailureKind::SecretMissing, why.as_ref())))
        }
    }
}

/// The ways that apply to a camera, in its order.
fn ways(order: &CaptureOrder) -> Vec<Way> {
    let camera = &order.camera;
    let stream = camera.capture_stream().map(|(_, url)| url);
    let way = |backend: &Backend| match backend {
        Backend::Native | Backend::Gateway => {
            let url = stream.filter(|url| url.scheme() == "rtsp")?;
            Some(Way { backend: *backend, url: url.clone(), device: camera.device() })
        }
        Backend::Http => Some(Way {
            backend: *backend,
            url: camera.snapshot_url.clone()?,
            device: camera.snapshot_device()?,
        }),
        // Sharing the stream of an exclusive device is what its makers cannot do.
        Backend::Live if is_exclusive(order, camera.device()) => None,
        Backend::Live | Backend::Ffmpeg => {
            Some(Way { backend: *backend, url: stream?.clone(), device: camera.device() })
        }
    };
    let allowed = |backend: &&Backend| order.children || !backend.starts_child();
    camera.capture.order.iter().filter(allowed).filter_map(way).collect()
}

/// Why a way brought no picture.
enum Missed {
    /// The way needs a session that nobody has open.
    NotOpen,
    NoSlot(Refusal),
    /// This host has no room for it now.
    Busy(String),
    /// What the way needs is not there on this host; the camera was not touched.
    Unavailable(Failure),
    /// A viewer wanted the slot.
    Yielded,
    Failed(Failure),
}

impl Missed {
    /// This host is to blame.
    fn host(message: impl Into<String>) -> Self {
        Self::Failed(Failure::new(FailureKind::Host, message.into()))
    }
}

/// An encoded picture.
struct Taken {
    picture: KeyPicture,
    received_at: Now,
    /// Codec of the camera's stream, where the way knows it.
    codec: Option<&'static str>,
}

/// Decodes the picture and stores it.
async fn keep(
    context: &CaptureContext,
    order: &CaptureOrder,
    backend: Backend,
    taken: Taken,
) -> CaptureResult {
    let still = context.pool.still(taken.picture, vision::Limits::default()).await;
    let still = match still {
        Ok(still) => still,
        Err(error) => return CaptureResult::Failed(decode_failure(&error)),
    };
    let frame = NewFrame {
        camera: order.camera.name.clone(),
        sweep: order.sweep,
        captured_at: taken.received_at.wall,
        backend,
        width: still.width,
        height: still.height,
        jpeg: still.jpeg,
        thumbnail: still.thumbnail,
    };
    let begun = Instant::now();
    let saved = context.store.save_frame(frame).await;
    let seconds = begun.elapsed().as_secs_f64();
    context.metrics.store_operation("write_frame", saved.is_ok(), seconds);
    match saved {
        Ok(frame) => CaptureResult::Ok { frame, codec: taken.codec },
        Err(error) => CaptureResult::Failed(store_failure(&error)),
    }
}

fn decode_failure(error: &VisionError) -> Failure {
    let kind = match error {
        VisionError::Unsupported { .. } => FailureKind::UnsupportedCodec,
        VisionError::TooLarge { .. } => FailureKind::ProtocolError,
        VisionError::Closed | VisionError::Abandoned => FailureKind::Cancelled,
        VisionError::Encode { .. } => FailureKind::Host,
        VisionError::Damaged { .. }
        | VisionError::NoPicture
        | VisionError::NoParameterSets
        | VisionError::Panicked => FailureKind::DecodeFailed,
    };
    Failure::at(kind, Stage::Stream, crate::chain::Chain(error).to_string())
}

fn store_failure(error: &StoreError) -> Failure {
    Failure::new(FailureKind::StoreFailed, crate::chain::Chain(error).to_string())
}
