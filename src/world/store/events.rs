//! The event log: numbered without gaps in the transaction that makes the events durable.
//!
//! Publishes nothing: whoever appends publishes what it gets back.

use std::collections::BTreeMap;

use sqlx::{FromRow, Row};

use super::error::StoreError;
use super::frames::{camera_name, timestamp};
use super::writer::{Tx, Write};
use super::{LIST_MAX, Store, count, number};
use crate::model::event::{Event, EventKind, NewEvent, Seq};
use crate::model::names::CameraName;

/// Events that may be appended at once.
const APPEND_MAX: u64 = 1_000;

/// Columns of an event, in the order of [`EventRow`]'s fields.
macro_rules! select_events {
    ($rest:literal) => {
        concat!(
            "SELECT seq, camera, captured_at, kind, severity, tags, unknown_flag, summary, \
             attributes, frame_id FROM events ",
            $rest
        )
    };
}

impl Store {
    /// Appends events, in order and all or none, and gives them their places.
    ///
    /// They have reached the disk when this returns. The frames that they show are from now on
    /// kept as long as events are. At most 1,000 at a time.
    pub async fn append_events(&self, events: Vec<NewEvent>) -> Result<Vec<Event>, StoreError> {
        let size = events.len() as u64;
        if size > APPEND_MAX {
            return Err(StoreError::TooLarge { what: "the batch", size, limit: APPEND_MAX });
        }
        if events.is_empty() {
            return Ok(Vec::new());
        }
        self.inner.writes.submit(AppendEvents(events)).await
    }

    /// Events after `seq`, oldest first; at most [`LIST_MAX`].
    pub async fn events_since(&self, seq: Seq, limit: u32) -> Result<Vec<Event>, StoreError> {
        let rows =
            sqlx::query_as::<_, EventRow>(select_events!("WHERE seq > ? ORDER BY seq LIMIT ?"))
                .bind(number(seq))
                .bind(limit.min(LIST_MAX))
                .fetch_all(&self.inner.reads)
                .await?;
        rows.into_iter().map(EventRow::event).collect()
    }

    /// The newest events, newest first, those before `before` where given; at most [`LIST_MAX`].
    pub async fn newest_events(
        &self,
        before: Option<Seq>,
        limit: u32,
    ) -> Result<Vec<Event>, StoreError> {
        let rows = sqlx::query_as::<_, EventRow>(select_events!(
            "WHERE seq < ? ORDER BY seq DESC LIMIT ?"
        ))
        .bind(before.map_or(i64::MAX, number))
        .bind(limit.min(LIST_MAX))
        .fetch_all(&self.inner.reads)
        .await?;
        rows.into_iter().map(EventRow::event).collect()
    }

    /// One event; [`StoreError::NotFound`] when it does not exist or was deleted.
    pub async fn event(&self, seq: Seq) -> Result<Event, StoreError> {
        sqlx::query_as::<_, EventRow>(select_events!("WHERE seq = ?"))
            .bind(number(seq))
            .fetch_optional(&self.inner.reads)
            .await?
            .ok_or_else(|| StoreError::NotFound(format!("event {seq}")))?
            .event()
    }

    /// Place of the newest event ever appended, 0 before the first.
    pub async fn last_seq(&self) -> Result<Seq, StoreError> {
        let row = sqlx::query(LAST_SEQ).fetch_one(&self.inner.reads).await?;
        Ok(count(row.try_get(0)?))
    }
}

const LAST_SEQ: &str = "SELECT event_seq FROM store WHERE id = 1";

/// Numbers events and writes them.
pub(super) struct AppendEvents(pub(super) Vec<NewEvent>);

impl Write for AppendEvents {
    type Out = Vec<Event>;
    const DURABLE: bool = true;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Vec<Event>, StoreError> {
        let mut seq: i64 = sqlx::query(LAST_SEQ).fetch_one(&mut *tx.conn).await?.try_get(0)?;
        let mut appended = Vec::with_capacity(self.0.len());
        for what in &self.0 {
            seq += 1;
            insert(tx, seq, what).await?;
            keep_frame(tx, what).await?;
            appended.push(Event { seq: count(seq), what: truncated(what)? });
        }
        let moved = sqlx::query("UPDATE store SET event_seq = ? WHERE id = 1").bind(seq);
        moved.execute(&mut *tx.conn).await?;
        tx.tally.events += number(self.0.len() as u64);
        Ok(appended)
    }
}

async fn insert(tx: &mut Tx<'_>, seq: i64, what: &NewEvent) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(seq)
        .bind(what.camera.as_ref().map(CameraName::as_str))
        .bind(what.captured_at.as_millisecond())
        .bind(what.kind.as_str())
        .bind(what.severity)
        .bind(json(&what.tags)?)
        .bind(i64::from(what.unknown_flag))
        .bind(&what.summary)
        .bind(json(&what.attributes)?)
        .bind(what.frame_id)
        .execute(&mut *tx.conn)
        .await?;
    Ok(())
}

/// A frame that an event shows lives as long as events do.
async fn keep_frame(tx: &mut Tx<'_>, what: &NewEvent) -> Result<(), StoreError> {
    let Some(frame) = what.frame_id else { return Ok(()) };
    let changed = sqlx::query(
        "UPDATE frames SET detected = 1 WHERE id = ? AND detected = 0 \
         RETURNING bytes + thumbnail_bytes",
    )
    .bind(frame)
    .fetch_optional(&mut *tx.conn)
    .await?;
    if let Some(row) = changed {
        tx.tally.no_event_frames -= 1;
        tx.tally.no_event_bytes -= row.try_get::<i64, _>(0)?;
    }
    Ok(())
}

/// The event as it will be read back: times have whole milliseconds.
fn truncated(what: &NewEvent) -> Result<NewEvent, StoreError> {
    let captured_at = timestamp(what.captured_at.as_millisecond(), "events")?;
    Ok(NewEvent { captured_at, ..what.clone() })
}

/// JSON text of a value of ours.
pub(super) fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Rejected(error.to_string()))
}

#[derive(FromRow)]
struct EventRow {
    seq: i64,
    camera: Option<String>,
    captured_at: i64,
    kind: String,
    severity: u8,
    tags: String,
    unknown_flag: i64,
    summary: String,
    attributes: String,
    frame_id: Option<i64>,
}

impl EventRow {
    fn event(self) -> Result<Event, StoreError> {
        let bad = |why: String| StoreError::bad_row("events", why);
        let kind = EventKind::parse(&self.kind);
        let attributes: BTreeMap<String, serde_json::Value> =
            serde_json::from_str(&self.attributes).map_err(|error| bad(error.to_string()))?;
        let what = NewEvent {
            camera: self.camera.map(|name| camera_name(&name, "events")).transpose()?,
            captured_at: timestamp(self.captured_at, "events")?,
            kind: kind.ok_or_else(|| bad(format!("the kind `{}`", self.kind)))?,
            severity: self.severity,
            tags: serde_json::from_str(&self.tags).map_err(|error| bad(error.to_string()))?,
            unknown_flag: self.unknown_flag != 0,
            summary: self.summary,
            attributes,
            frame_id: self.frame_id,
        };
        Ok(Event { seq: count(self.seq), what })
    }
}
