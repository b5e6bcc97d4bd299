//! JPEGs, their tags and what caches may do with them.

use std::sync::atomic::Ordering;

use axum::http::StatusCode;

use super::fixture::World;
use super::{get, get_with};

#[tokio::test]
async fn a_thumbnail_is_tagged_with_its_frame_and_not_sent_twice() {
    let world = World::new(3);
    let path = "/api/v1/cameras/cam-001/thumbnail.jpg";
    let answer = get(&world, &format!("{path}?v=801")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "image/jpeg");
    assert_eq!(answer.header("etag"), "\"801\"");
    assert_eq!(answer.header("cache-control"), "no-cache");
    assert!(answer.text().contains("thumb 801"));
    for tags in ["\"801\"", "W/\"801\"", "\"1\", \"801\"", "*"] {
        let answer = get_with(&world, path, &[("if-none-match", tags)]).await;
        assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "{tags}");
        assert_eq!(answer.header("etag"), "\"801\"");
        assert!(answer.body.is_empty());
    }
    let answer = get_with(&world, path, &[("if-none-match", "\"800\"")]).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_snapshot_is_the_last_good_frame_or_a_problem() {
    let world = World::new(3);
    let answer = get(&world, "/api/v1/cameras/cam-001/snapshot.jpg").await;
    assert!(answer.text().contains("jpeg 801"));
    assert_eq!(get(&world, "/api/v1/cameras/cam-002/snapshot.jpg").await.code(), "NO_FRAME");
    assert_eq!(get(&world, "/api/v1/cameras/cam-002/thumbnail.jpg").await.code(), "NO_FRAME");
    assert_eq!(get(&world, "/api/v1/cameras/cam-009/snapshot.jpg").await.code(), "NOT_FOUND");
}

#[tokio::test]
async fn a_stored_picture_may_be_kept_and_is_not_compressed() {
    let world = World::new(3);
    for path in ["/api/v1/frames/700.jpg", "/api/v1/frames/700/thumbnail.jpg"] {
        let answer = get_with(&world, path, &[("accept-encoding", "gzip")]).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        assert!(answer.header("cache-control").contains("immutable"));
        assert_eq!(answer.header("etag"), "\"700\"");
        assert_eq!(answer.header("content-encoding"), "");
    }
    for path in ["/api/v1/frames/5.jpg", "/api/v1/frames/x.jpg", "/api/v1/frames/5.png"] {
        assert_eq!(get(&world, path).await.code(), "NOT_FOUND", "{path}");
    }
}

#[tokio::test]
async fn a_store_that_is_down_is_said_without_its_reasons() {
    let world = World::new(3);
    world.archive.broken.store(true, Ordering::SeqCst);
    let answer = get(&world, "/api/v1/cameras/cam-001/snapshot.jpg").await;
    assert_eq!(answer.code(), "STORE_UNAVAILABLE");
    assert_eq!(answer.header("retry-after"), "2");
    assert!(!answer.text().contains("locked"));
    // What needs no store goes on.
    assert_eq!(get(&world, "/api/v1/cameras").await.status, StatusCode::OK);
    assert_eq!(get(&world, "/api/v1/config").await.status, StatusCode::OK);
}
