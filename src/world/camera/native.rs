//! The `native` way of capturing: a session of our own up to the first whole key frame.
//!
//! It does not decode; an Annex B picture or JPEG is what it hands over.

use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::classify::classify;
use super::connection::{End, SocketHook};
use super::fault::Fault;
use super::request::{CaptureRequest, Captured};
use super::rtp::Wanted;
use super::session::{Failed, Session};
use crate::model::failure::{Failure, FailureKind, Stage};
use crate::model::picture::KeyPicture;

/// How long a session that is being opened when nobody wants it any more may take to stand.
const STOPPED_WITHIN: Duration = Duration::from_secs(1);

/// Takes one picture over RTSP.
///
/// The session is torn down on every path on which the camera may hold one. When the hook's owner
/// says stop, an open session is torn down; one that is being opened is given a moment to stand, so
/// that it can be torn down too, and ends with RST after that. Dropping the future ends the connection
/// at once with RST; the caller has to take that for [`End::Unacknowledged`].
pub async fn capture_native(
    request: &CaptureRequest,
    hook: &dyn SocketHook,
) -> (Result<Captured, Failure>, End) {
    let (source, deadline) = (&request.source, request.deadline);
    let mut opening =
        std::pin::pin!(Session::open(source, request.limits, Wanted::KeysOnly, deadline, hook));
    let session = tokio::select! {
        biased;
        session = &mut opening => session,
        // An end that the camera has not acknowledged would keep whoever wants the connection waiting
        // for the device's quarantine.
        () = stopped(hook) => match timeout(STOPPED_WITHIN, opening).await {
            Ok(session) => session,
            Err(_) => return (Err(never_played()), End::Unacknowledged),
        },
    };
    let mut session = match session {
        Ok(session) => session,
        Err(Failed { failure, end, .. }) => return (Err(failure), end),
    };
    let begun = Instant::now();
    let unit = tokio::select! {
        biased;
        () = stopped(hook) => Err(Fault::Timeout),
        unit = timeout_at(deadline, session.next_frame()) => unit.unwrap_or(Err(Fault::Timeout)),
    };
    let received_at = (request.clock)();
    let mut timings = session.timings();
    timings.stream = begun.elapsed();
    let (codec, tally, bytes_received) = (session.codec(), session.tally(), session.received());
    let unit = unit.map_err(|fault| {
        let in_vain = matches!(fault, Fault::Timeout | Fault::TooMuch(_));
        let pictures = tally.pictures;
        if in_vain && pictures > 0 { Fault::NoKeyFrame { pictures } } else { fault }
    });
    let begun = Instant::now();
    let end = session.close(unit.as_ref().err()).await;
    timings.teardown = begun.elapsed();
    let captured = unit.map(|unit| Captured {
        picture: KeyPicture { codec, data: unit.data },
        received_at,
        bytes_received,
        tally,
        timings,
    });
    (captured.map_err(|fault| classify(&fault, Stage::Stream)), end)
}

async fn stopped(hook: &dyn SocketHook) {
    match hook.stop() {
        Some(stop) => stop.cancelled().await,
        None => std::future::pending().await,
    }
}

fn never_played() -> Failure {
    Failure::new(FailureKind::Cancelled, "stopped while the session was being opened")
}
