//! Who makes room for whom.

use super::tests::{device, holder_for, limits, observed_table};
use super::*;
use proptest::prelude::*;

#[test]
fn a_sweep_stands_back_while_a_viewer_waits() {
    let (mut table, limits) = (observed_table(2), limits(2));
    let waiter = table.wait(device(), Purpose::Modal);
    let refused = table.acquire(&limits, device(), holder_for(Purpose::Sweep), Mono(10));
    assert_eq!(refused, Err(Refusal::Wanted { by: Purpose::Modal }));
    assert!(table.acquire(&limits, device(), holder_for(Purpose::Modal), Mono(10)).is_ok());
    table.waited(waiter);
    assert!(table.acquire(&limits, device(), holder_for(Purpose::Sweep), Mono(10)).is_ok());
}

#[test]
fn the_lowest_purpose_makes_room_and_never_an_equal_or_higher_one() {
    let (mut table, limits) = (observed_table(2), limits(2));
    let suggest = table.acquire(&limits, device(), holder_for(Purpose::Suggest), Mono(10)).unwrap();
    let sweep = table.acquire(&limits, device(), holder_for(Purpose::Sweep), Mono(10)).unwrap();
    table.wait(device(), Purpose::Sweep);
    assert_eq!(table.make_room(device(), Purpose::Sweep), None);
    table.wait(device(), Purpose::Modal);
    assert_eq!(table.make_room(device(), Purpose::Modal), Some(sweep));
    assert_eq!(table.make_room(device(), Purpose::Modal), None, "one leaves, one waits");
    table.wait(device(), Purpose::Modal);
    assert_eq!(table.make_room(device(), Purpose::Modal), Some(suggest));
    table.wait(device(), Purpose::Modal);
    assert_eq!(table.make_room(device(), Purpose::Modal), None);
}

#[test]
fn nobody_is_asked_to_leave_while_a_slot_is_closing() {
    let (mut table, limits) = (observed_table(2), limits(2));
    let first = table.acquire(&limits, device(), holder_for(Purpose::Sweep), Mono(10)).unwrap();
    table.acquire(&limits, device(), holder_for(Purpose::Sweep), Mono(10)).unwrap();
    table.connecting(first, SocketAddr::from(([127, 0, 0, 1], 4000)));
    table.done(first, ConnectionEnd::Acknowledged, Mono(20));
    table.wait(device(), Purpose::Modal);
    assert_eq!(table.make_room(device(), Purpose::Modal), None);
    assert!(table.may_free(device(), Purpose::Modal, Mono(30)));
}

#[test]
fn viewers_do_not_wait_for_each_other() {
    let (mut table, limits) = (observed_table(1), limits(1));
    table.acquire(&limits, device(), holder_for(Purpose::Modal), Mono(10)).unwrap();
    table.wait(device(), Purpose::Modal);
    assert!(!table.may_free(device(), Purpose::Modal, Mono(60_000)));
}

#[test]
fn a_slot_is_as_safe_as_what_it_serves_now() {
    let (mut table, limits) = (observed_table(1), limits(1));
    let pane = table.acquire(&limits, device(), holder_for(Purpose::Suggest), Mono(10)).unwrap();
    assert!(table.serve(pane, Purpose::Modal));
    assert!(!table.serve(pane, Purpose::Modal), "no news");
    table.wait(device(), Purpose::Modal);
    assert_eq!(table.make_room(device(), Purpose::Modal), None);
    assert!(!table.may_free(device(), Purpose::Modal, Mono(60_000)));
    assert!(table.serve(pane, Purpose::Suggest));
    assert_eq!(table.make_room(device(), Purpose::Modal), Some(pane));
    table.done(pane, ConnectionEnd::NeverConnected, Mono(20));
    assert!(!table.serve(pane, Purpose::Modal), "it is nobody's any more");
}

fn purpose() -> impl Strategy<Value = Purpose> {
    prop_oneof![Just(Purpose::Sweep), Just(Purpose::Suggest), Just(Purpose::Modal)]
}

proptest! {
    #[test]
    fn nobody_is_asked_to_leave_for_what_is_not_higher_than_what_he_serves(
        taken in proptest::collection::vec(purpose(), 1..5),
        changes in proptest::collection::vec((0_usize..5, purpose()), 0..8),
        wanted in purpose(),
    ) {
        let (mut table, limits) = (observed_table(5), limits(5));
        let mut serving = BTreeMap::new();
        for purpose in taken {
            let slot = table.acquire(&limits, device(), holder_for(purpose), Mono(10)).unwrap();
            serving.insert(slot, purpose);
        }
        for (nth, purpose) in changes {
            if let Some((slot, serves)) = serving.iter_mut().nth(nth) {
                prop_assert_eq!(table.serve(*slot, purpose), *serves != purpose);
                *serves = purpose;
            }
        }
        table.wait(device(), wanted);
        let lowest = serving.values().min().copied().filter(|lowest| *lowest < wanted);
        let victim = table.make_room(device(), wanted);
        prop_assert_eq!(victim.map(|slot| serving[&slot]), lowest);
    }
}
