//! The smallest HTTP client, independent of the product's. Every answer is searched for the
//! cameras' password.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// The cameras' password; nothing but a password looks like it.
pub(crate) const PASSWORD: &str = "Plum0Tart7Secret3Zq";

const TIMEOUT: Duration = Duration::from_secs(15);
/// Every answer fits, and a runaway one ends.
const ANSWER_MAX: u64 = 64 * 1024 * 1024;

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Asks; an error means that nobody answers.
pub(crate) fn ask(
    server: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> std::io::Result<Answer> {
    ask_as(server, method, path, body, "")
}

/// Asks as the browser with this cookie.
pub(crate) fn ask_as(
    server: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
    cookie: &str,
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&server, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    // HTTP/1.0: the body ends with the connection and is never chunked.
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {server}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nCookie: {cookie}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    let mut bytes = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut bytes)?;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or(std::io::ErrorKind::InvalidData)?;
    let leaks = bytes.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes());
    assert!(!leaks, "{method} {path} shows the password");
    Ok(Answer { status, body: bytes.split_off(end + 4) })
}
