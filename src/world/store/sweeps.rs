//! Records of sweeps.
//!
//! The results of one sweep are one JSON text: they are only ever read together, and a row for
//! each camera of each sweep would outgrow everything else in the database.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::error::StoreError;
use super::events::json;
use super::frames::{backend, timestamp};
use super::writer::{Tx, Write};
use super::{LIST_MAX, Store};
use crate::model::desired::Backend;
use crate::model::failure::Failure;
use crate::model::frame::{FrameId, SweepId, SweepOutcome, SweepRecord, SweepResult, SweepState};
use crate::model::names::{CameraName, SubnetName};

/// Columns of a sweep, in the order of [`SweepRow`]'s fields.
macro_rules! select_sweeps {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.subnet, s.started_at, s.ended_at, s.state, s.clean, s.results FROM ",
            $rest
        )
    };
}

impl Store {
    /// Records that the sweep with this number started.
    ///
    /// The caller counts, from [`Store::last_sweep_id`], so that a sweep need not wait for its
    /// record.
    pub async fn start_sweep(
        &self,
        id: SweepId,
        subnet: &SubnetName,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.inner.writes.submit(StartSweep { id, subnet: subnet.clone(), at }).await
    }

    /// The highest number of a recorded sweep, 0 when there is none.
    pub async fn last_sweep_id(&self) -> Result<SweepId, StoreError> {
        let id = sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) FROM sweeps")
            .fetch_one(&self.inner.reads)
            .await?;
        Ok(id)
    }

    /// Records what became of a sweep.
    pub async fn finish_sweep(&self, record: &SweepRecord) -> Result<(), StoreError> {
        self.inner.writes.submit(FinishSweep::of(record)?).await
    }

    /// Ends the records of sweeps that a run before this one left behind; says how many.
    pub async fn abort_running(&self, at: Timestamp) -> Result<u64, StoreError> {
        self.inner.writes.submit(AbortRunning(at)).await
    }

    /// Sweeps of one subnet or of all, newest first, those before `before` where given; at most
    /// [`LIST_MAX`].
    pub async fn sweeps(
        &self,
        subnet: Option<&SubnetName>,
        before: Option<SweepId>,
        limit: u32,
    ) -> Result<Vec<SweepRecord>, StoreError> {
        let query = match subnet {
            Some(subnet) => sqlx::query_as::<_, SweepRow>(select_sweeps!(
                "sweeps s WHERE s.subnet = ? AND s.id < ? ORDER BY s.id DESC LIMIT ?"
            ))
            .bind(subnet.as_str().to_owned()),
            None => sqlx::query_as::<_, SweepRow>(select_sweeps!(
                "sweeps s WHERE s.id < ? ORDER BY s.id DESC LIMIT ?"
            )),
        };
        let query = query.bind(before.unwrap_or(i64::MAX)).bind(limit.min(LIST_MAX));
        let rows = query.fetch_all(&self.inner.reads).await?;
        rows.into_iter().map(SweepRow::record).collect()
    }

    /// The newest sweep of every subnet that has one, in order of the subnets' names.
    pub async fn last_sweeps(&self) -> Result<Vec<SweepRecord>, StoreError> {
        // Hops from name to name on the index: grouping would read all of it.
        let rows = sqlx::query_as::<_, SweepRow>(concat!(
            "WITH RECURSIVE subnets(name) AS (SELECT MIN(subnet) FROM sweeps UNION ALL \
             SELECT (SELECT MIN(subnet) FROM sweeps WHERE subnet > name) FROM subnets \
             WHERE name IS NOT NULL) ",
            select_sweeps!(
                "subnets JOIN sweeps s \
                 ON s.id = (SELECT MAX(id) FROM sweeps WHERE subnet = subnets.name) \
                 ORDER BY s.subnet"
            )
        ))
        .fetch_all(&self.inner.reads)
        .await?;
        rows.into_iter().map(SweepRow::record).collect()
    }
}

struct StartSweep {
    id: SweepId,
    subnet: SubnetName,
    at: Timestamp,
}

impl Write for StartSweep {
    type Out = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        tx.tally.sweeps += 1;
        sqlx::query(
            "INSERT INTO sweeps (id, subnet, started_at, state, results) \
             VALUES (?, ?, ?, 'running', '[]')",
        )
        .bind(self.id)
        .bind(self.subnet.as_str())
        .bind(self.at.as_millisecond())
        .execute(&mut *tx.conn)
        .await?;
        Ok(())
    }
}

struct FinishSweep {
    id: SweepId,
    ended_at: Option<Timestamp>,
    state: SweepState,
    clean: Option<bool>,
    results: String,
}

