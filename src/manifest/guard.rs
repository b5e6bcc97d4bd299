//! The hold on mass removal: a set that suddenly lacks many objects waits for somebody.
//!
//! A pure comparison of two sets. What comes of the verdict is decided in `state`.

use std::collections::BTreeSet;

use super::resolve::family::{built_in_detectors, built_in_families};
use super::schema::Kind;
use crate::model::desired::Desired;
use crate::model::server::RemovalGuard;

/// What the guard says to a new set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GuardVerdict {
    /// It may come into force.
    Pass,
    /// It waits for confirmation.
    Held {
        /// Objects of the old set that the new one lacks.
        removed: usize,
        /// Objects of the old set.
        total: usize,
        /// One sentence for people.
        reason: String,
    },
}

/// The objects that somebody declared, by kind and name. What is built in and unchanged does not
/// count: nobody can remove it.
fn declared(set: &Desired) -> BTreeSet<(Kind, &str)> {
    let families = built_in_families();
    let detectors = built_in_detectors();
    let own_families = set
        .families
        .iter()
        .filter(|(name, family)| families.get(*name) != Some(*family))
        .map(|(name, _)| (Kind::CameraFamily, name.as_str()));
    let own_detectors = set
        .detectors
        .iter()
        .filter(|(name, detector)| detectors.get(*name) != Some(*detector))
        .map(|(name, _)| (Kind::Detector, name.as_str()));
    let cameras = set.cameras.keys().map(|name| (Kind::Camera, name.as_str()));
    let subnets = set.subnets.keys().map(|name| (Kind::Subnet, name.as_str()));
    let notifiers = set.notifiers.keys().map(|name| (Kind::Notifier, name.as_str()));
    own_families.chain(own_detectors).chain(cameras).chain(subnets).chain(notifiers).collect()
}

/// Compares two sets under a guard, which is that of the new set: widening it lets a set through.
///
/// Held is what removes more objects than the larger of `min_objects` and `max_share` of the old
/// set. A set with no object at all is held too, however few there were, unless the guard allows
/// all to go (`max_share` 1): it is what a wrong directory or an empty mount looks like.
pub fn guard(old: &Desired, new: &Desired, guard: RemovalGuard) -> GuardVerdict {
    let (before, after) = (declared(old), declared(new));
    let total = before.len();
    let gone: Vec<&(Kind, &str)> = before.difference(&after).collect();
    let removed = gone.len();
    if removed == 0 {
        return GuardVerdict::Pass;
    }
    let emptied = after.is_empty() && guard.max_share < 1.0;
    if !emptied && !exceeds(removed, total, guard) {
        return GuardVerdict::Pass;
    }
    let reason = format!(
        "the new set lacks {removed} of {total} objects ({}); up to {} may go without confirmation",
        some_names(&gone),
        if emptied { 0 } else { allowed(total, guard) },
    );
    GuardVerdict::Held { removed, total, reason }
}

#[expect(clippy::cast_precision_loss, reason = "numbers of objects are far below 2^52")]
fn exceeds(removed: usize, total: usize, guard: RemovalGuard) -> bool {
    let removed = removed as f64;
    removed > f64::from(guard.min_objects) && removed > guard.max_share * total as f64
}

/// Largest number of objects that may go.
fn allowed(total: usize, guard: RemovalGuard) -> usize {
    (0..total).rev().find(|removed| !exceeds(*removed, total, guard)).unwrap_or(0)
}

fn some_names(gone: &[&(Kind, &str)]) -> String {
    const SHOWN_MAX: usize = 3;
    let names: Vec<String> =
        gone.iter().take(SHOWN_MAX).map(|(kind, name)| format!("{kind} {name}")).collect();
    let more = if gone.len() > SHOWN_MAX { ", ..." } else { "" };
    format!("{}{more}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_sets::cameras;
    use super::*;

    const DEFAULT: RemovalGuard = RemovalGuard { min_objects: 3, max_share: 0.3 };

    fn is_held(old: usize, new: usize, with: RemovalGuard) -> bool {
        guard(&cameras(0..old), &cameras(0..new), with) != GuardVerdict::Pass
    }

    #[test]
    fn a_few_objects_may_go_and_many_may_not() {
        // The subnet stays: 21 objects, of which 6 are 28 % and 7 are 33 %.
        assert!(!is_held(20, 14, DEFAULT));
        assert!(is_held(20, 13, DEFAULT));
        // Small sets are governed by the number.
        assert!(!is_held(5, 2, DEFAULT));
        assert!(is_held(5, 1, DEFAULT));
        let wide = RemovalGuard { max_share: 1.0, ..DEFAULT };
        assert!(!is_held(20, 0, wide));
    }

    #[test]
    fn the_reason_says_how_many_and_which() {
        let verdict = guard(&cameras(0..9), &cameras(0..0), DEFAULT);
        let GuardVerdict::Held { removed: 9, total: 10, reason } = verdict else {
            panic!("{verdict:?}")
        };
        assert_eq!(
            reason,
            "the new set lacks 9 of 10 objects (Camera cam-000, Camera cam-001, Camera cam-002, \
             ...); up to 3 may go without confirmation"
        );
    }

    #[test]
    fn an_emptied_directory_is_held_however_small_it_was() {
        let empty = super::super::load_texts("m".as_ref(), Vec::new(), None).desired.unwrap();
        assert_ne!(guard(&cameras(0..1), &empty, DEFAULT), GuardVerdict::Pass);
        assert_eq!(guard(&empty, &cameras(0..1), DEFAULT), GuardVerdict::Pass);
        assert_eq!(guard(&empty, &empty, DEFAULT), GuardVerdict::Pass);
        let all = RemovalGuard { min_objects: 0, max_share: 1.0 };
        assert_eq!(guard(&cameras(0..1), &empty, all), GuardVerdict::Pass);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        fn removal_is_held_exactly_beyond_both_bounds(
            old in 1_usize..40, kept in 0_usize..40, added in 0_usize..40,
            min_objects in 0_u32..10, max_share in 0.0_f64..1.0,
        ) {
            let kept = kept.min(old);
            let with = RemovalGuard { min_objects, max_share };
            let verdict = guard(&cameras(0..old), &cameras((old - kept)..(old + added)), with);
            let removed = old - kept;
            let total = old + 1;
            let bound = f64::from(min_objects).max(max_share * total as f64);
            prop_assert_eq!(removed as f64 > bound, verdict != GuardVerdict::Pass);
            if let GuardVerdict::Held { removed: said, total: of, .. } = verdict {
                prop_assert_eq!((said, of), (removed, total));
            }
        }

        #[test]
        fn adding_and_changing_is_never_held(old in 0_usize..20, added in 0_usize..20) {
            let none = RemovalGuard { min_objects: 0, max_share: 0.0 };
            let verdict = guard(&cameras(0..old), &cameras(0..(old + added)), none);
            prop_assert_eq!(verdict, GuardVerdict::Pass);
        }
    }
}
