//! Connections to devices as the kernel shows them.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use crate::http::extract::Params;
use crate::http::page::{self, PageQuery};
use crate::http::problem::{Code, Problem, ProblemDocument};
use crate::http::state::AppState;
use crate::http::wire::{Connection, Page};
use crate::model::observed::Seen;

/// Which connections or leases.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct OfDevice {
    /// Only of this camera.
    camera: Option<String>,
    /// Only to this device, as `ADDRESS:PORT`.
    device: Option<String>,
    /// Things in the answer, 1 to 500.
    limit: Option<usize>,
    /// `next` of the answer before.
    cursor: Option<String>,
}

impl OfDevice {
    pub(super) fn wants(&self, camera: Option<&str>, device: &str) -> bool {
        self.camera.as_deref().is_none_or(|wanted| camera == Some(wanted))
            && self.device.as_deref().is_none_or(|wanted| device == wanted)
    }

    pub(super) fn page(&self) -> PageQuery {
        PageQuery { limit: self.limit, cursor: self.cursor.clone() }
    }
}

/// Connections of this host to declared devices.
#[utoipa::path(get, path = "/api/v1/connections", tag = "connections", params(OfDevice),
    responses(
    (status = 200, body = Page<Connection>),
    (status = 503, description = "They cannot be observed", body = ProblemDocument)))]
pub(in crate::http) async fn connections(
    State(state): State<AppState>,
    Params(query): Params<OfDevice>,
) -> Result<Json<Page<Connection>>, Problem> {
    let view = state.view();
    let seen = match &view.snapshot.connections {
        Seen::Fresh { value, .. } => value,
        Seen::Unreadable { why, .. } => {
            return Err(Problem::new(Code::NotObserved, view.text(why)));
        }
    };
    let mut found: Vec<(String, Connection)> = seen
        .iter()
        .filter_map(|connection| view.connection(connection))
        .filter(|connection| query.wants(connection.camera.as_deref(), &connection.device))
        .map(|connection| (format!("{} {}", connection.device, connection.local), connection))
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Json(page::sorted(&query.page(), "connections", found.into_iter())?))
}
