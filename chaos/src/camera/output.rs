//! What waits to be written to one client: bounded, and slowed down or made endless by faults.

use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::time::Instant;

use super::fault::Endless;

/// Bytes that may wait before whole pictures are dropped.
const PICTURE_BOUND: usize = 512 * 1024;
/// Bytes of a flood written at once, and how often.
const FLOOD_CHUNK: usize = 64 * 1024;
const FLOOD_STEP: Duration = Duration::from_millis(20);

/// Bytes on their way to a client.
#[derive(Default)]
pub(crate) struct Output {
    /// What is to be written next.
    pub bytes: BytesMut,
    crawl: Option<Crawl>,
    flood: Option<Flood>,
}

struct Crawl {
    step: Duration,
    next: Instant,
    /// Bytes left to crawl; `None`: all.
    left: Option<usize>,
}

struct Flood {
    line: &'static [u8],
    next: Instant,
}

impl Output {
    /// True when another picture may be added.
    pub(crate) fn has_room(&self) -> bool {
        self.bytes.len() < PICTURE_BOUND
    }

    /// Bytes that may be written now.
    pub(crate) fn writable(&self, now: Instant) -> &[u8] {
        match &self.crawl {
            Some(crawl) if crawl.next > now => &[],
            Some(_) => &self.bytes[..self.bytes.len().min(1)],
            None => &self.bytes,
        }
    }

    /// `count` bytes were written.
    pub(crate) fn written(&mut self, count: usize, now: Instant) {
        self.bytes.advance(count);
        if let Some(crawl) = &mut self.crawl {
            crawl.next = now + crawl.step;
            crawl.left = crawl.left.map(|left| left.saturating_sub(count));
            if crawl.left == Some(0) {
                self.crawl = None;
            }
        }
    }

    /// From now on one byte each `step`: those that wait, or all that ever come.
    pub(crate) fn crawl(&mut self, step: Duration, now: Instant, all: bool) {
        let left = (!all).then_some(self.bytes.len());
        self.crawl = Some(Crawl { step: step.max(Duration::from_millis(1)), next: now, left });
    }

    /// Back to full speed.
    pub(crate) fn hurry(&mut self) {
        self.crawl = None;
    }

    /// Adds an answer that never ends.
    pub(crate) fn flood(&mut self, protocol: &str, sequence: Option<&str>, kind: Endless) {
        let sequence = sequence.map(|sequence| format!("CSeq: {sequence}\r\n")).unwrap_or_default();
        let head = format!("{protocol} 200 OK\r\n{sequence}");
        self.bytes.extend_from_slice(head.as_bytes());
        let line: &[u8] = match kind {
            Endless::Headers => b"X-Filler: 0123456789abcdef0123456789abcdef0123456789abcdef\r\n",
            Endless::Body | Endless::Length => {
                let kind =
                    if protocol.starts_with("HTTP") { "image/jpeg" } else { "application/sdp" };
                let rest = format!("Content-Type: {kind}\r\nContent-Length: 1073741824\r\n\r\n");
                self.bytes.extend_from_slice(rest.as_bytes());
                b"a=x-filler:0123456789abcdef0123456789abcdef0123456789abcdef0123456\r\n"
            }
        };
        if kind != Endless::Length {
            self.flood = Some(Flood { line, next: Instant::now() });
        }
    }

    /// Keeps a flood going.
    pub(crate) fn refill(&mut self, now: Instant) {
        if let Some(flood) = &mut self.flood
            && flood.next <= now
            && self.bytes.len() < FLOOD_CHUNK
        {
            for _ in 0..FLOOD_CHUNK / flood.line.len() {
                self.bytes.extend_from_slice(flood.line);
            }
            flood.next = now + FLOOD_STEP;
        }
    }

    /// When something here is to be done without being asked, if that is later than `now`.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        let crawl = self.crawl.as_ref().map(|crawl| crawl.next);
        let flood = self.flood.as_ref().map(|flood| flood.next);
        crawl.into_iter().chain(flood).filter(|&at| at > now).min()
    }

    /// Adds random bytes. None is a `$`: the length behind it would make a client wait for the rest
    /// of a frame, and that is another fault.
    pub(crate) fn garbage(&mut self, count: usize) {
        for _ in 0..count.div_ceil(32) {
            let noise = rand::random::<[u8; 32]>();
            self.bytes.extend(noise.map(|byte| if byte == b'$' { !byte } else { byte }));
        }
    }
}
