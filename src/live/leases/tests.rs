//! The keeper with a clock that stands still: who is told what, and what is remembered.

use std::time::Duration;

use futures::FutureExt as _;

use super::*;
use crate::http::tests::fixture::{camera_name, now, snapshot};
use crate::model::lease::Quality::{Main, Sub};

struct Kept {
    keeper: Arc<LeaseKeeper>,
    clock: Clock,
    around: Surroundings,
}

impl Kept {
    fn new() -> Self {
        let clock = Clock::manual(now());
        let keeper = LeaseKeeper::new(clock.clone(), Arc::new(Metrics::new()));
        let slots = SlotView { observed: Some(now().mono), ..SlotView::default() };
        let desired = Arc::clone(&snapshot(6).desired);
        let around = Surroundings { desired, overload: None, slots, open: Vec::new() };
        Self { keeper: Arc::new(keeper), clock, around }
    }

    fn ask(&self, user: &str, kind: ViewKind, take_over: bool) -> Result<Granted, Refusal> {
        let request = ViewRequest {
            user: user.into(),
            camera: camera_name(4),
            quality: Some(Sub),
            kind,
            codecs: vec!["avc1.640028".into()],
            take_over,
        };
        self.keeper.request(request, &self.around)
    }

    fn modal(&self, user: &str) -> Granted {
        self.ask(user, ViewKind::Modal, false).unwrap()
    }

