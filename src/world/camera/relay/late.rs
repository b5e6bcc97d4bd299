//! Who still comes with a grant that was revoked: a gateway that holds on to what it was told to
//! forget does, and shows it nowhere else.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Revoked grants that are remembered, the newest. One that dials at all does so within minutes.
const REMEMBERED: usize = 4_096;

/// Revoked grants, with where their clients are counted.
#[derive(Debug, Default)]
pub(super) struct Late {
    counters: HashMap<String, Arc<AtomicU64>>,
    order: VecDeque<String>,
}

impl Late {
    /// A grant was revoked.
    pub(super) fn remember(&mut self, token: &str, counter: Arc<AtomicU64>) {
        if self.counters.insert(token.to_owned(), counter).is_none() {
            self.order.push_back(token.to_owned());
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.counters.remove(&oldest);
        }
    }

    /// Somebody came with something that is no grant.
    pub(super) fn count(&self, token: &str) {
        if let Some(counter) = self.counters.get(token) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_revoked_grant_counts_for_its_own_and_old_ones_for_nobody() {
        let (one, other) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let mut late = Late::default();
        late.remember("first", Arc::clone(&one));
        late.remember("second", Arc::clone(&other));
        for token in ["first", "second", "second", "never"] {
            late.count(token);
        }
        let counted = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        assert_eq!((counted(&one), counted(&other)), (1, 2));
        for nth in 0..REMEMBERED {
            late.remember(&nth.to_string(), Arc::clone(&other));
        }
        late.count("first");
        late.count("0");
        assert_eq!((counted(&one), counted(&other)), (1, 3));
        assert_eq!((late.counters.len(), late.order.len()), (REMEMBERED, REMEMBERED));
    }
}
