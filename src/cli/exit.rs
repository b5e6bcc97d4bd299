//! How the program ends, and what it says when something went wrong.

use std::error::Error;
use std::io;

/// An error of the parts that are handed in.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Exit codes; `--help` documents them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok,
    /// Problems were found, or the server refused.
    Problems,
    /// Wrong usage, or no valid manifests to start with.
    Usage,
    /// The server cannot be reached.
    Unreachable,
    /// No such object.
    NotFound,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Problems => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::NotFound => 4,
        }
    }
}

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The URL of the server is none.
    #[error("--server {url:?} is no http(s) URL; try http://127.0.0.1:8080")]
    ServerUrl {
        /// As given.
        url: String,
    },
    /// The program could not even begin to ask.
    #[error("the HTTP client could not be set up")]
    Client(#[source] reqwest::Error),
    /// Nobody answers.
    #[error(
        "no answer from {url}; is the server running? start it with `camserver run -f DIR`, or \
         name another one with --server or CAMSERVER_URL"
    )]
    Unreachable {
        /// What was asked.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The server has no such object.
    #[error("{detail} ({code} from {url})")]
    NotFound {
        /// What was asked.
        url: String,
        /// The server's code.
        code: String,
        /// The server's sentence.
        detail: String,
    },
    /// The server refused.
    #[error("{detail} ({code} from {url})")]
    Refused {
        /// What was asked.
        url: String,
        /// The server's code, or the HTTP status.
        code: String,
        /// The server's sentence.
        detail: String,
    },
    /// What answers is no camserver, or another version.
    #[error("{url} gave an answer that is not camserver's; is it another program or version?")]
    BadAnswer {
        /// What was asked.
        url: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The output could not be written.
    #[error("the output could not be written")]
    Output(#[from] io::Error),
    /// The output could not be put into YAML.
    #[error("the answer cannot be written as YAML: {0}")]
    Yaml(String),
    /// A local command failed.
    #[error(transparent)]
    Local(BoxError),
}

impl CliError {
    /// How the program ends.
    pub fn exit(&self) -> Exit {
        match self {
            Self::ServerUrl { .. } => Exit::Usage,
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::NotFound { .. } => Exit::NotFound,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
            Self::Client(_)
            | Self::Refused { .. }
            | Self::BadAnswer { .. }
            | Self::Output(_)
            | Self::Yaml(_)
            | Self::Local(_) => Exit::Problems,
        }
    }
}

/// An error and all its causes on one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
