//! Requests as they come over the wire, and answers. HTTP requests read the same way.
//! It knows the form of a message, not the meaning of a method.

use std::fmt::Write as _;

use bytes::{Buf as _, BytesMut};

/// The longest head of a request, in bytes.
pub(crate) const MAX_HEAD: usize = 16 * 1024;
/// The longest body of a request, in bytes.
pub(crate) const MAX_BODY: usize = 64 * 1024;

/// One thing that a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// A request, its body already dropped.
    Request(Request),
    /// Binary data on a channel of the connection (RTCP).
    Interleaved,
}

/// A request's first line and headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The method, in capitals as sent.
    pub method: String,
    /// The target, a whole URL or a path.
    pub uri: String,
    headers: Vec<(String, String)>,
}

/// What came is no request, or larger than any sane one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("malformed request")]
pub(crate) struct Malformed;

impl Request {
    /// The value of a header, whatever the case of its name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The path of the target without query, beginning with a slash.
    pub(crate) fn path(&self) -> &str {
        let rest = match self.uri.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("/", |slash| &rest[slash..]),
            None => &self.uri,
        };
        rest.split('?').next().unwrap_or("/")
    }
}

/// Takes the next complete message off the buffer; `None` when more bytes are needed.
pub(crate) fn take(buffer: &mut BytesMut) -> Result<Option<Incoming>, Malformed> {
    while matches!(buffer.first(), Some(b'\r' | b'\n')) {
        buffer.advance(1);
    }
    if buffer.first() == Some(&b'$') {
        let Some(head) = buffer.get(2..4) else { return Ok(None) };
        let length = 4 + usize::from(u16::from_be_bytes([head[0], head[1]]));
        if buffer.len() < length {
            return Ok(None);
        }
        buffer.advance(length);
        return Ok(Some(Incoming::Interleaved));
    }
    let Some(head) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return if buffer.len() > MAX_HEAD { Err(Malformed) } else { Ok(None) };
    };
    let text = std::str::from_utf8(&buffer[..head]).map_err(|_| Malformed)?;
    let request = parse_head(text)?;
    let body = match request.header("content-length") {
        Some(length) => length.trim().parse::<usize>().map_err(|_| Malformed)?,
        None => 0,
    };
    if head > MAX_HEAD || body > MAX_BODY {
        return Err(Malformed);
    }
    let length = head + 4 + body;
    if buffer.len() < length {
        return Ok(None);
    }
    buffer.advance(length);
    Ok(Some(Incoming::Request(request)))
}

fn parse_head(text: &str) -> Result<Request, Malformed> {
    let mut lines = text.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(uri), Some(version)) = (first.next(), first.next(), first.next())
    else {
        return Err(Malformed);
    };
    let known = version.starts_with("RTSP/1.") || version.starts_with("HTTP/1.");
    if !known || method.is_empty() || uri.is_empty() {
        return Err(Malformed);
    }
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(Malformed)?;
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    Ok(Request { method: method.to_owned(), uri: uri.to_owned(), headers })
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    /// The status code.
    pub status: u16,
    head: String,
    body: Vec<u8>,
}

impl Response {
    /// An answer without headers of its own.
    pub(crate) fn new(status: u16) -> Self {
        Self { status, head: String::new(), body: Vec::new() }
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        // Writing to a string cannot fail.
        let _written = write!(self.head, "{name}: {value}\r\n");
        self
    }

    /// Adds a body with its type and length.
    pub(crate) fn with_body(self, kind: &str, body: Vec<u8>) -> Self {
        let mut answer =
            self.with("Content-Type", kind).with("Content-Length", &body.len().to_string());
        answer.body = body;
        answer
    }

    /// The answer as RTSP; `sequence` repeats the request's `CSeq`.
    pub(crate) fn write_rtsp(&self, sequence: Option<&str>, out: &mut BytesMut) {
        let line = format!("RTSP/1.0 {} {}\r\n", self.status, reason(self.status));
        out.extend_from_slice(line.as_bytes());
        if let Some(sequence) = sequence {
            out.extend_from_slice(format!("CSeq: {sequence}\r\n").as_bytes());
        }
        self.write_rest(out);
    }

    /// The answer as HTTP.
    pub(crate) fn write_http(&self, out: &mut BytesMut) {
        let line = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        out.extend_from_slice(line.as_bytes());
        if self.body.is_empty() {
            out.extend_from_slice(b"Content-Length: 0\r\n");
        }
        self.write_rest(out);
    }

    fn write_rest(&self, out: &mut BytesMut) {
        out.extend_from_slice(self.head.as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
    }
}

/// The usual words for a status code.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        451 => "Parameter Not Understood",
        453 => "Not Enough Bandwidth",
        454 => "Session Not Found",
        455 => "Method Not Valid in This State",
        459 => "Aggregate Operation Not Allowed",
        461 => "Unsupported Transport",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        551 => "Option Not Supported",
        _ => "Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_interleaved_data_are_taken_in_turn() {
        let mut buffer = BytesMut::from(
            &b"$\x01\0\x02xyOPTIONS rtsp://h:1/sub?a=b RTSP/1.0\r\nCSeq: 4\r\n\r\nPLA"[..],
        );
        assert_eq!(take(&mut buffer), Ok(Some(Incoming::Interleaved)));
        let Ok(Some(Incoming::Request(request))) = take(&mut buffer) else { panic!() };
        assert_eq!((request.method.as_str(), request.path()), ("OPTIONS", "/sub"));
        assert_eq!(request.header("cseq"), Some("4"));
        assert_eq!(take(&mut buffer), Ok(None));
    }

    #[test]
    fn body_is_skipped_and_an_oversized_one_refused() {
        let mut buffer =
            BytesMut::from(&b"SET_PARAMETER * RTSP/1.0\r\nContent-Length: 3\r\n\r\nabc"[..]);
        assert!(matches!(take(&mut buffer), Ok(Some(Incoming::Request(_)))));
        assert!(buffer.is_empty());
        let mut buffer =
            BytesMut::from(&b"PLAY * RTSP/1.0\r\nContent-Length: 99999999\r\n\r\n"[..]);
        assert_eq!(take(&mut buffer), Err(Malformed));
    }

    #[test]
    fn endless_head_is_refused() {
        let mut buffer = BytesMut::from(&vec![b'a'; MAX_HEAD + 1][..]);
        assert_eq!(take(&mut buffer), Err(Malformed));
    }
}
