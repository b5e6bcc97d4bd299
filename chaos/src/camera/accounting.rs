//! A camera's own truth about its connections. It counts what others report and judges nothing.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Connections of one camera on one port.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    counts: Mutex<Counts>,
    ended: Notify,
}

/// What a ledger says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Connections whose end the camera has not seen yet, the turned away ones included.
    pub now: u64,
    /// The highest number of such connections since the last reset.
    pub most: u64,
    /// Connections accepted since the last reset.
    pub accepted: u64,
    /// Of those, turned away because the camera was full.
    pub refused: u64,
    /// Sessions ended by TEARDOWN since the last reset.
    pub torn_down: u64,
}

/// One accepted connection; dropping it is the camera seeing its end. Drop it before the socket:
/// a client that finds its connection gone must find it uncounted too.
#[derive(Debug)]
pub(crate) struct Entry {
    ledger: Arc<Ledger>,
    /// True when the camera was full: the connection is counted but gets no service.
    pub excess: bool,
}

impl Ledger {
    /// Counts an accepted connection against the camera's limit.
    pub(crate) fn accept(self: &Arc<Self>, limit: Option<u64>) -> Entry {
        let mut counts = self.lock();
        counts.now += 1;
        counts.most = counts.most.max(counts.now);
        counts.accepted += 1;
        let excess = limit.is_some_and(|limit| counts.now > limit);
        counts.refused += u64::from(excess);
        drop(counts);
        Entry { ledger: Arc::clone(self), excess }
    }

    /// Counts a session that TEARDOWN ended.
    pub(crate) fn torn_down(&self) {
        self.lock().torn_down += 1;
    }

    /// What has been counted.
    pub(crate) fn counts(&self) -> Counts {
        *self.lock()
    }

    /// Begins anew; the connections that are open stay counted.
    pub(crate) fn reset(&self) {
        let mut counts = self.lock();
        *counts = Counts { now: counts.now, most: counts.now, ..Counts::default() };
    }

    /// Waits until fewer than `limit` connections are open.
    pub(crate) async fn below(&self, limit: u64) {
        loop {
            let ended = self.ended.notified();
            if self.lock().now < limit {
                return;
            }
            ended.await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.ledger.lock().now -= 1;
        self.ledger.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excess_connection_is_counted_in_now_and_most_and_refused() {
        let ledger = Arc::new(Ledger::default());
        let first = ledger.accept(Some(1));
        let second = ledger.accept(Some(1));
        assert!(!first.excess && second.excess);
        drop(second);
        let counts = ledger.counts();
        assert_eq!((counts.now, counts.most, counts.accepted, counts.refused), (1, 2, 2, 1));
    }

    #[test]
    fn reset_keeps_what_is_open() {
        let ledger = Arc::new(Ledger::default());
        let first = ledger.accept(None);
        drop(ledger.accept(None));
        ledger.torn_down();
        ledger.reset();
        assert_eq!(ledger.counts(), Counts { now: 1, most: 1, ..Counts::default() });
        drop(first);
        assert_eq!(ledger.counts().now, 0);
    }
}
