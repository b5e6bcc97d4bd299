//! Leases: who has the right to a connection, and who to a live view.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use super::connections::OfDevice;
use crate::http::extract::{JsonBody, LeaseName, Name, Params};
use crate::http::guard::Client;
use crate::http::page;
use crate::http::problem::{Code, Problem, ProblemDocument};
use crate::http::refusal::{Language, refused, unusable};
use crate::http::state::AppState;
use crate::http::wire::{GrantedLease, Lease, LeaseRequest, Page, SuggestLeaseRequest};
use crate::live::{LeaseError, LeaseKey, ViewRequest};
use crate::model::lease::{self, Quality, ViewKind};
use crate::model::names::CameraName;

/// Codecs in one request.
const CODECS_MAX: usize = 32;
/// Longest name of one.
const CODEC_BYTES_MAX: usize = 64;

/// Slots that are not free, then live views in force; the oldest first.
#[utoipa::path(get, path = "/api/v1/leases", tag = "live", params(OfDevice), responses(
    (status = 200, body = Page<Lease>),
    (status = 400, description = "Bad query", body = ProblemDocument)))]
pub(in crate::http) async fn list(
    State(state): State<AppState>,
    Client(asker): Client,
    Params(query): Params<OfDevice>,
) -> Result<Json<Page<Lease>>, Problem> {
    let view = state.view();
    let now = state.now();
    let slots = view.snapshot.slots.iter();
    let slots = slots.map(|slot| (format!("slot {:020}", slot.id), view.lease(slot)));
    let views = state.live().leases();
    let views = views.iter().map(|lease| {
        let key = format!("view {:020} {}", lease.created_mono.0, lease.id);
        (key, view.live_lease(lease, &asker, now))
    });
    let found =
        slots.chain(views).filter(|(_, lease)| query.wants(lease.camera.as_deref(), &lease.device));
    let mut found: Vec<(String, Lease)> = found.collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Json(page::sorted(&query.page(), "leases", found.into_iter())?))
}

/// Ends somebody's live view, by the name that the list shows. Slots are not ended this way.
#[utoipa::path(delete, path = "/api/v1/leases/{id}", tag = "live",
    params(("id" = String, Path, description = "Its name in the list")), responses(
    (status = 204, description = "It has ended"),
    (status = 404, description = "No such live view", body = ProblemDocument),
    (status = 410, description = "It had ended before", body = ProblemDocument)))]
pub(in crate::http) async fn revoke(
    State(state): State<AppState>,
    Name(LeaseName(name)): Name<LeaseName>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let revoked = state.live().revoke(&name);
    revoked.map(|()| StatusCode::NO_CONTENT).map_err(|e| unusable(e, Language::of(&headers)))
}

/// Asks for a live view, for the browser or script that asks.
#[utoipa::path(post, path = "/api/v1/modal/lease", tag = "live", request_body = LeaseRequest,
    responses(
    (status = 201, description = "Granted", body = GrantedLease),
    (status = 404, description = "No such camera", body = ProblemDocument),
    (status = 409, description = "`USER_ALREADY_HAS_MODAL`, `CAMERA_DISABLED` or \
        `STREAM_NOT_DECLARED`", body = ProblemDocument),
    (status = 503, description = "`OVER_CAPACITY`, `SYSTEM_OVERLOAD` or `NO_SLOT`; the document \
        says which limit, and when to try again", body = ProblemDocument)))]
pub(in crate::http) async fn request(
    State(state): State<AppState>,
    Client(user): Client,
    headers: HeaderMap,
    JsonBody(body): JsonBody<LeaseRequest>,
) -> Result<(StatusCode, Json<GrantedLease>), Problem> {
    let request = ViewRequest {
        user,
        camera: camera(&body.camera)?,
        quality: Some(body.quality),
        kind: ViewKind::Modal,
        codecs: codecs(body.codecs)?,
        take_over: body.take_over,
    };
    grant(&state, request, &headers)
}

/// Asks for a view of the suggested camera, out of the reserve.
#[utoipa::path(post, path = "/api/v1/suggest/lease", tag = "live",
    request_body = SuggestLeaseRequest, responses(
    (status = 201, description = "Granted; lives as long as there are heartbeats",
        body = GrantedLease),
    (status = 404, description = "No such camera", body = ProblemDocument),
    (status = 409, description = "`SUGGEST_DISABLED` or `CAMERA_DISABLED`",
        body = ProblemDocument),
    (status = 503, description = "`OVER_CAPACITY`, `SYSTEM_OVERLOAD` or `NO_SLOT`",
        body = ProblemDocument)))]
pub(in crate::http) async fn request_suggest(
    State(state): State<AppState>,
    Client(user): Client,
    headers: HeaderMap,
    JsonBody(body): JsonBody<SuggestLeaseRequest>,
) -> Result<(StatusCode, Json<GrantedLease>), Problem> {
    let request = ViewRequest {
        user,
        camera: camera(&body.camera)?,
        quality: None::<Quality>,
        kind: ViewKind::Suggest,
        codecs: codecs(body.codecs)?,
        take_over: true,
    };
    grant(&state, request, &headers)
}

