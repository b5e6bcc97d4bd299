//! Sends the log to standard error, without any secret in it.

use std::io::{self, IsTerminal as _, Write};
use std::str::FromStr as _;

use tokio::sync::watch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::model::secret::Redactor;

/// What is logged unless told otherwise.
const FILTER_DEFAULT: &str = "info";

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why the log could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be understood.
    #[error("the log filter {0:?} cannot be understood, try `info` or `camserver=debug`")]
    Filter(String, #[source] tracing_subscriber::filter::ParseError),
    /// Something else logs already.
    #[error("the log could not be started: {0}")]
    Start(Box<dyn std::error::Error + Send + Sync>),
}

/// Starts the log. Each line loses the secrets that `secrets` holds at that moment.
pub fn start(
    format: LogFormat,
    filter: Option<&str>,
    secrets: watch::Receiver<Redactor>,
) -> Result<(), LogError> {
    let text = filter.unwrap_or(FILTER_DEFAULT);
    let filter =
        EnvFilter::from_str(text).map_err(|error| LogError::Filter(text.to_owned(), error))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(Redacting { secrets });
    let started = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    started.map_err(LogError::Start)
}

/// Makes a writer for each line.
struct Redacting {
    secrets: watch::Receiver<Redactor>,
}

impl<'a> MakeWriter<'a> for Redacting {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { secrets: self.secrets.borrow().clone(), text: Vec::new() }
    }
}

/// One line, held back until it is whole: a secret must not be cut in two by a write.
struct Line {
    secrets: Redactor,
    text: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let text = std::mem::take(&mut self.text);
        if text.is_empty() {
            return Ok(());
        }
        io::stderr().write_all(self.secrets.redact(&String::from_utf8_lossy(&text)).as_bytes())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Nobody is left to be told that standard error is closed.
        self.flush().ok();
    }
}
