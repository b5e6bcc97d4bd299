//! Which sets of manifests were in force, and since when.
//!
//! Holds no manifest.

use jiff::Timestamp;
use sqlx::FromRow;

use super::error::StoreError;
use super::events::json;
use super::frames::timestamp;
use super::writer::{Tx, Write};
use super::{LIST_MAX, Store, count, number};

/// One applied set of manifests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigRevision {
    /// Counts applied sets, from 1.
    pub generation: u64,
    /// SHA-256 of the manifests, hexadecimal.
    pub digest: String,
    /// The git commit or the target of the symlink, where there is one.
    pub revision: Option<String>,
    /// When it came into force; kept in whole milliseconds.
    pub applied_at: Timestamp,
    /// How many objects of each kind, or whatever else sums it up.
    pub objects: serde_json::Value,
}

impl Store {
    /// Records an applied set; [`StoreError::Rejected`] when its generation is recorded already.
    pub async fn save_config(&self, revision: ConfigRevision) -> Result<(), StoreError> {
        self.inner.writes.submit(InsertConfig(revision)).await
    }

    /// Applied sets, newest first; at most [`LIST_MAX`]. The newest one is never deleted.
    pub async fn config_revisions(&self, limit: u32) -> Result<Vec<ConfigRevision>, StoreError> {
        let rows = sqlx::query_as::<_, ConfigRow>(
            "SELECT generation, digest, revision, applied_at, objects FROM config_revisions \
             ORDER BY generation DESC LIMIT ?",
        )
        .bind(limit.min(LIST_MAX))
        .fetch_all(&self.inner.reads)
        .await?;
        rows.into_iter().map(ConfigRow::revision).collect()
    }
}

struct InsertConfig(ConfigRevision);

impl Write for InsertConfig {
    type Out = ();
    const DURABLE: bool = true;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO config_revisions VALUES (?, ?, ?, ?, ?)")
            .bind(number(self.0.generation))
            .bind(&self.0.digest)
            .bind(&self.0.revision)
            .bind(self.0.applied_at.as_millisecond())
            .bind(json(&self.0.objects)?)
            .execute(&mut *tx.conn)
            .await?;
        tx.tally.config_revisions += 1;
        Ok(())
    }
}

#[derive(FromRow)]
struct ConfigRow {
    generation: i64,
    digest: String,
    revision: Option<String>,
    applied_at: i64,
    objects: String,
}

impl ConfigRow {
    fn revision(self) -> Result<ConfigRevision, StoreError> {
        Ok(ConfigRevision {
            generation: count(self.generation),
            digest: self.digest,
            revision: self.revision,
            applied_at: timestamp(self.applied_at, "config_revisions")?,
            objects: serde_json::from_str(&self.objects)
                .map_err(|error| StoreError::bad_row("config_revisions", error))?,
        })
    }
}
