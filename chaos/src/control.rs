//! The control API: what the cameras counted, and the switches for faults and scenes.
//!
//! `GET /cameras`, `GET /cameras/{name}`, `PUT` and `DELETE /cameras/{name}/fault`,
//! `PUT /cameras/{name}/scene`, `POST /reset`. It has no authentication: bind it to loopback.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use crate::camera::Camera;
use crate::camera::fault::Fault;
use crate::camera::stream::Scene;
use crate::fleet::Fleet;

const MAX_BODY: usize = 16 * 1024;

type Cameras = Arc<[Arc<Camera>]>;

/// The routes over a fleet.
pub fn router(fleet: &Fleet) -> Router {
    let cameras: Cameras = fleet.cameras().into();
    Router::new()
        .route("/cameras", get(list))
        .route("/cameras/{name}", get(show))
        .route("/cameras/{name}/fault", put(set_fault).delete(clear_fault))
        .route("/cameras/{name}/scene", put(set_scene))
        .route("/reset", post(reset))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(cameras)
}

async fn list(State(cameras): State<Cameras>) -> Response {
    let items: Vec<_> = cameras.iter().map(|camera| camera.item()).collect();
    Json(json!({ "items": items, "next": null })).into_response()
}

async fn show(State(cameras): State<Cameras>, Path(name): Path<String>) -> Response {
    with(&cameras, &name, |_| Ok(()))
}

async fn set_fault(
    State(cameras): State<Cameras>,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    with(&cameras, &name, |camera| {
        let fault: Fault = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        fault.check().map_err(|error| error.to_string())?;
        camera.set_fault(Some(fault));
        Ok(())
    })
}

async fn clear_fault(State(cameras): State<Cameras>, Path(name): Path<String>) -> Response {
    with(&cameras, &name, |camera| {
        camera.set_fault(None);
        Ok(())
    })
}

async fn set_scene(
    State(cameras): State<Cameras>,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wish {
        scene: Scene,
    }
    with(&cameras, &name, |camera| {
        let wish: Wish = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        camera.set_scene(wish.scene);
        Ok(())
    })
}

async fn reset(State(cameras): State<Cameras>) -> StatusCode {
    for camera in cameras.iter() {
        camera.reset();
    }
    StatusCode::NO_CONTENT
}

// Does something to a camera and shows it as it is then.
fn with(
    cameras: &[Arc<Camera>],
    name: &str,
    act: impl FnOnce(&Camera) -> Result<(), String>,
) -> Response {
    let Some(camera) = cameras.iter().find(|camera| camera.name == name) else {
        return problem(StatusCode::NOT_FOUND, &format!("no camera \"{name}\""));
    };
    match act(camera) {
        Ok(()) => Json(camera.item()).into_response(),
        Err(detail) => problem(StatusCode::BAD_REQUEST, &detail),
    }
}

fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let body = json!({ "title": title, "status": status.as_u16(), "detail": detail });
    let kind = [("content-type", "application/problem+json")];
    (status, kind, body.to_string()).into_response()
}
