//! Crash points and faults that need a look inside.

use bytes::Bytes;
use sqlx::Row;

use super::events::AppendEvents;
use super::frames::InsertFrame;
use super::retention::DeleteFrames;
use super::writer::{Tx, Write};
use super::*;
use crate::model::desired::Backend;
use crate::model::event::{EventKind, NewEvent};
use crate::model::names::CameraName;
use jiff::{SignedDuration, Timestamp};

const URL: &str = "sqlite://camserver.db";

struct Place {
    store: Store,
    data: DataDir,
    _dir: Option<tempfile::TempDir>,
}

impl Place {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        let store = Store::open(&data, URL).await.unwrap();
        Self { store, data, _dir: Some(dir) }
    }

    fn pictures(&self) -> &Pictures {
        &self.store.inner.pictures
    }

    /// Files of a picture whose row is never written: the program died in between.
    fn file_without_row(&self, minute: i64) -> String {
        let row = InsertFrame::of(&picture(minute, 10)).unwrap().0;
        self.pictures().write(&row.file, &[0; 10], &[0; 2]).unwrap();
        row.file
    }

    fn has(&self, file: &str) -> bool {
        self.data.frames().join(file).exists()
    }
}

fn minutes(count: i64) -> Timestamp {
    let start: Timestamp = "2026-01-05T22:00:00Z".parse().unwrap();
    start + SignedDuration::from_mins(count)
}

/// Later than any file of a test was made.
fn later() -> Timestamp {
    Timestamp::from_second(4_000_000_000).unwrap()
}

fn picture(minute: i64, bytes: usize) -> NewFrame {
    NewFrame {
        camera: CameraName::parse("cam-001").unwrap(),
        sweep: None,
        captured_at: minutes(minute),
        backend: Backend::Http,
        width: 640,
        height: 360,
        jpeg: Bytes::from(vec![1; bytes]),
        thumbnail: Bytes::from_static(b"th"),
    }
}

