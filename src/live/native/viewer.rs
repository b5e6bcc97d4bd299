//! One viewer: its place in the stream's pictures, and when to give up.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::Shared;
use super::counters::count;
use super::stream::Stream;
use crate::live::engine::{Media, ViewEnd, Viewer};
use crate::live::follower::{Follower, Step};
use crate::world::camera::gate::Waiting;

/// A viewer of the native engine.
#[derive(Debug)]
pub(super) struct NativeViewer {
    shared: Arc<Shared>,
    stream: Arc<Stream>,
    number: u64,
    news: watch::Receiver<()>,
    follower: Follower,
}

/// What a look at the stream brought.
enum Look {
    Media(Media),
    End(ViewEnd),
    Wait(Instant),
}

impl NativeViewer {
    pub(super) fn new(
        shared: Arc<Shared>,
        stream: Arc<Stream>,
        (number, news): (u64, watch::Receiver<()>),
        mute: bool,
    ) -> Self {
        shared.counters.viewers.fetch_add(1, Relaxed);
        Self { shared, stream, number, news, follower: Follower::new(mute) }
    }

    fn look(&mut self) -> Look {
        let counters = &self.shared.counters;
        let mut inner = self.stream.lock();
        if let Some(end) = inner.end_of(self.number) {
            return Look::End(end);
        }
        let troubled = inner.trouble().map(|(_, since)| *since);
        let (step, lost) = self.follower.step(&inner.ring, troubled);
        if lost {
            count(&counters.drops);
        }
        let end = match step {
            Step::Media(media) => {
                let (Media::Start { init: bytes, .. } | Media::Fragment(bytes)) = &media;
                counters.bytes.fetch_add(bytes.len() as u64, Relaxed);
                return Look::Media(media);
            }
            Step::Wait(until) => return Look::Wait(until),
            Step::Slow => ViewEnd::Slow,
            Step::Late => {
                let text = inner.trouble().map_or("no key picture in time", |(text, _)| text);
                ViewEnd::Camera(text.to_owned())
            }
        };
        inner.end_view(self.number, end.clone());
        Look::End(end)
    }
}

impl Viewer for NativeViewer {
    fn next(&mut self) -> Waiting<'_, Result<Media, ViewEnd>> {
        Box::pin(async move {
            loop {
                // Before the look, so that what comes after it is not missed.
                self.news.mark_unchanged();
                match self.look() {
                    Look::Media(media) => return Ok(media),
                    Look::End(end) => return Err(end),
                    // In time or not, there is something to be seen.
                    Look::Wait(until) => drop(timeout_at(until, self.news.changed()).await),
                }
            }
        })
    }
}

impl Drop for NativeViewer {
    fn drop(&mut self) {
        self.stream.detach(self.number);
        self.shared.counters.viewers.fetch_sub(1, Relaxed);
    }
}
