//! One viewer: its place in the stream's pictures, and when to give up.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::Shared;
use super::counters::count;
use super::ring::{Next, Place};
use super::stream::Stream;
use crate::live::engine::{Media, ViewEnd, Viewer};
use crate::world::camera::gate::Waiting;

/// How long a viewer waits for a camera that does not deliver.
const PATIENCE: Duration = Duration::from_secs(20);
/// A viewer that still loses pictures so long after it had them all does not keep up.
const BEHIND_MAX: Duration = Duration::from_secs(10);

/// A viewer of the native engine.
#[derive(Debug)]
pub(super) struct NativeViewer {
    shared: Arc<Shared>,
    stream: Arc<Stream>,
    number: u64,
    news: watch::Receiver<()>,
    place: Place,
    /// When it last got something.
    served: Instant,
    /// When it last had all there was.
    abreast: Instant,
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
        let now = Instant::now();
        shared.counters.viewers.fetch_add(1, Relaxed);
        let place = Place::new(mute);
        Self { shared, stream, number, news, place, served: now, abreast: now }
    }

    fn look(&mut self) -> Look {
        let now = Instant::now();
        let counters = &self.shared.counters;
        let mut inner = self.stream.lock();
        if let Some(end) = inner.end_of(self.number) {
            return Look::End(end);
        }
        let overtaken = inner.ring.is_overtaken(&self.place);
        let (next, lost) = inner.ring.take(&mut self.place);
        if lost {
            count(&counters.drops);
        }
        if (lost || overtaken) && now.duration_since(self.abreast) > BEHIND_MAX {
            inner.end_view(self.number, ViewEnd::Slow);
            return Look::End(ViewEnd::Slow);
        }
        let media = match next {
            Next::Start(mime, init) => Media::Start { mime, init },
            Next::Fragment(fragment) => Media::Fragment(fragment),
            Next::Nothing => {
                self.abreast = now;
                let trouble = inner.trouble();
                let since = trouble.map_or(self.served, |(_, since)| self.served.max(*since));
                if now < since + PATIENCE {
                    return Look::Wait(since + PATIENCE);
                }
                let text = trouble.map_or("no key picture in time", |(text, _)| text);
                let end = ViewEnd::Camera(text.to_owned());
                inner.end_view(self.number, end.clone());
                return Look::End(end);
            }
        };
        if inner.ring.is_at_end(&self.place) {
            self.abreast = now;
        }
        self.served = now;
        let (Media::Start { init: bytes, .. } | Media::Fragment(bytes)) = &media;
        counters.bytes.fetch_add(bytes.len() as u64, Relaxed);
        Look::Media(media)
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
