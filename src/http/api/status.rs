//! The server as a whole.

use axum::Json;
use axum::extract::State;

use crate::http::state::AppState;
use crate::http::wire::Status;

/// The server at this moment.
#[utoipa::path(get, path = "/api/v1/status", tag = "server",
    responses((status = 200, body = Status)))]
pub(in crate::http) async fn status(State(state): State<AppState>) -> Json<Status> {
    Json(state.view().status(state.now().wall))
}
