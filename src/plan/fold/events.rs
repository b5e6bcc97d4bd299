//! The words of the events that outcomes make. When there is one is decided by who asks.

use crate::model::condition::Verdict;
use crate::model::event::{EventKind, NewEvent};
use crate::model::failure::Failure;
use crate::model::lease::EndedLease;
use crate::model::names::{CameraName, SubnetName};
use crate::model::time::{Mono, Now};
use crate::plan::overload::Change;

fn of_camera(camera: &CameraName, kind: EventKind, severity: u8, now: Now) -> NewEvent {
    NewEvent { camera: Some(camera.clone()), ..NewEvent::new(kind, severity, now.wall) }
}

pub(super) fn lost_event(
    camera: &CameraName,
    failure: &Failure,
    tries: u32,
    frame: Option<i64>,
    now: Now,
) -> NewEvent {
    let mut event = of_camera(camera, EventKind::CameraLost, 4, now);
    event.summary = format!("camera lost: {failure}, {tries} tries");
    event.tags = vec![format!("reason.{}", failure.kind.as_str())];
    event.frame_id = frame;
    event.attributes.insert("reason".to_owned(), failure.kind.as_str().into());
    event.attributes.insert("tries".to_owned(), tries.into());
    if let Some(stage) = failure.stage {
        event.attributes.insert("stage".to_owned(), stage.as_str().into());
    }
    if let Some(code) = failure.code {
        event.attributes.insert("code".to_owned(), code.into());
    }
    event
}

pub(super) fn recovered_event(
    camera: &CameraName,
    frame: i64,
    since: Option<Mono>,
    now: Now,
) -> NewEvent {
    let mut event = of_camera(camera, EventKind::CameraRecovered, 1, now);
    let seconds = since.map_or(0, |since| now.mono.since(since).as_secs());
    event.summary = format!("camera back after {seconds} s");
    event.attributes.insert("seconds".to_owned(), seconds.into());
    event.frame_id = Some(frame);
    event
}

pub(super) fn revoked_event(ended: &EndedLease) -> NewEvent {
    let lease = &ended.lease;
    let mut event = of_camera(&lease.camera, EventKind::LeaseRevoked, 1, ended.at);
    event.summary = format!("a live view ({}) was ended by an operator", lease.kind.as_str());
    event.attributes.insert("lease".to_owned(), lease.id.short().into());
    event.attributes.insert("kind".to_owned(), lease.kind.as_str().into());
    event
}

pub(super) fn overload_event(change: Change, now: Now) -> NewEvent {
    let (kind, severity, over) = match change {
        Change::Began(over) => (EventKind::OverloadBegan, 2, over),
        Change::Ended(over) => (EventKind::OverloadEnded, 1, over),
    };
    let mut event = NewEvent::new(kind, severity, now.wall);
    event.attributes.insert("cause".to_owned(), over.cause.as_str().into());
    event.summary = match change {
        Change::Began(_) => {
            event.attributes.insert("measured".to_owned(), over.measured.into());
            event.attributes.insert("limit".to_owned(), over.limit.into());
            format!("overloaded, no more live views: {over}")
        }
        Change::Ended(_) => {
            let seconds = now.mono.since(over.since).as_secs();
            event.attributes.insert("seconds".to_owned(), seconds.into());
            format!("no longer overloaded after {seconds} s")
        }
    };
    event
}

pub(super) fn gateway_lost_event(subnet: &SubnetName, why: &Verdict, now: Now) -> NewEvent {
    let mut event = NewEvent::new(EventKind::GatewayLost, 2, now.wall);
    event.summary = format!("the gateway of {subnet} does not serve: {}", why.message);
    event.tags = vec![format!("reason.{}", why.reason)];
    event.attributes.insert("subnet".to_owned(), subnet.as_str().into());
    event.attributes.insert("reason".to_owned(), why.reason.into());
    event
}

pub(super) fn gateway_recovered_event(subnet: &SubnetName, lost: Mono, now: Now) -> NewEvent {
    let mut event = NewEvent::new(EventKind::GatewayRecovered, 1, now.wall);
    let seconds = now.mono.since(lost).as_secs();
    event.summary = format!("the gateway of {subnet} serves again after {seconds} s");
    event.attributes.insert("subnet".to_owned(), subnet.as_str().into());
    event.attributes.insert("seconds".to_owned(), seconds.into());
    event
}

pub(super) fn overrun_event(subnet: &SubnetName, overrun: u64, now: Now) -> NewEvent {
    let mut event = NewEvent::new(EventKind::SweepOverrun, 1, now.wall);
    event.summary = format!(
        "sweep of {subnet} took too long: {overrun} {} skipped",
        if overrun == 1 { "start" } else { "starts" }
    );
    event.attributes.insert("subnet".to_owned(), subnet.as_str().into());
    event.attributes.insert("skipped".to_owned(), overrun.into());
    event
}