fn happening() -> NewEvent {
    NewEvent {
        camera: None,
        captured_at: minutes(0),
        kind: EventKind::ServerStarted,
        severity: 0,
        tags: Vec::new(),
        unknown_flag: false,
        summary: String::new(),
        attributes: std::collections::BTreeMap::new(),
        frame_id: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_file_and_row_is_repaired() {
    let place = Place::new().await;
    let kept = place.store.save_frame(picture(0, 10)).await.unwrap();
    let stray = place.file_without_row(1);
    let half = stray.replace("cam-001", "cam-002").replace(".jpg", ".tmp");
    std::fs::write(place.data.frames().join(&half), b"ha").unwrap();
    let foreign = place.data.frames().join("2026-01-05/22/holiday.jpg");
    std::fs::write(&foreign, b"mine").unwrap();

    let repaired = place.store.repair(None, later()).await.unwrap();
    assert_eq!((repaired.rows_without_file, repaired.files_without_row), (0, 3));
    assert!(!place.has(&stray) && !place.has(&half));
    assert!(place.has(&kept.file) && foreign.exists());
    assert_eq!(place.store.repair(None, later()).await.unwrap(), Repaired::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_deleting_row_and_file_is_repaired() {
    let place = Place::new().await;
    let kept = place.store.save_frame(picture(99, 10)).await.unwrap();
    let frame = place.store.save_frame(picture(0, 10)).await.unwrap();
    let delete = DeleteFrames { detected: 0, before: i64::MAX, bytes: i64::MAX, rows: 1 };
    place.store.inner.writes.submit(delete).await.unwrap();
    assert!(place.has(&frame.file));
    let repaired = place.store.repair(None, later()).await.unwrap();
    assert_eq!((repaired.rows_without_file, repaired.files_without_row), (0, 2));
    assert!(!place.has(&frame.file) && place.has(&kept.file));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_cut_short_by_a_power_failure_goes_with_its_row() {
    let place = Place::new().await;
    let frame = place.store.save_frame(picture(0, 10)).await.unwrap();
    std::fs::write(place.data.frames().join(&frame.file), b"").unwrap();
    let repaired = place.store.repair(None, later()).await.unwrap();
    assert_eq!(repaired.rows_without_file, 1);
    assert!(!place.has(&frame.file));
    assert_eq!(place.store.census().await.unwrap().no_event_frames, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_stored_or_young_is_not_repaired_away() {
    let place = Place::new().await;
    let file = place.file_without_row(0);
    let in_flight = place.pictures().begin(&file);
    assert_eq!(place.store.repair(None, later()).await.unwrap(), Repaired::default());
    drop(in_flight);
    let written = std::fs::metadata(place.data.frames().join(&file)).unwrap().modified().unwrap();
    let soon = Timestamp::try_from(written).unwrap() + SignedDuration::from_secs(30);
    assert_eq!(place.store.repair(None, soon).await.unwrap(), Repaired::default());
    assert!(place.has(&file));
    let early = place.store.repair(Some(minutes(60)), later()).await.unwrap();
    assert_eq!(early, Repaired::default(), "older than what was asked for");
    assert_eq!(place.store.repair(None, later()).await.unwrap().files_without_row, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_that_sees_everything_as_old_spares_what_is_being_stored() {
    let place = Place::new().await;
    let mut savers = tokio::task::JoinSet::new();
    for saver in 0..4 {
        let store = place.store.clone();
        savers.spawn(async move {
            for minute in 0..150 {
                let frame = store.save_frame(picture(saver * 1_000 + minute % 50, 10)).await;
                store.image(&frame.unwrap()).await.unwrap();
            }
        });
    }
    while !savers.is_empty() {
        let repaired = place.store.repair(None, later()).await.unwrap();
        assert_eq!(repaired, Repaired::default());
        while savers.try_join_next().is_some_and(|saved| saved.is_ok()) {}
    }
    assert_eq!(place.store.census().await.unwrap().frames, 600);
    assert_eq!(place.store.repair(None, later()).await.unwrap(), Repaired::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_files_beside_an_empty_table_are_never_removed() {
    let place = Place::new().await;
    for minute in 0..1_010 {
        place.file_without_row(minute);
    }
    assert_eq!(place.store.pairing(), Pairing::Matched);
    let refused = place.store.repair(None, later()).await.unwrap();
    assert!(refused.refused.unwrap().contains("1010 of 1010 pictures"));
    assert_eq!(refused.files_without_row, 0);

    // One row is enough to say that the database is the right one.
    place.store.save_frame(picture(0, 10)).await.unwrap();
    let repaired = place.store.repair(None, later()).await.unwrap();
    assert_eq!((repaired.files_without_row, repaired.refused), (2_020, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mark_a_few_files_beside_an_empty_table_stay() {
    let place = Place::new().await;
    std::fs::remove_file(place.data.frames().join(".store")).unwrap();
    let file = place.file_without_row(0);
    let refused = place.store.repair(None, later()).await.unwrap().refused.unwrap();
    assert!(refused.contains(&place.store.inner.store_id), "names the remedy: {refused}");
    assert!(place.has(&file));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mark_only_little_is_removed() {
    let place = Place::new().await;
    place.store.save_frame(picture(0, 10)).await.unwrap();
    std::fs::remove_file(place.data.frames().join(".store")).unwrap();
    for minute in 1..=101 {
        place.file_without_row(minute);
    }
    let refused = place.store.repair(None, later()).await.unwrap();
    assert!(refused.refused.is_some());
    assert_eq!(place.store.pairing(), Pairing::Unproven);
    for minute in 2_000..2_300 {
        place.store.save_frame(picture(minute, 10)).await.unwrap();
    }
    let repaired = place.store.repair(None, later()).await.unwrap();
    assert_eq!((repaired.files_without_row, repaired.refused), (202, None));
    assert_eq!(place.store.pairing(), Pairing::Matched);
}

/// A request that fails, or says how safe the commit that it is part of will be.
struct Odd {
    fails: bool,
}

impl Write for Odd {
    type Out = i64;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<i64, StoreError> {
        if self.fails {
            return Err(StoreError::Rejected("as asked".to_owned()));
        }
        let row = sqlx::query("PRAGMA synchronous").fetch_one(&mut *tx.conn).await?;
        Ok(row.try_get(0)?)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refused_request_does_not_take_others_with_it() {
    let place = Place::new().await;
    let writes = &place.store.inner.writes;
    for _ in 0..20 {
        let events = vec![happening(), happening()];
        let (first, bad, last) = tokio::join!(
            place.store.append_events(events.clone()),
            writes.submit(Odd { fails: true }),
            place.store.append_events(events),
        );
        assert_eq!(bad.unwrap_err().kind(), "Rejected");
        assert!(first.is_ok() && last.is_ok());
    }
    assert_eq!(place.store.last_seq().await.unwrap(), 80);
    assert_eq!(place.store.census().await.unwrap().events, 80);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_synced_to_the_disk_and_frames_are_not() {
    const NORMAL: i64 = 1;
    const FULL: i64 = 2;

    /// Like [`Odd`], in a transaction that must survive a power failure.
    struct Safe;
    impl Write for Safe {
        type Out = i64;
        const DURABLE: bool = true;
        async fn apply(&self, tx: &mut Tx<'_>) -> Result<i64, StoreError> {
            Odd { fails: false }.apply(tx).await
        }
    }

    const { assert!(AppendEvents::DURABLE && !InsertFrame::DURABLE) };
    let place = Place::new().await;
    let writes = &place.store.inner.writes;
    for _ in 0..3 {
        assert_eq!(writes.submit(Odd { fails: false }).await.unwrap(), NORMAL);
        assert_eq!(writes.submit(Safe).await.unwrap(), FULL);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_leaves_no_file_without_row() {
    let place = Place::new().await;
    for minute in 0..50 {
        let store = place.store.clone();
        let saving = tokio::spawn(async move { store.save_frame(picture(minute, 10)).await });
        tokio::task::yield_now().await;
        saving.abort();
        drop(saving.await);
    }
    place.store.close().await;
    let again = Store::open(&place.data, URL).await.unwrap();
    assert_eq!(again.repair(None, later()).await.unwrap(), Repaired::default());
}

/// A file system of 4 MB; `None` where this user may not mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    #[expect(clippy::disallowed_methods, reason = "mounting is the test's own business")]
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(dir.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then(|| Self(dir))
    }
}

impl Drop for SmallDisk {
    #[expect(clippy::disallowed_methods, reason = "mounting is the test's own business")]
    fn drop(&mut self) {
        drop(std::process::Command::new("umount").arg("-l").arg(self.0.path()).output());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_named_leaves_no_half_file_and_reading_goes_on() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: mounting a small disk needs root");
        return;
    };
    let data = DataDir::open(disk.0.path()).unwrap();
    let store = Store::open(&data, URL).await.unwrap();
    let place = Place { store, data, _dir: None };
    let first = place.store.save_frame(picture(0, 100_000)).await.unwrap();
    let mut saved = 1;
    let error = loop {
        match place.store.save_frame(picture(saved, 100_000)).await {
            Ok(_) => saved += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Full(_)), "{error:?}");
    assert_eq!(place.store.image(&first).await.unwrap().len(), 100_000);
    assert_eq!(place.store.repair(None, later()).await.unwrap(), Repaired::default());

    // The database, too, fills the rest, says so, and reads on. Somebody who reads all the while
    // keeps its log from being used again from the start.
    let mut reader = place.store.inner.reads.acquire().await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT * FROM store").execute(&mut *reader).await.unwrap();
    let mut fill = vec![happening(); 500];
    for event in &mut fill {
        event.summary = "x".repeat(1_000);
    }
    let mut appended = 0;
    let error = loop {
        match place.store.append_events(fill.clone()).await {
            Ok(events) => appended += events.len() as u64,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Full(_)), "{error:?}");
    // What the failed transaction had written can be written over by smaller ones.
    while let Ok(events) = place.store.append_events(vec![happening(); 3]).await {
        appended += events.len() as u64;
    }
    assert_eq!(place.store.last_seq().await.unwrap(), appended);
    assert_eq!(place.store.census().await.unwrap().frames, count(saved));

    // Retention makes room although not a byte is left, and everything goes on by itself.
    let mut rest = std::fs::File::create(place.data.path().join("rest")).unwrap();
    while std::io::Write::write_all(&mut rest, &[0; 512]).is_ok() {}
    let cut = FrameCut { class: FrameClass::NoEvent, before: None, bytes: None, rows: 20 };
    assert_eq!(place.store.delete_frames(cut).await.unwrap().rows, 20);
    sqlx::raw_sql("COMMIT").execute(&mut *reader).await.unwrap();
    drop(reader);
    place.store.save_frame(picture(9_000, 1_000)).await.unwrap();
    let next = place.store.append_events(vec![happening()]).await.unwrap();
    assert_eq!(next[0].seq, appended + 1);
    place.store.close().await;
}
