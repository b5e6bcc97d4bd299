//! The manifests, and the confirmation of a set that is held.

use axum::Json;
use axum::extract::State;

use crate::http::archive::ArchiveError;
use crate::http::extract::JsonBody;
use crate::http::problem::{Problem, ProblemDocument};
use crate::http::state::AppState;
use crate::http::wire::{Config, ConfirmRequest, Confirmed};

/// Applied sets in the answer.
const REVISIONS: usize = 20;

/// What is in force, what is wrong with what was offered since, and what waits.
#[utoipa::path(get, path = "/api/v1/config", tag = "config",
    responses((status = 200, body = Config)))]
pub(in crate::http) async fn config(State(state): State<AppState>) -> Json<Config> {
    // Somebody who wants to know what is wrong with the manifests must not be refused because
    // the store is down.
    let revisions = match state.archive().config_revisions(REVISIONS).await {
        Ok(revisions) => revisions,
        Err(ArchiveError::NotFound) => Vec::new(),
        Err(error @ ArchiveError::Unavailable(_)) => {
            drop(Problem::from(error));
            Vec::new()
        }
    };
    Json(state.view().config(&revisions))
}

/// Lets the held set with this digest through.
#[utoipa::path(post, path = "/api/v1/config/confirm", tag = "config",
    request_body = ConfirmRequest, responses(
    (status = 200, description = "It comes into force", body = Confirmed),
    (status = 400, description = "Bad JSON", body = ProblemDocument),
    (status = 409, description = "No set with this digest is held", body = ProblemDocument)))]
pub(in crate::http) async fn confirm(
    State(state): State<AppState>,
    JsonBody(request): JsonBody<ConfirmRequest>,
) -> Result<Json<Confirmed>, Problem> {
    state.handle().confirm(request.digest.clone()).await.map_err(|e| state.refused(&e))?;
    Ok(Json(Confirmed { digest: request.digest }))
}
