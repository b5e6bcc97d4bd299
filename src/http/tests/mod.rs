//! The router against a hand-made world, request by request.

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use serde_json::Value;
use tower::ServiceExt as _;

use fixture::World;

mod api;
pub(crate) mod fixture;
mod lists;
mod live;
mod outside;
mod pictures;
mod problems;

/// An answer, read to its end.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The code of a problem document, after checking that it is one.
    fn code(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        assert_eq!(problem["type"], "about:blank");
        for field in ["title", "detail"] {
            assert!(!problem[field].as_str().unwrap().is_empty(), "{problem}");
        }
        problem["code"].as_str().unwrap().to_owned()
    }
}

async fn send(world: &World, request: Request<Body>) -> Answer {
    let response = super::router(world.state.clone()).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 16 << 20).await.unwrap().to_vec();
    Answer { status: parts.status, headers: parts.headers, body }
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request = request.header(header::HOST, "127.0.0.1:8080");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

async fn get(world: &World, path: &str) -> Answer {
    send(world, request("GET", path, &[], "")).await
}

async fn get_with(world: &World, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(world, request("GET", path, headers, "")).await
}

async fn post(world: &World, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    send(world, request("POST", path, headers, body)).await
}

/// Gets a good answer as JSON.
async fn json(world: &World, path: &str) -> Value {
    let answer = get(world, path).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    assert_eq!(answer.header("content-type"), "application/json");
    answer.json()
}
