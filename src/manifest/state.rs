//! Which set of manifests is in force: what each load and each confirmation leads to.
//!
//! Pure: no clock, no file. Whoever carries a decision out keeps the set with `last_good` and
//! hands it to the loop.

use std::sync::Arc;

use jiff::Timestamp;

use super::guard::{GuardVerdict, guard};
use super::load::{Fingerprint, Loaded};
use super::problem::Problem;
use crate::model::desired::Desired;

/// A set in force.
#[derive(Debug, Clone)]
pub struct InForce {
    /// The set with its generation and time.
    pub desired: Arc<Desired>,
    /// What it was loaded from.
    pub loaded: Arc<Loaded>,
}

/// A set that waits for confirmation.
#[derive(Debug, Clone)]
pub struct Held {
    /// The set.
    pub loaded: Arc<Loaded>,
    /// Objects that it lacks.
    pub removed: usize,
    /// Objects that are in force.
    pub total: usize,
    /// One sentence for people.
    pub reason: String,
}

/// What a load or a confirmation leads to.
#[derive(Debug, Clone)]
pub enum Decision {
    /// This set is now in force.
    Apply(InForce),
    /// The offered set has errors; what was in force stays.
    Refuse {
        /// Errors and warnings of the offered set.
        problems: Vec<Problem>,
    },
    /// The offered set waits for confirmation; what was in force stays.
    Hold(Held),
    /// The offered set is the one in force.
    Unchanged,
}

/// Why a confirmation changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfirmError {
    /// No set waits.
    #[error("no set of manifests waits for confirmation")]
    NothingHeld,
    /// Another set waits than the one confirmed.
    #[error("another set waits for confirmation: {held}")]
    OtherHeld {
        /// Digest of the set that waits.
        held: Arc<str>,
    },
}

/// The set in force, the one offered last, and what is wrong with that.
#[derive(Debug, Default)]
pub struct ConfigState {
    in_force: Option<InForce>,
    last_generation: u64,
    problems: Vec<Problem>,
    offered: Option<Arc<str>>,
    refused: Option<Fingerprint>,
    held: Option<Held>,
}

impl ConfigState {
    /// Nothing is in force; generations go on after `last_generation` (0 for a new installation).
    pub fn new(last_generation: u64) -> Self {
        Self { last_generation, ..Self::default() }
    }

    /// The set that was in force before a restart is in force again.
    pub fn restored(in_force: InForce) -> Self {
        Self {
            last_generation: in_force.desired.generation,
            problems: in_force.loaded.problems.clone(),
            offered: Some(Arc::clone(&in_force.loaded.digest)),
            in_force: Some(in_force),
            ..Self::default()
        }
    }

    /// A set was loaded.
    pub fn loaded(&mut self, loaded: Arc<Loaded>, now: Timestamp) -> Decision {
        self.offered = Some(Arc::clone(&loaded.digest));
        self.problems.clone_from(&loaded.problems);
        self.held = None;
        self.refused = None;
        let Some(desired) = loaded.desired.clone() else {
            self.refused = Some(loaded.fingerprint);
            return Decision::Refuse { problems: self.problems.clone() };
        };
        if let Some(in_force) = &mut self.in_force {
            if in_force.loaded.fingerprint == loaded.fingerprint {
                // A commit that changes no manifest has another revision.
                in_force.loaded = loaded;
                return Decision::Unchanged;
            }
            let verdict = guard(&in_force.desired, &desired, desired.server.removal_guard);
            if let GuardVerdict::Held { removed, total, reason } = verdict {
                let held = Held { loaded, removed, total, reason };
                self.held = Some(held.clone());
                return Decision::Hold(held);
            }
        }
        self.apply(loaded, &desired, now)
    }

    /// Somebody confirms the set of this digest.
    pub fn confirm(&mut self, digest: &str, now: Timestamp) -> Result<Decision, ConfirmError> {
        let held = self.held.as_ref().ok_or(ConfirmError::NothingHeld)?;
        if *held.loaded.digest != *digest {
            return Err(ConfirmError::OtherHeld { held: Arc::clone(&held.loaded.digest) });
        }
        let loaded = Arc::clone(&held.loaded);
        let desired = loaded.desired.clone().ok_or(ConfirmError::NothingHeld)?;
        self.held = None;
        Ok(self.apply(loaded, &desired, now))
    }

