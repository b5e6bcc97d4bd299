//! Waiting for slots, on a clock that stands still unless told to move.

use std::time::Duration;

use super::*;
use crate::model::names::CameraName;
use crate::model::slot::Purpose;

fn device() -> Device {
    "127.125.0.19:554".parse().unwrap()
}

fn holder(purpose: Purpose) -> Holder {
    Holder { camera: CameraName::parse("cam").unwrap(), purpose }
}

/// A keeper that has looked at an empty table, for one device.
fn keeper(max: u16) -> (Arc<SlotKeeper>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let (journal, before) = SlotJournal::open(&directory.path().join("slots"), "boot").unwrap();
    let keeper = SlotKeeper::new(Clock::System, journal, &before);
    let limits = DeviceLimits {
        max_connections: max,
        min_reconnect_interval: Duration::ZERO,
        quarantine: Duration::from_secs(10),
        exclusive: false,
        cameras: Vec::new(),
    };
    keeper.set_limits(Arc::new(BTreeMap::from([(device(), limits)])));
    keeper.observe(keeper.clock.now().mono, &[]);
    (Arc::new(keeper), directory)
}

fn soon() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(5)
}

#[tokio::test]
async fn a_viewer_gets_the_slot_of_a_capture_that_was_asked_to_leave() {
    let (keeper, _directory) = keeper(1);
    let sweep = keeper.acquire(device(), holder(Purpose::Sweep)).unwrap();
    let leaving = async {
        sweep.yielding().clone().cancelled().await;
        let refused = keeper.acquire(device(), holder(Purpose::Sweep)).unwrap_err();
        assert_eq!(refused, Refusal::Wanted { by: Purpose::Modal });
        sweep.end(ConnectionEnd::Acknowledged);
    };
    let (viewer, ()) =
        tokio::join!(keeper.acquire_by(device(), holder(Purpose::Modal), soon()), leaving);
    let viewer = viewer.unwrap();
    assert!(!viewer.yielding().is_cancelled());
    drop(viewer);
    assert!(keeper.view().waiting.is_empty(), "nobody is held back any more");
}

#[tokio::test]
async fn a_viewer_is_told_at_once_when_only_viewers_have_the_slots() {
    let (keeper, _directory) = keeper(1);
    let first = keeper.acquire(device(), holder(Purpose::Modal)).unwrap();
    let refused = keeper.acquire_by(device(), holder(Purpose::Modal), soon()).await.unwrap_err();
    assert_eq!(refused, Refusal::Full { limit: 1, ours: 1, others: 0 });
    assert!(!first.yielding().is_cancelled());
}

#[tokio::test]
async fn a_slot_that_was_raised_is_not_given_up_until_it_is_lowered() {
    let (keeper, _directory) = keeper(2);
    let pane = keeper.acquire(device(), holder(Purpose::Suggest)).unwrap();
    let sweep = keeper.acquire(device(), holder(Purpose::Sweep)).unwrap();
    keeper.serve(pane.id(), Purpose::Modal);
    keeper.serve(sweep.id(), Purpose::Modal);
    let refused = keeper.acquire_by(device(), holder(Purpose::Modal), soon()).await.unwrap_err();
    assert_eq!(refused, Refusal::Full { limit: 2, ours: 2, others: 0 });
    assert!(!pane.yielding().is_cancelled() && !sweep.yielding().is_cancelled());
    keeper.serve(sweep.id(), Purpose::Suggest);
    let leaving = async {
        sweep.yielding().clone().cancelled().await;
        sweep.end(ConnectionEnd::Acknowledged);
    };
    let (viewer, ()) =
        tokio::join!(keeper.acquire_by(device(), holder(Purpose::Modal), soon()), leaving);
    assert!(viewer.is_ok() && !pane.yielding().is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn one_who_gives_up_waiting_holds_nobody_back() {
    let (keeper, _directory) = keeper(1);
    let sweep = keeper.acquire(device(), holder(Purpose::Sweep)).unwrap();
    let refused = keeper.acquire_by(device(), holder(Purpose::Modal), soon()).await.unwrap_err();
    assert_eq!(refused, Refusal::Full { limit: 1, ours: 1, others: 0 });
    assert!(sweep.yielding().is_cancelled());
    assert!(keeper.view().waiting.is_empty());
}

#[tokio::test]
async fn a_dropped_wait_holds_nobody_back() {
    let (keeper, _directory) = keeper(1);
    let _sweep = keeper.acquire(device(), holder(Purpose::Sweep)).unwrap();
    {
        let mut waiting = Box::pin(keeper.acquire_by(device(), holder(Purpose::Modal), soon()));
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        assert_eq!(keeper.view().waiting.get(&device()), Some(&Purpose::Modal));
    }
    assert!(keeper.view().waiting.is_empty());
}
