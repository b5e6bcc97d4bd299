//! The wall's files: out of the program, or out of a directory while working on them.
//!
//! Files whose name holds a hash never change; all others are asked for anew each time.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::{Component, Path};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use super::api::matches_etag;
use super::problem::{Code, Problem};
use super::state::AppState;

/// Largest file out of a directory.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// The folder of the build whose names hold a hash.
const HASHED: &str = "assets/";
/// What the root says in a program that was built without the wall.
const NO_WALL: &str = "This program was built without the wall.\n\
    Build it: cd web && npm ci && npm run build, then build the server again;\n\
    or start with --ui-dir DIR. The API is at /api/v1/openapi.json.\n";

#[derive(RustEmbed)]
#[folder = "web/dist/"]
#[allow_missing = true]
struct Wall;

struct File {
    bytes: Cow<'static, [u8]>,
    etag: Option<String>,
}

/// The wall itself.
pub(super) async fn index(State(state): State<AppState>, headers: HeaderMap) -> Response {
    match find(&state, "index.html").await {
        Some(file) => answer("index.html", file, &headers),
        None => (StatusCode::OK, NO_WALL).into_response(),
    }
}

/// Whatever has no route: a file of the wall, or nothing.
pub(super) async fn file(State(state): State<AppState>, uri: Uri, headers: HeaderMap) -> Response {
    let name = uri.path().trim_start_matches('/');
    let api = name.starts_with("api/");
    match if api { None } else { find(&state, name).await } {
        Some(file) => answer(name, file, &headers),
        None => Problem::new(Code::NoRoute, format!("there is nothing at {}", uri.path()))
            .into_response(),
    }
}

async fn find(state: &AppState, name: &str) -> Option<File> {
    if let Some(dir) = &state.settings().ui_dir {
        return read(dir, name).await;
    }
    let file = Wall::get(name)?;
    let mut etag = String::from("W/\"");
    for byte in &file.metadata.sha256_hash()[..12] {
        write!(etag, "{byte:02x}").ok()?;
    }
    etag.push('"');
    Some(File { bytes: file.data, etag: Some(etag) })
}

async fn read(dir: &Path, name: &str) -> Option<File> {
    let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if !inside {
        return None;
    }
    let path = dir.join(name);
    let meta = tokio::fs::metadata(&path).await.ok()?;
    if !meta.is_file() || meta.len() > FILE_BYTES_MAX {
        return None;
    }
    let bytes = tokio::fs::read(&path).await.ok()?;
    Some(File { bytes: bytes.into(), etag: None })
}

fn answer(name: &str, file: File, headers: &HeaderMap) -> Response {
    let caching =
        if name.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut out = HeaderMap::new();
    out.insert(header::CACHE_CONTROL, header::HeaderValue::from_static(caching));
    if let Some(etag) = file.etag {
        let unchanged = matches_etag(headers, &etag);
        if let Ok(etag) = etag.try_into() {
            out.insert(header::ETAG, etag);
        }
        if unchanged {
            return (StatusCode::NOT_MODIFIED, out).into_response();
        }
    }
    out.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media_type(name)));
    (out, file.bytes.into_owned()).into_response()
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
