//! The table of routes, and what every request passes through on its way.

use std::any::Any;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{self, MethodRouter};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};

use super::api::{
    cameras, config, connections, events, frames, gateways, leases, live, plan, processes, status,
    subnets, sweeps,
};
use super::problem::{Code, Problem};
use super::state::AppState;
use super::{assets, guard, openapi, probes, push};

/// Largest body of a request.
const BODY_BYTES_MAX: usize = 64 << 10;

/// One route.
pub(super) struct Route {
    /// Its pattern.
    pub(super) path: &'static str,
    handler: MethodRouter<AppState>,
}

fn get<T: 'static, H: Handler<T, AppState>>(path: &'static str, handler: H) -> Route {
    Route { path, handler: routing::get(handler) }
}

fn post<T: 'static, H: Handler<T, AppState>>(path: &'static str, handler: H) -> Route {
    Route { path, handler: routing::post(handler) }
}

fn delete<T: 'static, H: Handler<T, AppState>>(path: &'static str, handler: H) -> Route {
    Route { path, handler: routing::delete(handler) }
}

/// Every route that is described to the outside.
pub(super) fn routes() -> Vec<Route> {
    vec![
        get("/api/v1/cameras", cameras::list),
        get("/api/v1/cameras/{name}", cameras::one),
        get("/api/v1/cameras/{name}/history", cameras::history),
        get("/api/v1/cameras/{name}/snapshot.jpg", frames::snapshot),
        get("/api/v1/cameras/{name}/thumbnail.jpg", frames::camera_thumbnail),
        get("/api/v1/frames/{file}", frames::image),
        get("/api/v1/frames/{id}/thumbnail.jpg", frames::thumbnail),
        get("/api/v1/subnets", subnets::list),
        get("/api/v1/subnets/{name}", subnets::one),
        post("/api/v1/subnets/{name}/sweep", subnets::sweep),
        get("/api/v1/sweeps", sweeps::list),
        get("/api/v1/sweeps/{id}", sweeps::one),
        get("/api/v1/events", events::list),
        get("/api/v1/events/{seq}", events::one),
        get("/api/v1/processes", processes::list),
        get("/api/v1/connections", connections::connections),
        get("/api/v1/leases", leases::list),
        delete("/api/v1/leases/{id}", leases::revoke),
        post("/api/v1/modal/lease", leases::request),
        delete("/api/v1/modal/lease/{id}", leases::release),
        post("/api/v1/modal/lease/{id}/heartbeat", leases::heartbeat),
        post("/api/v1/modal/lease/{id}/renew", leases::renew),
        post("/api/v1/suggest/lease", leases::request_suggest),
        delete("/api/v1/suggest/lease/{id}", leases::release_suggest),
        post("/api/v1/suggest/lease/{id}/heartbeat", leases::heartbeat_suggest),
        get("/api/v1/streams", live::streams),
        get("/api/v1/gateways", gateways::list),
        get("/api/v1/config", config::config),
        post("/api/v1/config/confirm", config::confirm),
        get("/api/v1/plan", plan::plan),
        get("/api/v1/status", status::status),
        get("/api/v1/openapi.json", openapi::openapi),
        get("/ws", push::upgrade),
        get("/live/{id}/ws", live::upgrade),
        get("/live/{id}/stream.m3u8", live::playlist),
        get("/live/{id}/{file}", live::segment),
        get("/metrics", probes::metrics),
        get("/healthz", probes::healthz),
        get("/readyz", probes::readyz),
    ]
}

/// The whole of HTTP as one service.
pub fn router(state: AppState) -> Router {
    let mut router = Router::new()
        .route("/", routing::get(assets::index))
        .route("/index.html", routing::get(assets::index));
    for route in routes() {
        router = router.route(route.path, route.handler);
    }
    router
        .fallback(assets::file)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(CompressionLayer::new().compress_when(compressible()))
        .layer(from_fn_with_state(state.clone(), deadline))
        .layer(from_fn(guard::client_cookie))
        .layer(from_fn_with_state(state.clone(), guard::admit))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(state.clone(), count))
        .layer(from_fn(guard::security_headers))
        .with_state(state)
}

/// Video is compressed already.
fn compressible() -> impl Predicate {
    DefaultPredicate::new().and(NotForContentType::const_new("video/mp4"))
}

async fn method_not_allowed(request: Request) -> Problem {
    let detail = format!("{} does not answer {}", request.uri().path(), request.method());
    Problem::new(Code::MethodNotAllowed, detail)
}

async fn deadline(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let limit = state.settings().request_timeout;
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(Code::Timeout, "the answer took too long").into_response(),
    }
}

async fn count(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let started = tokio::time::Instant::now();
    let method = match *request.method() {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    };
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    let seconds = started.elapsed().as_secs_f64();
    state.metrics().http_request(route, method, response.status().as_u16(), seconds);
    response
}

#[expect(clippy::needless_pass_by_value, reason = "the layer hands it over")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text.unwrap_or("unknown"), "a request handler panicked");
    Problem::new(Code::Internal, "the server made a mistake; its log says more").into_response()
}
