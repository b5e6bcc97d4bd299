//! The way that asks a child: `ffmpeg`.
//!
//! The child, its grant and its slot live in a task of their own. Whoever waits for the picture
//! may be dropped at any point: the task then ends the child, and only after that lets the slot
//! go.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::direct::surroundings;
use super::{CaptureContext, CaptureOrder, Missed, Taken, Way, login, slot};
use crate::chain::Chain;
use crate::model::failure::{Failure, FailureKind, Stage};
use crate::model::picture::{Codec, KeyPicture};
use crate::model::process::Unit;
use crate::model::slot::{ConnectionEnd, Holder, Purpose};
use crate::reconcile::keeper::SlotGuard;
use crate::world::camera::classify::judge;
use crate::world::camera::relay::{Grant, GrantSpec, GrantStatus, SessionLimits};
use crate::world::camera::request::Source;
use crate::world::ffmpeg::{Input, Invocation, diagnose};
use crate::world::process::{
    Child, ChildSpec, How, Limits, Output, Polite, ProcessError, StdinSource, StdoutSink,
};

/// Largest JPEG that is taken from a child, bytes.
const PICTURE_BYTES: usize = 8 * 1024 * 1024;
/// How long a source may say nothing before ffmpeg itself gives up.
const SILENCE: Duration = Duration::from_secs(10);
/// CPU time beyond the capture's own deadline: the kernel ends what loops.
const CPU_MARGIN: Duration = Duration::from_secs(5);
/// Address space of one child: a picture of 8192x4320 with its references fits.
const MEMORY_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// File descriptors of one child; it needs about ten.
const OPEN_FILES: u64 = 64;
/// What to do where there is no ffmpeg that can be run.
const REMEDY: &str =
    "; install ffmpeg 5.0 or newer, or set processes.ffmpeg of the Server manifest to one";

/// Takes one picture by a child.
pub(super) async fn open(
    context: &Arc<CaptureContext>,
    order: &CaptureOrder,
    way: &Way,
    deadline: Instant,
) -> Result<Taken, Missed> {
    let (access, input) = access(context, order, way)?;
    let stop = order.cancel.child_token();
    let _ends_with_us = stop.clone().drop_guard();
    let work = Work {
        context: Arc::clone(context),
        spec: spec(context, order, &input, deadline),
        access,
        deadline,
        stop,
    };
    let done = context.children.spawn(work.run()).await.map_err(|error| {
        let message = format!("the capture ended abnormally: {error}");
        Missed::Failed(Failure::new(FailureKind::Host, message))
    })?;
    let received_at = context.clock.now();
    match done {
        Done { how: Ended::Output(Output { how: How::Exited(0), stdout, .. }), .. }
            if !stdout.is_empty() =>
        {
            let picture = KeyPicture { codec: Codec::Jpeg, data: Bytes::from(stdout) };
            Ok(Taken { picture, received_at, codec: None })
        }
        Done { how, left } => Err(match missed(how, left) {
            Missed::Failed(failure) => {
                Missed::Failed(judge(failure, surroundings(context, order, way.device)))
            }
            other @ (Missed::NotOpen
            | Missed::NoSlot(_)
            | Missed::Busy(_)
            | Missed::Unavailable(_)
            | Missed::Yielded) => other,
        }),
    }
}

/// The right to reach the camera: a grant for what goes through the relay, a slot for what ffmpeg
/// opens itself.
enum Access {
    Relay(Grant),
    Direct(SlotGuard),
}

fn access(
    context: &CaptureContext,
    order: &CaptureOrder,
    way: &Way,
) -> Result<(Access, Input), Missed> {
    let login = login(&order.camera)?;
    if way.url.scheme() != "rtsp" {
        let guard = slot(context, order, way)?;
        let login = login.map(|login| (login.user.as_ref().to_owned(), login.password));
        let input = Input::Direct { url: way.url.expose().clone(), login };
        return Ok((Access::Direct(guard), input));
    }
    let grant = relay_grant(context, order, way)?;
    let input = Input::Relay(grant.url().to_owned());
    Ok((Access::Relay(grant), input))
}

/// Where the camera's stream is, and how to get in.
pub(super) fn source(order: &CaptureOrder, way: &Way) -> Result<Source, Missed> {
    Ok(Source {
        url: way.url.clone(),
        device: way.device,
        login: login(&order.camera)?,
        transport: order.camera.capture.transport,
    })
}

/// One session of the camera through the relay, for a capture.
pub(super) fn relay_grant(
    context: &CaptureContext,
    order: &CaptureOrder,
    way: &Way,
) -> Result<Grant, Missed> {
    let granted = context.relay.grant(GrantSpec {
        source: source(order, way)?,
        holder: Holder { camera: order.camera.name.clone(), purpose: Purpose::Sweep },
        sessions: 1,
        // The planner has seen that there is room; a sweep does not queue for it.
        wait: Duration::ZERO,
        bytes: None,
        limits: SessionLimits::default(),
    });
    granted
        .map_err(|error| Missed::Failed(Failure::new(FailureKind::Host, Chain(&error).to_string())))
}

