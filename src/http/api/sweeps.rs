//! Sweeps: recorded ones from the store, the one that is going on from the state.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use crate::http::extract::{Id, Name, Params};
use crate::http::page::{self, PageQuery};
use crate::http::problem::{Code, Problem, ProblemDocument};
use crate::http::state::AppState;
use crate::http::wire::{Page, Sweep};
use crate::model::frame::{SweepId, SweepRecord};
use crate::model::names::SubnetName;
use crate::model::snapshot::Snapshot;

/// Which sweeps.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct SweepQuery {
    /// Only of this subnet.
    subnet: Option<String>,
    /// Things in the answer, 1 to 500.
    limit: Option<usize>,
    /// `next` of the answer before.
    cursor: Option<String>,
}

/// Sweeps, newest first.
#[utoipa::path(get, path = "/api/v1/sweeps", tag = "sweeps", params(SweepQuery), responses(
    (status = 200, body = Page<Sweep>),
    (status = 400, description = "Bad query", body = ProblemDocument)))]
pub(in crate::http) async fn list(
    State(state): State<AppState>,
    Params(query): Params<SweepQuery>,
) -> Result<Json<Page<Sweep>>, Problem> {
    const LIST: &str = "sweeps";
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let limit = page.limit()?;
    let before = page.after_number(LIST)?;
    let subnet = query.subnet.as_deref().map(SubnetName::parse).transpose();
    let subnet =
        subnet.map_err(|error| Problem::new(Code::BadQuery, format!("subnet: {error}")))?;
    let records = state.archive().sweeps(subnet.as_ref(), before, limit + 1).await?;
    let snapshot = state.handle().snapshot();
    let page = page::of_one_more(records, limit, |record| page::cursor(LIST, record.id));
    let newest = |record: &SweepRecord| going_on(&snapshot, record.id).unwrap_or(record).into();
    Ok(Json(Page { items: page.items.iter().map(newest).collect(), next: page.next }))
}

/// One sweep.
#[utoipa::path(get, path = "/api/v1/sweeps/{id}", tag = "sweeps",
    params(("id" = i64, Path, description = "Number of the sweep")), responses(
    (status = 200, body = Sweep),
    (status = 404, description = "Not stored (any more)", body = ProblemDocument)))]
pub(in crate::http) async fn one(
    State(state): State<AppState>,
    Name(Id(id)): Name<Id>,
) -> Result<Json<Sweep>, Problem> {
    let snapshot = state.handle().snapshot();
    if let Some(record) = going_on(&snapshot, id) {
        return Ok(Json(record.into()));
    }
    Ok(Json(Sweep::from(&state.archive().sweep(id).await?)))
}

/// The record of a sweep that is going on, which knows more than the store does.
fn going_on(snapshot: &Snapshot, id: SweepId) -> Option<&SweepRecord> {
    let mut runs = snapshot.subnets.values().filter_map(|subnet| subnet.run.as_ref());
    runs.find(|record| record.id == id)
}
