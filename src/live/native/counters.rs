//! What the engine counts, for metrics.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// Counts since the start, and figures of this moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sessions that a camera plays to now.
    pub sessions: i64,
    /// Viewers attached now.
    pub viewers: i64,
    /// Sessions that began to play.
    pub opened: u64,
    /// Sessions that failed, or could not be opened.
    pub failed: u64,
    /// Bytes of media handed to viewers.
    pub bytes: u64,
    /// Times that a viewer lost a group of pictures or more.
    pub drops: u64,
    /// Times that packets of a camera were missing or broken.
    pub losses: u64,
}

/// The same while it is being counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) sessions: AtomicI64,
    pub(super) viewers: AtomicI64,
    pub(super) opened: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) drops: AtomicU64,
    pub(super) losses: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self) -> Counts {
        Counts {
            sessions: self.sessions.load(Relaxed),
            viewers: self.viewers.load(Relaxed),
            opened: self.opened.load(Relaxed),
            failed: self.failed.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            drops: self.drops.load(Relaxed),
            losses: self.losses.load(Relaxed),
        }
    }
}

/// Adds one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// One more of something that is there, until it is dropped.
#[derive(Debug)]
pub(super) struct Present<'a>(&'a AtomicI64);

impl<'a> Present<'a> {
    pub(super) fn new(gauge: &'a AtomicI64) -> Self {
        gauge.fetch_add(1, Relaxed);
        Self(gauge)
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
