//! The server's own conditions: manifests, observation, store.

use super::last_failure;
use crate::model::admission::OverloadCause;
use crate::model::condition::{Condition, ConditionType, Truth, Verdict};
use crate::model::desired::Desired;
use crate::model::failure::FailureKind;
use crate::model::history::History;
use crate::model::observed::{Observed, Seen};
use crate::model::time::Now;

/// The server's own conditions.
pub fn server(
    desired: &Desired,
    observed: &Observed,
    config_valid: Result<(), String>,
    history: &History,
    now: Now,
) -> Vec<Condition> {
    let config = match config_valid {
        Ok(()) => Verdict::new(
            ConditionType::ConfigValid,
            true,
            "Applied",
            format!("generation {} is in force", desired.generation),
        ),
        Err(why) => Verdict::new(ConditionType::ConfigValid, false, "NotApplied", why),
    };
    let observation = observation_fresh(observed);
    let store = store_available(desired, observed, history);
    let within = match observed.store.fresh() {
        Some(store) if store.frame_bytes > desired.retention.max_bytes => Verdict::new(
            ConditionType::WithinRetention,
            false,
            "OverBytes",
            format!("{} bytes of frames are kept", store.frame_bytes),
        ),
        Some(_) => {
            Verdict::new(ConditionType::WithinRetention, true, "WithinBounds", "within its bounds")
        }
        None => Verdict::new(
            ConditionType::WithinRetention,
            Truth::Unknown,
            "Unreadable",
            "the store cannot be read",
        ),
    };
    let processes = super::processes::verdicts(observed, history);
    // A busy processor is no fault; memory that runs out is one.
    let overload = history.load.overloaded.filter(|over| over.cause != OverloadCause::Cpu);
    let overload = overload.map(|over| format!("no more live views: {over}"));
    let gateways = super::gateways::trouble(&observed.gateways, now.mono);
    let wrong: Vec<&str> = [&config, &observation, &store]
        .into_iter()
        .filter(|verdict| verdict.status == Truth::False)
        .chain(&processes)
        .map(|verdict| verdict.message.as_str())
        .chain(overload.as_deref())
        .chain(gateways.as_deref())
        .collect();
    let healthy = if wrong.is_empty() {
        Verdict::new(ConditionType::Healthy, true, "Healthy", "every part works as declared")
    } else {
        Verdict::new(ConditionType::Healthy, false, "Degraded", wrong.join("; "))
    };
    [config, observation, store, within, healthy]
        .into_iter()
        .chain(super::facilities::verdicts(&observed.facilities))
        .chain(processes)
        .map(|verdict| verdict.after(&history.server, desired.generation, now.wall))
        .collect()
}

/// Whether this host's connections and processes can be read.
fn observation_fresh(observed: &Observed) -> Verdict {
    let kind = ConditionType::ObservationFresh;
    let mut missing = Vec::new();
    if let Seen::Unreadable { why, .. } = &observed.connections {
        missing.push(format!("connections cannot be read: {why}"));
    }
    if let Seen::Unreadable { why, .. } = &observed.processes {
        missing.push(format!(
            "processes cannot be read: {why}; pictures are taken without starting any"
        ));
    }
    if missing.is_empty() {
        let message = "this host's connections and processes can be read";
        Verdict::new(kind, true, "Observed", message)
    } else {
        Verdict::new(kind, false, "Unreadable", missing.join("; "))
    }
}

/// Whether the store answers and takes what it is given: a full disk can still be read.
fn store_available(desired: &Desired, observed: &Observed, history: &History) -> Verdict {
    let kind = ConditionType::Available;
    if let Seen::Unreadable { why, .. } = &observed.store {
        return Verdict::new(kind, false, "Unavailable", why.clone());
    }
    let enabled = desired.cameras.iter().filter(|(_, camera)| camera.enabled);
    let mut unkept = enabled
        .filter_map(|(name, _)| last_failure(history.cameras.get(name)?))
        .filter(|failure| failure.kind == FailureKind::StoreFailed);
    match unkept.next() {
        None => Verdict::new(kind, true, "Available", "the store answers"),
        Some(failure) => {
            let count = 1 + unkept.count();
            let plural = if count == 1 { "" } else { "s" };
            let message = format!(
                "the last picture of {count} camera{plural} could not be kept: {}",
                failure.message
            );
            Verdict::new(kind, false, "PicturesNotKept", message)
        }
    }
}
