//! Takes one picture: the ways in their order, one deadline, a slot for each connection.
//!
//! Whatever ends the future, the slot's guard and the socket end with it.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::keeper::{SlotGuard, SlotKeeper};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::model::desired::{Backend, Camera, Credentials, Device, DeviceLimits};
use crate::model::failure::{Failure, FailureKind, Stage};
use crate::model::frame::SweepId;
use crate::model::outcome::{CaptureEnded, CaptureResult};
use crate::model::secret::{Redactor, SourceUrl};
use crate::model::slot::{ConnectionEnd, Holder, Purpose, Refusal};
use crate::model::time::millis;
use crate::vision::{self, DecodePool, VisionError};
use crate::world::camera::classify::{Surroundings, judge};
use crate::world::camera::connection::SocketHook;
use crate::world::camera::http::capture_http;
use crate::world::camera::native::capture_native;
use crate::world::camera::request::{CaptureRequest, Captured, Limits, Source};
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
pub(super) struct CaptureOrder {
    /// Of which camera.
    pub camera: Arc<Camera>,
    /// For which sweep.
    pub sweep: Option<SweepId>,
    /// Limits of its devices.
    pub limits: Vec<(Device, DeviceLimits)>,
    /// Connections of others to its devices, as last seen.
    pub foreign: Vec<(Device, u16)>,
    /// These very settings have brought a picture before.
    pub worked_before: bool,
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
pub(super) async fn capture(context: &CaptureContext, order: &CaptureOrder) -> CaptureEnded {
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
    context: &CaptureContext,
    order: &CaptureOrder,
) -> (Option<Backend>, CaptureResult) {
    let ways = ways(&order.camera, order.children);
    let deadline = Instant::now() + order.camera.capture.timeout;
    let mut last: Option<(Backend, Failure)> = None;
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
        match open(context, order, way, until).await {
            Ok(captured) => {
                return (Some(way.backend), keep(context, order, way.backend, captured).await);
            }
            Err(Missed::NoSlot(refusal)) if last.is_none() => {
                let message = refusal.to_string();
                return (Some(way.backend), CaptureResult::Skipped { reason: "NoSlot", message });
            }
            // The first way's failure says more than a full device on the way after it.
            Err(Missed::NoSlot(_)) => {}
            Err(Missed::Failed(failure)) => last = Some((way.backend, failure)),
        }
    }
    if let Some((backend, failure)) = last {
        return (Some(backend), CaptureResult::Failed(failure));
    }
    let message = "no way in capture.order applies to this camera's streams";
    (None, CaptureResult::Failed(Failure::new(FailureKind::UnsupportedProtocol, message)))
}

/// The ways that apply to a camera, in its order; `children`: those that start one as well.
fn ways(camera: &Camera, children: bool) -> Vec<Way> {
    let stream = camera.capture_stream().map(|(_, url)| url);
    let way = |backend: &Backend| match backend {
        Backend::Native => {
            let url = stream.filter(|url| url.scheme() == "rtsp")?;
            Some(Way { backend: *backend, url: url.clone(), device: camera.device() })
        }
        Backend::Http => Some(Way {
            backend: *backend,
            url: camera.snapshot_url.clone()?,
            device: camera.snapshot_device()?,
        }),
        // Nothing holds a live session or a gateway, and no children are started yet.
        Backend::Live | Backend::Gateway | Backend::Ffmpeg => None,
    };
    let allowed = |backend: &&Backend| children || !backend.starts_child();
    camera.capture.order.iter().filter(allowed).filter_map(way).collect()
}

/// Why a way brought no picture.
enum Missed {
    NoSlot(Refusal),
    Failed(Failure),
}

