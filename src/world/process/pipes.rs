//! The three streams of a child: fed, drained, bounded.
//!
//! Standard error is always drained, since a child whose pipe is full stands still; only its end
//! is kept.

use std::collections::VecDeque;
use std::io;
use std::process::{ChildStderr, ChildStdin, ChildStdout};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process as streams;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::model::secret::Redactor;

/// How much of standard error is kept, bytes. Twice what is shown, so that a secret that the cut
/// goes through is in the half that is not shown.
const STDERR_KEPT: usize = 2 * STDERR_SHOWN;
/// How much of standard error is shown, bytes.
const STDERR_SHOWN: usize = 8 * 1024;

/// A child's streams.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    /// What it reads.
    pub(super) stdin: Option<(ChildStdin, Zeroizing<Vec<u8>>)>,
    /// What it writes, and most bytes of that.
    pub(super) stdout: Option<(ChildStdout, usize)>,
    /// What it complains about.
    pub(super) stderr: Option<ChildStderr>,
}

/// What a child wrote.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) stdout: Vec<u8>,
    /// It wrote more than it may.
    pub(super) is_too_much: bool,
    /// The end of it, as written.
    pub(super) stderr: Vec<u8>,
}

impl Pipes {
    /// Serves all streams until they end or `closing` says so; `orders` ends a child that writes
    /// too much.
    pub(super) async fn serve(
        self,
        closing: CancellationToken,
        orders: CancellationToken,
    ) -> Written {
        let feed = async {
            if let Some((pipe, bytes)) = self.stdin {
                closing.run_until_cancelled(feed(pipe, bytes)).await;
            }
        };
        let output = async {
            match self.stdout {
                Some((pipe, max)) => {
                    let pipe = streams::ChildStdout::from_std(pipe);
                    let (bytes, is_too_much) = read_up_to(pipe, max, &closing).await;
                    if is_too_much {
                        orders.cancel();
                    }
                    (bytes, is_too_much)
                }
                None => (Vec::new(), false),
            }
        };
        let errors = async {
            match self.stderr {
                Some(pipe) => read_tail(streams::ChildStderr::from_std(pipe), &closing).await,
                None => Vec::new(),
            }
        };
        let ((), (stdout, is_too_much), stderr) = tokio::join!(feed, output, errors);
        Written { stdout, is_too_much, stderr }
    }
}

/// Writes everything; a child that does not want it is no error.
async fn feed(pipe: ChildStdin, bytes: Zeroizing<Vec<u8>>) {
    if let Ok(mut pipe) = streams::ChildStdin::from_std(pipe) {
        pipe.write_all(&bytes).await.ok();
    }
}

async fn read_up_to(
    pipe: io::Result<impl AsyncRead + Unpin>,
    max: usize,
    closing: &CancellationToken,
) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let Ok(mut pipe) = pipe else { return (bytes, false) };
    let mut chunk = vec![0; 64 * 1024];
    while let Some(Ok(length @ 1..)) = closing.run_until_cancelled(pipe.read(&mut chunk)).await {
        let room = max.saturating_sub(bytes.len());
        bytes.extend(chunk.iter().take(length.min(room)));
        if length > room {
            return (bytes, true);
        }
    }
    (bytes, false)
}

async fn read_tail(
    pipe: io::Result<impl AsyncRead + Unpin>,
    closing: &CancellationToken,
) -> Vec<u8> {
    let mut tail = VecDeque::new();
    let Ok(mut pipe) = pipe else { return Vec::new() };
    let mut chunk = vec![0; 4 * 1024];
    while let Some(Ok(length @ 1..)) = closing.run_until_cancelled(pipe.read(&mut chunk)).await {
        tail.extend(chunk.iter().take(length));
        tail.drain(..tail.len().saturating_sub(STDERR_KEPT));
    }
    tail.into()
}

/// Standard error as it may be shown: without secrets and control characters, its end.
pub(super) fn presentable(stderr: &[u8], redactor: &Redactor) -> String {
    // Before and after: a control character may be part of a secret, or stand in its middle.
    let text = redactor.redact(&String::from_utf8_lossy(stderr).replace('\r', "\n"));
    let text: String = text.chars().filter(|c| *c == '\n' || !c.is_control()).collect();
    let text = redactor.redact(&text);
    let mut from = text.len().saturating_sub(STDERR_SHOWN);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text.get(from..).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret::Secret;

    #[test]
    fn what_is_shown_has_no_secrets_and_no_control_characters() {
        let redactor = Redactor::new([&Secret::new("hunter22")]);
        let raw = b"frame=1\rframe=2\n\x1b[31mrtsp://u:hunter22@h \xff hun\x08ter22\n";
        let text = presentable(raw, &redactor);
        assert_eq!(text, "frame=1\nframe=2\n[31mrtsp://u:***@h \u{fffd} ***");
    }

    #[test]
    fn a_secret_that_the_cut_goes_through_is_not_shown_in_part() {
        let redactor = Redactor::new([&Secret::new("hunter22")]);
        let mut raw = b"ter22 ".to_vec();
        raw.resize(STDERR_KEPT, b'x');
        assert!(!presentable(&raw, &redactor).contains("ter22"));
    }

    #[tokio::test]
    async fn more_than_allowed_is_not_kept() {
        let closing = CancellationToken::new();
        let exact = read_up_to(Ok(&b"0123456789"[..]), 10, &closing).await;
        assert_eq!(exact, (b"0123456789".to_vec(), false));
        let more = read_up_to(Ok(&b"0123456789a"[..]), 10, &closing).await;
        assert_eq!(more, (b"0123456789".to_vec(), true));
        let more = vec![b'y'; STDERR_KEPT + 5];
        let tail = read_tail(Ok(more.as_slice()), &closing).await;
        assert_eq!(tail.len(), STDERR_KEPT);
    }
}
