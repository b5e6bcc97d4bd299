//! Events, sweeps and applied sets: numbered, kept in order, deleted when past their time.

use camserver::model::desired::Backend;
use camserver::model::event::EventKind;
use camserver::model::failure::{Failure, FailureKind, Stage};
use camserver::model::frame::{SweepOutcome, SweepRecord, SweepResult, SweepState};
use camserver::model::names::SubnetName;
use camserver::world::store::{ConfigRevision, Log};

use super::{Place, happening, minutes, name, start};

#[tokio::test(flavor = "multi_thread")]
async fn events_appended_side_by_side_have_no_gap_and_keep_their_order() {
    let mut place = Place::new().await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let store = place.store.clone();
        tasks.spawn(async move {
            let mut seqs = Vec::new();
            for round in 0..20 {
                let event = happening(EventKind::Motion, None);
                let events = vec![event; 1 + (task + round) % 3];
                let appended = store.append_events(events).await.unwrap();
                assert!(appended.windows(2).all(|pair| pair[1].seq == pair[0].seq + 1));
                seqs.extend(appended.iter().map(|event| event.seq));
            }
            assert!(seqs.is_sorted());
            seqs
        });
    }
    let mut all = tasks.join_all().await.concat();
    all.sort_unstable();
    let last = all.len() as u64;
    assert_eq!(all, (1..=last).collect::<Vec<_>>());
    place.restart().await;
    assert_eq!(place.store.last_seq().await.unwrap(), last);
    let stored = place.store.events_since(5, 500).await.unwrap();
    assert_eq!(stored.first().unwrap().seq, 6);
    assert_eq!(stored.len() as u64, last - 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn places_of_deleted_events_are_never_given_again() {
    let mut place = Place::new().await;
    let event = happening(EventKind::Human, None);
    let first = place.store.append_events(vec![event.clone(); 3]).await.unwrap();
    assert_eq!(place.store.event(2).await.unwrap(), first[1]);
    let deleted = place.store.delete_log(Log::Events, minutes(1), 10_000).await.unwrap();
    assert_eq!(deleted.rows, 3);
    place.restart().await;
    let next = place.store.append_events(vec![event]).await.unwrap();
    assert_eq!(next[0].seq, 4);
    assert_eq!(place.store.census().await.unwrap().events, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_is_recorded_and_one_of_a_dead_run_is_aborted() {
    let mut place = Place::new().await;
    let subnet = SubnetName::parse("shop").unwrap();
    let id = place.store.last_sweep_id().await.unwrap() + 1;
    place.store.start_sweep(id, &subnet, start()).await.unwrap();
    let result = |camera: &str, outcome, backend| SweepResult {
        camera: name(camera),
        outcome,
        backend,
        duration_ms: 812,
    };
    let failure = Failure::at(FailureKind::Timeout, Stage::Describe, "no answer").with_code(453);
    let skipped = SweepOutcome::Skipped { reason: "NoSlot", message: "2 of 2 in use".to_owned() };
    let record = SweepRecord {
        id,
        subnet: subnet.clone(),
        started_at: start(),
        ended_at: Some(minutes(1)),
        state: SweepState::Done,
        clean: Some(true),
        results: vec![
            result("cam-001", SweepOutcome::Ok(12), Some(Backend::Native)),
            result("cam-002", SweepOutcome::Failed(failure), Some(Backend::Http)),
            result("cam-003", skipped, None),
        ],
    };
    place.store.finish_sweep(&record).await.unwrap();
    let left_behind = id + 1;
    place.store.start_sweep(left_behind, &subnet, minutes(2)).await.unwrap();
    place.restart().await;
    assert_eq!(place.store.abort_running(minutes(3)).await.unwrap(), 1);
    let last = place.store.last_sweeps().await.unwrap();
    assert_eq!((last[0].id, last[0].state), (left_behind, SweepState::Aborted));
    assert_eq!(last[0].ended_at, Some(minutes(3)));
    let sweeps = place.store.sweeps(Some(&subnet), Some(left_behind), 10).await.unwrap();
    assert_eq!(sweeps.as_slice(), std::slice::from_ref(&record));
    assert_eq!(place.store.sweeps(None, None, 10).await.unwrap().len(), 2);
    let unknown = SweepRecord { id: 99, ..record };
    assert_eq!(place.store.finish_sweep(&unknown).await.unwrap_err().kind(), "NotFound");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_applied_set_outlives_retention() {
    let place = Place::new().await;
    for generation in 1..=3 {
        let revision = ConfigRevision {
            generation,
            digest: format!("{generation:064x}"),
            revision: None,
            applied_at: minutes(i64::try_from(generation).unwrap()),
            objects: serde_json::json!({"Camera": 30}),
        };
        place.store.save_config(revision.clone()).await.unwrap();
        let again = place.store.save_config(revision).await.unwrap_err();
        assert_eq!(again.kind(), "Rejected");
    }
    let deleted = place.store.delete_log(Log::ConfigRevisions, minutes(99), 10_000).await.unwrap();
    assert_eq!(deleted.rows, 2);
    let left = place.store.config_revisions(500).await.unwrap();
    assert_eq!(left.iter().map(|set| set.generation).collect::<Vec<_>>(), [3]);
}
