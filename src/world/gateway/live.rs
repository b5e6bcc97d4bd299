//! One consumer of a stream: MSE over go2rtc's WebSocket, each frame checked.
//!
//! It sends one message, for MSE, and no other: over the same socket go2rtc would also speak
//! WebRTC. It does not buffer for slow readers: go2rtc drops a consumer that does not read for 5 s,
//! but goes on listing it, so whoever holds one reads it and throws away what nobody takes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use reqwest::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE, USER_AGENT,
};
use reqwest::{Method, StatusCode, Upgraded};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::api::GatewayApi;
use super::endpoint::{ANSWER_TIMEOUT, Endpoint};
use super::error::{GatewayError, LiveError};
use super::frames::{Assembler, PIECE_BYTES_MAX, Segment};
use super::parameters::Parameters;
use crate::model::gateway::{Agent, StreamName, StreamView};
use crate::model::picture::{Codec, KeyPicture};

/// What go2rtc 1.9.14 takes for H.264 and H.265 (`pkg/mp4/mime.go`), which is all it puts into MP4;
/// it knows no other profiles. Who cannot decode one of them sees that from the type.
const CODECS: &str = "avc1.640029,hvc1.1.6.L153.B0";
/// Longest text message that is read.
const TEXT_BYTES_MAX: usize = 16 << 10;
/// Bytes read at once: the library clears as many before each read.
const READ_BYTES: usize = 16 << 10;
/// How long the other side may take to say goodbye.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// What a consumer is sent: `Start` once, then fragments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// The MIME type and the initialisation segment.
    Start {
        /// `video/mp4; codecs="avc1.640028"`.
        mime: Arc<str>,
        /// `ftyp` and `moov`.
        init: Bytes,
    },
    /// One picture.
    Fragment {
        /// `moof` and `mdat`; where go2rtc has left aggregation packets of H.265 in it, without them.
        data: Bytes,
        /// Whether it needs no other picture.
        is_key: bool,
    },
}

/// How one consumer is opened.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// Which stream; it has to be registered.
    pub name: &'a StreamName,
    /// As whom, so that the list of streams tells whose this consumer is.
    pub agent: &'a Agent,
    /// Longest time without any media, the dial of the camera included.
    pub silence: Duration,
}

/// A consumer. Dropping it closes the connection, which ends the consumer in go2rtc.
pub struct Live {
    api: GatewayApi,
    name: StreamName,
    socket: WebSocketStream<Upgraded>,
    assembler: Assembler,
    mime: Option<Arc<str>>,
    parameters: Option<Parameters>,
    // A picture came.
    begun: bool,
    silence: Duration,
    // When media came last.
    heard: Instant,
}

impl Live {
    /// Connects and asks for MSE. Media, or why there is none, comes from [`Live::next`].
    pub async fn open(api: &GatewayApi, opening: Opening<'_>) -> Result<Self, GatewayError> {
        let connecting = async {
            let mut socket = upgrade(api.endpoint(), opening.name, opening.agent).await?;
            let ask = json!({ "type": "mse", "value": CODECS });
            socket.send(Message::text(ask.to_string())).await.map_err(|error| lost(&error))?;
            Ok(socket)
        };
        let socket =
            timeout(ANSWER_TIMEOUT, connecting).await.unwrap_or(Err(GatewayError::Timeout))?;
        Ok(Self {
            api: api.clone(),
            name: opening.name.clone(),
            socket,
            assembler: Assembler::default(),
            mime: None,
            parameters: None,
            begun: false,
            silence: opening.silence,
            heard: Instant::now(),
        })
    }

    /// The next piece of media. May be dropped at any point and called again.
    pub async fn next(&mut self) -> Result<Piece, LiveError> {
        loop {
            if let Some(segment) = self.assembler.next()? {
                return self.piece(segment);
            }
            let until = self.heard + self.silence;
            let Ok(message) = timeout_at(until, self.socket.next()).await else {
                let is_held_back = self.is_held_back().await;
                let silent = LiveError::Silent(self.silence.as_secs());
                return Err(if is_held_back { LiveError::HeldBack } else { silent });
            };
            match message {
                Some(Ok(message)) => self.take(message)?,
                Some(Err(error)) => return Err(lost(&error)),
                None => return Err(LiveError::Ended),
            }
        }
    }

    /// Says goodbye and waits shortly for the answer, after which go2rtc has let the consumer go.
    pub async fn close(mut self) {
        let goodbye = async {
            if self.socket.close(None).await.is_ok() {
                // What is still on its way is thrown away.
                while let Some(Ok(_)) = self.socket.next().await {}
            }
        };
        // Without an answer the drop of the connection says the same.
        let _answered = timeout(CLOSE_PATIENCE, goodbye).await;
    }