fn grant(
    state: &AppState,
    request: ViewRequest,
    headers: &HeaderMap,
) -> Result<(StatusCode, Json<GrantedLease>), Problem> {
    let now = state.now();
    let granted = state.live().request(request);
    let granted = granted.map_err(|refusal| refused(&refusal, Language::of(headers), now))?;
    let offers = state.live().offers(&granted.lease.camera);
    let answer = state.view().granted(&granted.lease, granted.key.expose(), offers, now);
    Ok((StatusCode::CREATED, Json(answer)))
}

fn camera(name: &str) -> Result<CameraName, Problem> {
    CameraName::parse(name).map_err(|_| Problem::not_found("camera", name))
}

fn codecs(names: Vec<String>) -> Result<Vec<std::sync::Arc<str>>, Problem> {
    let is_name = |name: &String| {
        (1..=CODEC_BYTES_MAX).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic())
    };
    if names.len() > CODECS_MAX || !names.iter().all(is_name) {
        let detail = "codecs: at most 32 names of at most 64 characters, as in avc1.640028";
        return Err(Problem::new(Code::BadJson, detail));
    }
    Ok(names.into_iter().map(Into::into).collect())
}

type Kept = Result<Json<GrantedLease>, Problem>;

fn kept(
    state: &AppState,
    key: &LeaseKey,
    headers: &HeaderMap,
    lease: Result<lease::Lease, LeaseError>,
) -> Kept {
    let lease = lease.map_err(|error| unusable(error, Language::of(headers)))?;
    let offers = state.live().offers(&lease.camera);
    Ok(Json(state.view().granted(&lease, key.expose(), offers, state.now())))
}

/// A sign of life.
#[utoipa::path(post, path = "/api/v1/modal/lease/{id}/heartbeat", tag = "live",
    params(("id" = String, Path, description = "`id` of the grant")), responses(
    (status = 200, body = GrantedLease),
    (status = 403, description = "Of another browser", body = ProblemDocument),
    (status = 404, description = "No such lease", body = ProblemDocument),
    (status = 410, description = "Ended; `reason` says why", body = ProblemDocument)))]
pub(in crate::http) async fn heartbeat(
    State(state): State<AppState>,
    Client(user): Client,
    headers: HeaderMap,
    Name(key): Name<LeaseKey>,
) -> Kept {
    let lease = state.live().heartbeat(&key, &user);
    kept(&state, &key, &headers, lease)
}

/// A sign of life of a view of the suggestion.
#[utoipa::path(post, path = "/api/v1/suggest/lease/{id}/heartbeat", tag = "live",
    params(("id" = String, Path, description = "`id` of the grant")), responses(
    (status = 200, body = GrantedLease),
    (status = 403, description = "Of another browser", body = ProblemDocument),
    (status = 404, description = "No such lease", body = ProblemDocument),
    (status = 410, description = "Ended; `reason` says why", body = ProblemDocument)))]
pub(in crate::http) async fn heartbeat_suggest(
    state: State<AppState>,
    client: Client,
    headers: HeaderMap,
    key: Name<LeaseKey>,
) -> Kept {
    heartbeat(state, client, headers, key).await
}

/// Goes on for another time; only a person's wish should lead here.
#[utoipa::path(post, path = "/api/v1/modal/lease/{id}/renew", tag = "live",
    params(("id" = String, Path, description = "`id` of the grant")), responses(
    (status = 200, body = GrantedLease),
    (status = 403, description = "Of another browser", body = ProblemDocument),
    (status = 404, description = "No such lease", body = ProblemDocument),
    (status = 410, description = "Ended; `reason` says why", body = ProblemDocument)))]
pub(in crate::http) async fn renew(
    State(state): State<AppState>,
    Client(user): Client,
    headers: HeaderMap,
    Name(key): Name<LeaseKey>,
) -> Kept {
    let lease = state.live().renew(&key, &user);
    kept(&state, &key, &headers, lease)
}

/// Gives a live view back.
#[utoipa::path(delete, path = "/api/v1/modal/lease/{id}", tag = "live",
    params(("id" = String, Path, description = "`id` of the grant")), responses(
    (status = 204, description = "It has ended"),
    (status = 403, description = "Of another browser", body = ProblemDocument),
    (status = 404, description = "No such lease", body = ProblemDocument),
    (status = 410, description = "It had ended before; `reason` says why", body = ProblemDocument)))]
pub(in crate::http) async fn release(
    State(state): State<AppState>,
    Client(user): Client,
    headers: HeaderMap,
    Name(key): Name<LeaseKey>,
) -> Result<StatusCode, Problem> {
    let released = state.live().release(&key, &user);
    released.map(|()| StatusCode::NO_CONTENT).map_err(|e| unusable(e, Language::of(&headers)))
}

/// Gives a view of the suggestion back.
#[utoipa::path(delete, path = "/api/v1/suggest/lease/{id}", tag = "live",
    params(("id" = String, Path, description = "`id` of the grant")), responses(
    (status = 204, description = "It has ended"),
    (status = 403, description = "Of another browser", body = ProblemDocument),
    (status = 404, description = "No such lease", body = ProblemDocument),
    (status = 410, description = "It had ended before; `reason` says why", body = ProblemDocument)))]
pub(in crate::http) async fn release_suggest(
    state: State<AppState>,
    client: Client,
    headers: HeaderMap,
    key: Name<LeaseKey>,
) -> Result<StatusCode, Problem> {
    release(state, client, headers, key).await
}
