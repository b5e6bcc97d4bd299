//! Processes of this host that concern the server.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use crate::http::extract::Params;
use crate::http::page::{self, PageQuery};
use crate::http::problem::{Code, Problem, ProblemDocument};
use crate::http::state::AppState;
use crate::http::wire::{Page, Process};
use crate::model::observed::Seen;

/// Which processes.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct OfCamera {
    /// Only of this camera.
    camera: Option<String>,
    /// Things in the answer, 1 to 500.
    limit: Option<usize>,
    /// `next` of the answer before.
    cursor: Option<String>,
}

impl OfCamera {
    pub(super) fn wants(&self, camera: Option<&str>) -> bool {
        self.camera.as_deref().is_none_or(|wanted| camera == Some(wanted))
    }

    pub(super) fn page(&self) -> PageQuery {
        PageQuery { limit: self.limit, cursor: self.cursor.clone() }
    }
}

/// Children of this server, also of runs before this one, and foreign processes that are
/// connected to declared devices.
#[utoipa::path(get, path = "/api/v1/processes", tag = "connections", params(OfCamera), responses(
    (status = 200, body = Page<Process>),
    (status = 400, description = "Bad query", body = ProblemDocument),
    (status = 503, description = "They cannot be observed", body = ProblemDocument)))]
pub(in crate::http) async fn list(
    State(state): State<AppState>,
    Params(query): Params<OfCamera>,
) -> Result<Json<Page<Process>>, Problem> {
    let view = state.view();
    let table = match &view.snapshot.processes {
        Seen::Fresh { value, .. } => value,
        Seen::Unreadable { why, .. } => {
            return Err(Problem::new(Code::NotObserved, view.text(why)));
        }
    };
    let wanted = |process: &Process| query.camera.is_none() || process.camera == query.camera;
    let found = view
        .processes(table)
        .into_iter()
        .filter(wanted)
        .map(|process| (format!("{:010}", process.pid), process));
    let page = PageQuery { limit: query.limit, cursor: query.cursor.clone() };
    Ok(Json(page::sorted(&page, "processes", found)?))
}
