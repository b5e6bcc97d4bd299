//! Decides what stored things are past their time.

use std::time::Duration;

use jiff::Timestamp;

use super::draft::{Draft, Inputs};
use crate::model::desired::Retention;
use crate::model::observed::StoreView;
use crate::model::plan::{Action, Garbage, Held};
use crate::model::time::Now;

/// Between the daily passes nothing is deleted for its age alone, unless it is this much past its
/// time: a server that was off at the hour catches up.
const SLACK: Duration = Duration::from_hours(25);

/// After a pass that frees bytes, this share of the bound is free, so that the next picture does
/// not start another pass.
const BYTES_FREED_SHARE: u64 = 100;

/// Plans deletions.
pub(super) fn plan(draft: &mut Draft, inputs: Inputs<'_>) {
    let Some(store) = inputs.observed.store.fresh() else { return };
    let retention = &inputs.desired.retention;
    let due = is_daily_pass_due(inputs, retention);
    for (garbage, oldest, keep) in candidates(store, retention, inputs.now) {
        let Some(oldest) = oldest else { continue };
        let age = age(oldest, inputs.now.wall);
        if age <= keep || (!due && age <= keep.saturating_add(SLACK)) {
            continue;
        }
        act(draft, inputs, garbage, "it is past its retention");
    }
    if store.frame_bytes > retention.max_bytes {
        let keep = retention.max_bytes - retention.max_bytes / BYTES_FREED_SHARE;
        act(draft, inputs, Garbage::FramesBeyond(keep), "frames exceed maxBytes");
    }
}

fn act(draft: &mut Draft, inputs: Inputs<'_>, what: Garbage, reason: &str) {
    let key = key(&what);
    if let Some(backoff) = inputs.history.backoff.get(key)
        && backoff.until > inputs.now.mono
    {
        draft.hold(Held {
            kind: "Delete",
            object: "store".to_owned(),
            reason: "BackingOff",
            message: format!("failed {} times in a row", backoff.failures),
            until: Some(backoff.until),
        });
        return;
    }
    draft.act(Action::Delete { what }, reason);
}

/// Under which name a deletion backs off.
pub fn key(what: &Garbage) -> &'static str {
    match what {
        Garbage::NoEventFrames(_) => "delete/no-event-frames",
        Garbage::Events(_) => "delete/events",
        Garbage::Sweeps(_) => "delete/sweeps",
        Garbage::ConfigRevisions(_) => "delete/config-revisions",
        Garbage::Leases(_) => "delete/leases",
        Garbage::FramesBeyond(_) => "delete/frames-beyond",
    }
}

fn candidates(
    store: &StoreView,
    retention: &Retention,
    now: Now,
) -> [(Garbage, Option<Timestamp>, Duration); 5] {
    let before = |keep: Duration| now.wall.checked_sub(keep).unwrap_or(Timestamp::MIN);
    [
        (
            Garbage::NoEventFrames(before(retention.no_event_frames)),
            store.oldest_no_event_frame,
            retention.no_event_frames,
        ),
        (Garbage::Events(before(retention.events)), store.oldest_event, retention.events),
        (Garbage::Sweeps(before(retention.sweeps)), store.oldest_sweep, retention.sweeps),
        (
            Garbage::ConfigRevisions(before(retention.config_revisions)),
            store.oldest_config,
            retention.config_revisions,
        ),
        // They tell who watched when, beside what the sweeps tell.
        (Garbage::Leases(before(retention.sweeps)), store.oldest_lease, retention.sweeps),
    ]
}

/// Whether now is within the hour after the declared time of day.
fn is_daily_pass_due(inputs: Inputs<'_>, retention: &Retention) -> bool {
    let zone = inputs.desired.server.timezone.clone();
    let local = inputs.now.wall.to_zoned(zone).time();
    let since = local.duration_since(retention.at);
    !since.is_negative() && since < jiff::SignedDuration::from_hours(1)
}

/// A picture from the future (the clock was stepped back) has no age.
fn age(of: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(of)).unwrap_or(Duration::ZERO)
}
