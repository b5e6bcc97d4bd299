//! `/healthz`, `/readyz` and `/metrics`: for machines that watch the server.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::problem::{Code, Problem};
use super::state::AppState;
use crate::metrics::{Format, Scrape};
use crate::model::condition::{ConditionType, Truth};
use crate::model::observed::Seen;
use crate::model::snapshot::Snapshot;

/// The program runs.
#[utoipa::path(get, path = "/healthz", tag = "probes",
    responses((status = 200, description = "The program runs", body = String)))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The configuration is applied, store and gateway are as declared.
#[utoipa::path(get, path = "/readyz", tag = "probes", responses(
    (status = 200, description = "Ready", body = String),
    (status = 503, description = "Not ready, with all problems", body = super::ProblemDocument)))]
pub(super) async fn readyz(State(state): State<AppState>) -> Result<&'static str, Problem> {
    let view = state.view();
    let problems = not_ready_because(&view.snapshot);
    if problems.is_empty() {
        return Ok("ready\n");
    }
    let problems: Vec<String> = problems.iter().map(|problem| view.text(problem)).collect();
    let detail = format!("{} of what is declared does not work", problems.len());
    Err(Problem::new(Code::NotReady, detail).with(problems))
}

/// Counters and gauges for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "probes", responses(
    (status = 200, description = "Prometheus text, or OpenMetrics where `Accept` names it",
        body = String)))]
pub(super) async fn metrics(
    State(state): State<AppState>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::negotiate(accept.unwrap_or_default());
    let scrape = Scrape {
        snapshot: state.handle().snapshot(),
        mono: state.now().mono,
        events: state.handle().events().fill(),
    };
    let text = state
        .metrics()
        .encode(&scrape, format)
        .map_err(|_| Problem::new(Code::Internal, "the metrics could not be written"))?;
    let headers = [(header::CONTENT_TYPE, format.content_type())];
    Ok((StatusCode::OK, headers, text).into_response())
}

fn not_ready_because(snapshot: &Snapshot) -> Vec<String> {
    let mut problems = Vec::new();
    if snapshot.config.generation == 0 {
        problems.push("config: no set of manifests is in force".to_owned());
    }
    if snapshot.desired.server.store.required {
        let down = snapshot.conditions.iter().find(|condition| {
            condition.kind == ConditionType::Available && condition.status == Truth::False
        });
        if let Some(condition) = down {
            problems.push(format!("store: {}", condition.message));
        } else if let Seen::Unreadable { why, .. } = &snapshot.store {
            problems.push(format!("store: {why}"));
        }
    }
    for (subnet, gateway) in &snapshot.gateways {
        let mut conditions = gateway.conditions.iter();
        let down = conditions.find(|condition| {
            condition.kind == ConditionType::Available && condition.status == Truth::False
        });
        if let Some(condition) = down {
            problems.push(format!("gateway of {subnet}: {}", condition.message));
        }
    }
    problems
}
