//! The task of one stream: sessions one after the other, as long as anybody wants one.
//!
//! How a session goes is `session`'s business; here is what follows from how it ended.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::info;

use super::Shared;
use super::counters::count;
use super::session::{self, Ended};
use super::stream::{Stream, Unwanted};
use crate::live::backoff::{Backoff, PAUSE_OF_NEWCOMERS, is_final};
use crate::live::engine::ViewEnd;
use crate::live::mp4::Packager;
use crate::model::failure::{Failure, FailureKind};
use crate::world::camera::doubts::{DOUBT_PAUSE, is_doubtful};

/// How long to wait before the next attempt.
#[derive(Debug, Clone, Copy)]
struct Pause {
    usual: Duration,
    /// For somebody who has just come.
    least: Duration,
}

impl Pause {
    fn after(usual: Duration) -> Self {
        Self { usual, least: PAUSE_OF_NEWCOMERS }
    }
}

/// Holds sessions for a stream until nobody wants one any more.
pub(super) async fn run(shared: Arc<Shared>, stream: Arc<Stream>) {
    let task = Task { shared: &shared, stream: &stream };
    let mut packager = Packager::default();
    let mut backoff = Backoff::default();
    let mut arrivals = stream.arrivals();
    while let Some((target, version)) = stream.target() {
        let ended = session::run(&shared, &stream, &target, version, &mut packager).await;
        stream.cease(task.trouble(&ended), shared.clock.now().mono);
        let why = match task.consequence(ended, &mut backoff) {
            Ok(pause) => task.pause(pause, version, &mut arrivals).await,
            Err(why) => Some(why),
        };
        match why {
            None => {}
            Some(Unwanted::Changed | Unwanted::Removed) => backoff = Backoff::default(),
            Some(Unwanted::Idle) if !shared.retire(&stream) => {}
            Some(Unwanted::Idle | Unwanted::ShutDown) => break,
        }
        if stream.target().is_none() && !shared.retire(&stream) {
            backoff = Backoff::default();
        }
    }
}

/// A stream whose task runs. When it ends, and be it by a panic, no viewer is left waiting.
struct Task<'a> {
    shared: &'a Shared,
    stream: &'a Arc<Stream>,
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        Shared::forget(&mut self.shared.lock(), self.stream);
        self.stream.end_views(&ViewEnd::Engine("the session's task has ended".to_owned()));
    }
}

impl Task<'_> {
    /// What viewers are told should it last.
    fn trouble(&self, ended: &Ended) -> Option<String> {
        match ended {
            Ended::Unwanted(_) => None,
            Ended::NoSlot(text) => Some(text.clone()),
            Ended::Failed { failure, .. } => Some(self.shared.redacted(&failure.message)),
        }
    }

    /// What follows for viewers, and how long to wait; `Err` when no session is wanted.
    fn consequence(&self, ended: Ended, backoff: &mut Backoff) -> Result<Pause, Unwanted> {
        match ended {
            Ended::Unwanted(why) => Err(why),
            Ended::NoSlot(text) => {
                self.stream.end_views(&ViewEnd::NoSlot(text));
                Ok(Pause::after(backoff.after(false, Duration::ZERO)))
            }
            Ended::Failed { failure, played, spared } => {
                count(&self.shared.counters.failed);
                let text = self.shared.redacted(&failure.message);
                let (camera, quality) = &self.stream.key;
                let (kind, quality) = (failure.kind.as_str(), quality.as_str());
                info!(camera = camera.as_str(), quality, kind, text, "live session failed");
                // Without the sound it may go well, whatever the camera said.
                if spared {
                    return Ok(Pause::after(backoff.after(false, played)));
                }
                Ok(self.failed(&failure, text, |is_final| backoff.after(is_final, played)))
            }
        }
    }

    /// What follows from what a camera did not give.
    fn failed(
        &self,
        failure: &Failure,
        text: String,
        pause: impl FnOnce(bool) -> Duration,
    ) -> Pause {
        let ((camera, quality), refusals) = (&self.stream.key, &self.shared.refusals);
        let end = end_of(failure, text);
        if is_doubtful(failure) {
            refusals.note_for(DOUBT_PAUSE, (camera, *quality), end);
            return Pause { usual: pause(false).max(DOUBT_PAUSE), least: DOUBT_PAUSE };
        }
        let is_final = is_final(failure);
        if is_final {
            refusals.note(camera, *quality, end.clone());
            self.stream.end_views(&end);
        }
        Pause::after(pause(is_final))
    }

    /// Waits before the next attempt; short when somebody comes.
    async fn pause(
        &self,
        pause: Pause,
        version: u64,
        arrivals: &mut watch::Receiver<u64>,
    ) -> Option<Unwanted> {
        let begun = Instant::now();
        let mut until = begun + pause.usual;
        arrivals.mark_unchanged();
        loop {
            tokio::select! {
                biased;
                why = self.stream.unwanted(version, &self.shared.stop) => return Some(why),
                Ok(()) = arrivals.changed() => until = until.min(begun + pause.least),
                () = sleep_until(until) => return None,
            }
        }
    }
}

fn end_of(failure: &Failure, text: String) -> ViewEnd {
    if failure.kind == FailureKind::UnsupportedCodec {
        ViewEnd::Codec(text)
    } else {
        ViewEnd::Camera(text)
    }
}
