//! What is said of a gateway: whether it serves, and whether it has the streams that it should have.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::condition::{Condition, ConditionType, Truth, Verdict};
use crate::model::gateway::{GatewayState, GatewayView, StreamName};
use crate::model::names::SubnetName;
use crate::model::time::{Mono, Now};

/// Named one by one.
const NAMED_MAX: usize = 5;
/// Longest name of somebody else's stream that is shown, in characters.
const NAME_MAX: usize = 40;

/// A gateway's conditions; their times follow from `before`.
pub fn gateway(
    seen: &GatewayView,
    before: &[Condition],
    generation: u64,
    now: Now,
) -> Vec<Condition> {
    let verdicts = [available(seen, now.mono), in_sync(seen)];
    verdicts.map(|verdict| verdict.after(before, generation, now.wall)).to_vec()
}

/// Whether its process is there and its API answers.
pub(in crate::plan) fn available(seen: &GatewayView, now: Mono) -> Verdict {
    let kind = ConditionType::Available;
    let down = |then: &str| match &seen.fault {
        None => Verdict::new(kind, Truth::Unknown, "Starting", then),
        Some(fault) => Verdict::new(kind, false, fault.reason, format!("{}; {then}", fault.text)),
    };
    match seen.state {
        GatewayState::Unreached => match &seen.fault {
            None => {
                Verdict::new(kind, Truth::Unknown, "Unanswered", "its API has not answered yet")
            }
            Some(fault) => Verdict::new(kind, false, fault.reason, fault.text.to_string()),
        },
        GatewayState::Up => Verdict::new(kind, true, "Answers", "its API answers"),
        GatewayState::Silent => {
            let message = "its API did not answer at the last look";
            Verdict::new(kind, Truth::Unknown, "Silent", message)
        }
        GatewayState::Starting => down("it is being started"),
        GatewayState::Down { until, braked } => {
            let wait = until.since(now).as_secs();
            let why = if braked { " because it ended too often" } else { "" };
            match wait {
                0 => down("it is being started"),
                wait => down(&format!("it is started in {wait} s{why}")),
            }
        }
    }
}

/// Whether it has the streams that are wanted, and no others.
fn in_sync(seen: &GatewayView) -> Verdict {
    let kind = ConditionType::InSync;
    let Some(listed) = &seen.listed else {
        return Verdict::new(kind, Truth::Unknown, "Unreadable", "its streams cannot be read");
    };
    let is_missing = |name: &str| !listed.contains(name);
    let named = |is_meant: &dyn Fn(&StreamName) -> bool| {
        let meant = seen.wanted.iter().filter(|(name, _)| is_meant(name));
        list(meant.map(|(_, (camera, quality))| format!("{camera}/{}", quality.as_str())))
    };
    let missing = named(&|name| is_missing(name.as_str()));
    let shared = named(&|name| seen.strangers.contains(name));
    let wanted: BTreeSet<&str> = seen.wanted.keys().map(StreamName::as_str).collect();
    let surplus = listed.iter().filter(|name| !wanted.contains(name.as_ref()));
    let surplus = surplus.map(|name| name.chars().take(NAME_MAX).collect());
    let wrong = [
        ("it lacks", missing),
        ("nobody wants", list(surplus)),
        ("others than this server receive", shared),
    ];
    let wrong: Vec<String> =
        wrong.into_iter().filter_map(|(what, of)| Some(format!("{what} {}", of?))).collect();
    if wrong.is_empty() {
        let message = match seen.wanted.len() {
            0 => "no stream is wanted, and it has none".to_owned(),
            1 => "it has the one stream that is wanted".to_owned(),
            many => format!("it has the {many} streams that are wanted"),
        };
        return Verdict::new(kind, true, "InSync", message);
    }
    Verdict::new(kind, false, "OutOfSync", wrong.join("; "))
}

/// What the server's health is told of gateways; `None` while all of them may serve.
pub(super) fn trouble(gateways: &BTreeMap<SubnetName, GatewayView>, now: Mono) -> Option<String> {
    let fault = |(subnet, seen): (&SubnetName, &GatewayView)| {
        let verdict = available(seen, now);
        (verdict.status == Truth::False).then(|| format!("{subnet} ({})", verdict.message))
    };
    let named = list(gateways.iter().filter_map(fault))?;
    Some(format!("gateways that do not serve: {named}"))
}

