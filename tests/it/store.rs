//! The store from outside: a real database and real files in a directory of the test's own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use bytes::Bytes;
use camserver::model::desired::Backend;
use camserver::model::event::{EventKind, NewEvent};
use camserver::model::failure::{Failure, FailureKind, Stage};
use camserver::model::frame::{Frame, SweepOutcome, SweepRecord, SweepResult, SweepState};
use camserver::model::names::{CameraName, SubnetName};
use camserver::world::store::{
    ConfigRevision, DataDir, FrameClass, FrameCut, Log, NewFrame, Pairing, Store, StoreError,
};
use jiff::{SignedDuration, Timestamp};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

const URL: &str = "sqlite://camserver.db";

struct Place {
    store: Store,
    data: DataDir,
    _dir: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(&dir.path().join("data")).unwrap();
        let store = Store::open(&data, URL).await.unwrap();
        Self { store, data, _dir: dir }
    }

    /// Ends the store and opens it again.
    async fn restart(&mut self) {
        self.store.close().await;
        self.store = Store::open(&self.data, URL).await.unwrap();
    }

    async fn save(&self, camera: &str, at: Timestamp) -> Frame {
        self.store.save_frame(picture(camera, at)).await.unwrap()
    }

    fn database(&self) -> PathBuf {
        self.data.path().join("camserver.db")
    }

    fn files(&self) -> usize {
        files_under(&self.data.frames())
    }
}

/// Files below a directory, hidden ones left out.
fn files_under(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
        .map(|entry| if entry.path().is_dir() { files_under(&entry.path()) } else { 1 })
        .sum()
}

fn start() -> Timestamp {
    "2026-01-05T22:00:00Z".parse().unwrap()
}

fn minutes(count: i64) -> Timestamp {
    start() + SignedDuration::from_mins(count)
}

fn name(text: &str) -> CameraName {
    CameraName::parse(text).unwrap()
}

fn picture(camera: &str, at: Timestamp) -> NewFrame {
    NewFrame {
        camera: name(camera),
        sweep: Some(7),
        captured_at: at,
        backend: Backend::Native,
        width: 640,
        height: 360,
        jpeg: Bytes::from(vec![1; 900]),
        thumbnail: Bytes::from(vec![2; 100]),
    }
}

fn happening(kind: EventKind, frame: Option<i64>) -> NewEvent {
    NewEvent {
        camera: Some(name("cam-001")),
        captured_at: start(),
        kind,
        severity: 2,
        tags: vec!["hazard.fire".to_owned()],
        unknown_flag: true,
        summary: "Something burns".to_owned(),
        attributes: [("score".to_owned(), serde_json::json!(0.5))].into(),
        frame_id: frame,
    }
}