    /// Whether it is H.265 that go2rtc receives, of which it has handed nothing on.
    pub(super) async fn is_held_back(&mut self) -> bool {
        let is_h265 = self.parameters.as_ref().is_some_and(|it| it.codec() == Codec::H265);
        if self.begun || !is_h265 {
            return false;
        }
        let streams = self.api.streams().await.unwrap_or_default();
        let is_this = |stream: &&StreamView| &*stream.name == self.name.as_str();
        streams.iter().find(is_this).is_some_and(|stream| stream.received() > 0)
    }

    fn take(&mut self, message: Message) -> Result<(), LiveError> {
        match message {
            Message::Binary(data) => {
                self.heard = Instant::now();
                self.assembler.push(&data)
            }
            Message::Text(text) if text.len() <= TEXT_BYTES_MAX => self.said(&text),
            Message::Text(_) => Err(LiveError::TooLarge(TEXT_BYTES_MAX)),
            Message::Close(_) => Err(LiveError::Ended),
            // A ping is answered by the next read.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
        }
    }

    fn said(&mut self, text: &str) -> Result<(), LiveError> {
        let Ok(message) = serde_json::from_str::<Value>(text) else { return Ok(()) };
        let field = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or_default();
        match field("type") {
            "error" => Err(LiveError::said(field("value"))),
            "mse" if self.mime.is_none() => {
                let mime = field("value");
                let is_plain = |c: char| c.is_ascii_graphic() || c == ' ';
                if !mime.starts_with("video/mp4") || mime.len() > 200 || !mime.chars().all(is_plain)
                {
                    return Err(LiveError::Malformed("its type is not video/mp4"));
                }
                self.mime = Some(mime.into());
                Ok(())
            }
            // Whatever else it says was not asked for.
            _ => Ok(()),
        }
    }

    fn piece(&mut self, segment: Segment) -> Result<Piece, LiveError> {
        match (segment, &self.mime, &self.parameters) {
            (Segment::Init(init), Some(mime), _) => {
                self.parameters = Some(Parameters::read(&init)?);
                Ok(Piece::Start { mime: Arc::clone(mime), init })
            }
            (Segment::Fragment(data), _, Some(parameters)) => {
                self.begun = true;
                let (data, is_key) = parameters.checked(data);
                Ok(Piece::Fragment { data, is_key })
            }
            (Segment::Init(_), None, _) | (Segment::Fragment(_), _, None) => {
                Err(LiveError::Malformed("media before its type"))
            }
        }
    }

    /// The picture of a piece of this stream; `None` when it needs other pictures.
    pub fn key_picture(&self, piece: &Piece) -> Result<Option<KeyPicture>, LiveError> {
        match (piece, &self.parameters) {
            (Piece::Fragment { data, is_key: true }, Some(parameters)) => {
                parameters.key_picture(data)
            }
            _ => Ok(None),
        }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("mime", &self.mime).finish_non_exhaustive()
    }
}

/// The WebSocket handshake (RFC 6455 section 4.1), over the same client as every other question.
/// There is no `Origin`: go2rtc would compare it with its own host.
async fn upgrade(
    endpoint: &Endpoint,
    name: &StreamName,
    agent: &Agent,
) -> Result<WebSocketStream<Upgraded>, GatewayError> {
    let key = generate_key();
    let value = |text: &str| {
        HeaderValue::from_str(text).map_err(|error| GatewayError::Nonsense(error.to_string()))
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(SEC_WEBSOCKET_KEY, value(&key)?);
    headers.insert(USER_AGENT, value(agent.as_str())?);
    let query = [("src", name.as_str())];
    let response = endpoint.send(Method::GET, "api/ws", &query, headers).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(GatewayError::Status(response.status().as_u16()));
    }
    let accept = response.headers().get(SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
    if accept != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        return Err(GatewayError::Nonsense("no answer to a WebSocket handshake".into()));
    }
    let stream =
        response.upgrade().await.map_err(|e| GatewayError::Unreachable(e.without_url()))?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(PIECE_BYTES_MAX))
        .max_frame_size(Some(PIECE_BYTES_MAX))
        .read_buffer_size(READ_BYTES);
    Ok(WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await)
}

fn lost(error: &WsError) -> LiveError {
    match error {
        WsError::Capacity(_) => LiveError::TooLarge(PIECE_BYTES_MAX),
        WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake)
        | WsError::ConnectionClosed
        | WsError::AlreadyClosed
        | WsError::Io(_)
        | WsError::Tls(_)
        | WsError::WriteBufferFull(_)
        | WsError::AttackAttempt
        | WsError::Url(_)
        | WsError::Http(_)
        | WsError::HttpFormat(_) => LiveError::Ended,
        WsError::Protocol(_) | WsError::Utf8(_) => LiveError::Malformed("no WebSocket frame"),
    }
}
