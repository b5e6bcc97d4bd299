//! Live streams: the list of them, and the socket that media comes through.

use axum::Json;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::HeaderMap;
use axum::response::Response;

use super::processes::OfCamera;
use crate::http::extract::{Name, Params};
use crate::http::guard::Client;
use crate::http::media;
use crate::http::page;
use crate::http::problem::{Code, Problem, ProblemDocument};
use crate::http::refusal::{Language, unusable};
use crate::http::state::AppState;
use crate::http::wire::{Page, Stream};
use crate::live::LeaseKey;

/// Streams that the live engine has or should have.
#[utoipa::path(get, path = "/api/v1/streams", tag = "live", params(OfCamera), responses(
    (status = 200, body = Page<Stream>),
    (status = 400, description = "Bad query", body = ProblemDocument)))]
pub(in crate::http) async fn streams(
    State(state): State<AppState>,
    Params(query): Params<OfCamera>,
) -> Result<Json<Page<Stream>>, Problem> {
    let view = state.view();
    let streams = state.live().streams();
    let found = streams.iter().filter(|stream| query.wants(Some(stream.camera.as_str())));
    let mut found: Vec<(String, Stream)> = found
        .map(|stream| {
            let key = format!("{} {} {}", stream.camera, stream.quality.as_str(), stream.name);
            (key, view.stream(stream))
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Json(page::sorted(&query.page(), "streams", found.into_iter())?))
}

/// The media of a live view, for the browser that it was granted to.
///
/// A text message `{"type": "mse", "value": MIME}`, then binary ones: the initialisation segment,
/// and for each further one a `moof` with its `mdat`. When the camera changes its parameters the
/// sequence begins anew with a text message and an initialisation segment. What the client sends
/// is ignored. A second socket on the same lease takes the place of the first.
///
/// Closed with 4001 `expired`, 4002 `heartbeat`, 4003 `released`, 4004 `revoked`, 4005
/// `camera_removed`, 4006 `preempted`, 4007 `slow`, 4008 `engine: WHY`, 4009 `shutdown`.
#[utoipa::path(get, path = "/live/{id}/ws", tag = "live",
    params(("id" = String, Path, description = "`id` of the grant")), responses(
    (status = 101, description = "Media, as `mse` messages and segments"),
    (status = 403, description = "Of another browser, or a page of another site",
        body = ProblemDocument),
    (status = 404, description = "No such lease", body = ProblemDocument),
    (status = 410, description = "Ended; `reason` says why", body = ProblemDocument),
    (status = 426, description = "Not a WebSocket handshake", body = ProblemDocument)))]
pub(in crate::http) async fn upgrade(
    State(state): State<AppState>,
    Client(user): Client,
    headers: HeaderMap,
    Name(key): Name<LeaseKey>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade =
        upgrade.map_err(|error| Problem::new(Code::UpgradeRequired, error.body_text()))?;
    let view = state.live().open(&key, &user);
    let view = view.map_err(|error| unusable(error, Language::of(&headers)))?;
    // The tracker makes the listener wait for it at the end.
    let tracker = state.sockets().clone();
    Ok(media::bounded(upgrade)
        .on_upgrade(move |socket| tracker.track_future(media::serve(socket, view, state))))
}
