//! Events: from memory, and from the store where they are older.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use crate::http::extract::{EventSeq, Name, Params};
use crate::http::page::{self, PageQuery};
use crate::http::problem::{Code, Problem, ProblemDocument};
use crate::http::state::AppState;
use crate::http::wire;
use crate::model::event::{Event, EventKind, Seq};
use crate::model::names::CameraName;

const LIST: &str = "events";
/// Events read from the store at once while looking for those of a kind or camera.
const BATCH: usize = 500;
/// The most batches for one answer; the cursor goes on from there.
const BATCHES_MAX: usize = 10;

/// Which events.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct EventQuery {
    /// Those after this place, oldest first. Without it, the newest of those in memory.
    since: Option<Seq>,
    /// Only with this `primaryEvent`.
    kind: Option<String>,
    /// Only of this camera.
    camera: Option<String>,
    /// Things in the answer, 1 to 500.
    limit: Option<usize>,
    /// `next` of the answer before.
    cursor: Option<String>,
}

struct Filter {
    kind: Option<EventKind>,
    camera: Option<String>,
}

impl Filter {
    fn of(query: &EventQuery) -> Result<Self, Problem> {
        let kind = match &query.kind {
            None => None,
            Some(word) => Some(EventKind::parse(word).ok_or_else(|| {
                Problem::new(Code::BadQuery, format!("there is no kind of event {word}"))
            })?),
        };
        Ok(Self { kind, camera: query.camera.clone() })
    }

    fn lets(&self, event: &Event) -> bool {
        let camera = event.what.camera.as_ref().map(CameraName::as_str);
        self.kind.is_none_or(|kind| event.what.kind == kind)
            && self.camera.as_deref().is_none_or(|wanted| camera == Some(wanted))
    }
}

/// Events, oldest first. With a filter an answer may hold fewer than `limit` and still have a
/// `next`.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", params(EventQuery), responses(
    (status = 200, body = wire::Page<wire::Event>),
    (status = 400, description = "Bad query", body = ProblemDocument)))]
pub(in crate::http) async fn list(
    State(state): State<AppState>,
    Params(query): Params<EventQuery>,
) -> Result<Json<wire::Page<wire::Event>>, Problem> {
    let filter = Filter::of(&query)?;
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let limit = page.limit()?;
    let since = page.after_number(LIST)?.or(query.since);
    let (events, next) = match since {
        Some(since) => forward(&state, &filter, since, limit).await?,
        None => (newest(&state, &filter, limit), None),
    };
    let redactor = state.redactor();
    let items = events.iter().map(|event| wire::Event::new(event, &redactor)).collect();
    Ok(Json(wire::Page { items, next: next.map(|seq| page::cursor(LIST, seq)) }))
}

/// One event.
#[utoipa::path(get, path = "/api/v1/events/{seq}", tag = "events",
    params(("seq" = u64, Path, description = "Place of the event")), responses(
    (status = 200, body = wire::Event),
    (status = 404, description = "Not stored (any more)", body = ProblemDocument)))]
pub(in crate::http) async fn one(
    State(state): State<AppState>,
    Name(EventSeq(seq)): Name<EventSeq>,
) -> Result<Json<wire::Event>, Problem> {
    let log = state.handle().events();
    let held = log.since(seq.saturating_sub(1)).and_then(|events| events.first().cloned());
    let event = match held.filter(|event| event.seq == seq) {
        Some(event) => event,
        None => Arc::new(state.archive().event(seq).await?),
    };
    Ok(Json(wire::Event::new(&event, &state.redactor())))
}

fn newest(state: &AppState, filter: &Filter, limit: usize) -> Vec<Arc<Event>> {
    let log = state.handle().events();
    let mut events = log.newest(log.fill().0);
    events.retain(|event| filter.lets(event));
    events.split_off(events.len().saturating_sub(limit))
}

/// Events after `since`, and where to go on when there may be more.
async fn forward(
    state: &AppState,
    filter: &Filter,
    mut since: Seq,
    limit: usize,
) -> Result<(Vec<Arc<Event>>, Option<Seq>), Problem> {
    let mut found = Vec::new();
    for _ in 0..BATCHES_MAX {
        let (batch, more) = batch(state, since).await?;
        for (at, event) in batch.iter().enumerate() {
            since = event.seq;
            if filter.lets(event) {
                found.push(Arc::clone(event));
            }
            if found.len() == limit {
                let rest = more || at + 1 < batch.len();
                return Ok((found, rest.then_some(since)));
            }
        }
        if !more {
            return Ok((found, None));
        }
    }
    Ok((found, Some(since)))
}

/// The events after `since`, and whether there are more after them.
async fn batch(state: &AppState, since: Seq) -> Result<(Vec<Arc<Event>>, bool), Problem> {
    if let Some(events) = state.handle().events().since(since) {
        return Ok((events, false));
    }
    let events = state.archive().events_since(since, BATCH).await?;
    let more = !events.is_empty();
    Ok((events.into_iter().map(Arc::new).collect(), more))
}
