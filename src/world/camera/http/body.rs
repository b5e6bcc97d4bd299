//! Bodies of HTTP/1.1 replies as they arrive: by length, in chunks or up to the end of the
//! connection; and the first picture of a multipart stream.
//!
//! No I/O. What is announced beyond the bound is refused before it is read.

use bytes::{Buf, BytesMut};

use crate::world::camera::fault::Fault;
use crate::world::camera::rtsp::message::{MessageError, Response, head_end, parse_response_head};

/// Largest body, in bytes.
pub(super) const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Longest line that says a chunk's size, in bytes.
const CHUNK_LINE_MAX: usize = 1024;
/// Longest headers of one part of a multipart body.
const PART_HEAD_MAX: usize = 4096;

const BAD_CHUNK: Fault = Fault::Answer("the camera sends invalid chunks");

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
    ToEnd,
    Complete,
}

/// A body that is arriving.
#[derive(Debug)]
pub(super) struct Body {
    framing: Framing,
    /// What has arrived, at most [`BODY_BYTES_MAX`].
    pub(super) bytes: Vec<u8>,
}

impl Body {
    /// The body that a reply announces.
    pub(super) fn of(response: &Response) -> Result<Self, Fault> {
        let coding = response.headers.get("transfer-encoding").unwrap_or_default();
        let framing = if coding.to_ascii_lowercase().contains("chunked") {
            Framing::ChunkSize
        } else if matches!(response.code, 204 | 304) {
            Framing::Complete
        } else {
            match response.headers.content_length()? {
                Some(announced) => Framing::Length(bounded(announced)?),
                None => Framing::ToEnd,
            }
        };
        Ok(Self { framing, bytes: Vec::new() })
    }

    /// Whether the body ends only with the connection.
    pub(super) fn ends_with_connection(&self) -> bool {
        self.framing == Framing::ToEnd
    }

    /// Takes what belongs to the body; true once it is complete.
    pub(super) fn take(&mut self, input: &mut BytesMut) -> Result<bool, Fault> {
        loop {
            self.framing = match self.framing {
                Framing::Complete | Framing::Length(0) => return Ok(true),
                Framing::ToEnd => {
                    self.copy(input, u64::MAX)?;
                    return Ok(false);
                }
                _ if input.is_empty() => return Ok(false),
                Framing::Length(left) => Framing::Length(left - self.copy(input, left)?),
                Framing::Chunk(0) => Framing::ChunkEnd,
                Framing::Chunk(left) => Framing::Chunk(left - self.copy(input, left)?),
                Framing::ChunkEnd | Framing::ChunkSize | Framing::Trailer => {
                    let Some(line) = line(input)? else { return Ok(false) };
                    self.after_line(&line)?
                }
            };
        }
    }

    fn after_line(&self, line: &str) -> Result<Framing, Fault> {
        match self.framing {
            Framing::ChunkEnd if line.is_empty() => Ok(Framing::ChunkSize),
            Framing::Trailer if line.is_empty() => Ok(Framing::Complete),
            Framing::Trailer => Ok(Framing::Trailer),
            Framing::ChunkSize => {
                let size = line.split(';').next().unwrap_or_default().trim();
                match u64::from_str_radix(size, 16).map_err(|_| BAD_CHUNK)? {
                    0 => Ok(Framing::Trailer),
                    size => Ok(Framing::Chunk(bounded(size)?)),
                }
            }
            Framing::ChunkEnd
            | Framing::Length(_)
            | Framing::Chunk(_)
            | Framing::ToEnd
            | Framing::Complete => Err(BAD_CHUNK),
        }
    }

    fn copy(&mut self, input: &mut BytesMut, most: u64) -> Result<u64, Fault> {
        let count = usize::try_from(most).unwrap_or(usize::MAX).min(input.len());
        bounded((self.bytes.len() + count) as u64)?;
        self.bytes.extend_from_slice(&input[..count]);
        input.advance(count);
        Ok(count as u64)
    }
}

fn bounded(announced: u64) -> Result<u64, Fault> {
    if announced <= BODY_BYTES_MAX {
        return Ok(announced);
    }
    Err(MessageError::BodyTooLong { announced, limit: BODY_BYTES_MAX }.into())
}

fn line(input: &mut BytesMut) -> Result<Option<String>, Fault> {
    let Some(end) = input.iter().take(CHUNK_LINE_MAX).position(|byte| *byte == b'\n') else {
        return if input.len() < CHUNK_LINE_MAX { Ok(None) } else { Err(BAD_CHUNK) };
    };
    let line = input.split_to(end + 1);
    Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()))
}

/// Finds the first part of a multipart body while it arrives.
#[derive(Debug)]
pub(super) struct FirstPart {
    boundary: Vec<u8>,
    scanned: usize,
}

impl FirstPart {
    /// The reader for a reply, if its body is multipart.
    pub(super) fn of(response: &Response) -> Option<Self> {
        let kind = response.headers.get("content-type")?;
        if !kind.trim_start().to_ascii_lowercase().starts_with("multipart/") {
            return None;
        }
        let at = kind.to_ascii_lowercase().find("boundary=")?;
        let value = kind[at + "boundary=".len()..].split(';').next()?;
        // Many cameras put the two hyphens of the delimiter into the name as well.
        let name = value.trim().trim_matches('"').trim_start_matches('-');
        (!name.is_empty()).then(|| Self { boundary: name.as_bytes().to_vec(), scanned: 0 })
    }

    /// The part's content once it is complete.
    pub(super) fn find(&mut self, body: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let Some(delimiter) = position(body, &self.boundary, 0) else {
            return missing(body.len(), "the multipart body has no boundary");
        };
        let after = delimiter + self.boundary.len();
        let Some(line) = body[after..].iter().position(|byte| *byte == b'\n') else {
            return missing(body.len() - after, "the multipart body has no part");
        };
        let head = after + line + 1;
        // A part without headers begins with the blank line.
        let start = match body[head..] {
            [b'\n', ..] => Some(head + 1),
            [b'\r', b'\n', ..] => Some(head + 2),
            _ => head_end(&body[head..], 0).map(|end| head + end),
        };
        let Some(start) = start else {
            return missing(body.len() - head, "the part's headers do not end");
        };
        let status = [b"HTTP/1.1 200 OK\r\n", &body[head..start]].concat();
        if let Some(length) = parse_response_head(&status)?.headers.content_length()? {
            let length = usize::try_from(bounded(length)?).unwrap_or(usize::MAX);
            return Ok(body.get(start..start + length).map(<[u8]>::to_vec));
        }
        let Some(end) = position(body, &self.boundary, self.scanned.max(start)) else {
            self.scanned = body.len().saturating_sub(self.boundary.len());
            return Ok(None);
        };
        let content = &body[start..end];
        let content = content.strip_suffix(b"--").unwrap_or(content);
        let content = content.strip_suffix(b"\n").unwrap_or(content);
        Ok(Some(content.strip_suffix(b"\r").unwrap_or(content).to_vec()))
    }
}

fn missing(bytes: usize, what: &'static str) -> Result<Option<Vec<u8>>, Fault> {
    if bytes > PART_HEAD_MAX { Err(Fault::Answer(what)) } else { Ok(None) }
}

fn position(haystack: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let found = haystack.get(from..)?.windows(needle.len()).position(|w| w == needle)?;
    Some(from + found)
}

#[cfg(test)]
mod tests;