fn spec(
    context: &CaptureContext,
    order: &CaptureOrder,
    input: &Input,
    deadline: Instant,
) -> ChildSpec {
    let Invocation { arguments, playlist } = Invocation::picture(input, SILENCE);
    let left = deadline.saturating_duration_since(Instant::now());
    ChildSpec {
        args: arguments,
        stdin: StdinSource::Bytes(Zeroizing::new(playlist)),
        stdout: StdoutSink::Piped { max: PICTURE_BYTES },
        stop: Polite::Terminate,
        limits: Limits {
            cpu_seconds: Some((left + CPU_MARGIN).as_secs()),
            memory_bytes: Some(MEMORY_BYTES),
            open_files: Some(OPEN_FILES),
        },
        redactor: context.secrets.borrow().clone(),
        ..ChildSpec::new(&order.ffmpeg, Unit::Capture(order.camera.name.clone()))
    }
}

/// One child at work.
struct Work {
    context: Arc<CaptureContext>,
    spec: ChildSpec,
    access: Access,
    deadline: Instant,
    stop: CancellationToken,
}

/// How a child's work ended.
enum Ended {
    Output(Output),
    Failed(ProcessError),
    TimedOut,
    Cancelled,
    Cut,
    Yielded,
}

/// What became of a child and of its access.
struct Done {
    how: Ended,
    left: Option<GrantStatus>,
}

impl Work {
    /// Runs the child to its end, whatever that is. When this returns, nothing of it is left.
    async fn run(self) -> Done {
        let Self { context, spec, access, deadline, stop } = self;
        let started = context.spawner.spawn(spec).await;
        context.metrics.child_started("capture", started.is_ok());
        let how = match started {
            Ok(child) => attend(child, &access, deadline, &stop).await,
            Err(error) => Ended::Failed(error),
        };
        let left = match access {
            Access::Relay(grant) => Some(grant.end().await),
            Access::Direct(guard) => {
                // A child that ended by itself has closed its connection; of one that was killed
                // the camera may not know.
                guard.end(match how {
                    Ended::Output(_) => ConnectionEnd::Acknowledged,
                    Ended::Failed(ProcessError::TooMany { .. }) => ConnectionEnd::NeverConnected,
                    Ended::Failed(_)
                    | Ended::TimedOut
                    | Ended::Cancelled
                    | Ended::Cut
                    | Ended::Yielded => ConnectionEnd::Unacknowledged,
                });
                None
            }
        };
        Done { how, left }
    }
}

async fn attend(
    mut child: Child,
    access: &Access,
    deadline: Instant,
    stop: &CancellationToken,
) -> Ended {
    // The relay cuts its own sessions, and the child sees its connection end.
    let (cut, yielding) = match access {
        Access::Relay(_) => (CancellationToken::new(), CancellationToken::new()),
        Access::Direct(guard) => (guard.cut().clone(), guard.yielding().clone()),
    };
    let why = tokio::select! {
        biased;
        ended = timeout_at(deadline, child.wait()) => match ended {
            Ok(_) => None,
            Err(_) => Some(Ended::TimedOut),
        },
        () = stop.cancelled() => Some(Ended::Cancelled),
        () = cut.cancelled() => Some(Ended::Cut),
        () = yielding.cancelled() => Some(Ended::Yielded),
    };
    let Some(why) = why else {
        return match child.output().await {
            Ok(output) => Ended::Output(output),
            Err(error) => Ended::Failed(error),
        };
    };
    if let Access::Relay(grant) = access {
        // A child that loses its input ends faster than one that is asked to.
        grant.revoke();
    }
    match child.stop().await {
        Ok(_) => why,
        Err(error) => Ended::Failed(error),
    }
}

/// Why there is no picture. The relay knows best, then the child's own words.
fn missed(how: Ended, left: Option<GrantStatus>) -> Missed {
    let cancelled = |message: &str| Missed::Failed(Failure::new(FailureKind::Cancelled, message));
    let status = left.unwrap_or_default();
    if status.yielded {
        return Missed::Yielded;
    }
    match how {
        Ended::Yielded => Missed::Yielded,
        Ended::Cancelled => cancelled("the capture was cancelled"),
        Ended::Cut => cancelled("its connection was cut: the device has too many"),
        Ended::Failed(error @ ProcessError::TooMany { .. }) => Missed::Busy(error.to_string()),
        Ended::Failed(ProcessError::OutputTooLarge { max }) => {
            let message = format!("a picture of more than {max} bytes");
            Missed::Failed(Failure::at(FailureKind::ProtocolError, Stage::Stream, message))
        }
        Ended::Failed(error) => {
            let is_program = matches!(
                error,
                ProcessError::ProgramMissing { .. } | ProcessError::ProgramUnusable { .. }
            );
            let remedy = if is_program { REMEDY } else { "" };
            let message = format!("{}{remedy}", Chain(&error));
            Missed::Failed(Failure::new(FailureKind::Host, message))
        }
        Ended::TimedOut | Ended::Output(_) if status.dials == 0 && status.refusal.is_some() => {
            // Just seen to be there.
            status.refusal.map_or(Missed::NotOpen, Missed::NoSlot)
        }
        Ended::TimedOut | Ended::Output(_) if status.failure.is_some() => {
            status.failure.map_or(Missed::NotOpen, Missed::Failed)
        }
        Ended::TimedOut if status.played => Missed::Failed(Failure::at(
            FailureKind::NoKeyFrame,
            Stage::Stream,
            "no key picture that ffmpeg can decode came in time",
        )),
        Ended::TimedOut => {
            Missed::Failed(Failure::at(FailureKind::Timeout, Stage::Connect, "no picture in time"))
        }
        Ended::Output(output) => {
            let failure = diagnose(&output.stderr);
            let kind = if status.played && failure.kind == FailureKind::CameraError {
                FailureKind::DecodeFailed
            } else {
                failure.kind
            };
            Missed::Failed(Failure { kind, ..failure })
        }
    }
}
