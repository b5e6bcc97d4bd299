//! RTSP messages as bytes: requests, responses and interleaved `$` frames, read and written.
//!
//! Every length is bounded before memory is taken for it. The parser forgives what real cameras
//! do (bare LF, odd case, folded or meaningless header lines, blank lines between messages) but
//! never guesses where a message begins: bytes that cannot start one are an error. It does no
//! I/O and gives headers no meaning except `Content-Length`.

mod headers;

use bytes::{Buf, Bytes, BytesMut};

use self::headers::parse_headers;
pub use self::headers::{HEADERS_MAX, Headers};

/// Longest start line and headers together, in bytes.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Longest body, in bytes: a session description is a few hundred.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Longest method or protocol version, in bytes.
const FIRST_WORD_BYTES_MAX: usize = 32;
/// How much of a message is checked before its headers have ended, in bytes.
const START_BYTES_LOOKED_AT: usize = 256;
/// Longest text of the peer that is repeated in an error, in characters.
const QUOTE_CHARS_MAX: usize = 80;

/// Why bytes are not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// What stands where a message should begin is none.
    #[error("bytes that are no message ({0:?})")]
    Garbage(String),
    /// The headers do not end within the bound.
    #[error("headers longer than {HEAD_BYTES_MAX} bytes")]
    HeadTooLong,
    /// There are too many header lines.
    #[error("more than {HEADERS_MAX} header lines")]
    TooManyHeaders,
    /// `Content-Length` is no number, or given twice with different values.
    #[error("invalid content length")]
    ContentLength,
    /// `Content-Length` announces more than is accepted.
    #[error("a body of {announced} bytes, more than {limit}")]
    BodyTooLong {
        /// What the header says.
        announced: u64,
        /// What is accepted.
        limit: u64,
    },
}

/// A request, in either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method, in upper case.
    pub method: String,
    /// What it is about, as on the wire.
    pub uri: String,
    /// Header lines.
    pub headers: Headers,
    /// The body, empty for most.
    pub body: Bytes,
}

impl Request {
    /// A request without headers or body.
    pub fn new(method: &str, uri: &str) -> Self {
        let headers = Headers::default();
        Self { method: one_line(method), uri: one_line(uri), headers, body: Bytes::new() }
    }

    /// The same with one more header line.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push(name, value);
        self
    }

    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = format!("{} {} RTSP/1.0\r\n", self.method, self.uri).into_bytes();
        self.headers.write(self.body.len(), &mut out);
        out.extend_from_slice(&self.body);
        out
    }
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status code, 100 to 999.
    pub code: u16,
    /// The words behind it, cut and without control characters.
    pub reason: String,
    /// Header lines.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
}

impl Response {
    /// A reply without headers or body.
    pub fn new(code: u16, reason: &str) -> Self {
        let headers = Headers::default();
        Self { code, reason: one_line(reason), headers, body: Bytes::new() }
    }

    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = format!("RTSP/1.0 {} {}\r\n", self.code, self.reason).into_bytes();
        self.headers.write(self.body.len(), &mut out);
        out.extend_from_slice(&self.body);
        out
    }
}

/// One `$` frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interleaved {
    /// Which channel of the connection.
    pub channel: u8,
    /// At most 65,535 bytes.
    pub payload: Bytes,
}

/// Anything that stands alone on an RTSP connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A reply.
    Response(Response),
    /// Media or RTCP.
    Data(Interleaved),
}

/// A message whose body has not come yet.
#[derive(Debug)]
enum Head {
    Request(Request),
    Response(Response),
}

impl Head {
    fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    fn with_body(self, body: Bytes) -> Message {
        match self {
            Self::Request(request) => Message::Request(Request { body, ..request }),
            Self::Response(response) => Message::Response(Response { body, ..response }),
        }
    }
}

/// Takes messages off the front of a byte stream.
#[derive(Debug, Default)]
pub struct Parser {
    // How much of the input is known to hold no end of headers: without it a peer that sends
    // single bytes makes every byte cost a scan of all before it.
    scanned: usize,
    head: Option<(Head, usize)>,
}

