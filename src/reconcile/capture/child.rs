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

use super::access::{Access, Halt, apart, seen};
use super::direct::judged;
use super::{CaptureContext, CaptureOrder, Missed, Taken, Way, login};
use crate::chain::Chain;
use crate::model::failure::{Failure, FailureKind, Stage};
use crate::model::picture::{Codec, KeyPicture};
use crate::model::process::Unit;
use crate::model::slot::ConnectionEnd;
use crate::world::camera::relay::GrantStatus;
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
    let done = apart(context, work.run()).await?;
    let received_at = context.clock.now();
    match done {
        Done { how: Ended::Output(Output { how: How::Exited(0), stdout, .. }), .. }
            if !stdout.is_empty() =>
        {
            let picture = KeyPicture { codec: Codec::Jpeg, data: Bytes::from(stdout) };
            Ok(Taken { picture, received_at, codec: None })
        }
        Done { how, left } => Err(judged(missed(how, left), context, order, way)),
    }
}

/// A grant for what goes through the relay, a slot for what ffmpeg opens itself.
fn access(
    context: &CaptureContext,
    order: &CaptureOrder,
    way: &Way,
) -> Result<(Access, Input), Missed> {
    let login = login(&order.camera)?;
    if way.url.scheme() != "rtsp" {
        let access = Access::itself(context, order, way)?;
        let login = login.map(|login| (login.user.as_ref().to_owned(), login.password));
        let input = Input::Direct { url: way.url.expose().clone(), login };
        return Ok((access, input));
    }
    let grant = Access::relay(context, order, way)?;
    let input = Input::Relay(grant.url().to_owned());
    Ok((Access::Relay(grant), input))
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
    Halted(Halt),
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
        // A child that ended by itself has closed its connection; of one that was killed the camera
        // may not know.
        let end = match how {
            Ended::Output(_) => ConnectionEnd::Acknowledged,
            Ended::Failed(ProcessError::TooMany { .. }) => ConnectionEnd::NeverConnected,
            Ended::Failed(_) | Ended::TimedOut | Ended::Halted(_) => ConnectionEnd::Unacknowledged,
        };
        let left = access.end(end).await;
        Done { how, left }
    }
}

async fn attend(
    mut child: Child,
    access: &Access,
    deadline: Instant,
    stop: &CancellationToken,
) -> Ended {
    let why = tokio::select! {
        biased;
        ended = timeout_at(deadline, child.wait()) => match ended {
            Ok(_) => None,
            Err(_) => Some(Ended::TimedOut),
        },
        halt = access.halted(stop) => Some(Ended::Halted(halt)),
    };
    let Some(why) = why else {
        return match child.output().await {
            Ok(output) => Ended::Output(output),
            Err(error) => Ended::Failed(error),
        };
    };
    // A child that loses its input ends faster than one that is asked to.
    access.revoke();
    match child.stop().await {
        Ok(_) => why,
        Err(error) => Ended::Failed(error),
    }
}

/// Why there is no picture. The relay knows best, then the child's own words.
fn missed(how: Ended, left: Option<GrantStatus>) -> Missed {
    let status = left.unwrap_or_default();
    if status.yielded {
        return Missed::Yielded;
    }
    match how {
        Ended::Halted(halt) => halt.into(),
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
            Missed::host(format!("{}{remedy}", Chain(&error)))
        }
        Ended::TimedOut => seen(&status).unwrap_or_else(|| timed_out(&status)),
        Ended::Output(output) => seen(&status).unwrap_or_else(|| complaint(&output, &status)),
    }
}

fn timed_out(status: &GrantStatus) -> Missed {
    let (kind, stage, message) = if status.played {
        let message = "no key picture that ffmpeg can decode came in time";
        (FailureKind::NoKeyFrame, Stage::Stream, message)
    } else {
        (FailureKind::Timeout, Stage::Connect, "no picture in time")
    };
    Missed::Failed(Failure::at(kind, stage, message))
}

/// What the child itself says.
fn complaint(output: &Output, status: &GrantStatus) -> Missed {
    let failure = diagnose(&output.stderr);
    let kind = if status.played && failure.kind == FailureKind::CameraError {
        FailureKind::DecodeFailed
    } else {
        failure.kind
    };
    Missed::Failed(Failure { kind, ..failure })
}
