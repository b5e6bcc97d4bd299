//! The store from outside: a real database and real files in a directory of the test's own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use bytes::Bytes;
use camserver::model::desired::Backend;
use camserver::model::event::{EventKind, NewEvent};
use camserver::model::frame::Frame;
use camserver::model::names::CameraName;
use camserver::world::store::{DataDir, FrameClass, FrameCut, NewFrame, Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

mod frames;
mod log;
mod mismatch;

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
