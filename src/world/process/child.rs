//! A started child, as its owner holds it. Letting go of it ends the child.

use std::io;
use std::path::PathBuf;
use std::process::ChildStdout;

use tokio::io::AsyncRead;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::error::ProcessError;
use super::shim;
use crate::model::process::{ChildToken, ProcessId};

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// Somebody else took its exit status.
    Lost,
    /// Not at all: it hangs in the kernel, though it was killed.
    Undead,
}

/// A child that has ended, with everything that it started.
#[derive(Debug, Clone)]
pub struct Ended {
    /// How.
    pub how: How,
    /// What it wrote to standard output, as far as allowed.
    pub stdout: Vec<u8>,
    /// Whether it wrote more than allowed.
    pub is_too_much: bool,
    /// The end of what it wrote to standard error: redacted, without control characters, at most
    /// 8 KiB.
    pub stderr: String,
    /// The beginning of it, as written, to be read by [`shim::failure`].
    pub(super) raw_stderr: Vec<u8>,
}

/// What a child wrote, and how it ended.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended: [`How::Exited`] or [`How::Signalled`].
    pub how: How,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// The end of what it wrote to standard error, presentable.
    pub stderr: String,
}

/// What a child is known by from the start.
#[derive(Debug)]
pub(super) struct Birth {
    pub(super) id: ProcessId,
    pub(super) token: ChildToken,
    pub(super) program: PathBuf,
    pub(super) max_output: usize,
}

/// A running child. Dropping it ends the child in the background, at once and for certain.
#[derive(Debug)]
pub struct Child {
    birth: Birth,
    stdout: Option<ChildStdout>,
    orders: CancellationToken,
    report: oneshot::Receiver<Ended>,
    ended: Option<Ended>,
}

impl Child {
    pub(super) fn new(
        birth: Birth,
        stdout: Option<ChildStdout>,
        orders: CancellationToken,
        report: oneshot::Receiver<Ended>,
    ) -> Self {
        Self { birth, stdout, orders, report, ended: None }
    }

    /// Which process.
    pub fn id(&self) -> ProcessId {
        self.birth.id
    }

    /// The number in its mark.
    pub fn token(&self) -> &ChildToken {
        &self.birth.token
    }

    /// What it writes to standard output, of a child with
    /// [`StdoutSink::Stream`](super::StdoutSink::Stream): once, then `None`. It ends with the
    /// child, and is as long as the child makes it.
    pub fn take_stdout(&mut self) -> Option<io::Result<impl AsyncRead + Send + Unpin + use<>>> {
        self.stdout.take().map(tokio::process::ChildStdout::from_std)
    }

    /// Waits for its end; may be dropped and called again.
    ///
    /// An error means that its program never ran, or that nobody knows what became of it.
    pub async fn wait(&mut self) -> Result<&Ended, ProcessError> {
        if self.ended.is_none() {
            let ended = (&mut self.report).await.map_err(|_| ProcessError::Unwatched)?;
            self.ended = Some(ended);
        }
        let ended = self.ended.as_ref().ok_or(ProcessError::Unwatched)?;
        match shim::failure(&ended.raw_stderr, &self.birth.program) {
            Some(failure) => Err(failure),
            None => Ok(ended),
        }
    }

    /// Waits for its end and returns what it wrote. Everything that it started has ended too.
    pub async fn output(mut self) -> Result<Output, ProcessError> {
        let Ended { how, stdout, is_too_much, stderr, .. } = self.wait().await?.clone();
        match how {
            _ if is_too_much => Err(ProcessError::OutputTooLarge { max: self.birth.max_output }),
            How::Undead => Err(ProcessError::Undead { process: self.birth.id }),
            How::Lost => Err(ProcessError::Unwatched),
            How::Exited(_) | How::Signalled(_) => Ok(Output { how, stdout, stderr }),
        }
    }

    /// Asks it to end, ends it if it does not, and returns when nothing of it is left, or with
    /// [`How::Undead`] when it hangs in the kernel.
    pub async fn stop(mut self) -> Result<Ended, ProcessError> {
        self.orders.cancel();
        self.wait().await.cloned()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.orders.cancel();
    }
}
