//! Requests and replies over one connection: sequence numbers, authentication, media that
//! arrives between them.
//!
//! It does not know which requests make a session; that is `session`'s work.

use std::collections::VecDeque;

use tokio::time::{Instant, timeout_at};

use super::auth::{Authenticator, Login};
use super::message::{Interleaved, Message, Parser, Request, Response, quote};
use crate::world::camera::connection::Connection;
use crate::world::camera::fault::Fault;

/// What this client calls itself.
pub const USER_AGENT: &str = concat!("camserver/", env!("CARGO_PKG_VERSION"));
/// Most bytes of media kept that come before the reply to PLAY.
const EARLY_BYTES_MAX: usize = 1024 * 1024;
/// What keeping one piece of media costs besides its bytes.
const EARLY_BYTES_EACH: usize = size_of::<Interleaved>();
/// Most requests without a reply that are remembered.
const UNANSWERED_MAX: usize = 8;
/// Most messages that are passed over while waiting for a reply, media aside.
const STRAY_MESSAGES_MAX: u32 = 16;

/// One RTSP connection, seen from the client.
#[derive(Debug)]
pub struct Client {
    connection: Connection,
    parser: Parser,
    auth: Authenticator,
    sequence: u32,
    session: Option<String>,
    early: VecDeque<Interleaved>,
    early_bytes: usize,
    // Requests without a reply, oldest first: signs of life, and what was given up waiting for.
    unanswered: VecDeque<u32>,
    get_parameter: bool,
    broken: bool,
}

impl Client {
    /// Speaks RTSP over a connection.
    pub fn new(connection: Connection, login: Option<Login>) -> Self {
        Self {
            connection,
            parser: Parser::default(),
            auth: Authenticator::new(login),
            sequence: 0,
            session: None,
            early: VecDeque::new(),
            early_bytes: 0,
            unanswered: VecDeque::new(),
            get_parameter: false,
            broken: false,
        }
    }

    /// Goes on with a conversation that somebody else has led: `sequence` is the number of its last
    /// request, and `parser` may hold the beginning of a message.
    pub fn resume(
        connection: Connection,
        parser: Parser,
        auth: Authenticator,
        sequence: u32,
    ) -> Self {
        Self { parser, auth, sequence, ..Self::new(connection, None) }
    }

    /// The connection below.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Readies for the last request: what comes besides its reply is thrown away.
    pub fn wind_down(&mut self) {
        self.connection.wind_down();
        self.early_bytes = EARLY_BYTES_MAX;
        self.early.clear();
    }

    /// Gives the connection back.
    pub fn into_connection(self) -> Connection {
        self.connection
    }

    /// Names the session in all requests from now on.
    pub fn set_session(&mut self, session: String) {
        self.session = Some(session);
    }

    /// Whether the stream has no known position any more, so that no reply can be read.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Sends a request and waits for its reply, answering a challenge once and a nonce that was
    /// merely out of date once more.
    ///
    /// Any reply but a 401 is handed back as it is. On `Err` nothing more than TEARDOWN makes
    /// sense.
    pub async fn exchange(&mut self, request: &Request, until: Instant) -> Result<Response, Fault> {
        timeout_at(until, self.exchange_authorized(request)).await.map_err(|_| Fault::Timeout)?
    }

    async fn exchange_authorized(&mut self, request: &Request) -> Result<Response, Fault> {
        let mut refusals = 0;
        loop {
            let sequence = self.queue(request);
            self.connection.flush().await?;
            let response = self.reply(sequence).await?;
            if response.code != 401 {
                return Ok(response);
            }
            let stale = self.auth.challenged(&response.headers).map_err(Fault::Challenge)?;
            // A nonce that was merely out of date is no refusal, but it excuses only one.
            if refusals > 1 || (refusals == 1 && !stale) {
                return Err(Fault::Unauthorized);
            }
            refusals += 1;
        }
    }

