//! Opens the `SQLite` file: where it is, how it is set up, which schema it has.
//!
//! Reads and writes no table but `store` and the list of migrations.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Row};

use super::data_dir::{new_file, random_id};
use super::error::StoreError;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// How long to wait for another program (a backup, `sqlite3`) that holds the database.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// Readers at once; each is a thread with a cache of 2 MB.
const READERS: u32 = 3;
/// How long a reader waits for one of them.
const READER_WAIT: Duration = Duration::from_secs(5);
/// The write-ahead log is cut back to this after it grew beyond.
const WAL_BYTES: &str = "67108864";

/// An open database.
pub(super) struct Opened {
    pub(super) path: PathBuf,
    pub(super) options: SqliteConnectOptions,
    pub(super) writer: SqliteConnection,
    pub(super) reads: SqlitePool,
    pub(super) identity: Identity,
}

/// What a database says about itself.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// Random, given when the database was made.
    pub(super) store_id: String,
    /// Highest frame number that it ever gave.
    pub(super) last_frame: i64,
}

/// Opens the database, makes it where it is missing, applies migrations.
pub(super) async fn open(data_dir: &Path, url: &str) -> Result<Opened, StoreError> {
    let path = file_of(data_dir, url)?;
    create_private(&path)?;
    let options = options(&path);
    let opened = connect(&path, options).await;
    opened.map_err(|error| error.in_file(&path))
}

async fn connect(path: &Path, options: SqliteConnectOptions) -> Result<Opened, StoreError> {
    let mut writer = options.connect().await?;
    migrate(&mut writer).await?;
    let identity = identity(&mut writer).await?;
    let reads = SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(READER_WAIT)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options.clone().pragma("query_only", "ON"))
        .await?;
    Ok(Opened { path: path.to_owned(), options, writer, reads, identity })
}

fn file_of(data_dir: &Path, url: &str) -> Result<PathBuf, StoreError> {
    let unsupported = |scheme: &str| StoreError::UnsupportedUrl { scheme: scheme.to_owned() };
    let (scheme, file) = url.split_once("://").ok_or_else(|| unsupported(""))?;
    if scheme != "sqlite" || file.is_empty() || file.contains(['?', '#']) {
        return Err(unsupported(scheme));
    }
    Ok(data_dir.join(file))
}

/// `SQLite` would make the file readable for everybody; it gives -wal and -shm the file's mode.
fn create_private(path: &Path) -> Result<(), StoreError> {
    match new_file().open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::io(path, error)),
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY_WAIT)
        .foreign_keys(true)
        .pragma("journal_size_limit", WAL_BYTES)
        .disable_statement_logging()
}

async fn migrate(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let Err(error) = MIGRATIONS.run(&mut *conn).await else { return Ok(()) };
    let found = sqlx::query("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(conn).await;
    // Where even that cannot be read, the first failure says why.
    let found = found.and_then(|row| row.try_get::<Option<i64>, _>(0)).ok().flatten().unwrap_or(0);
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    Err(StoreError::migration(error, found, known))
}

async fn identity(conn: &mut SqliteConnection) -> Result<Identity, StoreError> {
    sqlx::query("UPDATE store SET store_id = ? WHERE store_id = ''")
        .bind(random_id())
        .execute(&mut *conn)
        .await?;
    let row = sqlx::query("SELECT store_id FROM store WHERE id = 1").fetch_one(&mut *conn).await?;
    let last_frame = last_frame(conn).await?;
    Ok(Identity { store_id: row.try_get(0)?, last_frame })
}

/// Highest frame number that was ever given, also when that frame is gone.
pub(super) async fn last_frame(conn: &mut SqliteConnection) -> Result<i64, StoreError> {
    let given = sqlx::query("SELECT seq FROM sqlite_sequence WHERE name = 'frames'");
    let given = given.fetch_optional(conn).await?;
    Ok(given.map(|row| row.try_get(0)).transpose()?.unwrap_or(0))
}
