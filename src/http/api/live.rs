//! Live streams: the list of them, the socket that media comes through, and HLS.

use axum::Json;
use axum::body::Bytes;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::processes::OfCamera;
use crate::http::extract::{InPath as _, Name, Params};
use crate::http::guard::Client;
use crate::http::media::{self, Transport};
use crate::http::page;
use crate::http::problem::{Code, Problem, ProblemDocument};
use crate::http::refusal::{Language, unusable};
use crate::http::state::AppState;
use crate::http::wire::{Page, Stream};
use crate::live::{LeaseKey, ShelfFile};

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

/// How the media is to come.
#[derive(Debug, Clone, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Wished {
    /// `mse` (the default), or `webrtc` where the grant says so.
    transport: Option<String>,
}

/// The media of a live view, for the browser that it was granted to.
///
/// A text message `{"type": "mse", "value": MIME}`, then binary ones: the initialisation segment,
/// and for each further one a `moof` with its `mdat`. When the camera changes its parameters the
/// sequence begins anew with a text message and an initialisation segment. What the client sends
/// is ignored. A second socket on the same lease takes the place of the first.
///
/// With `transport=webrtc` the client sends `{"type": "webrtc/offer", "value": SDP}` and gets
/// `{"type": "webrtc/answer", "value": SDP}`; media then comes past the socket for as long as that
/// stays open. The offer must be about one video that is only received; addresses in it are ignored.
///
/// Closed with 4001 `expired`, 4002 `heartbeat`, 4003 `released`, 4004 `revoked`, 4005
/// `camera_removed`, 4006 `preempted`, 4007 `slow`, 4008 `engine: WHY`, 4009 `shutdown`.
/// A client that says too much or what cannot be used is closed with 1008 and the reason.
#[utoipa::path(get, path = "/live/{id}/ws", tag = "live",
    params(("id" = String, Path, description = "`id` of the grant"), Wished), responses(
    (status = 101, description = "Media, as `mse` messages and segments"),
    (status = 400, description = "Bad query", body = ProblemDocument),
    (status = 403, description = "Of another browser, or a page of another site",
        body = ProblemDocument),
    (status = 404, description = "No such lease", body = ProblemDocument),
    (status = 410, description = "Ended; `reason` says why", body = ProblemDocument),
    (status = 426, description = "Not a WebSocket handshake", body = ProblemDocument)))]
pub(in crate::http) async fn upgrade(
    State(state): State<AppState>,
    (Client(user), Name(key)): (Client, Name<LeaseKey>),
    headers: HeaderMap,
    Params(wished): Params<Wished>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade =
        upgrade.map_err(|error| Problem::new(Code::UpgradeRequired, error.body_text()))?;
    let transport = match wished.transport.as_deref() {
        None | Some("mse") => Transport::Mse,
        Some("webrtc") => Transport::WebRtc,
        Some(_) => return Err(Problem::new(Code::BadQuery, "transport: mse or webrtc")),
    };
    let view = state.live().open(&key, &user);
    let view = view.map_err(|error| unusable(error, Language::of(&headers)))?;
    // The tracker makes the listener wait for it at the end.
    let tracker = state.sockets().clone();
    let watching = (view, transport);
    Ok(media::bounded(upgrade, transport)
        .on_upgrade(move |socket| tracker.track_future(media::serve(socket, watching, state))))
}

/// The playlist of a live view as HLS, where the grant says so, for the browser that it was granted
/// to. The first request opens the camera and waits for the first segments.
///
/// A live socket on the same lease has to leave. Given up after ten seconds without a request.
#[utoipa::path(get, path = "/live/{id}/stream.m3u8", tag = "live",
    params(("id" = String, Path, description = "`id` of the grant")), responses(
    (status = 200, description = "A media playlist; its files stand beside it",
        content_type = "application/vnd.apple.mpegurl"),
    (status = 403, description = "Of another browser", body = ProblemDocument),
    (status = 404, description = "No such lease", body = ProblemDocument),
    (status = 410, description = "Ended; `reason` says why", body = ProblemDocument),
    (status = 503, description = "`LIVE_FAILED`: the camera does not deliver, or HLS is not \
        declared", body = ProblemDocument)))]
pub(in crate::http) async fn playlist(
    State(state): State<AppState>,
    Client(user): Client,
    headers: HeaderMap,
    Name(key): Name<LeaseKey>,
) -> Result<Response, Problem> {
    let hls = state.live().hls(&key, &user);
    let (shelf, filling) = hls.map_err(|error| unusable(error, Language::of(&headers)))?;
    if let Some(filling) = filling {
        let counted = state.metrics().live_viewer();
        // The tracker makes the listener wait for it at the end.
        drop(state.sockets().spawn(async move {
            filling.await;
            drop(counted);
        }));
    }
    let playlist = shelf
        .playlist()
        .await
        .map_err(|end| Problem::new(Code::LiveFailed, state.redactor().redact(&end.to_string())))?;
    Ok(media_file("application/vnd.apple.mpegurl", playlist.into()))
}

/// A file that the playlist of a live view names: `init-N.mp4` or `N.m4s`.
#[utoipa::path(get, path = "/live/{id}/{file}", tag = "live",
    params(("id" = String, Path, description = "`id` of the grant"),
        ("file" = String, Path, description = "As the playlist names it")), responses(
    (status = 200, description = "A piece of fragmented MP4", content_type = "video/mp4"),
    (status = 403, description = "Of another browser", body = ProblemDocument),
    (status = 404, description = "No such lease, or not kept any more", body = ProblemDocument),
    (status = 410, description = "Ended; `reason` says why", body = ProblemDocument)))]
pub(in crate::http) async fn segment(
    State(state): State<AppState>,
    Client(user): Client,
    headers: HeaderMap,
    Path((id, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let key = LeaseKey::read(&id).ok_or_else(|| Problem::not_found(LeaseKey::KIND, &id))?;
    let shelf = state.live().hls_begun(&key, &user);
    let shelf = shelf.map_err(|error| unusable(error, Language::of(&headers)))?;
    let data = name.parse::<ShelfFile>().ok().and_then(|file| shelf?.file(file));
    let data = data.ok_or_else(|| Problem::not_found("segment", &name))?;
    Ok(media_file("video/mp4", data))
}

fn media_file(kind: &'static str, data: Bytes) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], data).into_response()
}
