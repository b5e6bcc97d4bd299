//! Header lines: kept in order, found without case, bounded in number. It knows the meaning of none
//! but `Content-Length`.

use super::{MessageError, one_line};

/// Most header lines of one message.
pub const HEADERS_MAX: usize = 128;

/// The header lines of a message, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The first value of a header; its name is compared without case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| &**v)
    }

    /// All values of a header, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| &**v)
    }

    /// All lines, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Appends a line. Line breaks and other control characters become spaces, so that no value
    /// can start a header of its own.
    pub fn push(&mut self, name: &str, value: &str) {
        self.0.push((one_line(name), one_line(value)));
    }

    /// Removes all lines of a header.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }

    /// The body's length, if given.
    pub fn content_length(&self) -> Result<Option<u64>, MessageError> {
        let mut length = None;
        for value in self.all("content-length") {
            let value = value.trim().parse::<u64>().map_err(|_| MessageError::ContentLength)?;
            if length.is_some_and(|before| before != value) {
                return Err(MessageError::ContentLength);
            }
            length = Some(value);
        }
        Ok(length)
    }

    pub(super) fn write(&self, body: usize, out: &mut Vec<u8>) {
        for (name, value) in self.iter().filter(|(n, _)| !n.eq_ignore_ascii_case("content-length"))
        {
            out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if body > 0 {
            out.extend_from_slice(format!("Content-Length: {body}\r\n").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }
}

pub(super) fn parse_headers<'a>(
    lines: impl Iterator<Item = &'a str>,
) -> Result<Headers, MessageError> {
    let mut headers = Headers::default();
    for line in lines.filter(|line| !line.is_empty()) {
        if headers.0.len() == HEADERS_MAX {
            return Err(MessageError::TooManyHeaders);
        }
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = headers.0.last_mut() {
                value.push(' ');
                value.push_str(&one_line(line.trim()));
            }
        } else if let Some((name, value)) = line.split_once(':') {
            headers.push(name.trim(), value.trim());
        }
    }
    Ok(headers)
}
