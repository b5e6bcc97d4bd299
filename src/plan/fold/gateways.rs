//! What is remembered of gateways: which of them do not serve, so that each loss is told once.
//!
//! It does not judge whether one serves: `status` does.

use std::collections::BTreeMap;

use super::events::{gateway_lost_event, gateway_recovered_event};
use crate::model::condition::Truth;
use crate::model::event::NewEvent;
use crate::model::gateway::GatewayView;
use crate::model::history::GatewayHistory;
use crate::model::names::SubnetName;
use crate::model::time::Now;
use crate::plan::status::gateway_available;

/// Takes a look at the gateways in, and forgets those that are not wanted any more.
pub(super) fn observe(
    known: &mut BTreeMap<SubnetName, GatewayHistory>,
    seen: &BTreeMap<SubnetName, GatewayView>,
    now: Now,
) -> Vec<NewEvent> {
    known.retain(|subnet, _| seen.contains_key(subnet));
    let mut events = Vec::new();
    for (subnet, view) in seen {
        let own = known.entry(subnet.clone()).or_default();
        let verdict = gateway_available(view, now.mono);
        match (verdict.status, own.lost) {
            (Truth::False, None) => {
                own.lost = Some(now.mono);
                events.push(gateway_lost_event(subnet, &verdict, now));
            }
            (Truth::True, Some(lost)) => {
                own.lost = None;
                events.push(gateway_recovered_event(subnet, lost, now));
            }
            (Truth::True, None) | (Truth::False, Some(_)) | (Truth::Unknown, _) => {}
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::EventKind;
    use crate::model::gateway::{GatewayFault, GatewayState};
    use crate::model::time::Mono;

    fn view(state: GatewayState, fault: Option<&'static str>) -> GatewayView {
        GatewayView {
            state,
            pid: None,
            fault: fault.map(|reason| GatewayFault { reason, text: "it has ended".into() }),
            wanted: BTreeMap::new(),
            listed: None,
            strangers: [].into(),
            restarts: BTreeMap::new(),
        }
    }

    #[test]
    fn a_loss_is_told_once_and_so_is_the_return() {
        let subnet = SubnetName::parse("shop").unwrap();
        let mut known = BTreeMap::new();
        let mut at = |seconds: u64, state, fault| {
            let now = Now { mono: Mono(seconds * 1000), wall: jiff::Timestamp::UNIX_EPOCH };
            let seen = BTreeMap::from([(subnet.clone(), view(state, fault))]);
            let events = observe(&mut known, &seen, now);
            events.into_iter().map(|event| (event.kind, event.summary)).collect::<Vec<_>>()
        };
        assert!(at(0, GatewayState::Starting, None).is_empty());
        assert!(at(1, GatewayState::Up, None).is_empty());
        assert!(at(5, GatewayState::Silent, None).is_empty());
        let lost = at(6, GatewayState::Starting, Some("Ended"));
        let text = "the gateway of shop does not serve: it has ended; it is being started";
        assert_eq!(lost, [(EventKind::GatewayLost, text.to_owned())]);
        let down = GatewayState::Down { until: Mono(60_000), braked: true };
        assert!(at(7, down, Some("Ended")).is_empty());
        let back = at(66, GatewayState::Up, None);
        let text = "the gateway of shop serves again after 60 s";
        assert_eq!(back, [(EventKind::GatewayRecovered, text.to_owned())]);
        assert!(at(67, GatewayState::Up, None).is_empty());
        observe(
            &mut known,
            &BTreeMap::new(),
            Now { mono: Mono(0), wall: jiff::Timestamp::UNIX_EPOCH },
        );
        assert!(known.is_empty());
    }
}
