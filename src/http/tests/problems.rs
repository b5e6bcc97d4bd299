//! Everything that goes wrong is a problem document with its own code.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::StatusCode;

use super::fixture::{World, snapshot};
use super::{get, get_with, post};
use crate::http::{Code, Settings};

#[tokio::test]
async fn unknown_paths_methods_and_queries_have_their_codes() {
    let world = World::new(3);
    for (path, code) in [
        ("/api/v1/nothing", "ROUTE_NOT_FOUND"),
        ("/nothing.js", "ROUTE_NOT_FOUND"),
        ("/../Cargo.toml", "ROUTE_NOT_FOUND"),
        ("/api/v1/cameras/no-such", "NOT_FOUND"),
        ("/api/v1/cameras/NO_NAME", "NOT_FOUND"),
        ("/api/v1/subnets/x", "NOT_FOUND"),
        ("/api/v1/sweeps/99", "NOT_FOUND"),
        ("/api/v1/sweeps/x", "NOT_FOUND"),
        ("/api/v1/sweeps?subnet=A_B", "BAD_QUERY"),
        ("/api/v1/cameras?limit=x", "BAD_QUERY"),
        ("/api/v1/cameras?limit=0", "BAD_QUERY"),
        ("/api/v1/cameras?limit=-1", "BAD_QUERY"),
        ("/api/v1/cameras?cursor=!!", "BAD_CURSOR"),
        ("/api/v1/sweeps?cursor=Zm9v", "BAD_CURSOR"),
        ("/api/v1/events?since=x", "BAD_QUERY"),
        ("/ws", "UPGRADE_REQUIRED"),
    ] {
        assert_eq!(get(&world, path).await.code(), code, "{path}");
    }
    let answer = post(&world, "/api/v1/cameras", &[], "").await;
    assert_eq!(answer.code(), "METHOD_NOT_ALLOWED");
    assert!(answer.header("allow").contains("GET"), "{:?}", answer.headers);
}

#[tokio::test]
async fn bad_bodies_have_their_codes() {
    let world = World::new(1);
    let path = "/api/v1/config/confirm";
    let as_json = [("content-type", "application/json")];
    assert_eq!(post(&world, path, &[], "{}").await.code(), "UNSUPPORTED_MEDIA_TYPE");
    assert_eq!(post(&world, path, &as_json, "{").await.code(), "BAD_JSON");
    assert_eq!(post(&world, path, &as_json, "{}").await.code(), "BAD_JSON");
    let unknown = r#"{"digest":"a","x":1}"#;
    assert_eq!(post(&world, path, &as_json, unknown).await.code(), "BAD_JSON");
    let large = format!(r#"{{"digest":"{}"}}"#, "x".repeat(64 << 10));
    assert_eq!(post(&world, path, &as_json, &large).await.code(), "BODY_TOO_LARGE");
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let world = World::new(1);
    let path = "/api/v1/subnets/north/sweep";
    for origin in [
        "http://evil.example",
        "null",
        "http://127.0.0.1:9999",
        "http://127.0.0.1:8080.evil.example",
    ] {
        let answer = post(&world, path, &[("origin", origin)], "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert_eq!(answer.code(), "ORIGIN_NOT_ALLOWED", "{origin}");
    }
    let own = [("origin", "http://127.0.0.1:8080")];
    assert_eq!(post(&world, path, &own, "").await.status, StatusCode::ACCEPTED);
    assert_eq!(post(&world, path, &[], "").await.status, StatusCode::ACCEPTED);
    let socket = [("origin", "http://evil.example"), ("upgrade", "websocket")];
    assert_eq!(get_with(&world, "/ws", &socket).await.code(), "ORIGIN_NOT_ALLOWED");
    let reading = [("origin", "http://evil.example")];
    assert_eq!(get_with(&world, "/api/v1/status", &reading).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_name_that_was_rebound_to_loopback_gets_nothing() {
    let world = World::new(1);
    for host in ["evil.example", "evil.example:8080", "10.0.0.1:8080"] {
        let answer = get_with(&world, "/api/v1/status", &[("host", host)]).await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST);
        assert_eq!(answer.code(), "HOST_NOT_ALLOWED", "{host}");
    }
    for host in ["localhost:8080", "127.0.0.1", "[::1]:8080"] {
        let answer = get_with(&world, "/api/v1/status", &[("host", host)]).await;
        assert_eq!(answer.status, StatusCode::OK, "{host}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_too_long_is_given_up() {
    let settings = Settings { request_timeout: Duration::ZERO, ..Settings::default() };
    let world = World::with(snapshot(1), 2, settings);
    // The fake loop answers only after the request had to wait once.
    let answer = get(&world, "/api/v1/plan").await;
    assert_eq!(answer.code(), "TIMEOUT");
}

#[test]
fn codes_are_told_apart() {
    let words: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(words.len(), Code::ALL.len());
    assert!(Code::ALL.iter().all(|code| code.status().as_u16() >= 400));
}