    /// Sends a request whose reply will be passed over by [`Client::next_data`].
    pub async fn send(&mut self, request: &Request) -> Result<(), Fault> {
        self.queue(request);
        self.connection.flush().await
    }

    fn queue(&mut self, request: &Request) -> u32 {
        self.sequence += 1;
        let mut request =
            request.clone().with("CSeq", &self.sequence.to_string()).with("User-Agent", USER_AGENT);
        if let Some(session) = &self.session {
            request.headers.push("Session", session);
        }
        if let Some(text) = self.auth.authorization(&request.method, &request.uri) {
            request.headers.push("Authorization", &text);
        }
        self.connection.queue(&request.encode());
        if self.unanswered.len() == UNANSWERED_MAX {
            self.unanswered.pop_front();
        }
        self.unanswered.push_back(self.sequence);
        self.sequence
    }

    /// Waits for the reply to one request; cameras that number badly or not at all are forgiven.
    async fn reply(&mut self, sequence: u32) -> Result<Response, Fault> {
        for _ in 0..STRAY_MESSAGES_MAX {
            match self.next_control().await? {
                Message::Response(response) => {
                    if response.code >= 200 && !self.answers_another(&response, sequence) {
                        self.unanswered.retain(|number| *number != sequence);
                        return Ok(response);
                    }
                }
                Message::Request(request) => self.decline(&request).await?,
                Message::Data(_) => {}
            }
        }
        Err(Fault::Answer("the camera sends messages, but no reply"))
    }

    /// Whether a reply is a late one to an earlier request, which it then no longer lacks.
    fn answers_another(&mut self, response: &Response, sequence: u32) -> bool {
        let number = response.headers.get("cseq").and_then(|text| text.trim().parse().ok());
        let other = number
            .filter(|number| *number != sequence)
            .and_then(|number: u32| self.unanswered.iter().position(|sent| *sent == number));
        other.and_then(|index| self.unanswered.remove(index)).is_some()
    }

    /// The next message that is not media; media is kept for later, as much as is allowed.
    async fn next_control(&mut self) -> Result<Message, Fault> {
        loop {
            match self.next_message().await? {
                Message::Data(data) => {
                    let bytes = self.early_bytes + EARLY_BYTES_EACH + data.payload.len();
                    if bytes <= EARLY_BYTES_MAX {
                        self.early_bytes = bytes;
                        self.early.push_back(data);
                    }
                }
                message @ (Message::Request(_) | Message::Response(_)) => return Ok(message),
            }
        }
    }

    /// The next piece of media. May be dropped at any point without losing any.
    pub async fn next_data(&mut self) -> Result<Interleaved, Fault> {
        if let Some(data) = self.early.pop_front() {
            let bytes = EARLY_BYTES_EACH + data.payload.len();
            self.early_bytes = self.early_bytes.saturating_sub(bytes);
            return Ok(data);
        }
        self.connection.flush().await?;
        loop {
            match self.next_message().await? {
                Message::Data(data) => return Ok(data),
                Message::Response(response) => self.pass_over(&response),
                Message::Request(request) => self.decline(&request).await?,
            }
        }
    }

    /// Takes from the reply to a sign of life what helps the next one.
    fn pass_over(&mut self, response: &Response) {
        if !self.answers_another(response, 0) {
            self.unanswered.clear();
        }
        if let Some(methods) = response.headers.get("public") {
            self.get_parameter = methods.to_ascii_uppercase().contains("GET_PARAMETER");
        }
        if response.code == 401 {
            // Answered with the next request; one that cannot be answered shows itself there.
            drop(self.auth.challenged(&response.headers));
        }
    }