    fn apply(&mut self, loaded: Arc<Loaded>, desired: &Desired, now: Timestamp) -> Decision {
        self.last_generation = self.last_generation.saturating_add(1);
        let desired = put_in_force(desired, self.last_generation, now);
        let in_force = InForce { desired, loaded };
        self.in_force = Some(in_force.clone());
        Decision::Apply(in_force)
    }

    /// The set in force; `None` before the first.
    pub fn in_force(&self) -> Option<&InForce> {
        self.in_force.as_ref()
    }

    /// Errors and warnings of the set offered last.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Digest of the set offered last.
    pub fn offered(&self) -> Option<&Arc<str>> {
        self.offered.as_ref()
    }

    /// The set that waits for confirmation.
    pub fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// Whether the set offered last is the one in force.
    pub fn is_valid(&self) -> bool {
        self.in_force.is_some() && self.held.is_none() && self.refused.is_none()
    }
}

/// A loaded set with the generation and time at which it came into force.
pub fn put_in_force(desired: &Desired, generation: u64, applied_at: Timestamp) -> Arc<Desired> {
    Arc::new(Desired { generation, applied_at, ..desired.clone() })
}

#[cfg(test)]
mod tests {
    use super::super::test_sets::{cameras_yaml, loaded};
    use super::*;

    fn offer(state: &mut ConfigState, text: &str) -> Decision {
        state.loaded(Arc::new(loaded(text)), Timestamp::UNIX_EPOCH)
    }

    fn generation(decision: &Decision) -> Option<u64> {
        match decision {
            Decision::Apply(in_force) => Some(in_force.desired.generation),
            Decision::Refuse { .. } | Decision::Hold(_) | Decision::Unchanged => None,
        }
    }

    #[test]
    fn a_broken_set_changes_nothing_and_the_same_good_one_is_no_new_generation() {
        let mut state = ConfigState::new(7);
        let good = cameras_yaml(0..10);
        assert_eq!(generation(&offer(&mut state, &good)), Some(8));
        assert!(state.is_valid());
        assert!(matches!(offer(&mut state, "kind: Camra"), Decision::Refuse { .. }));
        assert!(!state.is_valid() && !state.problems().is_empty());
        assert_eq!(state.in_force().unwrap().desired.cameras.len(), 10);
        assert!(matches!(offer(&mut state, &good), Decision::Unchanged));
        assert!(state.is_valid() && state.problems().is_empty());
        assert_eq!(generation(&offer(&mut state, &cameras_yaml(0..11))), Some(9));
    }

    #[test]
    fn mass_removal_waits_until_its_own_digest_is_confirmed() {
        let mut state = ConfigState::new(0);
        offer(&mut state, &cameras_yaml(0..10));
        let Decision::Hold(held) = offer(&mut state, &cameras_yaml(0..1)) else { panic!() };
        assert_eq!((held.removed, held.total), (9, 11));
        assert!(matches!(offer(&mut state, &cameras_yaml(0..1)), Decision::Hold(_)));
        assert!(!state.is_valid());
        let now = Timestamp::UNIX_EPOCH;
        let other = state.confirm("something else", now).unwrap_err();
        assert_eq!(other, ConfirmError::OtherHeld { held: Arc::clone(&held.loaded.digest) });
        let decision = state.confirm(&held.loaded.digest, now).unwrap();
        assert_eq!(generation(&decision), Some(2));
        assert_eq!(state.in_force().unwrap().desired.cameras.len(), 1);
        assert_eq!(state.confirm(&held.loaded.digest, now).unwrap_err(), ConfirmError::NothingHeld);
    }

    #[test]
    fn a_wider_guard_in_the_new_set_or_going_back_ends_the_hold() {
        let mut state = ConfigState::new(0);
        let full = cameras_yaml(0..10);
        offer(&mut state, &full);
        offer(&mut state, &cameras_yaml(0..1));
        assert!(matches!(offer(&mut state, &full), Decision::Unchanged));
        assert!(state.held().is_none());
        let wide = "apiVersion: camserver.dev/v1\nkind: Server\n\
                    spec: {removalGuard: {maxShare: 1}}\n---\n";
        let decision = offer(&mut state, &(wide.to_owned() + &cameras_yaml(0..1)));
        assert_eq!(generation(&decision), Some(2));
    }

    #[test]
    fn the_first_set_is_never_held() {
        let mut state = ConfigState::new(0);
        assert_eq!(generation(&offer(&mut state, "")), Some(1));
    }
}
