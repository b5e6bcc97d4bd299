//! Starts gateways as children of this server: marked, bounded, ended with it.
//!
//! Their environment and arguments hold no secret, and their number counts among that of all
//! children.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use rustix::process::Signal;
use tokio::io::AsyncRead;
use tokio::sync::watch;

use crate::chain::Chain;
use crate::metrics::Metrics;
use crate::model::gateway::RunEnd;
use crate::model::names::SubnetName;
use crate::model::process::Unit;
use crate::model::secret::Redactor;
use crate::world::gateway::instance::{Ended, Launch, Running};
use crate::world::process::{Child, ChildSpec, How, Limits, ProcessError, Spawner, StdoutSink};

/// Address space of one gateway. An idle go2rtc 1.9.14 maps 1.7 GiB, most of it never touched: the
/// Go runtime reserves ahead.
const MEMORY_BYTES: u64 = 6 * 1024 * 1024 * 1024;
/// What Go's garbage collector keeps it below, where it can (`GOMEMLIMIT`).
const MEMORY_WISH: &str = "1GiB";
/// File descriptors of one gateway: two for each watched stream, one for each viewer and capture.
const OPEN_FILES: u64 = 4096;

/// Starts gateways through the one starter of children.
#[derive(Debug)]
pub struct Launcher {
    spawner: Spawner,
    metrics: Arc<Metrics>,
    secrets: watch::Receiver<Redactor>,
}

impl Launcher {
    /// `secrets` are replaced in what a gateway complains about at its end.
    pub fn new(
        spawner: Spawner,
        metrics: Arc<Metrics>,
        secrets: watch::Receiver<Redactor>,
    ) -> Self {
        Self { spawner, metrics, secrets }
    }
}

impl Launch for Launcher {
    fn launch<'a>(
        &'a self,
        subnet: &'a SubnetName,
        program: &'a Path,
        arguments: Vec<OsString>,
    ) -> BoxFuture<'a, io::Result<Box<dyn Running>>> {
        let unit = Unit::Gateway(subnet.clone());
        let kind = unit.kind();
        let spec = ChildSpec {
            args: arguments,
            environment: vec![("GOMEMLIMIT".into(), MEMORY_WISH.into())],
            stdout: StdoutSink::Stream,
            // It runs for weeks, so its time on the processor has no bound.
            limits: Limits {
                cpu_seconds: None,
                memory_bytes: Some(MEMORY_BYTES),
                open_files: Some(OPEN_FILES),
            },
            redactor: self.secrets.borrow().clone(),
            ..ChildSpec::new(program, unit)
        };
        async move {
            let started = self.spawner.spawn(spec).await;
            self.metrics.child_started(kind, started.is_ok());
            match started {
                Ok(child) => Ok(Box::new(Started(child)) as Box<dyn Running>),
                Err(error) => Err(io::Error::other(error)),
            }
        }
        .boxed()
    }
}

#[derive(Debug)]
struct Started(Child);

impl Running for Started {
    fn pid(&self) -> u32 {
        self.0.id().pid
    }

    fn output(&mut self) -> Option<Box<dyn AsyncRead + Send + Unpin>> {
        match self.0.take_stdout()? {
            Ok(output) => Some(Box::new(output)),
            Err(error) => {
                tracing::warn!(%error, "the log of a gateway cannot be read");
                None
            }
        }
    }

    fn ended(&mut self) -> BoxFuture<'_, Ended> {
        async {
            match self.0.wait().await {
                Ok(ended) => Ended { how: text(ended.how, &ended.stderr), end: by_whom(ended.how) },
                Err(error) => {
                    let never_ran = matches!(
                        error,
                        ProcessError::ProgramMissing { .. } | ProcessError::ProgramUnusable { .. }
                    );
                    let end = if never_ran { RunEnd::NeverRan } else { RunEnd::ByItself };
                    Ended { how: Chain(&error).to_string(), end }
                }
            }
        }
        .boxed()
    }

    fn stop(self: Box<Self>) -> BoxFuture<'static, ()> {
        async move {
            if let Err(error) = self.0.stop().await {
                tracing::debug!(error = %Chain(&error), "a gateway was ended");
            }
        }
        .boxed()
    }
}

/// Whether somebody else ended it.
fn by_whom(how: How) -> RunEnd {
    let outside = [Signal::KILL, Signal::TERM, Signal::INT, Signal::HUP].map(Signal::as_raw);
    match how {
        How::Exited(0) => RunEnd::Left,
        How::Signalled(signal) if outside.contains(&signal) => RunEnd::Killed,
        How::Exited(_) | How::Signalled(_) | How::Lost | How::Undead => RunEnd::ByItself,
    }
}

/// How it ended, with the first line of its complaint: a Go program's panic begins so.
fn text(how: How, complaint: &str) -> String {
    let how = match how {
        How::Exited(code) => format!("it exited with code {code}"),
        How::Signalled(signal) => format!("it was ended by signal {signal}"),
        How::Lost => "it has ended".to_owned(),
        How::Undead => "it hangs in the kernel".to_owned(),
    };
    match complaint.lines().next() {
        Some(line) if !line.is_empty() => format!("{how}: {line}"),
        Some(_) | None => how,
    }
}
