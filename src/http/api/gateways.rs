//! Gateways that the server starts.

use axum::Json;
use axum::extract::State;

use crate::http::extract::Params;
use crate::http::page::{self, PageQuery};
use crate::http::problem::{Problem, ProblemDocument};
use crate::http::state::AppState;
use crate::http::wire::{Gateway, Page};

/// The gateways of live video, one for each subnet, by its name; none with the native engine.
#[utoipa::path(get, path = "/api/v1/gateways", tag = "live", params(PageQuery), responses(
    (status = 200, body = Page<Gateway>),
    (status = 400, description = "Bad query", body = ProblemDocument)))]
pub(in crate::http) async fn list(
    State(state): State<AppState>,
    Params(query): Params<PageQuery>,
) -> Result<Json<Page<Gateway>>, Problem> {
    let view = state.view();
    let names = view.snapshot.gateways.keys().map(|name| (name, name));
    let page = page::sorted(&query, "gateways", names)?;
    let items = page.items.into_iter().filter_map(|name| view.gateway(name)).collect();
    Ok(Json(Page { items, next: page.next }))
}