    fn secs(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn heartbeat(&self, id: &LeaseId, user: &str) -> Result<Lease, LeaseError> {
        self.keeper.heartbeat(id, user, &self.around.desired)
    }

    fn sit(&self, id: &LeaseId) -> Seat {
        self.keeper.sit(id, "ann", &self.around.desired).unwrap().0
    }
}

#[test]
fn a_heartbeat_keeps_a_view_until_its_time_is_over_and_only_a_renewal_prolongs_that() {
    let kept = Kept::new();
    let lease = kept.modal("ann").lease;
    for _ in 0..9 {
        kept.secs(30);
        assert_eq!(kept.heartbeat(&lease.id, "ann").unwrap().expires, lease.expires);
    }
    let renewed = kept.keeper.renew(&lease.id, "ann", &kept.around.desired).unwrap();
    assert_eq!(renewed.expires, kept.clock.now().mono.plus(Duration::from_mins(5)));
    for _ in 0..9 {
        kept.secs(30);
        kept.heartbeat(&lease.id, "ann").unwrap();
    }
    kept.secs(30);
    // Nobody came by to end it; the late user finds it ended all the same.
    assert_eq!(kept.heartbeat(&lease.id, "ann"), Err(LeaseError::Ended(EndReason::Expired)));
    assert_eq!(kept.keeper.take_ended().len(), 1);
}

#[test]
fn a_pane_needs_nothing_but_heartbeats() {
    let kept = Kept::new();
    let lease = kept.ask("ann", ViewKind::Suggest, true).unwrap().lease;
    for _ in 0..100 {
        kept.secs(44);
        kept.heartbeat(&lease.id, "ann").unwrap();
    }
    kept.secs(45);
    assert_eq!(kept.heartbeat(&lease.id, "ann"), Err(LeaseError::Ended(EndReason::Heartbeat)));
}

#[test]
fn nobody_else_may_touch_a_view_and_nobody_can_guess_one() {
    let kept = Kept::new();
    let Granted { lease, key } = kept.modal("ann");
    let desired = &kept.around.desired;
    assert_eq!(key.id(), lease.id);
    assert_eq!(kept.heartbeat(&lease.id, "bob"), Err(LeaseError::NotYours));
    assert_eq!(kept.heartbeat(&lease.id, ""), Err(LeaseError::NotYours));
    assert_eq!(kept.keeper.release(&lease.id, "bob", desired), Err(LeaseError::NotYours));
    assert!(matches!(kept.keeper.sit(&lease.id, "bob", desired), Err(LeaseError::NotYours)));
    // What lists show opens nothing: the name is not the key.
    assert_eq!(LeaseKey::parse(&lease.id.0).unwrap().id().short().len(), 12);
    let guessed = LeaseKey::parse(&lease.id.0).unwrap().id();
    assert_eq!(kept.heartbeat(&guessed, "ann"), Err(LeaseError::Unknown));
    kept.keeper.release(&lease.id, "ann", desired).unwrap();
    assert_eq!(kept.heartbeat(&lease.id, "bob"), Err(LeaseError::NotYours));
    assert_eq!(kept.heartbeat(&lease.id, "ann"), Err(LeaseError::Ended(EndReason::Released)));
}

#[test]
fn what_is_overdue_does_not_stand_in_the_way() {
    let kept = Kept::new();
    let lease = kept.modal("ann").lease;
    assert_eq!(
        kept.ask("ann", ViewKind::Modal, false).unwrap_err().code(),
        "USER_ALREADY_HAS_MODAL"
    );
    kept.secs(45);
    kept.modal("ann");
    assert_eq!(kept.keeper.take_ended()[0].reason, EndReason::Heartbeat);
    assert_eq!(kept.heartbeat(&lease.id, "ann"), Err(LeaseError::Ended(EndReason::Heartbeat)));
}

#[tokio::test]
async fn a_socket_is_told_at_once_why_it_is_over() {
    let kept = Kept::new();
    let first = kept.modal("ann").lease;
    let seat = kept.sit(&first.id);
    assert!(seat.over().now_or_never().is_none());
    assert!(kept.keeper.leases()[0].watched);
    let second = kept.ask("ann", ViewKind::Modal, true).unwrap().lease;
    assert_eq!(seat.over().now_or_never(), Some(EndReason::Preempted));
    let older = kept.sit(&second.id);
    let newer = kept.sit(&second.id);
    assert_eq!(older.over().now_or_never(), Some(EndReason::Preempted));
    drop(older);
    assert!(kept.keeper.leases()[0].watched, "the newer one sits there");
    assert!(newer.over().now_or_never().is_none());
    kept.keeper.revoke(second.id.short()).unwrap();
    assert_eq!(newer.over().now_or_never(), Some(EndReason::Revoked));
    drop(newer);
    let third = kept.modal("ann").lease;
    let seat = kept.sit(&third.id);
    kept.keeper.close();
    assert_eq!(seat.over().now_or_never(), Some(EndReason::Shutdown));
    drop(seat);
    assert_eq!(kept.keeper.leases().len(), 1, "the end of the server ends no lease");
    assert!(!kept.keeper.leases()[0].watched);
}

#[test]
fn ends_are_remembered_for_an_hour_and_a_thousand_of_them() {
    let kept = Kept::new();
    let first = kept.modal("ann").lease;
    kept.keeper.end(&first.id, EndReason::Released);
    for _ in 0..1000 {
        let lease = kept.modal("ann").lease;
        kept.keeper.end(&lease.id, EndReason::Released);
    }
    assert_eq!(kept.heartbeat(&first.id, "ann"), Err(LeaseError::Unknown));
    let last = kept.modal("ann").lease;
    kept.keeper.end(&last.id, EndReason::Revoked);
    kept.secs(3601);
    let lease = kept.modal("ann").lease;
    kept.keeper.end(&lease.id, EndReason::Released);
    assert_eq!(kept.heartbeat(&last.id, "ann"), Err(LeaseError::Unknown));
    assert_eq!(kept.keeper.take_ended().len(), NEWS_MAX, "the loop was away for long");
}

#[test]
fn the_stream_that_the_camera_has_is_what_is_kept() {
    let kept = Kept::new();
    let mut request = ViewRequest {
        user: "ann".into(),
        camera: camera_name(1),
        quality: Some(Main),
        kind: ViewKind::Modal,
        codecs: Vec::new(),
        take_over: false,
    };
    let refusal = kept.keeper.request(request.clone(), &kept.around).unwrap_err();
    assert_eq!(refusal.code(), "STREAM_NOT_DECLARED");
    request.quality = None;
    assert_eq!(kept.keeper.request(request, &kept.around).unwrap().lease.quality, Sub);
}