/// Takes the slot, opens the device and reads one encoded picture.
async fn open(
    context: &CaptureContext,
    order: &CaptureOrder,
    way: &Way,
    deadline: Instant,
) -> Result<Captured, Missed> {
    let login = match &order.camera.credentials {
        None => None,
        Some(Credentials { username, password: Ok(password) }) => {
            Some(crate::world::camera::rtsp::auth::Login {
                user: Arc::clone(username),
                password: password.clone(),
            })
        }
        Some(Credentials { password: Err(why), .. }) => {
            return Err(Missed::Failed(Failure::new(FailureKind::SecretMissing, why.as_ref())));
        }
    };
    let holder = Holder { camera: order.camera.name.clone(), purpose: Purpose::Sweep };
    let guard = context.keeper.acquire(way.device, holder).map_err(|refusal| {
        context.metrics.slot_refused(refusal.as_str());
        Missed::NoSlot(refusal)
    })?;
    let cut = guard.cut().clone();
    let clock = context.clock.clone();
    let limits = order.limits.iter().find(|(device, _)| *device == way.device);
    let reconnect = limits.map_or(Duration::ZERO, |(_, limits)| limits.min_reconnect_interval);
    let request = CaptureRequest {
        source: Source {
            url: way.url.clone(),
            device: way.device,
            login,
            transport: order.camera.capture.transport,
        },
        deadline,
        limits: Limits { reconnect, ..Limits::default() },
        clock: Arc::new(move || clock.now()),
    };
    let hook = Hook { guard: &guard, stop: &order.cancel };
    let opened = async {
        match way.backend {
            Backend::Http => tokio::select! {
                biased;
                () = order.cancel.cancelled() => {
                    let failure = Failure::new(FailureKind::Cancelled, "the capture was cancelled");
                    (Err(failure), ConnectionEnd::Unacknowledged)
                }
                done = capture_http(&request, &hook) => done,
            },
            Backend::Native | Backend::Live | Backend::Gateway | Backend::Ffmpeg => {
                capture_native(&request, &hook).await
            }
        }
    };
    let (captured, end) = tokio::select! {
        biased;
        () = cut.cancelled() => {
            // The dropped future has reset its socket; the guard's drop says that the camera may
            // not know.
            let message = "its connection was cut: the device has too many";
            return Err(Missed::Failed(Failure::new(FailureKind::Cancelled, message)));
        }
        done = opened => done,
    };
    let surroundings = surroundings(context, order, way.device);
    guard.end(end);
    captured.map_err(|failure| Missed::Failed(judge(failure, surroundings)))
}

/// What else is connected to the device, the slot of this capture included.
fn surroundings(context: &CaptureContext, order: &CaptureOrder, device: Device) -> Surroundings {
    let ours = context.keeper.slots().iter().filter(|slot| slot.device == device).count();
    let of = |list: &[(Device, u16)]| {
        list.iter().find(|(other, _)| *other == device).map_or(0, |(_, count)| *count)
    };
    let limit = order.limits.iter().find(|(other, _)| *other == device);
    Surroundings {
        ours: u16::try_from(ours).unwrap_or(u16::MAX),
        foreign: of(&order.foreign),
        limit: limit.map_or(u16::MAX, |(_, limits)| limits.max_connections),
        worked_before: order.worked_before,
    }
}

/// Decodes the picture and stores it.
async fn keep(
    context: &CaptureContext,
    order: &CaptureOrder,
    backend: Backend,
    captured: Captured,
) -> CaptureResult {
    let codec = captured.picture.codec.as_str();
    let still = context.pool.still(captured.picture, vision::Limits::default()).await;
    let still = match still {
        Ok(still) => still,
        Err(error) => return CaptureResult::Failed(decode_failure(&error)),
    };
    let frame = NewFrame {
        camera: order.camera.name.clone(),
        sweep: order.sweep,
        captured_at: captured.received_at.wall,
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
        Ok(frame) => CaptureResult::Ok { frame, codec },
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

/// Tells the slot which socket it is for.
struct Hook<'a> {
    guard: &'a SlotGuard,
    stop: &'a CancellationToken,
}

impl SocketHook for Hook<'_> {
    fn connecting(&self) {
        self.guard.dialling();
    }

    fn connected(&self, local: std::net::SocketAddr) {
        self.guard.connecting(local);
    }

    fn ended(&self) {}

    fn stop(&self) -> Option<&CancellationToken> {
        Some(self.stop)
    }
}