impl FinishSweep {
    fn of(record: &SweepRecord) -> Result<Self, StoreError> {
        let results: Vec<_> = record.results.iter().map(StoredResult::of).collect();
        Ok(Self {
            id: record.id,
            ended_at: record.ended_at,
            state: record.state,
            clean: record.clean,
            results: json(&results)?,
        })
    }
}

impl Write for FinishSweep {
    type Out = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let done = sqlx::query(
            "UPDATE sweeps SET ended_at = ?, state = ?, clean = ?, results = ? WHERE id = ?",
        )
        .bind(self.ended_at.map(Timestamp::as_millisecond))
        .bind(self.state.as_str())
        .bind(self.clean.map(i64::from))
        .bind(&self.results)
        .bind(self.id)
        .execute(&mut *tx.conn)
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound(format!("sweep {}", self.id)));
        }
        Ok(())
    }
}

struct AbortRunning(Timestamp);

impl Write for AbortRunning {
    type Out = u64;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "UPDATE sweeps SET state = 'aborted', ended_at = ? WHERE state = 'running'",
        )
        .bind(self.0.as_millisecond())
        .execute(&mut *tx.conn)
        .await?;
        Ok(done.rows_affected())
    }
}

#[derive(FromRow)]
struct SweepRow {
    id: i64,
    subnet: String,
    started_at: i64,
    ended_at: Option<i64>,
    state: String,
    clean: Option<i64>,
    results: String,
}

impl SweepRow {
    fn record(self) -> Result<SweepRecord, StoreError> {
        let bad = |why: String| StoreError::bad_row("sweeps", why);
        let states = [SweepState::Running, SweepState::Done, SweepState::Aborted];
        let state = states.into_iter().find(|state| state.as_str() == self.state);
        let results: Vec<StoredResult> =
            serde_json::from_str(&self.results).map_err(|error| bad(error.to_string()))?;
        Ok(SweepRecord {
            id: self.id,
            subnet: SubnetName::parse(&self.subnet).map_err(|error| bad(error.to_string()))?,
            started_at: timestamp(self.started_at, "sweeps")?,
            ended_at: self.ended_at.map(|at| timestamp(at, "sweeps")).transpose()?,
            state: state.ok_or_else(|| bad(format!("the state `{}`", self.state)))?,
            clean: self.clean.map(|clean| clean != 0),
            results: results.into_iter().map(StoredResult::result).collect::<Result<_, _>>()?,
        })
    }
}

/// A camera's result as it is kept: short names, as there is one for each camera and sweep.
#[derive(Serialize, Deserialize)]
struct StoredResult {
    /// Camera.
    c: CameraName,
    /// Backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    b: Option<String>,
    /// Milliseconds.
    ms: u64,
    /// Frame, where one was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    f: Option<FrameId>,
    /// Failure, where every way failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e: Option<Failure>,
    /// Reason and sentence, where it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    s: Option<(String, String)>,
}

impl StoredResult {
    fn of(result: &SweepResult) -> Self {
        let (f, e, s) = match &result.outcome {
            SweepOutcome::Ok(frame) => (Some(*frame), None, None),
            SweepOutcome::Failed(failure) => (None, Some(failure.clone()), None),
            SweepOutcome::Skipped { reason, message } => {
                (None, None, Some(((*reason).to_owned(), message.clone())))
            }
        };
        let b = result.backend.map(|backend| Backend::as_str(backend).to_owned());
        Self { c: result.camera.clone(), b, ms: result.duration_ms, f, e, s }
    }

    fn result(self) -> Result<SweepResult, StoreError> {
        let outcome = match (self.f, self.e, self.s) {
            (Some(frame), _, _) => SweepOutcome::Ok(frame),
            (None, Some(failure), _) => SweepOutcome::Failed(failure),
            (None, None, Some((reason, message))) => {
                SweepOutcome::Skipped { reason: interned(&reason), message }
            }
            (None, None, None) => {
                return Err(StoreError::bad_row("sweeps", "a result without an outcome"));
            }
        };
        Ok(SweepResult {
            camera: self.c,
            outcome,
            backend: self.b.map(|word| backend(&word, "sweeps")).transpose()?,
            duration_ms: self.ms,
        })
    }
}

/// More different reasons than any program has.
const REASONS_MAX: usize = 64;

/// The one copy of a reason, which lives as long as the program.
///
/// Reasons are literals of this program or an older one, so there are few; beyond
/// [`REASONS_MAX`], which only a tampered database reaches, they all read `Skipped`.
fn interned(reason: &str) -> &'static str {
    static REASONS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut reasons = REASONS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = reasons.get(reason) {
        return known;
    }
    if reasons.len() >= REASONS_MAX || reason.len() > REASONS_MAX {
        return "Skipped";
    }
    let kept: &'static str = Box::leak(reason.to_owned().into_boxed_str());
    reasons.insert(kept);
    kept
}
