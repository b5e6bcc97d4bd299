//! Ticks the streams that somebody watches; sleeps while nobody does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::camera::Camera;

/// How late a picture can be at most because of the director.
const TICK: Duration = Duration::from_millis(5);

/// The list of cameras that are watched.
#[derive(Default)]
pub(crate) struct Director {
    watched: Mutex<Vec<Arc<Camera>>>,
    woken: Notify,
}

impl Director {
    /// Ticks this camera until nobody watches it any more.
    pub(crate) fn add(&self, camera: &Arc<Camera>) {
        let mut watched = self.lock();
        if !watched.iter().any(|known| Arc::ptr_eq(known, camera)) {
            watched.push(Arc::clone(camera));
        }
        drop(watched);
        self.woken.notify_one();
    }

    /// Runs until it is dropped.
    pub(crate) async fn run(&self) {
        loop {
            self.woken.notified().await;
            let mut ticks = interval(TICK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                ticks.tick().await;
                let now = Instant::now();
                let mut watched = self.lock();
                watched.retain(|camera| camera.tick(now));
                if watched.is_empty() {
                    break;
                }
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Camera>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
