//! What the loop would do next.

use axum::Json;
use axum::extract::State;

use crate::http::problem::{Problem, ProblemDocument};
use crate::http::state::AppState;
use crate::http::wire::{Plan, View};

/// The actions that the next pass would take, without taking them.
#[utoipa::path(get, path = "/api/v1/plan", tag = "server", responses(
    (status = 200, body = Plan),
    (status = 503, description = "The loop is busy", body = ProblemDocument)))]
pub(in crate::http) async fn plan(State(state): State<AppState>) -> Result<Json<Plan>, Problem> {
    let (plan, snapshot) = state.handle().plan().await.map_err(|e| state.refused(&e))?;
    let view = View { snapshot, redactor: state.redactor() };
    Ok(Json(view.plan(&plan)))
}
