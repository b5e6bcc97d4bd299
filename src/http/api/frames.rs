//! Pictures: a camera's last good one, and any stored one by its number.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

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
    picture(&state, &headers, last_frame(&state, &name)?, Size::Full, ASK).await
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
    picture(&state, &headers, last_frame(&state, &name)?, Size::Small, ASK).await
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
    picture(&state, &headers, state.archive().frame(id).await?, Size::Full, KEEP).await
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
    picture(&state, &headers, state.archive().frame(id).await?, Size::Small, KEEP).await
}

fn last_frame(state: &AppState, name: &CameraName) -> Result<Frame, Problem> {
    let snapshot = state.handle().snapshot();
    let Some(status) = snapshot.cameras.get(name) else {
        return Err(Problem::not_found("camera", name));
    };
    let missing = || Problem::new(Code::NoFrame, format!("{name} has no good picture yet"));
    status.last_frame.clone().ok_or_else(missing)
}

/// Which file of a frame.
#[derive(Debug, Clone, Copy)]
enum Size {
    Full,
    Small,
}

/// The answer with a frame's JPEG, or without it for a client that has it.
async fn picture(
    state: &AppState,
    headers: &HeaderMap,
    frame: Frame,
    size: Size,
    caching: &'static str,
) -> Result<Response, Problem> {
    let tags = tags(frame.id, caching);
    if matches_etag(headers, &etag(frame.id)) {
        return Ok((StatusCode::NOT_MODIFIED, tags).into_response());
    }
    let jpeg = match size {
        Size::Full => state.archive().image(&frame).await?,
        Size::Small => state.archive().thumbnail(&frame).await?,
    };
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"))];
    Ok((tags, kind, jpeg).into_response())
}

fn etag(id: FrameId) -> String {
    format!("\"{id}\"")
}

fn tags(id: FrameId, caching: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    if let Ok(etag) = HeaderValue::try_from(etag(id)) {
        headers.insert(header::ETAG, etag);
    }
    headers
}
