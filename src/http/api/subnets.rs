//! Subnets, and the wish for a sweep.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::http::extract::{Name, Params};
use crate::http::page::{self, PageQuery};
use crate::http::problem::{Problem, ProblemDocument};
use crate::http::state::AppState;
use crate::http::wire::{Page, Subnet, SweepRequested};
use crate::model::names::SubnetName;

/// All declared subnets, by name; the results of their sweeps are at the single subnet.
#[utoipa::path(get, path = "/api/v1/subnets", tag = "subnets", params(PageQuery), responses(
    (status = 200, body = Page<Subnet>),
    (status = 400, description = "Bad query", body = ProblemDocument)))]
pub(in crate::http) async fn list(
    State(state): State<AppState>,
    Params(query): Params<PageQuery>,
) -> Result<Json<Page<Subnet>>, Problem> {
    let view = state.view();
    let names = view.snapshot.subnets.keys().map(|name| (name, name));
    let page = page::sorted(&query, "subnets", names)?;
    let items = page.items.into_iter().filter_map(|name| view.subnet(name, false)).collect();
    Ok(Json(Page { items, next: page.next }))
}

/// One subnet, with the results of its current and its last sweep.
#[utoipa::path(get, path = "/api/v1/subnets/{name}", tag = "subnets",
    params(("name" = String, Path, description = "Name of the subnet")), responses(
    (status = 200, body = Subnet),
    (status = 404, description = "Not declared", body = ProblemDocument)))]
pub(in crate::http) async fn one(
    State(state): State<AppState>,
    Name(name): Name<SubnetName>,
) -> Result<Json<Subnet>, Problem> {
    let subnet = state.view().subnet(&name, true);
    subnet.map(Json).ok_or_else(|| Problem::not_found("subnet", name))
}

/// Asks for a sweep now; it starts as soon as none of this subnet is going on.
#[utoipa::path(post, path = "/api/v1/subnets/{name}/sweep", tag = "subnets",
    params(("name" = String, Path, description = "Name of the subnet")), responses(
    (status = 202, description = "The wish is written down", body = SweepRequested),
    (status = 404, description = "Not declared", body = ProblemDocument),
    (status = 409, description = "Not possible in the present state", body = ProblemDocument)))]
pub(in crate::http) async fn sweep(
    State(state): State<AppState>,
    Name(name): Name<SubnetName>,
) -> Result<(StatusCode, Json<SweepRequested>), Problem> {
    let view = state.view();
    if !view.snapshot.subnets.contains_key(&name) {
        return Err(Problem::not_found("subnet", name));
    }
    let after = view.newest_sweep(&name);
    state.handle().request_sweep(name.clone()).await.map_err(|e| state.refused(&e))?;
    let answer = SweepRequested { subnet: name.as_str().to_owned(), after };
    Ok((StatusCode::ACCEPTED, Json(answer)))
}
