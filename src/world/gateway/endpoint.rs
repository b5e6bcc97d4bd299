//! Where go2rtc's API is, and one bounded question to it.
//!
//! A client of its own for each instance: HTTP/1.1, no redirections, no proxy, every question with
//! a deadline and every answer with a bound.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, Response, StatusCode, Url};

use super::error::GatewayError;
use crate::model::secret::Secret;

/// Until the API has answered.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// How an instance of ours is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Over a socket in its directory.
    Socket(PathBuf),
    /// Over loopback, where the directory's path is too long for a socket.
    Loopback(SocketAddr),
}

/// One go2rtc's API.
#[derive(Clone)]
pub struct Endpoint {
    http: Client,
    base: Url,
    login: Option<(String, Secret)>,
    shown: String,
}

impl Endpoint {
    /// An instance of ours.
    pub(super) fn managed(
        access: Access,
        user: String,
        password: Secret,
    ) -> Result<Self, GatewayError> {
        let builder = builder();
        let (builder, host, shown) = match access {
            Access::Socket(path) => {
                let shown = path.display().to_string();
                // The host is not looked up; it only stands in the request.
                (builder.unix_socket(path), "gateway".to_owned(), shown)
            }
            Access::Loopback(address) => (builder, address.to_string(), address.to_string()),
        };
        let http = builder.build().map_err(GatewayError::Client)?;
        let base = format!("http://{host}/").parse().map_err(unfit)?;
        Ok(Self { http, base, login: Some((user, password)), shown })
    }

    /// One that somebody else runs, at `gateway.url`; user and password may stand in the URL.
    pub fn external(url: &Url) -> Result<Self, GatewayError> {
        let mut base = url.clone();
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(GatewayError::Nonsense("its URL is not an http URL".into()));
        }
        let login = url.password().map(|password| {
            let decoded = |text: &str| {
                let pair = format!("x={}", text.replace('+', "%2B"));
                let mut pairs = url::form_urlencoded::parse(pair.as_bytes());
                pairs.next().map(|(_, value)| value.into_owned()).unwrap_or_default()
            };
            (decoded(url.username()), Secret::new(decoded(password)))
        });
        // A URL with a host takes both.
        let _cleared = (base.set_username(""), base.set_password(None));
        base.set_query(None);
        base.set_fragment(None);
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let shown = base.host_str().unwrap_or_default().to_owned();
        let http = builder().build().map_err(GatewayError::Client)?;
        Ok(Self { http, base, login, shown })
    }

    /// Asks and reads an answer of at most `bytes_max`, within [`ANSWER_TIMEOUT`].
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        bytes_max: usize,
    ) -> Result<(StatusCode, Vec<u8>), GatewayError> {
        let exchange = async {
            let response = self.send(method, path, query, HeaderMap::new()).await?;
            let status = response.status();
            Ok((status, body(response, bytes_max).await?))
        };
        tokio::time::timeout(ANSWER_TIMEOUT, exchange).await.unwrap_or(Err(GatewayError::Timeout))
    }

    /// Sends a request; the caller sets the deadline.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        headers: HeaderMap,
    ) -> Result<Response, GatewayError> {
        self.send_with(method, path, query, (headers, String::new())).await
    }

    /// Sends a request with a body; the caller sets the deadline.
    pub(super) async fn send_with(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        (headers, body): (HeaderMap, String),
    ) -> Result<Response, GatewayError> {
        let url = self.base.join(path).map_err(unfit)?;
        let mut request = self.http.request(method, url).query(query).headers(headers);
        if let Some((user, password)) = &self.login {
            request = request.basic_auth(user, Some(password.expose()));
        }
        if !body.is_empty() {
            request = request.body(body);
        }
        let response = request.send().await.map_err(|error| {
            // The query may hold a grant.
            GatewayError::Unreachable(error.without_url())
        })?;
        match response.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(GatewayError::Auth),
            _ => Ok(response),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.shown)
    }
}

fn builder() -> reqwest::ClientBuilder {
    Client::builder()
        .http1_only()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(ANSWER_TIMEOUT)
        .pool_max_idle_per_host(1)
}

fn unfit(error: url::ParseError) -> GatewayError {
    GatewayError::Nonsense(error.to_string())
}

/// Reads an answer of at most `bytes_max`.
pub(super) async fn body(
    mut response: Response,
    bytes_max: usize,
) -> Result<Vec<u8>, GatewayError> {
    let mut body = Vec::new();
    let broken = |error: reqwest::Error| GatewayError::Unreachable(error.without_url());
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > bytes_max {
            return Err(GatewayError::TooLong(bytes_max));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_url_loses_its_password_but_not_its_path() {
        let url = "https://op:p%40ss+1@gw.example/base?x=1".parse().unwrap();
        let endpoint = Endpoint::external(&url).unwrap();
        assert_eq!(endpoint.base.as_str(), "https://gw.example/base/");
        let (user, password) = endpoint.login.clone().unwrap();
        assert_eq!((user.as_str(), password.expose()), ("op", "p@ss+1"));
        assert_eq!(format!("{endpoint:?}"), "Endpoint(gw.example)");
        assert!(Endpoint::external(&"unix:/x".parse().unwrap()).is_err());
    }
}
