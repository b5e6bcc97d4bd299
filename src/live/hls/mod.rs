//! A view as HLS: the pieces of one viewer, kept for a few seconds as playlist and segments.
//!
//! Each lease has a shelf of its own, filled from the same checked pieces as a live socket. Nobody
//! reaches go2rtc this way: its own HLS hands each segment out once, says wrong lengths and grows
//! without bound. Knows no HTTP; who may ask is decided before.

mod segments;
mod timing;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use self::segments::Segments;
pub use self::segments::ShelfFile;
use super::engine::ViewEnd;
use super::handle::LiveView;
use crate::model::lease::LeaseId;

/// Nobody has asked for anything for so long: the player is gone.
const IDLE: Duration = Duration::from_secs(10);
/// Longest wait for the first segments, the dial of the camera included.
const FIRST_WAIT: Duration = Duration::from_secs(20);

/// Fills a shelf until its view is over, to be run by whoever began it.
pub type Filling = BoxFuture<'static, ()>;

/// All shelves.
#[derive(Debug, Default)]
pub(super) struct Desk {
    shelves: Mutex<HashMap<LeaseId, Arc<Shelf>>>,
}

/// What one player is given.
#[derive(Debug)]
pub struct Shelf {
    segments: Mutex<Segments>,
    asked: Mutex<Instant>,
    state: watch::Sender<State>,
}

/// What those who ask wait for.
#[derive(Debug, Clone, Default)]
struct State {
    is_filled: bool,
    end: Option<ViewEnd>,
}

impl Desk {
    /// The shelf of a lease.
    pub(super) fn find(&self, lease: &LeaseId) -> Option<Arc<Shelf>> {
        self.lock().get(lease).map(Arc::clone)
    }

    /// Begins a shelf.
    pub(super) fn begin(desk: &Arc<Self>, lease: LeaseId, view: LiveView) -> (Arc<Shelf>, Filling) {
        let shelf = Arc::new(Shelf::new());
        desk.lock().insert(lease.clone(), Arc::clone(&shelf));
        let kept = Kept { desk: Arc::clone(desk), lease, shelf: Arc::clone(&shelf) };
        let filling = Box::pin(async move {
            let shelf = &kept.shelf;
            let end = tokio::select! {
                biased;
                // Who asks next is told by the lease itself.
                reason = view.over() => ViewEnd::Engine(reason.as_str().to_owned()),
                end = fill(&view, shelf) => end,
                () = shelf.idle() => ViewEnd::Slow,
            };
            shelf.state.send_modify(|state| state.end = Some(end));
        });
        (shelf, filling)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<LeaseId, Arc<Shelf>>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a shelf away with whoever fills it, also when that is dropped half-way.
struct Kept {
    desk: Arc<Desk>,
    lease: LeaseId,
    shelf: Arc<Shelf>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut shelves = self.desk.lock();
        // Another one may stand there by now.
        if shelves.get(&self.lease).is_some_and(|shelf| Arc::ptr_eq(shelf, &self.shelf)) {
            shelves.remove(&self.lease);
        }
    }
}

async fn fill(view: &LiveView, shelf: &Shelf) -> ViewEnd {
    if !view.has_hls() {
        return ViewEnd::Engine("HLS is not declared".to_owned());
    }
    let mut viewer = match view.attach_any().await {
        Ok(viewer) => viewer,
        Err(end) => return end,
    };
    loop {
        match viewer.next().await {
            Ok(media) => {
                let mut segments = shelf.lock();
                if segments.push(media).is_none() {
                    return ViewEnd::Engine("a piece of media without a time".to_owned());
                }
                let is_filled = segments.is_filled();
                drop(segments);
                if is_filled {
                    shelf.filled();
                }
            }
            Err(end) => return end,
        }
    }
}

impl Shelf {
    fn new() -> Self {
        let (segments, asked) = (Mutex::default(), Mutex::new(Instant::now()));
        Self { segments, asked, state: watch::Sender::default() }
    }

    /// The playlist, once there is something in it.
    pub async fn playlist(&self) -> Result<String, ViewEnd> {
        self.touch();
        let mut state = self.state.subscribe();
        let is_decided = state.wait_for(|state| state.is_filled || state.end.is_some());
        let late = || ViewEnd::Camera("no segment in time".to_owned());
        let waited = timeout(FIRST_WAIT, is_decided).await;
        let end = waited.map_err(|_| late())?.map_err(|_| late())?.end.clone();
        match end {
            Some(end) => Err(end),
            None => Ok(self.lock().playlist()),
        }
    }

    /// One file that the playlist names, as long as it is kept.
    pub fn file(&self, file: ShelfFile) -> Option<Bytes> {
        self.touch();
        self.lock().file(file)
    }

    fn touch(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// There is enough for a player to begin.
    fn filled(&self) {
        self.state.send_if_modified(|state| {
            let is_news = !std::mem::replace(&mut state.is_filled, true);
            if is_news {
                // Who waited is answered now only, and has its time to ask from here on.
                self.touch();
            }
            is_news
        });
    }

    /// Waits until nobody has asked for a while.
    async fn idle(&self) {
        let mut state = self.state.subscribe();
        loop {
            // A player that waits for its first segment asks only once.
            let is_filled = state.borrow_and_update().is_filled;
            let patience = if is_filled { IDLE } else { FIRST_WAIT + IDLE };
            let until = *self.asked.lock().unwrap_or_else(PoisonError::into_inner) + patience;
            if until <= Instant::now() {
                return;
            }
            // Once it is filled, less patience is due than what is being waited for.
            tokio::select! {
                () = sleep_until(until) => {}
                Ok(()) = state.changed() => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Segments> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
