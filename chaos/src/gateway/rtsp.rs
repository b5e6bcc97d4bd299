//! A bare RTSP client over TCP, with go2rtc's habits and its words for what goes wrong.
//!
//! No credentials, no redirections, no UDP.

use std::fmt;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use super::sdp::{self, Track};

/// Largest answer that is read.
const MAX_ANSWER: usize = 64 * 1024;
/// Sockets that were forgotten. The real program forgets them until its garbage collector runs,
/// at the latest after two minutes.
static FORGOTTEN: Mutex<Vec<TcpStream>> = Mutex::new(Vec::new());
/// How many are forgotten at once before the oldest is found.
const FORGOTTEN_MAX: usize = 64;

/// What went wrong, in go2rtc's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said(pub String);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A source with the options behind its `#`.
#[derive(Clone, Debug)]
pub(super) struct Source {
    url: Url,
    back_channel: bool,
    patience: Duration,
}

impl Source {
    /// Whether the scheme is one that is dialled, and nothing in it is refused.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (url, options) = match text.split_once('#') {
            Some((url, options)) => (url, Some(options)),
            None => (text, None),
        };
        let url: Url = url.parse().ok().filter(|url: &Url| url.scheme() == "rtsp")?;
        let option = |name: &str| {
            let mut all = options.unwrap_or_default().split('#');
            all.find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
        };
        let seconds = option("timeout").and_then(|text| text.parse().ok()).unwrap_or(5);
        // Any option turns the back channel off.
        let back_channel = options.is_none() || option("backchannel") == Some("1");
        Some(Self { url, back_channel, patience: Duration::from_secs(seconds) })
    }
}

/// A connection that plays.
#[derive(Debug)]
pub(super) struct Player {
    stream: TcpStream,
    input: BytesMut,
    base: String,
    session: Option<String>,
    sequence: u32,
    patience: Duration,
    pub track: Track,
    pub remote: String,
}

impl Player {
    /// Dials and describes; where the back channel is refused, dials again and forgets the first
    /// socket without closing it.
    pub(super) async fn dial(source: &Source) -> Result<Self, Said> {
        if source.back_channel {
            match Self::describe(source, true).await {
                Ok(player) => return Ok(player),
                Err((_, Some(stream))) => {
                    let mut forgotten =
                        FORGOTTEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    if forgotten.len() >= FORGOTTEN_MAX {
                        forgotten.remove(0);
                    }
                    forgotten.push(stream);
                }
                Err((said, None)) => return Err(said),
            }
        }
        Self::describe(source, false).await.map_err(|(said, _)| said)
    }

    async fn describe(source: &Source, back: bool) -> Result<Self, (Said, Option<TcpStream>)> {
        let host = source.url.host_str().unwrap_or_default();
        let port = source.url.port().unwrap_or(554);
        let remote = format!("{host}:{port}");
        let refused = |error: io::Error| {
            (Said(format!("dial tcp {remote}: connect: {}", words(&error))), None)
        };
        let stream = timeout(source.patience, TcpStream::connect(&remote))
            .await
            .map_err(|_| (Said(format!("dial tcp {remote}: i/o timeout")), None))?
            .map_err(refused)?;
        let track = Track {
            codec: sdp::Codec::Jpeg,
            control: String::new(),
            sets: Vec::new(),
            width: 0,
            height: 0,
        };
        let mut player = Self {
            stream,
            input: BytesMut::new(),
            base: source.url.to_string(),
            session: None,
            sequence: 0,
            patience: source.patience,
            track,
            remote,
        };
        let mut headers = "Accept: application/sdp\r\n".to_owned();
        if back {
            headers.push_str("Require: www.onvif.org/ver20/backchannel\r\n");
        }
        let url = player.base.clone();
        match player.ask("DESCRIBE", &url, &headers).await {
            Ok(text) => match sdp::video(&text) {
                Some(track) => {
                    player.track = track;
                    Ok(player)
                }
                None => Err((Said("unsupported media".to_owned()), None)),
            },
            Err(said) => Err((said, Some(player.stream))),
        }
    }

    /// SETUP and PLAY.
    pub(super) async fn play(&mut self) -> Result<(), Said> {
        let control = if self.track.control.contains("://") {
            self.track.control.clone()
        } else {
            format!("{}/{}", self.base.trim_end_matches('/'), self.track.control)
        };
        let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
        self.ask("SETUP", &control, transport).await?;
        let base = self.base.clone();
        self.ask("PLAY", &base, "").await.map(drop)
    }

