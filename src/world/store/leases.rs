//! Leases of live views: enough to go on after a restart, and to say who watched when.
//!
//! Times are those of the wall clock. Holds no key: a lease's name does not lead back to it.

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::FromRow;

use super::Store;
use super::error::StoreError;
use super::events::json;
use super::frames::timestamp;
use super::writer::{Tx, Write};
use crate::model::lease::{EndReason, LeaseId, Quality, ViewKind};
use crate::model::names::CameraName;

/// Leases that are read at a start, at most.
const RECENT_MAX: u32 = 2000;

/// One lease as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLease {
    /// Its name.
    pub id: LeaseId,
    /// What for.
    pub kind: ViewKind,
    /// Who watches.
    pub user: Arc<str>,
    /// What.
    pub camera: CameraName,
    /// Which stream.
    pub quality: Quality,
    /// What the browser can decode.
    pub codecs: Vec<Arc<str>>,
    /// When it was granted.
    pub created: Timestamp,
    /// When it ends, or was to end.
    pub expires: Timestamp,
    /// The last sign of life.
    pub heartbeat: Timestamp,
    /// When and why it ended.
    pub ended: Option<(Timestamp, EndReason)>,
}

impl Store {
    /// Writes leases down as they are now; one that is known already is brought up to date.
    pub async fn save_leases(&self, leases: Vec<StoredLease>) -> Result<(), StoreError> {
        if leases.is_empty() {
            return Ok(());
        }
        self.inner.writes.submit(SaveLeases(leases)).await
    }

    /// Leases that have not ended, and those that ended after `since`; the newest first.
    pub async fn recent_leases(&self, since: Timestamp) -> Result<Vec<StoredLease>, StoreError> {
        let rows = sqlx::query_as::<_, LeaseRow>(
            "SELECT id, kind, user_name, camera, quality, codecs, created_at, expires_at, \
             heartbeat_at, ended_at, reason FROM modal_leases \
             WHERE ended_at IS NULL OR ended_at > ? ORDER BY created_at DESC LIMIT ?",
        )
        .bind(since.as_millisecond())
        .bind(RECENT_MAX)
        .fetch_all(&self.inner.reads)
        .await?;
        rows.into_iter().map(LeaseRow::lease).collect()
    }
}

struct SaveLeases(Vec<StoredLease>);

impl Write for SaveLeases {
    type Out = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        for lease in &self.0 {
            sqlx::query(
                "REPLACE INTO modal_leases (id, kind, user_name, camera, quality, \
                 codecs, created_at, expires_at, heartbeat_at, ended_at, reason) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(&*lease.id.0)
            .bind(lease.kind.as_str())
            .bind(&*lease.user)
            .bind(lease.camera.as_str())
            .bind(lease.quality.as_str())
            .bind(json(&lease.codecs)?)
            .bind(lease.created.as_millisecond())
            .bind(lease.expires.as_millisecond())
            .bind(lease.heartbeat.as_millisecond())
            .bind(lease.ended.map(|(at, _)| at.as_millisecond()))
            .bind(lease.ended.map(|(_, reason)| reason.as_str()))
            .execute(&mut *tx.conn)
            .await?;
        }
        Ok(())
    }
}

#[derive(FromRow)]
struct LeaseRow {
    id: String,
    kind: String,
    user_name: String,
    camera: String,
    quality: String,
    codecs: String,
    created_at: i64,
    expires_at: i64,
    heartbeat_at: i64,
    ended_at: Option<i64>,
    reason: Option<String>,
}

impl LeaseRow {
    fn lease(self) -> Result<StoredLease, StoreError> {
        const TABLE: &str = "modal_leases";
        let unknown = |what: &str| StoreError::bad_row(TABLE, format!("unknown {what}"));
        let kind =
            [ViewKind::Modal, ViewKind::Suggest].into_iter().find(|k| k.as_str() == self.kind);
        let quality =
            [Quality::Sub, Quality::Main].into_iter().find(|q| q.as_str() == self.quality);
        let reason = self.reason.as_deref().map(|word| {
            let known = EndReason::ALL.into_iter().find(|reason| reason.as_str() == word);
            known.ok_or_else(|| unknown("reason"))
        });
        let ended = match (self.ended_at, reason.transpose()?) {
            (Some(at), Some(reason)) => Some((timestamp(at, TABLE)?, reason)),
            (None, _) => None,
            (Some(_), None) => return Err(unknown("reason")),
        };
        Ok(StoredLease {
            id: LeaseId(self.id.into()),
            kind: kind.ok_or_else(|| unknown("kind"))?,
            user: self.user_name.into(),
            camera: CameraName::parse(&self.camera)
                .map_err(|error| StoreError::bad_row(TABLE, error))?,
            quality: quality.ok_or_else(|| unknown("quality"))?,
            codecs: serde_json::from_str(&self.codecs)
                .map_err(|error| StoreError::bad_row(TABLE, error))?,
            created: timestamp(self.created_at, TABLE)?,
            expires: timestamp(self.expires_at, TABLE)?,
            heartbeat: timestamp(self.heartbeat_at, TABLE)?,
            ended,
        })
    }
}
