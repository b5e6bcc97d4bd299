//! The `http` way of capturing: one GET for the camera's own JPEG.
//!
//! A small HTTP/1.1 client of its own, because the connection has to be ours from the SYN to its
//! end. It answers basic and digest challenges, follows redirections within the device and takes
//! the first picture of a multipart stream. No cookies, no compression, no pool, no proxies.

mod body;

use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use self::body::{BODY_BYTES_MAX, Body, FirstPart};
use super::classify::classify_http;
use super::connection::{Connection, End, SocketHook};
use super::fault::Fault;
use super::request::{CaptureRequest, Captured, Timings};
use super::rtp::Tally;
use super::rtsp::auth::Authenticator;
use super::rtsp::client::USER_AGENT;
use super::rtsp::message::{
    HEAD_BYTES_MAX, MessageError, Response, head_end, legible, parse_response_head, quote,
};
use super::tls;
use crate::model::failure::{Failure, Stage};
use crate::model::picture::{Codec, KeyPicture};

/// Redirections that are followed.
const REDIRECTS_MAX: u32 = 2;
/// Connections for one picture: an old camera closes after each of challenge, redirection, picture.
const CONNECTIONS_MAX: u32 = 4;

/// Fetches one picture over HTTP or HTTPS.
///
/// Dropping the future ends the connection at once with RST; the caller has to take that for
/// [`End::Unacknowledged`].
pub async fn capture_http(
    request: &CaptureRequest,
    hook: &dyn SocketHook,
) -> (Result<Captured, Failure>, End) {
    let mut visit = Visit {
        request,
        hook,
        auth: Authenticator::new(request.source.login.clone()),
        connection: None,
        dialled: 0,
        reused: false,
        stood: 0,
        cut: false,
        received: 0,
        stage: Stage::Connect,
        timings: Timings::default(),
    };
    let picture = visit.run().await;
    let received_at = (request.clock)();
    let begun = Instant::now();
    let end = visit.end(picture.as_ref().err()).await;
    visit.timings.teardown = begun.elapsed();
    let captured = picture.map(|data| Captured {
        picture: KeyPicture { codec: Codec::Jpeg, data: data.into() },
        received_at,
        bytes_received: visit.received,
        tally: Tally { pictures: 1, ..Tally::default() },
        timings: visit.timings,
    });
    (captured.map_err(|fault| classify_http(&fault, visit.stage)), end)
}

/// One capture on its way.
struct Visit<'a> {
    request: &'a CaptureRequest,
    hook: &'a dyn SocketHook,
    auth: Authenticator,
    connection: Option<Connection>,
    dialled: u32,
    // Whether the connection has carried a reply before.
    reused: bool,
    // Connections that stood.
    stood: u32,
    // Whether one of them, the present one aside, was cut instead of ended.
    cut: bool,
    received: u64,
    stage: Stage,
    timings: Timings,
}