fn cut(class: FrameClass, rows: u32) -> FrameCut {
    FrameCut { class, before: None, bytes: None, rows }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_is_read_back_after_a_restart() {
    let mut place = Place::new().await;
    let frame = place.save("cam-001", start()).await;
    place.restart().await;
    assert_eq!(place.store.frame(frame.id).await.unwrap(), frame);
    assert_eq!(place.store.image(&frame).await.unwrap(), vec![1; 900]);
    assert_eq!(place.store.thumbnail(&frame).await.unwrap(), vec![2; 100]);
    assert_eq!(place.store.pairing(), Pairing::Matched);
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_are_listed_by_camera_and_the_latest_of_each_is_known() {
    let place = Place::new().await;
    for minute in 0..5 {
        for camera in ["cam-001", "cam-002", "cam-003"] {
            place.save(camera, minutes(minute)).await;
        }
    }
    let all = place.store.frames_of(&name("cam-002"), None, 500).await.unwrap();
    assert_eq!(all.len(), 5);
    assert!(all.iter().all(|frame| frame.camera == name("cam-002")));
    let older = place.store.frames_of(&name("cam-002"), Some(all[1].id), 2).await.unwrap();
    assert_eq!(older, all[2..4]);
    let latest = place.store.latest_frames().await.unwrap();
    assert_eq!(latest.len(), 3);
    assert!(latest.iter().all(|frame| frame.captured_at == minutes(4)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_vanished_is_not_found_and_its_row_is_repaired_away() {
    let place = Place::new().await;
    let (kept, lost) = (place.save("cam-001", start()).await, place.save("cam-2", start()).await);
    std::fs::remove_file(place.data.frames().join(&lost.file)).unwrap();
    assert_eq!(place.store.image(&lost).await.unwrap_err().kind(), "NotFound");
    let repaired = place.store.repair(None, minutes(60)).await.unwrap();
    assert_eq!((repaired.rows_without_file, repaired.refused), (1, None));
    assert!(matches!(place.store.frame(lost.id).await, Err(StoreError::NotFound(_))));
    assert_eq!(place.store.image(&kept).await.unwrap().len(), 900);
    assert_eq!(place.files(), 2, "the thumbnail of the lost picture goes too");
    assert_eq!(place.store.census().await.unwrap().bytes, 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_run_once() {
    let mut place = Place::new().await;
    place.restart().await;
    place.restart().await;
    let mut conn = SqliteConnectOptions::new().filename(place.database()).connect().await.unwrap();
    let applied: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM _sqlx_migrations")
        .fetch_one(&mut conn)
        .await
        .unwrap();
    assert_eq!(applied, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_from_a_newer_program_is_refused_with_both_versions() {
    let place = Place::new().await;
    place.store.close().await;
    let mut conn = SqliteConnectOptions::new().filename(place.database()).connect().await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9, 'later', 1, x'00', 1)",
    )
    .execute(&mut conn)
    .await
    .unwrap();
    let error = Store::open(&place.data, URL).await.err().unwrap();
    assert!(matches!(error, StoreError::SchemaNewer { found: 9, known: 2 }), "{error}");
    assert!(error.to_string().contains("version 9"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_database_is_named_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path()).unwrap();
    std::fs::write(dir.path().join("camserver.db"), vec![b'x'; 8192]).unwrap();
    let error = Store::open(&data, URL).await.err().unwrap();
    assert_eq!(error.kind(), "Corrupt");
    let text = error.to_string();
    assert!(text.contains("camserver.db") && text.contains("backup"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_kind_of_database_is_refused_without_repeating_the_password() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path()).unwrap();
    for url in ["mysql://cam:hunter2@db/cam", "camserver.db", "sqlite://", "sqlite://a?mode=ro"] {
        let error = Store::open(&data, url).await.err().unwrap();
        assert_eq!(error.kind(), "UnsupportedUrl", "{url}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

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

#[tokio::test(flavor = "multi_thread")]
async fn retention_takes_the_oldest_frames_without_event_and_counts_what_is_left() {
    let place = Place::new().await;
    let mut frames = Vec::new();
    for minute in 0..10 {
        frames.push(place.save("cam-001", minutes(minute)).await);
    }
    let shown = happening(EventKind::Human, Some(frames[0].id));
    place.store.append_events(vec![shown.clone(), shown]).await.unwrap();
    let census = place.store.census().await.unwrap();
    assert_eq!((census.frames, census.no_event_frames), (10, 9));
    assert_eq!(census.oldest_no_event_frame, Some(minutes(1)));
    assert_eq!(census.oldest_event_frame, Some(minutes(0)));

    let by_age = FrameCut { before: Some(minutes(4)), ..cut(FrameClass::NoEvent, 10_000) };
    assert_eq!(place.store.delete_frames(by_age).await.unwrap().rows, 3);
    // 2,500 bytes are reached with the third frame of 1,000.
    let by_bytes = FrameCut { bytes: Some(2_500), ..cut(FrameClass::NoEvent, 10_000) };
    let deleted = place.store.delete_frames(by_bytes).await.unwrap();
    assert_eq!((deleted.rows, deleted.bytes), (3, 3_000));
    let census = place.store.census().await.unwrap();
    assert_eq!((census.frames, census.bytes, census.no_event_bytes), (4, 4_000, 3_000));
    assert_eq!(census.oldest_no_event_frame, Some(minutes(7)));
    assert_eq!(place.files(), 8);
    assert!(place.store.frame(frames[0].id).await.unwrap().detected);

    assert_eq!(place.store.delete_frames(cut(FrameClass::Event, 5)).await.unwrap().rows, 1);
    assert_eq!(place.store.delete_frames(cut(FrameClass::NoEvent, 2)).await.unwrap().rows, 2);
    assert_eq!(place.store.delete_frames(cut(FrameClass::NoEvent, 9)).await.unwrap().rows, 1);
    assert_eq!(place.store.census().await.unwrap().bytes, 0);
    let days = std::fs::read_dir(place.data.frames()).unwrap();
    let days = days.filter(|day| day.as_ref().unwrap().path().is_dir()).count();
    assert_eq!(days, 0, "empty directories are removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_are_stored_while_many_are_deleted() {
    let place = Place::new().await;
    for minute in 0..700 {
        place.save("cam-old", minutes(minute)).await;
    }
    let writers = (0..4).map(|writer| {
        let store = place.store.clone();
        tokio::spawn(async move {
            for minute in 0..50 {
                let camera = format!("cam-{writer}");
                store.save_frame(picture(&camera, minutes(10_000 + minute))).await.unwrap();
            }
        })
    });
    let writers = futures::future::join_all(writers);
    let due = FrameCut { before: Some(minutes(9_000)), ..cut(FrameClass::NoEvent, 10_000) };
    let (deleted, written) = tokio::join!(place.store.delete_frames(due), writers);
    assert_eq!(deleted.unwrap().rows, 700);
    assert!(written.iter().all(Result::is_ok));
    let census = place.store.census().await.unwrap();
    assert_eq!((census.frames, census.bytes), (200, 200_000));
    assert_eq!(place.files(), 400);
    let repaired = place.store.repair(None, minutes(20_000)).await.unwrap();
    assert_eq!(repaired, camserver::world::store::Repaired::default(), "nothing stands alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_database_beside_old_pictures_leaves_them_alone() {
    let mut place = Place::new().await;
    for minute in 0..5 {
        place.save("cam-001", minutes(minute)).await;
    }
    place.store.close().await;
    for suffix in ["", "-wal", "-shm"] {
        drop(std::fs::remove_file(format!("{}{suffix}", place.database().display())));
    }
    place.store = Store::open(&place.data, URL).await.unwrap();
    assert!(matches!(place.store.pairing(), Pairing::Mismatched(_)));
    let frame = place.save("cam-001", minutes(9)).await;
    let repaired = place.store.repair(None, minutes(60)).await.unwrap();
    assert!(repaired.refused.unwrap().contains("another database"));
    assert_eq!(place.files(), 12);
    assert_eq!(place.store.image(&frame).await.unwrap().len(), 900);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_restored_from_an_older_backup_leaves_newer_pictures_alone() {
    let mut place = Place::new().await;
    place.save("cam-001", minutes(0)).await;
    place.store.close().await;
    let backup = place.data.path().join("backup.db");
    std::fs::copy(place.database(), &backup).unwrap();
    place.store = Store::open(&place.data, URL).await.unwrap();
    place.save("cam-001", minutes(1)).await;
    place.store.repair(None, minutes(2)).await.unwrap();
    place.store.close().await;
    std::fs::copy(&backup, place.database()).unwrap();

    place.store = Store::open(&place.data, URL).await.unwrap();
    let repaired = place.store.repair(None, minutes(60)).await.unwrap();
    let why = repaired.refused.unwrap();
    assert!(why.contains("older backup"), "{why}");
    assert_eq!(place.files(), 4);

    // What the message says how to resolve it.
    let id = why.split('`').nth(1).unwrap();
    std::fs::write(place.data.frames().join(".store"), id).unwrap();
    let later = Timestamp::from_second(4_000_000_000).unwrap();
    let repaired = place.store.repair(None, later).await.unwrap();
    assert_eq!((repaired.files_without_row, repaired.refused), (2, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_a_disk_that_is_not_mounted_keep_their_rows() {
    let place = Place::new().await;
    for minute in 0..150 {
        place.save("cam-001", minutes(minute)).await;
    }
    let away = place.data.path().join("elsewhere");
    std::fs::rename(place.data.frames(), &away).unwrap();
    let unreadable = place.store.repair(None, minutes(600)).await;
    assert_eq!(unreadable.unwrap_err().kind(), "NotFound");
    std::fs::create_dir(place.data.frames()).unwrap();
    let repaired = place.store.repair(None, minutes(600)).await.unwrap();
    assert!(repaired.refused.unwrap().contains("150 of 150"));
    std::fs::remove_dir(place.data.frames()).unwrap();
    std::fs::rename(&away, place.data.frames()).unwrap();
    let repaired = place.store.repair(None, minutes(600)).await.unwrap();
    assert_eq!(repaired.refused, None);
    assert_eq!(place.store.census().await.unwrap().frames, 150);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_store_says_so_and_has_written_everything() {
    let place = Place::new().await;
    let saving: Vec<_> = (0..40)
        .map(|minute| {
            let store = place.store.clone();
            tokio::spawn(async move { store.save_frame(picture("cam-001", minutes(minute))).await })
        })
        .collect();
    tokio::task::yield_now().await;
    place.store.close().await;
    let mut saved = 0;
    for task in saving {
        match task.await.unwrap() {
            Ok(_) => saved += 1,
            Err(error) => assert_eq!(error.kind(), "Closed"),
        }
    }
    let again = Store::open(&place.data, URL).await.unwrap();
    assert_eq!(again.census().await.unwrap().frames, saved);
    assert_eq!(place.files() as u64, saved * 2);
    assert!(place.store.last_seq().await.is_err());
}
