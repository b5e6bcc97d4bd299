//! Tasks beside the loop: signals, repair of the store.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::chain::Chain;
use crate::clock::Clock;
use crate::manifest::watch::Watcher;
use crate::world::store::{REPAIR_GRACE, Store};

/// A start looks at the pictures of this time: a crash leaves only recent ones without a row.
const RECENT: Duration = Duration::from_hours(48);
/// After this much time everything that a crash left is old enough to be looked at.
const SETTLED: Duration = REPAIR_GRACE.saturating_add(Duration::from_secs(10));
/// Between looks at all pictures.
const DAILY: Duration = Duration::from_hours(24);

/// Removes what a crash of the run before left, then looks again each day.
///
/// What was stored right before the crash is too young for the first look; the second, soon
/// after, finds it.
pub(super) async fn repair(store: Store, clock: Clock, stop: CancellationToken) {
    let recent = clock.now().wall.checked_sub(RECENT).ok();
    let first = [(recent, SETTLED), (recent, DAILY)].into_iter();
    for (from, wait) in first.chain(std::iter::repeat((None, DAILY))) {
        let looked = tokio::select! {
            () = stop.cancelled() => return,
            looked = store.repair(from, clock.now().wall) => looked,
        };
        match looked {
            Ok(found) => info!(?found, "rows and pictures compared"),
            Err(error) => warn!(error = %Chain(&error), "repair failed"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Loads the manifests on SIGHUP, and ends their watch at the end.
pub(super) async fn reload_on_hangup(watcher: Watcher, stop: CancellationToken) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        warn!("SIGHUP cannot be heard");
        return stop.cancelled().await;
    };
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = hangup.recv() => watcher.wake(),
        }
    }
    watcher.stop().await;
}

/// Ends everything on SIGTERM and SIGINT.
pub(super) async fn wait_for_end(stop: CancellationToken) {
    let (Ok(mut term), Ok(mut int)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        warn!("SIGTERM and SIGINT cannot be heard");
        return stop.cancelled().await;
    };
    tokio::select! {
        () = stop.cancelled() => {}
        _ = term.recv() => info!("SIGTERM"),
        _ = int.recv() => info!("SIGINT"),
    }
    stop.cancel();
}
