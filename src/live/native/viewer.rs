//! One viewer: its place in the stream's pictures, and when to give up.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::watch;

use super::Shared;
use super::counters::count;
use super::stream::Stream;
use crate::live::engine::{Media, ViewEnd, Viewer};
use crate::live::follower::{Follower, Look, Step, follow};
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
}

/// What there is for a viewer now.
fn look(shared: &Shared, stream: &Stream, number: u64, follower: &mut Follower) -> Look {
    let counters = &shared.counters;
    let mut inner = stream.lock();
    if let Some(end) = inner.end_of(number) {
        return Look::End(end);
    }
    let troubled = inner.trouble().map(|(_, since)| *since);
    let (step, lost) = follower.step(&inner.ring, troubled);
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
    inner.end_view(number, end.clone());
    Look::End(end)
}

impl Viewer for NativeViewer {
    fn next(&mut self) -> Waiting<'_, Result<Media, ViewEnd>> {
        Box::pin(async move {
            let Self { shared, stream, number, news, follower } = self;
            follow(news, || look(shared, stream, *number, follower)).await
        })
    }
}

impl Drop for NativeViewer {
    fn drop(&mut self) {
        self.stream.detach(self.number);
        self.shared.counters.viewers.fetch_sub(1, Relaxed);
    }
}
