//! Leases over restarts of the server, and over a store that is down.

use std::sync::Arc;
use std::time::Duration;

use camserver::clock::Clock;
use camserver::live::leases::{restore, write_rows};
use camserver::live::{Engine, LeaseError, LeaseKeeper, LiveHandle, SlotSource};
use camserver::metrics::Metrics;
use camserver::model::lease::EndReason;
use camserver::model::time::{Mono, Now};
use camserver::world::store::{DataDir, Log, Store};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{LIMIT, request};
use crate::fixture::{TestEngine, TestSlots, now, snapshot};

/// One run of the server over a data directory.
struct Run {
    clock: Clock,
    keeper: Arc<LeaseKeeper>,
    live: LiveHandle,
    store: Store,
    _state: watch::Sender<Arc<camserver::model::snapshot::Snapshot>>,
}

impl Run {
    async fn start(data: &DataDir, now: Now) -> Self {
        let clock = Clock::manual(now);
        let store = Store::open(data, "sqlite://camserver.db").await.unwrap();
        let keeper = Arc::new(LeaseKeeper::new(clock.clone(), Arc::new(Metrics::new())));
        let (state, seen) = watch::channel(Arc::new(snapshot(6)));
        restore(&keeper, &store, &snapshot(6).desired.server.admission).await;
        let engine: Arc<dyn Engine> = Arc::new(TestEngine::default());
        let slots: Arc<dyn SlotSource> = Arc::new(TestSlots::default());
        let live = LiveHandle::new(Arc::clone(&keeper), engine, slots, seen);
        Self { clock, keeper, live, store, _state: state }
    }

    /// Writes what waits, as at the end of the program.
    async fn write(&self) {
        let stop = CancellationToken::new();
        stop.cancel();
        write_rows(Arc::clone(&self.keeper), self.store.clone(), stop).await;
    }
}

fn at(mono: u64, seconds: i64) -> Now {
    Now { mono: Mono(mono), wall: now().wall + jiff::SignedDuration::from_secs(seconds) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_survives_a_restart_only_while_its_heartbeat_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(&dir.path().join("data")).unwrap();
    let run = Run::start(&data, at(9_000_000, 0)).await;
    let silent = run.live.request(request("bob", false)).unwrap();
    let ended = run.live.request(request("eve", false)).unwrap();
    run.live.release(&ended.key, "eve").unwrap();
    run.clock.advance(Duration::from_secs(30));
    let lively = run.live.request(request("ann", false)).unwrap();
    run.write().await;
    run.store.close().await;

    // 20 s later, after a boot: 50 s after bob was last heard of, 20 s after ann.
    let run = Run::start(&data, at(5_000, 50)).await;
    assert_eq!(run.keeper.leases().len(), 1);
    let restored = run.live.heartbeat(&lively.key, "ann").unwrap();
    assert_eq!((restored.camera, restored.codecs), (lively.lease.camera, lively.lease.codecs));
    assert_eq!(restored.expires, Mono(5_000 + 280_000), "what was left of its time");
    assert_eq!(run.live.heartbeat(&lively.key, "bob"), Err(LeaseError::NotYours));
    let answer = run.live.heartbeat(&silent.key, "bob");
    assert_eq!(answer, Err(LeaseError::Ended(EndReason::Heartbeat)));
    let answer = run.live.heartbeat(&ended.key, "eve");
    assert_eq!(answer, Err(LeaseError::Ended(EndReason::Released)));
    run.write().await;
    let rows = run.store.recent_leases(at(0, -10).wall).await.unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows.iter().filter(|row| row.ended.is_none()).count(), 1);
    // The key is nowhere in the database.
    run.store.close().await;
    for file in ["camserver.db", "camserver.db-wal"] {
        let bytes = std::fs::read(data.path().join(file)).unwrap_or_default();
        let key = lively.key.expose().as_bytes();
        assert!(!bytes.windows(key.len()).any(|window| window == key), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_leases_go_with_their_retention() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(&dir.path().join("data")).unwrap();
    let run = Run::start(&data, at(9_000_000, 0)).await;
    run.live.request(request("ann", false)).unwrap();
    run.write().await;
    let expires = at(0, 300).wall;
    assert_eq!(run.store.census().await.unwrap().oldest_lease, Some(expires));
    assert_eq!(run.store.delete_log(Log::Leases, expires, 100).await.unwrap().rows, 0);
    let later = at(0, 301).wall;
    assert_eq!(run.store.delete_log(Log::Leases, later, 100).await.unwrap().rows, 1);
    assert_eq!(run.store.census().await.unwrap().oldest_lease, None);
    run.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_down_stops_no_view() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(&dir.path().join("data")).unwrap();
    let run = Run::start(&data, at(9_000_000, 0)).await;
    run.store.close().await;
    let stop = CancellationToken::new();
    let writing =
        tokio::spawn(write_rows(Arc::clone(&run.keeper), run.store.clone(), stop.clone()));
    let granted = run.live.request(request("ann", false)).unwrap();
    run.live.heartbeat(&granted.key, "ann").unwrap();
    run.live.release(&granted.key, "ann").unwrap();
    stop.cancel();
    timeout(LIMIT, writing).await.expect("an end").unwrap();
    // What could not be written still waits, and a store that answers gets it.
    let store = Store::open(&data, "sqlite://camserver.db").await.unwrap();
    write_rows(Arc::clone(&run.keeper), store.clone(), stop).await;
    let rows = store.recent_leases(at(0, -10).wall).await.unwrap();
    assert_eq!(rows[0].ended.map(|(_, reason)| reason), Some(EndReason::Released));
    store.close().await;
}
