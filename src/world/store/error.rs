//! What can go wrong in the store, by what the caller can do about it.
//!
//! Retries nothing and logs nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::migrate::MigrateError;

/// Why the store did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or does not answer.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// The disk, or a quota on it, is full.
    #[error("no space left for {0}: free some, or lower `maxBytes` of the `Retention`")]
    Full(String),
    /// Another program holds the database for longer than this one waits.
    #[error("the database is locked by another program: {0}")]
    Busy(String),
    /// The file is no database of this program, or damaged.
    #[error("{place} is damaged or not of this program ({why}): {remedy}")]
    Corrupt {
        /// The file.
        place: String,
        /// What was seen.
        why: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The database was written by a newer program.
    #[error(
        "the database has schema version {found}, this program knows versions up to {known}: \
         start the newer program again, or restore a backup from before the update"
    )]
    SchemaNewer {
        /// Version in the database.
        found: i64,
        /// Newest version that this program knows.
        known: i64,
    },
    /// A `store.url` that this build cannot open.
    #[error("this build cannot open a `{scheme}` store: write `sqlite://FILE` as `store.url`")]
    UnsupportedUrl {
        /// What stands before the `://`; the rest may hold a password.
        scheme: String,
    },
    /// Another process works in the data directory.
    #[error(
        "the data directory {path} is in use by {owner}: \
         stop that one, or give this one a `dataDir` of its own"
    )]
    Locked {
        /// The data directory.
        path: PathBuf,
        /// `process PID`, as far as it can be known.
        owner: String,
    },
    /// There is no such row or file (any more).
    #[error("{0} is not there (any more)")]
    NotFound(String),
    /// Larger than the store takes.
    #[error("{what} is too large: {size}, at most {limit}")]
    TooLarge {
        /// What was to be stored.
        what: &'static str,
        /// How large it is.
        size: u64,
        /// How large it may be.
        limit: u64,
    },
    /// The database refuses this one request; others may work.
    #[error("the database refuses the request: {0}")]
    Rejected(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// A file or directory cannot be used.
    #[error("cannot use {path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
}

impl StoreError {
    /// A CamelCase word for conditions and metric labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "Unavailable",
            Self::Full(_) => "Full",
            Self::Busy(_) => "Busy",
            Self::Corrupt { .. } => "Corrupt",
            Self::SchemaNewer { .. } => "SchemaNewer",
            Self::UnsupportedUrl { .. } => "UnsupportedUrl",
            Self::Locked { .. } => "Locked",
            Self::NotFound(_) => "NotFound",
            Self::TooLarge { .. } => "TooLarge",
            Self::Rejected(_) => "Rejected",
            Self::Closed => "Closed",
            Self::Io { .. } => "Io",
        }
    }

    /// Whether any other write would fail in the same way now.
    pub(super) fn is_storewide(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_)
                | Self::Full(_)
                | Self::Busy(_)
                | Self::Corrupt { .. }
                | Self::Closed
                | Self::Io { .. }
        )
    }

    /// A failure on a file or directory.
    pub(super) fn io(path: &Path, error: io::Error) -> Self {
        #[expect(clippy::wildcard_enum_match_arm, reason = "foreign enum that may grow")]
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full(path.display().to_string())
            }
            io::ErrorKind::NotFound => Self::NotFound(path.display().to_string()),
            _ => Self::Io { path: path.to_owned(), source: Arc::new(error) },
        }
    }

    /// A row that holds what this program never writes.
    pub(super) fn bad_row(table: &str, why: impl std::fmt::Display) -> Self {
        Self::Corrupt {
            place: format!("a row of the table `{table}`"),
            why: why.to_string(),
            remedy: "restore a backup, or remove that row",
        }
    }

    fn bad_database(why: &str) -> Self {
        Self::Corrupt {
            place: "the database".to_owned(),
            why: why.to_owned(),
            remedy: "restore a backup, or move the file away and start with an empty one \
                     (stored pictures are left alone then)",
        }
    }

    /// The same error with the name of the file that it is about.
    pub(super) fn in_file(self, path: &Path) -> Self {
        let place = path.display();
        match self {
            Self::Corrupt { why, remedy, .. } => {
                Self::Corrupt { place: place.to_string(), why, remedy }
            }
            Self::Unavailable(why) => Self::Unavailable(format!("{place}: {why}")),
            Self::Busy(why) => Self::Busy(format!("{place}: {why}")),
            Self::Full(_) => Self::Full(place.to_string()),
            other @ (Self::SchemaNewer { .. }
            | Self::UnsupportedUrl { .. }
            | Self::Locked { .. }
            | Self::NotFound(_)
            | Self::TooLarge { .. }
            | Self::Rejected(_)
            | Self::Closed
            | Self::Io { .. }) => other,
        }
    }

    /// A failure while migrations were applied; `known` is the newest one of this program.
    pub(super) fn migration(error: MigrateError, found: i64, known: i64) -> Self {
        if found > known {
            return Self::SchemaNewer { found, known };
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "foreign enum that may grow")]
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            other => Self::bad_database(&other.to_string()),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        #[expect(clippy::wildcard_enum_match_arm, reason = "foreign enum that may grow")]
        match error {
            sqlx::Error::Database(error) => by_code(error.as_ref()),
            sqlx::Error::RowNotFound => Self::NotFound("the row".to_owned()),
            sqlx::Error::PoolTimedOut => {
                Self::Busy("every connection for reading was in use".to_owned())
            }
            sqlx::Error::PoolClosed => Self::Closed,
            error @ (sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::TypeNotFound { .. }) => Self::bad_database(&error.to_string()),
            error => Self::Unavailable(error.to_string()),
        }
    }
}

// https://www.sqlite.org/rescode.html; the low byte is the primary code.
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const IOERR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const NOTADB: i32 = 26;
const READONLY: i32 = 8;
const NOMEM: i32 = 7;
/// The shared-memory file could not be made larger: the disk is full.
const IOERR_SHMSIZE: i32 = IOERR | (19 << 8);

fn by_code(error: &dyn sqlx::error::DatabaseError) -> StoreError {
    let code = error.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(0);
    let text = error.message().to_owned();
    if code == IOERR_SHMSIZE {
        return StoreError::Full("the database".to_owned());
    }
    match code & 0xff {
        FULL => StoreError::Full("the database".to_owned()),
        BUSY | LOCKED => StoreError::Busy(text),
        CORRUPT | NOTADB => StoreError::bad_database(&text),
        IOERR | CANTOPEN | READONLY | NOMEM => StoreError::Unavailable(text),
        _ => StoreError::Rejected(text),
    }
}
