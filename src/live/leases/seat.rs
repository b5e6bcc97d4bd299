//! The one live socket on a lease: its place, and the word that it has to leave.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Inner, LeaseKeeper};
use crate::model::lease::{EndReason, LeaseId};

#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) end: watch::Sender<Option<EndReason>>,
    pub(super) seat: Option<CancellationToken>,
}

impl Default for Sockets {
    fn default() -> Self {
        Self { end: watch::Sender::new(None), seat: None }
    }
}

/// The place of one live socket on a lease. Dropped when the socket is gone.
#[derive(Debug)]
pub(in crate::live) struct Seat {
    pub(super) keeper: Arc<LeaseKeeper>,
    pub(super) id: LeaseId,
    pub(super) end: watch::Receiver<Option<EndReason>>,
    pub(super) taken: CancellationToken,
}

impl Seat {
    /// Waits until the socket has to be closed, and says why. Losing it half-way loses nothing.
    pub(in crate::live) async fn over(&self) -> EndReason {
        let mut end = self.end.clone();
        let ended = async {
            // The keeper tells before it lets go of its end.
            let reason = end.wait_for(Option::is_some).await.map(|reason| *reason);
            reason.ok().flatten().unwrap_or(EndReason::Released)
        };
        tokio::select! {
            biased;
            reason = ended => reason,
            () = self.keeper.closing.cancelled() => EndReason::Shutdown,
            () = self.taken.cancelled() => EndReason::Preempted,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inner = self.keeper.lock();
        let Inner { table, sockets, .. } = &mut *inner;
        let Some(sockets) = sockets.get_mut(&self.id) else { return };
        // A newer socket may sit there by now.
        if !self.taken.is_cancelled() {
            sockets.seat = None;
            table.watched(&self.id, false);
        }
        drop(inner);
        self.keeper.changed.notify_one();
    }
}