    /// The request that shows the camera that we are there: `GET_PARAMETER` where it is known to be
    /// understood, else OPTIONS, whose reply says so.
    pub fn sign_of_life(&self) -> &'static str {
        if self.get_parameter { "GET_PARAMETER" } else { "OPTIONS" }
    }

    /// Cameras ask little of their clients; whatever it is, it is not done here.
    async fn decline(&mut self, request: &Request) -> Result<(), Fault> {
        let mut response = Response::new(501, "Not Implemented");
        if let Some(number) = request.headers.get("cseq") {
            response.headers.push("CSeq", &quote(number));
        }
        self.connection.queue(&response.encode());
        self.connection.flush().await
    }

    async fn next_message(&mut self) -> Result<Message, Fault> {
        loop {
            let parsed = self.parser.next(&mut self.connection.input);
            self.broken |= parsed.is_err();
            if let Some(message) = parsed? {
                return Ok(message);
            }
            self.connection.fill().await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::world::camera::connection::SocketHook;

    struct Silent;

    impl SocketHook for Silent {
        fn connecting(&self) {}
        fn connected(&self, _: SocketAddr) {}
        fn ended(&self) {}
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(2)
    }

    async fn pair() -> (Client, TcpStream) {
        let listener = TcpListener::bind("127.44.3.1:0").await.unwrap();
        let device = listener.local_addr().unwrap();
        let connection = Connection::connect(device, soon(), 1 << 20, &Silent).await.unwrap();
        (Client::new(connection, None), listener.accept().await.unwrap().0)
    }

    async fn answer(
        mut client: Client,
        mut camera: TcpStream,
        text: &str,
    ) -> (Client, TcpStream, u16) {
        camera.write_all(text.as_bytes()).await.unwrap();
        let response =
            client.exchange(&Request::new("TEARDOWN", "rtsp://h/"), soon()).await.unwrap();
        (client, camera, response.code)
    }

    #[tokio::test]
    async fn a_late_reply_is_not_taken_for_the_next_one() {
        let (mut client, camera) = pair().await;
        let now = Instant::now();
        let late = client.exchange(&Request::new("PLAY", "rtsp://h/"), now).await;
        assert!(matches!(late, Err(Fault::Timeout)));
        let text =
            "RTSP/1.0 200 Late\r\nCSeq: 1\r\n\r\n$\0\0\x01xRTSP/1.0 201 Right\r\nCSeq: 2\r\n\r\n";
        assert_eq!(answer(client, camera, text).await.2, 201);
    }

    #[tokio::test]
    async fn replies_without_a_number_or_with_a_wrong_one_are_forgiven() {
        let (client, camera) = pair().await;
        let (client, camera, code) = answer(client, camera, "RTSP/1.0 201 A\r\n\r\n").await;
        assert_eq!(code, 201);
        let (_, _, code) = answer(client, camera, "RTSP/1.0 202 B\r\nCSeq: 1\r\n\r\n").await;
        assert_eq!(code, 202);
    }

    #[tokio::test]
    async fn requests_of_the_camera_are_declined_and_media_before_the_reply_is_kept() {
        let (client, camera) = pair().await;
        let text = "OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n$\x04\0\x02abRTSP/1.0 200 OK\r\n\r\n";
        let (mut client, mut camera, _) = answer(client, camera, text).await;
        assert_eq!(client.next_data().await.unwrap().payload, &b"ab"[..]);
        drop(client);
        let mut sent = Vec::new();
        drop(camera.read_to_end(&mut sent).await);
        let sent = String::from_utf8(sent).unwrap();
        assert!(sent.contains("RTSP/1.0 501 Not Implemented\r\nCSeq: 9\r\n"), "{sent}");
    }

    #[tokio::test]
    async fn a_flood_of_messages_without_a_reply_ends() {
        let (mut client, mut camera) = pair().await;
        let flood = "RTSP/1.0 100 Continue\r\n\r\n".repeat(100);
        camera.write_all(flood.as_bytes()).await.unwrap();
        let outcome = client.exchange(&Request::new("PLAY", "rtsp://h/"), soon()).await;
        assert!(matches!(outcome, Err(Fault::Answer(_))), "{outcome:?}");
    }
}
