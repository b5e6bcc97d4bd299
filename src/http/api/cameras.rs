//! Cameras and their history.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use crate::http::extract::{Name, Params};
use crate::http::page::{self, PageQuery};
use crate::http::problem::{Problem, ProblemDocument};
use crate::http::state::AppState;
use crate::http::wire::{Camera, Frame, Page};
use crate::model::names::CameraName;

/// Which cameras.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct CameraQuery {
    /// Only of this subnet.
    subnet: Option<String>,
    /// Things in the answer, 1 to 500.
    limit: Option<usize>,
    /// `next` of the answer before.
    cursor: Option<String>,
}

/// All declared cameras, by name.
#[utoipa::path(get, path = "/api/v1/cameras", tag = "cameras", params(CameraQuery), responses(
    (status = 200, body = Page<Camera>),
    (status = 400, description = "Bad query", body = ProblemDocument)))]
pub(in crate::http) async fn list(
    State(state): State<AppState>,
    Params(query): Params<CameraQuery>,
) -> Result<Json<Page<Camera>>, Problem> {
    let view = state.view();
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let wanted = |name: &&CameraName| {
        let declared = view.snapshot.desired.cameras.get(*name);
        query
            .subnet
            .as_ref()
            .is_none_or(|subnet| declared.is_some_and(|camera| camera.subnet.as_str() == subnet))
    };
    let names = view.snapshot.cameras.keys().filter(wanted);
    let page = page::sorted(&page, "cameras", names.map(|name| (name, name)))?;
    let items = page.items.into_iter().filter_map(|name| view.camera(name)).collect();
    Ok(Json(Page { items, next: page.next }))
}

/// One camera, with what is declared of it and its last attempts.
#[utoipa::path(get, path = "/api/v1/cameras/{name}", tag = "cameras",
    params(("name" = String, Path, description = "Name of the camera")), responses(
    (status = 200, body = Camera),
    (status = 404, description = "Not declared", body = ProblemDocument)))]
pub(in crate::http) async fn one(
    State(state): State<AppState>,
    Name(name): Name<CameraName>,
) -> Result<Json<Camera>, Problem> {
    let camera = state.view().camera_with_detail(&name);
    camera.map(Json).ok_or_else(|| Problem::not_found("camera", name))
}

/// Stored pictures of a camera, newest first; also of one that is no longer declared.
#[utoipa::path(get, path = "/api/v1/cameras/{name}/history", tag = "cameras",
    params(("name" = String, Path, description = "Name of the camera"), PageQuery), responses(
    (status = 200, body = Page<Frame>),
    (status = 404, description = "Not declared and nothing stored", body = ProblemDocument)))]
pub(in crate::http) async fn history(
    State(state): State<AppState>,
    Name(name): Name<CameraName>,
    Params(query): Params<PageQuery>,
) -> Result<Json<Page<Frame>>, Problem> {
    const LIST: &str = "history";
    let limit = query.limit()?;
    let before = query.after_number(LIST)?;
    let frames = state.archive().frames_of(&name, before, limit + 1).await?;
    let known = state.handle().snapshot().cameras.contains_key(&name);
    if frames.is_empty() && before.is_none() && !known {
        return Err(Problem::not_found("camera", name));
    }
    let page = page::of_one_more(frames, limit, |frame| page::cursor(LIST, frame.id));
    let items = page.items.iter().map(Frame::from).collect();
    Ok(Json(Page { items, next: page.next }))
}
