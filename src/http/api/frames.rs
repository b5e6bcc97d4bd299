//! Pictures: a camera's last good one, and any stored one by its number.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::matches_etag;
use crate::http::extract::{Id, JpegFile, Name};
use crate::http::problem::{Code, Problem, ProblemDocument};
use crate::http::state::AppState;
use crate::model::frame::{Frame, FrameId};
use crate::model::names::CameraName;

/// For what shows a camera as it is now: ask each time, by the tag.
const ASK: &str = "no-cache";
/// For what has a number: it never changes. An hour, so that a removed picture does not stay.
const KEEP: &str = "private, max-age=3600, immutable";

/// The last good picture of a camera.
#[utoipa::path(get, path = "/api/v1/cameras/{name}/snapshot.jpg", tag = "pictures",
    params(("name" = String, Path, description = "Name of the camera")), responses(
    (status = 200, description = "The JPEG", content_type = "image/jpeg", body = [u8]),
    (status = 304, description = "The client has it"),
    (status = 404, description = "Not declared, or no picture yet", body = ProblemDocument)))]
pub(in crate::http) async fn snapshot(
    State(state): State<AppState>,
    Name(name): Name<CameraName>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let frame = last_frame(&state, &name)?;
    if has(&headers, frame.id) {
        return Ok(unchanged(frame.id, ASK));
    }
    let image = state.archive().image(&frame).await?;
    Ok(jpeg(frame.id, image, ASK))
}

/// The last good picture of a camera, small. `ETag` is the picture's number.
#[utoipa::path(get, path = "/api/v1/cameras/{name}/thumbnail.jpg", tag = "pictures",
    params(("name" = String, Path, description = "Name of the camera")), responses(
    (status = 200, description = "The JPEG, 320 pixels wide", content_type = "image/jpeg",
        body = [u8]),
    (status = 304, description = "The client has it"),
    (status = 404, description = "Not declared, or no picture yet", body = ProblemDocument)))]
pub(in crate::http) async fn camera_thumbnail(
    State(state): State<AppState>,
    Name(name): Name<CameraName>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let frame = last_frame(&state, &name)?;
    if has(&headers, frame.id) {
        return Ok(unchanged(frame.id, ASK));
    }
    let image = state.archive().thumbnail(&frame).await?;
    Ok(jpeg(frame.id, image, ASK))
}

/// A stored picture.
#[utoipa::path(get, path = "/api/v1/frames/{id}.jpg", tag = "pictures",
    params(("id" = i64, Path, description = "Number of the picture")), responses(
    (status = 200, description = "The JPEG", content_type = "image/jpeg", body = [u8]),
    (status = 304, description = "The client has it"),
    (status = 404, description = "Not stored (any more)", body = ProblemDocument)))]
pub(in crate::http) async fn image(
    State(state): State<AppState>,
    Name(JpegFile(id)): Name<JpegFile>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let frame = stored(&state, id).await?;
    if has(&headers, id) {
        return Ok(unchanged(id, KEEP));
    }
    Ok(jpeg(id, state.archive().image(&frame).await?, KEEP))
}

/// A stored picture, small.
#[utoipa::path(get, path = "/api/v1/frames/{id}/thumbnail.jpg", tag = "pictures",
    params(("id" = i64, Path, description = "Number of the picture")), responses(
    (status = 200, description = "The JPEG, 320 pixels wide", content_type = "image/jpeg",
        body = [u8]),
    (status = 304, description = "The client has it"),
    (status = 404, description = "Not stored (any more)", body = ProblemDocument)))]
pub(in crate::http) async fn thumbnail(
    State(state): State<AppState>,
    Name(Id(id)): Name<Id>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let frame = stored(&state, id).await?;
    if has(&headers, id) {
        return Ok(unchanged(id, KEEP));
    }
    Ok(jpeg(id, state.archive().thumbnail(&frame).await?, KEEP))
}

fn last_frame(state: &AppState, name: &CameraName) -> Result<Frame, Problem> {
    let snapshot = state.handle().snapshot();
    let Some(status) = snapshot.cameras.get(name) else {
        return Err(Problem::not_found("camera", name));
    };
    let missing = || Problem::new(Code::NoFrame, format!("{name} has no good picture yet"));
    status.last_frame.clone().ok_or_else(missing)
}

async fn stored(state: &AppState, id: FrameId) -> Result<Frame, Problem> {
    Ok(state.archive().frame(id).await?)
}

fn has(headers: &HeaderMap, id: FrameId) -> bool {
    matches_etag(headers, &format!("\"{id}\""))
}

fn unchanged(id: FrameId, caching: &'static str) -> Response {
    (StatusCode::NOT_MODIFIED, tags(id, caching)).into_response()
}

fn jpeg(id: FrameId, image: Bytes, caching: &'static str) -> Response {
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"))];
    (tags(id, caching), kind, image).into_response()
}

fn tags(id: FrameId, caching: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    if let Ok(etag) = HeaderValue::try_from(format!("\"{id}\"")) {
        headers.insert(header::ETAG, etag);
    }
    headers
}