    /// The next packet of the video's channel.
    pub(super) async fn packet(&mut self) -> Result<BytesMut, Said> {
        loop {
            if self.input.first().is_some_and(|first| *first != b'$') {
                self.answer().await?;
                continue;
            }
            if let Some(head) = self.input.get(..4) {
                let channel = head[1];
                let length = 4 + usize::from(u16::from_be_bytes([head[2], head[3]]));
                if self.input.len() >= length {
                    let mut packet = self.input.split_to(length);
                    packet.advance(4);
                    if channel == 0 {
                        return Ok(packet);
                    }
                    continue;
                }
            }
            self.read().await?;
        }
    }

    /// Says goodbye without waiting for the answer.
    pub(super) async fn tear_down(mut self) {
        let base = self.base.clone();
        drop(self.send("TEARDOWN", &base, "").await);
    }

    async fn ask(&mut self, method: &str, url: &str, headers: &str) -> Result<String, Said> {
        self.send(method, url, headers).await.map_err(|error| Said(words(&error)))?;
        let (status, body) = self.answer().await?;
        match status {
            200 => Ok(body),
            401 => Err(Said("user/pass not provided".to_owned())),
            _ => Err(Said(format!("wrong response on {method}"))),
        }
    }

    async fn send(&mut self, method: &str, url: &str, headers: &str) -> io::Result<()> {
        self.sequence += 1;
        let sequence = self.sequence;
        let session =
            self.session.as_ref().map(|id| format!("Session: {id}\r\n")).unwrap_or_default();
        let text = format!(
            "{method} {url} RTSP/1.0\r\nCSeq: {sequence}\r\nUser-Agent: go2rtc/1.9.14\r\n{session}{headers}\r\n"
        );
        self.stream.write_all(text.as_bytes()).await
    }

    /// Reads an answer, over packets that come before it.
    async fn answer(&mut self) -> Result<(u16, String), Said> {
        loop {
            if self.input.first() == Some(&b'$') {
                if let Some(head) = self.input.get(2..4) {
                    let length = 4 + usize::from(u16::from_be_bytes([head[0], head[1]]));
                    if self.input.len() >= length {
                        self.input.advance(length);
                        continue;
                    }
                }
            } else if let Some(answer) = self.whole_answer()? {
                return Ok(answer);
            }
            self.read().await?;
        }
    }

    fn whole_answer(&mut self) -> Result<Option<(u16, String)>, Said> {
        let malformed = || Said("malformed response".to_owned());
        if self.input.len() > MAX_ANSWER {
            return Err(malformed());
        }
        let Some(end) = self.input.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = String::from_utf8_lossy(&self.input[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status: u16 = status.ok_or_else(malformed)?;
        let header = |name: &str| {
            head.lines().find_map(|line| {
                let (known, value) = line.split_once(':')?;
                known.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let length = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let whole = (end + 4).saturating_add(length);
        if whole > MAX_ANSWER {
            return Err(malformed());
        }
        if self.input.len() < whole {
            return Ok(None);
        }
        let body = String::from_utf8_lossy(&self.input[end + 4..whole]).into_owned();
        self.input.advance(whole);
        if let Some(session) = header("session") {
            self.session = session.split(';').next().map(str::to_owned);
        }
        if let Some(base) = header("content-base") {
            self.base = base;
        }
        Ok(Some((status, body)))
    }

    async fn read(&mut self) -> Result<(), Said> {
        let read = timeout(self.patience, self.stream.read_buf(&mut self.input)).await;
        match read {
            Ok(Ok(0)) => Err(Said("EOF".to_owned())),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Said(words(&error))),
            Err(_) => Err(Said(format!("read tcp {}: i/o timeout", self.remote))),
        }
    }
}

fn words(error: &io::Error) -> String {
    let known = [
        (io::ErrorKind::ConnectionRefused, "connection refused"),
        (io::ErrorKind::ConnectionReset, "connection reset by peer"),
    ];
    let found = known.iter().find(|(kind, _)| *kind == error.kind());
    found.map_or_else(|| error.to_string(), |(_, words)| (*words).to_owned())
}
