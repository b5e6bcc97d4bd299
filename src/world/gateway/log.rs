//! Log lines of go2rtc, on their way into ours.
//!
//! Bounded in length and number, and without URLs: their paths are relay grants. Known secrets are
//! replaced by the log itself, as in every line.

use std::borrow::Cow;

use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::{Duration, Instant};

/// Longest line that is read, in bytes; the rest of it is dropped.
const LINE_BYTES_MAX: usize = 4096;
/// Lines passed on in each [`WINDOW`]; the others are counted.
const LINES_MAX: u32 = 50;
/// See [`LINES_MAX`].
const WINDOW: Duration = Duration::from_secs(10);

/// A line in go2rtc's `format: json`; other fields are dropped.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Line {
    #[serde(default)]
    pub(super) level: String,
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) error: String,
}

impl Line {
    /// Reads a line; what is not JSON is a message of unknown level.
    fn parse(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_else(|_| Self {
            level: String::new(),
            message: String::from_utf8_lossy(bytes).into_owned(),
            error: String::new(),
        })
    }

    /// Its text, fit for a log.
    fn text(&self) -> String {
        let both = match (self.message.as_str(), self.error.as_str()) {
            (message, "") => message.to_owned(),
            ("", error) => error.to_owned(),
            (message, error) => format!("{message}: {error}"),
        };
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        without_urls(&both).chars().map(clean).collect()
    }
}

/// The text with scheme and host of each URL only.
pub(super) fn without_urls(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | ',');
        let length = after.find(is_end).unwrap_or(after.len());
        let url = &after[..length];
        let host = url.split(['/', '?', '#']).next().unwrap_or_default();
        // What stands before an `@` is a user and a password.
        out.push_str(host.rsplit('@').next().unwrap_or_default());
        if host.len() < url.len() {
            out.push_str("/***");
        }
        rest = &after[length..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Reads lines until the end and writes them to the log; `gateway` names the instance.
pub(super) async fn forward(mut output: impl AsyncRead + Unpin, gateway: &str) {
    let mut lines = Splitter::default();
    let mut chunk = [0; 4096];
    let mut window = (Instant::now(), 0_u32);
    loop {
        let length = match output.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(length) => length,
        };
        lines.push(&chunk[..length], |line| {
            if window.0.elapsed() >= WINDOW {
                if window.1 > LINES_MAX {
                    let dropped = window.1 - LINES_MAX;
                    tracing::warn!(gateway, dropped, "the gateway wrote too many lines");
                }
                window = (Instant::now(), 0);
            }
            window.1 = window.1.saturating_add(1);
            if window.1 <= LINES_MAX {
                write(gateway, &Line::parse(line));
            }
        });
    }
}

fn write(gateway: &str, line: &Line) {
    let text = line.text();
    match line.level.as_str() {
        "error" | "fatal" | "panic" => tracing::warn!(gateway, "go2rtc: {text}"),
        "trace" | "debug" => tracing::debug!(gateway, "go2rtc: {text}"),
        _ => tracing::info!(gateway, "go2rtc: {text}"),
    }
}

/// Cuts bytes into lines of at most [`LINE_BYTES_MAX`].
#[derive(Debug, Default)]
struct Splitter {
    line: Vec<u8>,
}

impl Splitter {
    fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (content, ended) = match part.strip_suffix(b"\n") {
                Some(content) => (content, true),
                None => (part, false),
            };
            let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
            self.line.extend_from_slice(&content[..content.len().min(room)]);
            if ended {
                if !self.line.is_empty() {
                    each(&self.line);
                }
                self.line.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lose_everything_but_their_host() {
        let table = [
            ("no url", "no url"),
            ("a rtsp://127.0.0.1:9/TOKEN#x b", "a rtsp://127.0.0.1:9/*** b"),
            ("rtsp://u:p@h/s?token=1\" rtsp://h", "rtsp://h/***\" rtsp://h"),
            ("Get \"http://gateway?src=x\": EOF", "Get \"http://gateway/***\": EOF"),
            ("://", "://"),
        ];
        for (text, expected) in table {
            assert_eq!(without_urls(text), expected, "{text}");
        }
    }

    #[test]
    fn lines_are_cut_and_read() {
        let mut seen = Vec::new();
        let mut lines = Splitter::default();
        let mut take = |bytes: &[u8]| lines.push(bytes, |line| seen.push(Line::parse(line).text()));
        take(b"{\"level\":\"warn\",\"error\":\"EO");
        take(b"F\",\"message\":\"rtsp://h/t\\u001b\"}\n\nplain\n");
        take(&[b'x'; 3 * LINE_BYTES_MAX]);
        take(b"\n");
        assert_eq!(seen[..2], ["rtsp://h/*** EOF".to_owned(), "plain".to_owned()]);
        assert_eq!(seen[2].len(), LINE_BYTES_MAX);
        assert_eq!(seen.len(), 3);
    }
}