impl Visit<'_> {
    async fn run(&mut self) -> Result<Vec<u8>, Fault> {
        let mut url = self.request.source.url.expose().clone();
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Fault::Scheme(url.scheme().to_owned()));
        }
        let (mut refusals, mut redirects) = (0, 0);
        loop {
            let response = self.ask(&url).await?;
            match response.code {
                200..=299 => return self.picture(&response).await,
                401 => {
                    let stale =
                        self.auth.challenged(&response.headers).map_err(Fault::Challenge)?;
                    if refusals > 1 || (refusals == 1 && !stale) {
                        return Err(Fault::Unauthorized);
                    }
                    refusals += 1;
                }
                301..=303 | 307 | 308 if redirects < REDIRECTS_MAX => {
                    url = redirected(&url, &response)?;
                    redirects += 1;
                }
                300..=399 => return Err(Fault::Redirect),
                code => return Err(Fault::Status { code, reason: quote(&response.reason) }),
            }
            self.go_on(&response).await?;
        }
    }

    /// Sends the request and reads the reply's headers, on a fresh connection where the camera
    /// closed the one before without a word.
    async fn ask(&mut self, url: &Url) -> Result<Response, Fault> {
        loop {
            self.dial(url).await?;
            self.stage = Stage::Describe;
            let begun = Instant::now();
            let until = self.request.deadline.min(begun + self.request.limits.reply);
            let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
            let authorization = self.auth.authorization("GET", target);
            let Some(connection) = &mut self.connection else { return Err(Fault::Closed) };
            connection.queue(&get(url, target, authorization.as_deref()));
            let head = timeout_at(until, head(connection)).await.unwrap_or(Err(Fault::Timeout));
            self.timings.describe += begun.elapsed();
            let silent = connection.input.is_empty();
            match head {
                Err(fault) if self.reused && silent && was_closed(&fault) => self.hang_up().await,
                other => return other,
            }
        }
    }

    async fn dial(&mut self, url: &Url) -> Result<(), Fault> {
        if self.connection.is_some() {
            return Ok(());
        }
        self.stage = Stage::Connect;
        let (source, limits) = (&self.request.source, &self.request.limits);
        if self.dialled == CONNECTIONS_MAX {
            return Err(Fault::Answer("the camera closes the connection again and again"));
        }
        if self.dialled > 0 {
            let pause = sleep(limits.reconnect);
            timeout_at(self.request.deadline, pause).await.map_err(|_| Fault::Timeout)?;
        }
        self.dialled += 1;
        let begun = Instant::now();
        let until = self.request.deadline.min(begun + limits.connect);
        let room = limits.total_bytes.saturating_sub(self.received);
        let connection = Connection::connect(source.device, until, room, self.hook).await?;
        self.stood += 1;
        let cut_before = self.cut;
        let connection = if url.scheme() == "https" {
            // Whatever fails here drops the connection, which cuts it.
            self.cut = true;
            let name = tls::server_name(url).ok_or(Fault::Answer("no name to check for TLS"))?;
            let connector =
                tls::connector().map_err(|error| Fault::Tls(std::io::Error::other(error)))?;
            let secured = connection.secured(&connector, name);
            timeout_at(until, secured).await.map_err(|_| Fault::Timeout)??
        } else {
            connection
        };
        self.cut = cut_before;
        self.connection = Some(connection);
        self.reused = false;
        self.timings.connect += begun.elapsed();
        Ok(())
    }

    /// Readies the connection for the next request, or ends it where the camera wants that.
    async fn go_on(&mut self, response: &Response) -> Result<(), Fault> {
        let mut body = Body::of(response)?;
        let closes = response
            .headers
            .get("connection")
            .is_some_and(|value| value.to_ascii_lowercase().contains("close"));
        let keeps = !closes && !body.ends_with_connection();
        if keeps {
            self.read(&mut body, None).await?;
            self.reused = true;
        } else {
            self.hang_up().await;
        }
        Ok(())
    }

    async fn picture(&mut self, response: &Response) -> Result<Vec<u8>, Fault> {
        self.stage = Stage::Stream;
        let begun = Instant::now();
        let mut body = Body::of(response)?;
        let part = self.read(&mut body, FirstPart::of(response)).await?;
        self.timings.stream = begun.elapsed();
        let picture = part.unwrap_or(body.bytes);
        if picture.starts_with(&[0xff, 0xd8, 0xff]) {
            return Ok(picture);
        }
        Err(Fault::Answer("the camera's answer is no JPEG"))
    }

    /// Reads a body to its end, or to the end of its first part.
    async fn read(
        &mut self,
        body: &mut Body,
        mut first: Option<FirstPart>,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let deadline = self.request.deadline;
        let Some(connection) = &mut self.connection else { return Err(Fault::Closed) };
        loop {
            let complete = body.take(&mut connection.input)?;
            if let Some(first) = &mut first
                && let Some(part) = first.find(&body.bytes)?
            {
                return Ok(Some(part));
            }
            if complete {
                return Ok(None);
            }
            match timeout_at(deadline, connection.fill()).await.unwrap_or(Err(Fault::Timeout)) {
                Err(Fault::Closed) if body.ends_with_connection() => return Ok(None),
                other => other?,
            }
        }
    }

    async fn hang_up(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.received += connection.received();
            let end = connection.finish(self.request.limits.close).await;
            self.cut |= end == End::Unacknowledged;
            self.hook.ended();
        }
    }

    async fn end(&mut self, after: Option<&Fault>) -> End {
        let Some(connection) = self.connection.take() else {
            return match (self.stood, self.cut) {
                (0, _) => End::NeverConnected,
                (_, false) => End::Acknowledged,
                (_, true) => End::Unacknowledged,
            };
        };
        self.received += connection.received();
        let end = if after.is_some_and(Fault::is_cut_by_camera) {
            End::Acknowledged
        } else {
            connection.finish(self.request.limits.close).await
        };
        if self.cut { End::Unacknowledged } else { end }
    }
}

fn was_closed(fault: &Fault) -> bool {
    matches!(fault, Fault::Closed) || fault.is_cut_by_camera()
}

fn get(url: &Url, target: &str, authorization: Option<&str>) -> Vec<u8> {
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let authorization =
        authorization.map(|text| format!("Authorization: {text}\r\n")).unwrap_or_default();
    format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {USER_AGENT}\r\n\
         Accept: image/jpeg, multipart/x-mixed-replace\r\n{authorization}\r\n"
    )
    .into_bytes()
}

/// Reads a reply's headers; replies below 200 are passed over.
async fn head(connection: &mut Connection) -> Result<Response, Fault> {
    connection.flush().await?;
    let mut scanned = 0;
    loop {
        if let Some(end) = head_end(&connection.input, scanned) {
            if end > HEAD_BYTES_MAX {
                return Err(MessageError::HeadTooLong.into());
            }
            let bytes = connection.input.split_to(end);
            let mut response = parse_response_head(&bytes)?;
            scanned = 0;
            if response.code < 200 {
                continue;
            }
            if bytes.starts_with(b"HTTP/1.0") && response.headers.get("connection").is_none() {
                response.headers.push("Connection", "close");
            }
            refuse_long(&response)?;
            return Ok(response);
        }
        scanned = connection.input.len();
        if scanned > HEAD_BYTES_MAX {
            return Err(MessageError::HeadTooLong.into());
        }
        if !b"HTTP/".iter().zip(&connection.input).all(|(a, b)| a == b) {
            let start = &connection.input[..scanned.min(16)];
            return Err(MessageError::Garbage(legible(start)).into());
        }
        connection.fill().await?;
    }
}

/// Too long a body is refused on any reply, before a byte of it is read.
fn refuse_long(response: &Response) -> Result<(), Fault> {
    match response.headers.content_length()? {
        Some(announced) if announced > BODY_BYTES_MAX => {
            Err(MessageError::BodyTooLong { announced, limit: BODY_BYTES_MAX }.into())
        }
        _ => Ok(()),
    }
}

/// Where a redirection within the same origin leads.
fn redirected(url: &Url, response: &Response) -> Result<Url, Fault> {
    let location = response.headers.get("location").ok_or(Fault::Redirect)?;
    let target = url.join(location.trim()).map_err(|_| Fault::Redirect)?;
    if target.origin() == url.origin() { Ok(target) } else { Err(Fault::Redirect) }
}