/// The first few in their order, and how many more; `None` when there is none.
fn list(names: impl Iterator<Item = String>) -> Option<String> {
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    let more = names.len().saturating_sub(NAMED_MAX);
    names.truncate(NAMED_MAX);
    let text = names.join(", ");
    match (text.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(text),
        (false, more) => Some(format!("{text} and {more} more")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::gateway::{GatewayFault, Owner};
    use crate::model::lease::Quality;
    use crate::model::names::CameraName;

    fn name(nth: u32) -> (StreamName, (CameraName, Quality)) {
        let camera = CameraName::parse(&format!("cam-{nth}")).unwrap();
        (Owner::of("inst").stream(&camera, Quality::Sub, 0), (camera, Quality::Sub))
    }

    /// A gateway that should have so many streams, and has these.
    fn up(wanted: u32, listed: &[u32]) -> GatewayView {
        GatewayView {
            state: GatewayState::Up,
            pid: Some(7),
            fault: None,
            wanted: (0..wanted).map(name).collect(),
            listed: Some(listed.iter().map(|nth| name(*nth).0.shared()).collect()),
            strangers: [].into(),
            restarts: BTreeMap::new(),
        }
    }

    fn said(verdict: &Verdict) -> String {
        format!("{} {}: {}", verdict.status.as_str(), verdict.reason, verdict.message)
    }

    #[test]
    fn streams_that_lack_are_named_by_camera_and_others_by_their_name() {
        assert_eq!(
            said(&in_sync(&up(0, &[]))),
            "True InSync: no stream is wanted, and it has none"
        );
        assert!(said(&in_sync(&up(2, &[0, 1]))).starts_with("True InSync: it has the 2 streams"));
        let text = said(&in_sync(&up(3, &[1])));
        assert_eq!(text, "False OutOfSync: it lacks cam-0/sub, cam-2/sub");
        let mut seen = up(7, &[]);
        seen.listed = Some([Arc::from("x".repeat(500))].into());
        let text = said(&in_sync(&seen));
        assert!(
            text.contains("cam-4/sub and 2 more; nobody wants xxx") && text.len() < 200,
            "{text}"
        );
        let mut seen = up(2, &[0, 1]);
        seen.strangers.insert(name(1).0);
        let text = said(&in_sync(&seen));
        assert_eq!(text, "False OutOfSync: others than this server receive cam-1/sub");
        seen.listed = None;
        assert_eq!(said(&in_sync(&seen)), "Unknown Unreadable: its streams cannot be read");
    }

    #[test]
    fn it_serves_only_while_its_api_answers() {
        let mut seen = up(0, &[]);
        assert_eq!(said(&available(&seen, Mono(0))), "True Answers: its API answers");
        seen.state = GatewayState::Silent;
        assert!(said(&available(&seen, Mono(0))).starts_with("Unknown Silent"));
        seen.state = GatewayState::Starting;
        assert_eq!(said(&available(&seen, Mono(0))), "Unknown Starting: it is being started");
        seen.fault = Some(GatewayFault { reason: "Ended", text: "it exited with code 1".into() });
        let text = "False Ended: it exited with code 1; it is being started";
        assert_eq!(said(&available(&seen, Mono(0))), text);
        seen.state = GatewayState::Down { until: Mono(60_000), braked: true };
        let text = said(&available(&seen, Mono(18_000)));
        assert!(text.ends_with("; it is started in 42 s because it ended too often"), "{text}");
    }

    #[test]
    fn the_health_of_the_server_names_gateways_that_do_not_serve() {
        let subnet = |name: &str| SubnetName::parse(name).unwrap();
        let mut down = up(0, &[]);
        down.state = GatewayState::Starting;
        down.fault = Some(GatewayFault { reason: "Ended", text: "gone".into() });
        let mut gateways = BTreeMap::from([(subnet("a"), up(0, &[])), (subnet("b"), down)]);
        let text = trouble(&gateways, Mono(0)).unwrap();
        assert_eq!(text, "gateways that do not serve: b (gone; it is being started)");
        gateways.remove(&subnet("b"));
        assert_eq!(trouble(&gateways, Mono(0)), None);
    }
}