impl Parser {
    /// The next message, or `None` while it is not complete.
    ///
    /// After an error the stream has no known position any more and must be given up.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Message>, MessageError> {
        if self.head.is_none() {
            let blank = input.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            if self.scanned == 0 {
                input.advance(blank);
            }
            match input.first() {
                None => return Ok(None),
                Some(b'$') => return Ok(interleaved(input)),
                Some(_) => self.head = self.read_head(input)?,
            }
        }
        match self.head.take() {
            Some((head, length)) if input.len() >= length => {
                Ok(Some(head.with_body(input.split_to(length).freeze())))
            }
            incomplete => {
                self.head = incomplete;
                Ok(None)
            }
        }
    }

    /// How many bytes of whole `$` frames the input begins with, for those who pass them on unread.
    pub fn frames(&self, input: &[u8]) -> usize {
        let mut end = 0;
        if self.head.is_some() || self.scanned > 0 {
            return end;
        }
        while let Some([b'$', _, high, low]) = input[end..].first_chunk::<4>() {
            let next = end + 4 + usize::from(u16::from_be_bytes([*high, *low]));
            if next > input.len() {
                break;
            }
            end = next;
        }
        end
    }

    fn read_head(&mut self, input: &mut BytesMut) -> Result<Option<(Head, usize)>, MessageError> {
        check_start(input)?;
        let Some(end) = head_end(input, self.scanned) else {
            self.scanned = input.len();
            let full = input.len() > HEAD_BYTES_MAX;
            return if full { Err(MessageError::HeadTooLong) } else { Ok(None) };
        };
        if end > HEAD_BYTES_MAX {
            return Err(MessageError::HeadTooLong);
        }
        self.scanned = 0;
        let head = parse_head(&input.split_to(end))?;
        let announced = head.headers().content_length()?.unwrap_or(0);
        match usize::try_from(announced) {
            Ok(length) if length <= BODY_BYTES_MAX => Ok(Some((head, length))),
            _ => Err(MessageError::BodyTooLong { announced, limit: BODY_BYTES_MAX as u64 }),
        }
    }
}

/// Where the blank line that ends the headers ends, when bytes before `from` hold no such end.
pub fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from.saturating_sub(3);
    while let Some(offset) = bytes[at..].iter().position(|b| *b == b'\n') {
        at += offset + 1;
        match bytes[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
    None
}

/// Parses a reply's status line and headers, of RTSP or HTTP, without a body.
pub fn parse_response_head(bytes: &[u8]) -> Result<Response, MessageError> {
    match parse_head(bytes)? {
        Head::Response(response) => Ok(response),
        Head::Request(_) => Err(garbage(bytes)),
    }
}

fn parse_head(bytes: &[u8]) -> Result<Head, MessageError> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let start = lines.next().unwrap_or_default();
    let headers = parse_headers(lines)?;
    match parse_start(start).ok_or_else(|| garbage(bytes))? {
        Start::Reply(code, reason) => {
            Ok(Head::Response(Response { headers, ..Response::new(code, reason) }))
        }
        Start::Ask(method, uri) => {
            let method = method.to_ascii_uppercase();
            Ok(Head::Request(Request { headers, ..Request::new(&method, uri) }))
        }
    }
}

/// The parts of a first line that are used.
enum Start<'a> {
    /// Status code and the words behind it.
    Reply(u16, &'a str),
    /// Method, in any case, and URI.
    Ask(&'a str, &'a str),
}

fn parse_start(line: &str) -> Option<Start<'_>> {
    let mut words = line.splitn(3, ' ');
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let third = words.next().unwrap_or_default().trim();
    if first.starts_with("RTSP/") || first.starts_with("HTTP/") {
        let code = second.parse().ok().filter(|code| (100..1000).contains(code))?;
        return Some(Start::Reply(code, third));
    }
    let method = first.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    let request = method && !second.is_empty() && third.starts_with("RTSP/");
    request.then_some(Start::Ask(first, second))
}

/// Refuses what can become no first line as soon as that shows. A peer that sends noise is to be
/// named for it: waiting for the end of headers that never comes would call it slow instead.
fn check_start(input: &[u8]) -> Result<(), MessageError> {
    let seen = &input[..input.len().min(START_BYTES_LOOKED_AT)];
    let (line, is_whole) = match seen.iter().position(|b| *b == b'\n') {
        Some(end) => (&seen[..end], true),
        None => (seen, false),
    };
    let word = line.iter().position(|b| *b == b' ').unwrap_or(line.len());
    let in_word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'/' | b'.' | b'\r');
    let may_start = line.first().is_some_and(u8::is_ascii_alphabetic)
        && word <= FIRST_WORD_BYTES_MAX
        && line[..word].iter().all(in_word)
        && line.iter().all(|b| !b.is_ascii_control() || *b == b'\r')
        && (!is_whole || parse_start(String::from_utf8_lossy(line).trim_end()).is_some());
    if may_start { Ok(()) } else { Err(garbage(seen)) }
}

fn interleaved(input: &mut BytesMut) -> Option<Message> {
    let [_, channel, high, low] = *input.first_chunk::<4>()?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if input.len() < 4 + length {
        return None;
    }
    input.advance(4);
    Some(Message::Data(Interleaved { channel, payload: input.split_to(length).freeze() }))
}

fn garbage(bytes: &[u8]) -> MessageError {
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    MessageError::Garbage(legible(&line[..line.len().min(24)]))
}

/// A text of the peer, fit to stand in a line of ours.
pub fn quote(text: &str) -> String {
    one_line(text).trim().chars().take(QUOTE_CHARS_MAX).collect()
}

/// Bytes of any kind with a dot for each that is no visible character.
///
/// It ends at a question mark: a peer may send our own request back, with a token in its query.
pub fn legible(bytes: &[u8]) -> String {
    let visible = |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' };
    bytes.iter().take_while(|byte| **byte != b'?').map(visible).collect()
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests;
