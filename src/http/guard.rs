//! Who may ask what: the one place that every request passes.
//!
//! A page of another site must not reach a server on loopback: neither by a name that resolves
//! to it (DNS rebinding: the `Host`), nor by a form or socket (the `Origin`). Logins and roles,
//! once there are users, are decided in [`admit`] too.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng as _;

use super::problem::{Code, Problem};
use super::state::AppState;

/// The cookie that tells browsers apart while nobody logs in.
pub(super) const CLIENT_COOKIE: &str = "camserver_client";
/// Longest value of that cookie.
const CLIENT_BYTES_MAX: usize = 64;

/// Scripts, styles and connections of this server only; no inline script, no frame around it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; font-src 'self'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// Headers that every answer carries.
const SECURITY_HEADERS: [(&str, &str); 6] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
];

/// Adds the security headers, to errors too.
pub(super) async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Lets a request through, or says why not.
pub(super) async fn admit(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let checked =
        check_host(state.settings().listen, &request).and_then(|()| check_origin(&request));
    match checked {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Who asks: the browser's cookie, which a first contact is given with the answer.
///
/// Empty where there is none; nobody is called that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Client(pub(super) Arc<str>);

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let client = parts.extensions.get::<Self>().cloned();
        Ok(client.unwrap_or_else(|| Self(client_of(&parts.headers).unwrap_or_default().into())))
    }
}

/// On first contact gives the browser a cookie of its own, with documents and JSON only: pictures
/// are asked for side by side, and each would bring another one.
pub(super) async fn client_cookie(mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let wanted = path == "/" || path == "/index.html" || path.starts_with("/api/v1/");
    let wanted = wanted
        && !path.trim_end_matches('/').ends_with("jpg")
        && client_of(request.headers()).is_none();
    let new = wanted.then(|| {
        let mut random = [0_u8; 16];
        rand::rng().fill_bytes(&mut random);
        Arc::<str>::from(URL_SAFE_NO_PAD.encode(random))
    });
    if let Some(id) = &new {
        request.extensions_mut().insert(Client(Arc::clone(id)));
    }
    let mut response = next.run(request).await;
    if let Some(id) = new {
        let cookie =
            format!("{CLIENT_COOKIE}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000");
        if let Ok(cookie) = HeaderValue::try_from(cookie) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    response
}

/// The browser that a request is from.
pub(super) fn client_of(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    pairs
        .flat_map(|pairs| pairs.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(CLIENT_COOKIE)?.strip_prefix('='))
        .find(|id| is_client_id(id))
}

fn is_client_id(id: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=CLIENT_BYTES_MAX).contains(&id.len()) && id.bytes().all(allowed)
}

fn check_host(listen: SocketAddr, request: &Request) -> Result<(), Problem> {
    let Some(host) = host_of(request) else {
        if request.version() < Version::HTTP_11 {
            return Ok(());
        }
        return Err(Problem::new(Code::BadRequest, "the request has no Host"));
    };
    if !listen.ip().is_loopback() || is_loopback_name(host_name(host), listen.ip()) {
        return Ok(());
    }
    let detail = "the server listens on loopback only and answers to localhost, 127.* and [::1]";
    Err(Problem::new(Code::HostNotAllowed, detail))
}

fn check_origin(request: &Request) -> Result<(), Problem> {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let upgrade = request.headers().contains_key(header::UPGRADE);
    let Some(origin) = request.headers().get(header::ORIGIN).filter(|_| !safe || upgrade) else {
        return Ok(());
    };
    let origin = origin.to_str().ok().and_then(|text| text.split_once("://"));
    let own = origin
        .zip(host_of(request))
        .is_some_and(|((scheme, origin), host)| same_authority(origin, host, scheme));
    if own {
        return Ok(());
    }
    Err(Problem::new(Code::OriginNotAllowed, "a page of another site may not do this"))
}

/// Whether both mean the same host and port, given or by the scheme's default.
fn same_authority(origin: &str, host: &str, scheme: &str) -> bool {
    let default = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    let bare = |authority: &str| {
        let lower = authority.to_ascii_lowercase();
        lower.strip_suffix(default).map_or_else(|| lower.clone(), str::to_owned)
    };
    bare(origin) == bare(host)
}

fn host_of(request: &Request) -> Option<&str> {
    let header = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    header.or_else(|| request.uri().authority().map(axum::http::uri::Authority::as_str))
}

fn host_name(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(name, _)| name);
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}

fn is_loopback_name(name: &str, listen: IpAddr) -> bool {
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip == listen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_reach_a_loopback_server() {
        let listen = "127.0.0.1".parse().unwrap();
        for good in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.9.9.9", "[::1]:8080"] {
            assert!(is_loopback_name(host_name(good), listen), "{good}");
        }
        for bad in ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "localhost.evil", ""] {
            assert!(!is_loopback_name(host_name(bad), listen), "{bad}");
        }
    }

    #[test]
    fn an_origin_is_own_only_with_the_same_host_and_port() {
        assert!(same_authority("wall.example", "wall.example:443", "https"));
        assert!(same_authority("127.0.0.1:8080", "127.0.0.1:8080", "http"));
        assert!(!same_authority("127.0.0.1:9000", "127.0.0.1:8080", "http"));
        assert!(!same_authority("wall.example.evil", "wall.example", "https"));
    }

    #[test]
    fn only_a_well_formed_cookie_is_a_client() {
        let client = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::try_from(value).unwrap());
            client_of(&headers).map(str::to_owned)
        };
        assert_eq!(client("a=b; camserver_client=ab_C-1"), Some("ab_C-1".to_owned()));
        assert_eq!(client("camserver_client=a b"), None);
        assert_eq!(client(&format!("camserver_client={}", "x".repeat(65))), None);
        assert_eq!(client("camserver_clientx=abc"), None);
    }
}
