//! The HTTP API: what of it is served, for whom, and its odd answers.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use base64::Engine as _;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::config::Config;
use super::streams::{Consumer, Streams};
use super::{peer, socket};

/// Names and values of a query, in order.
type Pairs = Query<Vec<(String, String)>>;

/// The whole program's state.
#[derive(Debug)]
pub(super) struct Gateway {
    config: Config,
    path: PathBuf,
    streams: Streams,
}

impl Gateway {
    pub(super) fn new(config: Config, path: PathBuf) -> Self {
        let gateway = Self { config, path, streams: Streams::default() };
        for (name, source) in gateway.config.streams.iter().flatten() {
            let sources = match source {
                Value::String(one) => vec![one.clone()],
                Value::Array(all) => {
                    all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
            };
            if gateway.streams.put(name, &sources).is_err() {
                super::say("warn", "streams: source not supported");
            }
        }
        gateway
    }
}

/// The routes that the configuration lets through.
pub(super) fn router(gateway: Arc<Gateway>) -> Router {
    let served = [
        ("api", "/api", get(about)),
        ("api", "/api/config", get(config)),
        ("api", "/api/streams", any(streams)),
        ("ws", "/api/ws", get(ws)),
        ("mjpeg", "/api/frame.jpeg", get(frame)),
        ("webrtc", "/api/webrtc", post(webrtc)),
    ];
    let mut router = Router::new();
    for (module, path, route) in served {
        if gateway.config.has(module) && gateway.config.allows(path) {
            router = router.route(path, route);
        }
    }
    router
        .fallback(async || StatusCode::NOT_FOUND)
        .layer(middleware::from_fn_with_state(Arc::clone(&gateway), credentials))
        .with_state(gateway)
}

async fn credentials(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
    next: Next,
) -> Response {
    let api = &gateway.config.api;
    // Every client of a stand-in is local.
    if api.username.is_empty() || !api.local_auth {
        return next.run(request).await;
    }
    let pair = format!("{}:{}", api.username, api.password);
    let wanted = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    let given = request.headers().get(header::AUTHORIZATION);
    if given.is_some_and(|given| given.as_bytes() == wanted.as_bytes()) {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"go2rtc\"")];
    (StatusCode::UNAUTHORIZED, challenge, "Unauthorized\n").into_response()
}

async fn about(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    Json(json!({
        "config_path": gateway.path, "host": "gateway", "revision": "double",
        "rtsp": { "listen": "", "default_query": "video&audio" }, "version": "1.9.14",
    }))
}

/// The file as it is, credentials and all.
async fn config(State(gateway): State<Arc<Gateway>>) -> Response {
    std::fs::read_to_string(&gateway.path).unwrap_or_default().into_response()
}

async fn streams(
    State(gateway): State<Arc<Gateway>>,
    method: Method,
    Query(pairs): Pairs,
) -> Response {
    let all = |name: &str| -> Vec<String> {
        pairs.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
    };
    let (sources, names) = (all("src"), all("name"));
    let source = sources.first().map_or("", String::as_str);
    let name = names.first().map_or("", String::as_str);
    let streams = &gateway.streams;
    let bad = |text: String| (StatusCode::BAD_REQUEST, format!("{text}\n")).into_response();
    if source.is_empty() && method != Method::POST {
        return Json(streams.list()).into_response();
    }
    match method {
        Method::GET => match streams.get(source) {
            Some(stream) => Json(stream.show()).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        },
        Method::PUT => {
            let name = if name.is_empty() { source } else { name };
            match streams.put(name, &sources) {
                // Registered all the same; what fails is the file.
                Ok(()) => bad("yaml: line 1: did not find expected node content".to_owned()),
                Err(said) => bad(said.0),
            }
        }
        Method::PATCH if name.is_empty() => bad(String::new()),
        Method::PATCH => match streams.patch(name, source) {
            Ok(_) => ().into_response(),
            Err(said) => bad(said.0),
        },
        Method::DELETE => {
            streams.forget(source);
            // Forgotten all the same; it was not in the file.
            bad("yaml: path not exist".to_owned())
        }
        _ => StatusCode::BAD_REQUEST.into_response(),
    }
}

async fn ws(
    State(gateway): State<Arc<Gateway>>,
    Query(pairs): Pairs,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let source = pairs.iter().find(|(name, _)| name == "src").map_or("", |(_, value)| value);
    // A URL is as good as a name: it makes a stream of that name.
    let stream = match gateway.streams.get(source) {
        Some(stream) => Some(stream),
        None if source.is_empty() => None,
        None => gateway.streams.patch(source, source).ok(),
    };
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let agent = agent.unwrap_or_default().to_owned();
    upgrade.on_upgrade(move |socket| socket::serve(socket, stream, agent))
}

/// An offer; the client that made it cannot be ended from here on.
async fn webrtc(
    State(gateway): State<Arc<Gateway>>,
    Query(pairs): Pairs,
    headers: HeaderMap,
    offer: String,
) -> Response {
    let source = pairs.iter().find(|(name, _)| name == "src").map_or("", |(_, value)| value);
    let Some(stream) = gateway.streams.get(source) else {
        return (StatusCode::NOT_FOUND, "stream not found\n").into_response();
    };
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let agent = agent.unwrap_or_default().to_owned();
    let listen = gateway.config.webrtc.listen.clone();
    // Not even a client that leaves ends it.
    let answering =
        tokio::spawn(async move { peer::answer(stream, &offer, &agent, &listen).await });
    match answering.await {
        Ok(Ok(answer)) => {
            let kind = [(header::CONTENT_TYPE, "application/sdp")];
            (StatusCode::CREATED, kind, answer).into_response()
        }
        Ok(Err(said)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{said}\n")).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A picture, without any deadline, and whether or not the client is still there.
async fn frame(State(gateway): State<Arc<Gateway>>, Query(pairs): Pairs) -> Response {
    let source = pairs.iter().find(|(name, _)| name == "src").map_or("", |(_, value)| value);
    let Some(stream) = gateway.streams.get(source) else {
        return (StatusCode::NOT_FOUND, "stream not found\n").into_response();
    };
    let taking = tokio::spawn(async move {
        let consumer = Consumer::new("keyframe", "");
        let attached = stream.attach(&consumer, &["avc1.640029", "hvc1.1.6.L153.B0"]).await;
        let Ok(mut attached) = attached else {
            super::say("error", "[mjpeg] add consumer");
            // 200, and nothing in it.
            return ().into_response();
        };
        loop {
            match attached.pictures.recv().await {
                Ok(picture) if picture.key => break,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
        stream.detach(&consumer).await;
        // The real one starts ffmpeg here, where the module is loaded.
        (StatusCode::INTERNAL_SERVER_ERROR, "exec: \"ffmpeg\": not found\n").into_response()
    });
    // Not even a client that leaves ends it.
    taking.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}
