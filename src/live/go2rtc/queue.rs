//! What waits for one viewer: bounded, and cut at groups of pictures.
//!
//! The consumer in go2rtc is read all the time: one that is not read for 5 s is dropped there and
//! stays listed. So what a slow viewer does not take is thrown away here.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::live::engine::{Media, ViewEnd};
use crate::world::gateway::live::Piece;

/// Most bytes that wait.
const BYTES_MAX: usize = 4 << 20;

/// The queue between a consumer and its viewer.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Media>,
    bytes: usize,
    /// Until the next group of pictures begins, everything is thrown away.
    skipping: bool,
    end: Option<ViewEnd>,
}

impl Queue {
    /// Adds a piece, or drops the group of pictures that it belongs to.
    pub(super) fn push(&self, piece: Piece) {
        let mut state = self.lock();
        match piece {
            Piece::Start { mime, init } => {
                // What came before belongs to another session.
                state.clear();
                state.skipping = false;
                state.add(Media::Start { mime, init });
            }
            Piece::Fragment { data, is_key } => {
                state.skipping &= !is_key;
                if state.bytes + data.len() > BYTES_MAX {
                    state.drop_fragments();
                    state.skipping = !is_key;
                }
                if !state.skipping {
                    state.add(Media::Fragment(data));
                }
            }
        }
        drop(state);
        self.news.notify_one();
    }

    /// Nothing more comes.
    pub(super) fn end(&self, end: ViewEnd) {
        self.lock().end.get_or_insert(end);
        self.news.notify_one();
    }

    /// The next piece; what waits comes before the end.
    pub(super) async fn next(&self) -> Result<Media, ViewEnd> {
        loop {
            let news = self.news.notified();
            {
                let mut state = self.lock();
                if let Some(media) = state.take() {
                    return Ok(media);
                }
                if let Some(end) = &state.end {
                    return Err(end.clone());
                }
            }
            news.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, media: Media) {
        self.bytes += length(&media);
        self.waiting.push_back(media);
    }

    fn take(&mut self) -> Option<Media> {
        let media = self.waiting.pop_front()?;
        self.bytes -= length(&media);
        Some(media)
    }

    fn clear(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
    }

    /// A start that was not taken yet stays.
    fn drop_fragments(&mut self) {
        self.waiting.retain(|media| matches!(media, Media::Start { .. }));
        self.bytes = self.waiting.iter().map(length).sum();
    }
}

fn length(media: &Media) -> usize {
    match media {
        Media::Start { init, .. } => init.len(),
        Media::Fragment(data) => data.len(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn fragment(mark: u8, is_key: bool) -> Piece {
        Piece::Fragment { data: Bytes::from(vec![mark; 1 << 20]), is_key }
    }

    fn start() -> Piece {
        Piece::Start { mime: "video/mp4".into(), init: Bytes::from_static(b"init") }
    }

    async fn marks(queue: &Queue) -> Vec<u8> {
        queue.end(ViewEnd::Slow);
        let mut marks = Vec::new();
        while let Ok(media) = queue.next().await {
            marks.push(match media {
                Media::Start { .. } => b'S',
                Media::Fragment(data) => data[0],
            });
        }
        marks
    }

    #[tokio::test]
    async fn a_slow_viewer_goes_on_with_the_beginning_of_a_group() {
        let queue = Queue::default();
        queue.push(start());
        for mark in 0..6 {
            queue.push(fragment(mark, mark == 0));
        }
        queue.push(fragment(6, true));
        queue.push(fragment(7, false));
        assert_eq!(marks(&queue).await, [b'S', 6, 7]);
    }

    #[tokio::test]
    async fn a_new_start_drops_what_was_before_it() {
        let queue = Queue::default();
        queue.push(start());
        queue.push(fragment(1, true));
        queue.push(start());
        queue.push(fragment(2, true));
        assert_eq!(marks(&queue).await, [b'S', 2]);
        assert_eq!(queue.next().await, Err(ViewEnd::Slow));
    }

    #[tokio::test]
    async fn nothing_makes_it_grow_beyond_its_bound() {
        let queue = Queue::default();
        for mark in 0..200 {
            queue.push(fragment(mark, mark % 3 == 0));
            assert!(queue.lock().bytes <= BYTES_MAX);
        }
    }
}
