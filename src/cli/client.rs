//! Asks the server over HTTP, with limits on time and size.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::{Method, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::exit::CliError;
use crate::http::ProblemDocument;

/// Until the connection stands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Until the whole answer is here; longer than the server's own deadline.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);
/// Things asked for in one request.
const PAGE: usize = 500;

/// A server to ask.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
}

/// An answer and when the server gave it.
#[derive(Debug)]
pub(super) struct Answer<T> {
    /// What it said.
    pub(super) value: T,
    /// The server's clock: ages are told by it, so a wrong clock here shows no wrong ages.
    pub(super) at: Timestamp,
}

/// Names and values of a query.
pub(super) type Query<'a> = Vec<(&'a str, String)>;

impl Client {
    /// For the server at this URL.
    pub(super) fn new(server: &str) -> Result<Self, CliError> {
        let wrong = || CliError::ServerUrl { url: server.to_owned() };
        let mut base: Url = server.parse().map_err(|_| wrong())?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(wrong());
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let mut builder =
            reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).timeout(ANSWER_TIMEOUT);
        if is_loopback(&base) {
            // A proxy for the outer world cannot reach this host's loopback.
            builder = builder.no_proxy();
        }
        Ok(Self { http: builder.build().map_err(CliError::Client)?, base })
    }

    /// Asks for one object.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Query<'_>,
    ) -> Result<Answer<T>, CliError> {
        self.send(Method::GET, path, query, None::<&()>).await
    }

    /// Asks for something to be done.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Answer<T>, CliError> {
        self.send(Method::POST, path, &Vec::new(), body).await
    }

    /// All things of a list, up to `max`.
    pub(super) async fn list(
        &self,
        path: &str,
        query: &Query<'_>,
        max: usize,
    ) -> Result<Answer<Vec<Value>>, CliError> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut query = query.clone();
            query.push(("limit", PAGE.min(max - items.len()).to_string()));
            if let Some(cursor) = cursor.take() {
                query.push(("cursor", cursor));
            }
            let page: Answer<crate::http::wire::Page<Value>> = self.get(path, &query).await?;
            items.extend(page.value.items);
            cursor = page.value.next;
            if cursor.is_none() || items.len() >= max {
                items.truncate(max);
                return Ok(Answer { value: items, at: page.at });
            }
        }
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &Query<'_>,
        body: Option<&impl Serialize>,
    ) -> Result<Answer<T>, CliError> {
        let mut url =
            self.base.join(path).map_err(|_| CliError::ServerUrl { url: path.to_owned() })?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let shown = url.to_string();
        let unreachable = |source| CliError::Unreachable { url: shown.clone(), source };
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|e| unreachable(e.without_url()))?;
        let status = response.status();
        let at = date(&response);
        let bytes = response.bytes().await.map_err(|e| unreachable(e.without_url()))?;
        if !status.is_success() {
            return Err(refusal(shown, status, &bytes));
        }
        match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Answer { value, at }),
            Err(source) => Err(CliError::BadAnswer { url: shown, source }),
        }
    }
}

fn refusal(url: String, status: StatusCode, body: &[u8]) -> CliError {
    let (code, detail) = match serde_json::from_slice::<ProblemDocument>(body) {
        Ok(problem) => (problem.code, problem.detail),
        Err(_) => (format!("HTTP {}", status.as_u16()), "the server refused".to_owned()),
    };
    if status == StatusCode::NOT_FOUND {
        CliError::NotFound { url, code, detail }
    } else {
        CliError::Refused { url, code, detail }
    }
}

fn date(response: &reqwest::Response) -> Timestamp {
    let header = response.headers().get(reqwest::header::DATE).and_then(|date| date.to_str().ok());
    let parsed = header.and_then(|text| jiff::fmt::rfc2822::parse(text).ok());
    parsed.map_or_else(own_clock, |date| date.timestamp())
}

#[expect(clippy::disallowed_methods, reason = "for a server that does not tell the time")]
fn own_clock() -> Timestamp {
    Timestamp::now()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}
