//! The newest events in memory, and the stream of new ones.
//!
//! An event gets here only after the store has it: its number is a promise.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

use crate::model::event::{Event, Seq};

/// Events that a slow listener may lag behind before it is told to read anew.
const LAG_MAX: usize = 1024;

/// The newest events.
#[derive(Debug)]
pub struct EventLog {
    ring: Mutex<Ring>,
    sender: broadcast::Sender<Arc<Event>>,
}

#[derive(Debug)]
struct Ring {
    events: VecDeque<Arc<Event>>,
    capacity: usize,
    last: Seq,
}

impl EventLog {
    /// A log that holds `capacity` events and continues after `stored`, oldest first.
    pub fn new(capacity: usize, stored: Vec<Event>, last: Seq) -> Self {
        let mut ring = Ring { events: VecDeque::new(), capacity: capacity.max(1), last };
        for event in stored {
            ring.push(Arc::new(event));
        }
        Self { ring: Mutex::new(ring), sender: broadcast::Sender::new(LAG_MAX) }
    }

    /// Publishes an event that is durable.
    pub fn publish(&self, event: Event) {
        let event = Arc::new(event);
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.push(Arc::clone(&event));
        // Sent under the lock, so that nobody sees an event that a later `since` lacks. Nobody
        // listening is no error.
        drop(self.sender.send(event));
    }

    /// Changes how many events are held.
    pub fn resize(&self, capacity: usize) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.capacity = capacity.max(1);
        ring.trim();
    }

    /// The number of the newest event, 0 when there is none.
    pub fn last_seq(&self) -> Seq {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).last
    }

    /// How many events are held, and how many may be.
    pub fn fill(&self) -> (usize, usize) {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        (ring.events.len(), ring.capacity)
    }

    /// The newest events, oldest of them first.
    pub fn newest(&self, limit: usize) -> Vec<Arc<Event>> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let skip = ring.events.len().saturating_sub(limit);
        ring.events.iter().skip(skip).cloned().collect()
    }

    /// All events after `seq`, or `None` when some of them are no longer held here.
    pub fn since(&self, seq: Seq) -> Option<Vec<Arc<Event>>> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if seq >= ring.last {
            return Some(Vec::new());
        }
        let first = ring.events.front()?.seq;
        (seq + 1 >= first).then(|| ring.events.iter().filter(|e| e.seq > seq).cloned().collect())
    }

    /// Every event from now on; whoever lags too far behind gets an error and reads anew.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.sender.subscribe()
    }
}

impl Ring {
    fn push(&mut self, event: Arc<Event>) {
        self.last = self.last.max(event.seq);
        self.events.push_back(event);
        self.trim();
    }

    fn trim(&mut self) {
        while self.events.len() > self.capacity {
            self.events.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::{EventKind, NewEvent};

    fn event(seq: Seq) -> Event {
        let what = NewEvent {
            camera: None,
            captured_at: jiff::Timestamp::UNIX_EPOCH,
            kind: EventKind::ServerStarted,
            severity: 0,
            tags: Vec::new(),
            unknown_flag: false,
            summary: String::new(),
            attributes: std::collections::BTreeMap::new(),
            frame_id: None,
        };
        Event { seq, what }
    }

    #[test]
    fn since_says_when_events_are_missing() {
        let log = EventLog::new(3, (1..=5).map(event).collect(), 5);
        let seqs = |since| log.since(since).map(|e| e.iter().map(|e| e.seq).collect::<Vec<_>>());
        assert_eq!(seqs(1), None);
        assert_eq!(seqs(2), Some(vec![3, 4, 5]));
        assert_eq!(seqs(5), Some(vec![]));
        assert_eq!(log.fill(), (3, 3));
    }
}
