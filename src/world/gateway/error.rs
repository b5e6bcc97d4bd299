//! What can go wrong between this server and go2rtc.
//!
//! Texts of go2rtc are kept short and never carry a URL: they may name a relay grant.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// Longest text of go2rtc that is passed on, in characters.
const SAID_MAX: usize = 200;

/// Of what go2rtc hands nothing on; fits into a close frame.
pub const HELD_BACK: &str = "H.265 in which go2rtc sees no key picture, as in aggregation packets";

/// Why something asked of go2rtc failed.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Its files or its socket could not be made.
    #[error("prepare the gateway's directory {path}")]
    Prepare {
        /// Which file or folder.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The client for its API could not be made, or its URL is unfit.
    #[error("make a client for the gateway")]
    Client(#[source] reqwest::Error),
    /// It could not be reached, or the connection broke.
    #[error("reach the gateway")]
    Unreachable(#[source] reqwest::Error),
    /// It did not answer in time.
    #[error("the gateway did not answer in time")]
    Timeout,
    /// It does not accept the credentials.
    #[error("the gateway does not accept the credentials")]
    Auth,
    /// It answered with an unexpected status.
    #[error("the gateway answered with status {0}")]
    Status(u16),
    /// What it said is longer than any sane answer.
    #[error("the gateway's answer is longer than {0} bytes")]
    TooLong(usize),
    /// What it said is not what its API says.
    #[error("the gateway's answer makes no sense: {0}")]
    Nonsense(String),
    /// Nobody reaches its WebRTC where it was told to listen.
    #[error("WebRTC is not at {0}: see whether another program has that port")]
    NotThere(SocketAddr),
    /// The source's path is the name of a stream, which go2rtc would take for that stream.
    #[error("the path of the source is the name of a stream")]
    Alias,
    /// It was asked for a stream, and something else is there.
    #[error("the gateway has another stream under this name than the one asked for")]
    NotAsAsked,
    /// It was asked to forget a stream, and it is still there.
    #[error("the gateway still has the stream")]
    StillThere,
    /// Consumers are attached, so removing it would hide a session that goes on.
    #[error("the stream still has {0} consumers")]
    InUse(usize),
    /// The task that owns the API has ended, or its queue is full.
    #[error("the gateway's client is closed or overloaded")]
    Closed,
    /// A consumer's stream failed.
    #[error(transparent)]
    Live(#[from] LiveError),
}

/// Why a consumer has no media, or no more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LiveError {
    /// What the camera sends is not among the codecs asked for.
    #[error("no codec in common: {0}")]
    Codecs(Arc<str>),
    /// go2rtc knows no such stream.
    #[error("the gateway does not know the stream")]
    NotFound,
    /// The camera, or the relay in its place, refused the credentials.
    #[error("the camera does not accept the credentials")]
    Auth,
    /// The camera could not be dialled, or refused.
    #[error("the gateway could not open the camera: {0}")]
    Dial(Arc<str>),
    /// go2rtc said something else.
    #[error("the gateway said: {0}")]
    Said(Arc<str>),
    /// Nothing came for too long.
    #[error("nothing came for {0} s")]
    Silent(u64),
    /// go2rtc ended the connection.
    #[error("the gateway ended the connection")]
    Ended,
    /// What came is not fragmented MP4, or not in order.
    #[error("what the gateway sent is no fragmented MP4: {0}")]
    Malformed(&'static str),
    /// What came is larger than a picture may be.
    #[error("what the gateway sent is larger than {0} bytes")]
    TooLarge(usize),
    /// The camera sends H.265, and go2rtc hands nothing of it on: it waits for a key picture, which
    /// it does not look for in aggregation packets (`pkg/h265/helper.go`; RFC 7798 section 4.4.2).
    #[error("the gateway hands nothing on of {HELD_BACK}")]
    HeldBack,
    /// No whole key picture came.
    #[error("no key picture came")]
    NoKeyPicture,
}

impl LiveError {
    /// What an `error` message of go2rtc means: `mse: streams: codecs not matched: ...`.
    ///
    /// The texts are those of 1.9.14: `internal/streams/add_consumer.go`, `pkg/rtsp/client.go`.
    pub(super) fn said(text: &str) -> Self {
        let text = text.strip_prefix("mse: ").unwrap_or(text);
        let text = text.strip_prefix("streams: ").unwrap_or(text);
        if let Some(codecs) = text.strip_prefix("codecs not matched: ") {
            return Self::Codecs(shorten(codecs));
        }
        if text.contains("stream not found") {
            return Self::NotFound;
        }
        if text.contains("user/pass") {
            return Self::Auth;
        }
        let of_the_way = ["dial ", "wrong response", "i/o timeout", "connection re", "EOF"];
        if of_the_way.iter().any(|known| text.contains(known)) {
            return Self::Dial(shorten(text));
        }
        Self::Said(shorten(text))
    }
}

/// A text of go2rtc, short and without URLs.
fn shorten(text: &str) -> Arc<str> {
    super::log::without_urls(text).chars().take(SAID_MAX).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go2rtc_says_is_understood() {
        let table = [
            (
                "mse: streams: codecs not matched: video:JPEG => video:H264",
                LiveError::Codecs("video:JPEG => video:H264".into()),
            ),
            ("mse: stream not found", LiveError::NotFound),
            ("mse: streams: user/pass not provided", LiveError::Auth),
            ("mse: streams: wrong user/pass", LiveError::Auth),
            (
                "mse: streams: dial tcp 127.0.0.1:1: connect: connection refused",
                LiveError::Dial("dial tcp 127.0.0.1:1: connect: connection refused".into()),
            ),
            (
                "mse: streams: wrong response on DESCRIBE",
                LiveError::Dial("wrong response on DESCRIBE".into()),
            ),
            ("mse: streams: unknown error", LiveError::Said("unknown error".into())),
        ];
        for (text, expected) in table {
            assert_eq!(LiveError::said(text), expected, "{text}");
        }
        let long = "rtsp://127.0.0.1:9/token ".repeat(100);
        let LiveError::Said(said) = LiveError::said(&long) else { panic!("{long}") };
        assert!(said.len() <= SAID_MAX && !said.contains("token"), "{said}");
    }
}
