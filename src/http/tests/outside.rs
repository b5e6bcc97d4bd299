//! What is not JSON about cameras: headers, the wall, probes, the description of the API.

use std::sync::Arc;

use axum::http::{Method, StatusCode};

use super::fixture::{World, condition, now, snapshot};
use super::{get, get_with, json, send};
use crate::http::router::routes;
use crate::http::{Settings, openapi};
use crate::model::condition::{ConditionType, Truth};
use crate::model::observed::Seen;
use crate::model::snapshot::ConfigStatus;

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let world = World::new(1);
    for path in ["/", "/api/v1/status", "/api/v1/nothing", "/metrics"] {
        let answer = get(&world, path).await;
        assert_eq!(
            answer.header("content-security-policy"),
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
             media-src 'self' blob:; connect-src 'self'; font-src 'self'; base-uri 'none'; \
             form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
    }
}

#[tokio::test]
async fn a_browser_gets_one_cookie_and_keeps_it() {
    let world = World::new(1);
    let answer = get(&world, "/api/v1/status").await;
    let cookie = answer.header("set-cookie").to_owned();
    let (pair, rest) = cookie.split_once(';').unwrap();
    let id = pair.strip_prefix("camserver_client=").unwrap();
    assert!((16..=64).contains(&id.len()), "{cookie}");
    assert!(rest.contains("HttpOnly") && rest.contains("SameSite=Strict"), "{cookie}");
    let again = get_with(&world, "/api/v1/status", &[("cookie", pair)]).await;
    assert_eq!(again.header("set-cookie"), "");
    assert_eq!(get(&world, "/healthz").await.header("set-cookie"), "");
}

#[tokio::test]
async fn the_wall_is_served_from_a_directory_without_leaving_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("ui/assets")).unwrap();
    std::fs::write(dir.path().join("secret.txt"), "secret").unwrap();
    std::fs::write(dir.path().join("ui/index.html"), "<!doctype html>".repeat(20)).unwrap();
    std::fs::write(dir.path().join("ui/assets/app-1a2b.js"), "export {}").unwrap();
    let settings = Settings { ui_dir: Some(dir.path().join("ui")), ..Settings::default() };
    let world = World::with(snapshot(1), 2, settings);
    let index = get_with(&world, "/", &[("accept-encoding", "gzip")]).await;
    assert_eq!(index.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(index.header("cache-control"), "no-cache");
    assert_eq!(index.header("content-encoding"), "gzip");
    let script = get(&world, "/assets/app-1a2b.js").await;
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
    assert!(script.header("cache-control").contains("immutable"));
    for path in ["/../secret.txt", "/assets/../../secret.txt", "/%2e%2e/secret.txt", "//etc/passwd"]
    {
        assert_eq!(get(&world, path).await.code(), "ROUTE_NOT_FOUND", "{path}");
    }
}

#[tokio::test]
async fn a_program_without_the_wall_says_how_to_get_it() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { ui_dir: Some(dir.path().to_owned()), ..Settings::default() };
    let world = World::with(snapshot(1), 2, settings);
    let answer = get(&world, "/").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.text().contains("npm run build"));
}

#[tokio::test]
async fn readiness_lists_what_is_missing() {
    let world = World::new(1);
    assert_eq!(get(&world, "/healthz").await.text(), "ok\n");
    assert_eq!(get(&world, "/readyz").await.status, StatusCode::OK);
    world.change(|s| {
        s.config = Arc::new(ConfigStatus::default());
        s.store = Seen::Unreadable { since: now().mono, why: "database is locked".to_owned() };
    });
    let answer = get(&world, "/readyz").await;
    assert_eq!(answer.code(), "NOT_READY");
    assert_eq!(
        answer.json()["problems"],
        serde_json::json!(["config: no set of manifests is in force", "store: database is locked"])
    );
    world.change(|s| {
        s.config = Arc::clone(&snapshot(1).config);
        s.conditions = vec![condition(ConditionType::Available, Truth::False, "Down")];
    });
    let problems = get(&world, "/readyz").await.json()["problems"].clone();
    assert_eq!(problems, serde_json::json!(["store: Down since the last sweep"]));
    assert_eq!(get(&world, "/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn metrics_come_in_both_formats() {
    let world = World::new(1);
    let answer = get(&world, "/metrics").await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert!(answer.text().contains("camserver_camera_connections{"));
    let open = [("accept", "application/openmetrics-text; version=1.0.0")];
    let answer = get_with(&world, "/metrics", &open).await;
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    assert!(answer.text().ends_with("# EOF\n"));
}

#[tokio::test]
async fn the_description_names_exactly_the_routes() {
    let world = World::new(3);
    let description = json(&world, "/api/v1/openapi.json").await;
    let described: Vec<String> =
        description["paths"].as_object().unwrap().keys().cloned().collect();
    let mut routed: Vec<String> = routes()
        .iter()
        .map(|route| route.path.replace("/frames/{file}", "/frames/{id}.jpg"))
        .collect();
    routed.sort();
    assert_eq!(described, routed);
    let refused = &description["paths"]["/api/v1/cameras"]["get"]["responses"]["400"]["content"];
    assert!(refused["application/problem+json"].is_object(), "{refused}");
    for (path, item) in &openapi::description().paths.paths {
        let method = match (&item.get, &item.post) {
            (Some(_), _) => Method::GET,
            (None, Some(_)) => Method::POST,
            (None, None) => Method::DELETE,
        };
        let url = path.replace("{name}", "north").replace("{id}", "7").replace("{seq}", "1");
        let answer = send(&world, super::request(method.as_str(), &url, &[], "")).await;
        assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {url}");
        assert_ne!(answer.json_code(), Some("ROUTE_NOT_FOUND".to_owned()), "{method} {url}");
    }
}

impl super::Answer {
    /// The code, if the answer is a problem.
    fn json_code(&self) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        Some(body["code"].as_str()?.to_owned())
    }
}
