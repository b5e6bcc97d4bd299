//! Makes rows and files agree again after a crash, a lost file or a power failure.
//!
//! Goes through them hour by hour, so that memory and single steps stay small, and only then
//! removes: what it found says whether removing is safe. Never removes files that it did not
//! name, and never much where database and pictures may not belong together (see `pairing`).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::FromRow;

use super::error::StoreError;
use super::listing::{self, HOUR_MS, Listed};
use super::pairing::{self, Pairing};
use super::pictures::hour_dir;
use super::retention::DeleteRows;
use super::sqlite::{Identity, last_frame};
use super::writer::{Tx, Write};
use super::{Store, count, on_disk};

/// A file younger than this may belong to a capture that is going on; a repair leaves it alone.
pub const REPAIR_GRACE: Duration = Duration::from_mins(1);
/// Rows, and files, that one repair removes at most; the next one goes on.
const REMOVE_MAX: usize = 10_000;
/// Rows in one transaction.
const STEP: usize = 500;
/// Removing up to this many is never held back.
const ALWAYS: u64 = 100;
/// More than a crash can leave behind while the other side is empty.
const BESIDE_NOTHING: u64 = 1_000;

/// What a repair did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Rows removed because their picture is gone or not whole.
    pub rows_without_file: u64,
    /// Files removed because no row names them: pictures, thumbnails, temporary files.
    pub files_without_row: u64,
    /// There is more to remove than one repair takes: repair again.
    pub more: bool,
    /// Why nothing was removed although something was found, or not even looked for.
    pub refused: Option<String>,
}

#[derive(Default)]
struct Findings {
    rows: u64,
    pictures: u64,
    lost: u64,
    strays: u64,
    lost_rows: Vec<(i64, String)>,
    stray_files: Vec<String>,
}

impl Store {
    /// Compares rows and files captured since `from` (`None`: all) and removes what stands alone.
    ///
    /// A crash leaves only recent files behind, so a start may look at the last days and leave
    /// the rest to a daily pass.
    pub async fn repair(
        &self,
        from: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Repaired, StoreError> {
        let before = self.look_at_pairing().await?;
        if let Pairing::Mismatched(why) = before {
            return Ok(Repaired { refused: Some(why), ..Repaired::default() });
        }
        let found = self.scan(from, now).await?;
        // The disk may have gone away meanwhile: then every file looked lost.
        let after = self.look_at_pairing().await?;
        let matched = before == Pairing::Matched && after == Pairing::Matched;
        if let Some(why) = found.too_much(matched, from.is_none()) {
            let remedy = pairing::remedy(self.inner.pictures.root(), &self.inner.store_id);
            return Ok(Repaired {
                refused: Some(format!("{why}. {remedy}")),
                ..Repaired::default()
            });
        }
        let repaired = self.remove(found).await?;
        if matched || from.is_none() {
            self.note_pairing().await?;
        }
        Ok(repaired)
    }

    async fn look_at_pairing(&self) -> Result<Pairing, StoreError> {
        let mut conn = self.inner.reads.acquire().await?;
        let last_frame = last_frame(&mut conn).await?;
        drop(conn);
        let identity = Identity { store_id: self.inner.store_id.clone(), last_frame };
        let pairing = pairing::look(self.inner.pictures.root(), &identity).await?;
        self.set_pairing(pairing.clone());
        Ok(pairing)
    }

    async fn note_pairing(&self) -> Result<(), StoreError> {
        let last_frame = self.inner.writes.submit(HighWater).await?;
        let identity = Identity { store_id: self.inner.store_id.clone(), last_frame };
        let pictures = Arc::clone(&self.inner.pictures);
        on_disk(&self.inner.loading, move || pairing::note(pictures.root(), &identity)).await?;
        self.set_pairing(Pairing::Matched);
        Ok(())
    }

    async fn scan(&self, from: Option<Timestamp>, now: Timestamp) -> Result<Findings, StoreError> {
        let pictures = Arc::clone(&self.inner.pictures);
        let on_file = on_disk(&self.inner.loading, move || listing::hours(pictures.root())).await?;
        let mut hour = from.map_or(i64::MIN, |from| from.as_millisecond().div_euclid(HOUR_MS));
        let mut found = Findings::default();
        while let Some(next) = self.next_hour(&on_file, hour).await? {
            self.scan_hour(next, now, &mut found).await?;
            hour = next + 1;
        }
        Ok(found)
    }

    /// The first hour from `hour` on that has rows or a directory.
    async fn next_hour(
        &self,
        on_file: &BTreeSet<i64>,
        hour: i64,
    ) -> Result<Option<i64>, StoreError> {
        let since = hour.saturating_mul(HOUR_MS);
        let in_rows: Option<i64> = sqlx::query_scalar(
            "SELECT MIN(at) FROM (\
             SELECT MIN(captured_at) AS at FROM frames WHERE detected = 0 AND captured_at >= ? \
             UNION ALL \
             SELECT MIN(captured_at) FROM frames WHERE detected = 1 AND captured_at >= ?)",
        )
        .bind(since)
        .bind(since)
        .fetch_one(&self.inner.reads)
        .await?;
        let in_rows = in_rows.map(|at| at.div_euclid(HOUR_MS));
        let on_file = on_file.range(hour..).next().copied();
        Ok([in_rows, on_file].into_iter().flatten().min())
    }

    /// Files first, then what is in flight, then rows: in this order no picture that is being
    /// stored meanwhile looks like a file without a row.
    async fn scan_hour(
        &self,
        hour: i64,
        now: Timestamp,
        found: &mut Findings,
    ) -> Result<(), StoreError> {
        let start = super::frames::timestamp(hour.saturating_mul(HOUR_MS), "frames")?;
        let dir = hour_dir(start);
        let pictures = Arc::clone(&self.inner.pictures);
        let listed = on_disk(&self.inner.loading, move || listing::files(pictures.root(), &dir));
        let listed = listed.await?;
        let in_flight = self.inner.pictures.in_flight();
        let rows = self.rows_of(hour).await?;
        found.rows += rows.len() as u64;
        found.strays(&listed, &rows, &in_flight, now);
        self.find_lost(&listed, rows, found).await
    }

    async fn rows_of(&self, hour: i64) -> Result<BTreeMap<String, RowSeen>, StoreError> {
        let rows = sqlx::query_as::<_, RowSeen>(
            "SELECT id, file, bytes FROM frames \
             WHERE detected IN (0, 1) AND captured_at >= ? AND captured_at < ?",
        )
        .bind(hour.saturating_mul(HOUR_MS))
        .bind((hour + 1).saturating_mul(HOUR_MS))
        .fetch_all(&self.inner.reads)
        .await?;
        Ok(rows.into_iter().map(|row| (row.file.clone(), row)).collect())
    }

    /// Rows whose picture was not listed, looked at again: it may be younger than the list.
    async fn find_lost(
        &self,
        listed: &[Listed],
        mut rows: BTreeMap<String, RowSeen>,
        found: &mut Findings,
    ) -> Result<(), StoreError> {
        for file in listed.iter().filter(|file| file.is_picture) {
            found.pictures += 1;
            if rows.get(&file.name).is_some_and(|row| count(row.bytes) == file.bytes) {
                rows.remove(&file.name);
            }
        }
        let pictures = Arc::clone(&self.inner.pictures);
        let lost = on_disk(&self.inner.loading, move || {
            rows.retain(|name, row| !listing::is_whole(pictures.root(), name, count(row.bytes)));
            Ok(rows)
        });
        for (name, row) in lost.await? {
            found.lost += 1;
            if found.lost_rows.len() < REMOVE_MAX {
                found.lost_rows.push((row.id, name));
            }
        }
        Ok(())
    }

    async fn remove(&self, found: Findings) -> Result<Repaired, StoreError> {
        let mut repaired = Repaired {
            more: found.lost > found.lost_rows.len() as u64
                || found.strays > found.stray_files.len() as u64,
            ..Repaired::default()
        };
        for step in found.lost_rows.chunks(STEP) {
            let ids = step.iter().map(|(id, _)| *id).collect();
            repaired.rows_without_file += self.inner.writes.submit(DeleteRows(ids)).await?;
            // A picture that is not whole, or a thumbnail whose picture is gone.
            self.remove_files(step.iter().map(|(_, file)| file.clone()).collect()).await?;
        }
        for step in found.stray_files.chunks(STEP) {
            let (pictures, step) = (Arc::clone(&self.inner.pictures), step.to_vec());
            repaired.files_without_row += on_disk(&self.inner.loading, move || {
                let mut removed = 0;
                for file in &step {
                    // A temporary file that was listed may have got its name meanwhile.
                    removed += u64::from(pictures.remove_one(file)?);
                }
                pictures.remove_empty_dirs(step.iter().map(String::as_str));
                Ok(removed)
            })
            .await?;
        }
        Ok(repaired)
    }
}

impl Findings {
    fn strays(
        &mut self,
        listed: &[Listed],
        rows: &BTreeMap<String, RowSeen>,
        in_flight: &HashSet<String>,
        now: Timestamp,
    ) {
        let grace = i64::try_from(REPAIR_GRACE.as_millis()).unwrap_or(i64::MAX);
        let newest = now.as_millisecond().saturating_sub(grace);
        for file in listed {
            let named = rows.contains_key(&file.picture) && !file.is_temporary;
            if named || file.modified_ms > newest || in_flight.contains(&file.picture) {
                continue;
            }
            self.strays += 1;
            if self.stray_files.len() < REMOVE_MAX {
                self.stray_files.push(file.name.clone());
            }
        }
    }

    /// Why removing what was found may be a mistake.
    fn too_much(&self, matched: bool, all: bool) -> Option<String> {
        // A picture has two files.
        let pictures = self.strays.div_ceil(2);
        let share = |of: u64| ALWAYS.max(of.saturating_mul(3) / 10);
        let beside_nothing = all
            && ((self.rows == 0 && pictures > BESIDE_NOTHING)
                || (self.pictures == 0 && self.lost > BESIDE_NOTHING));
        let one_side_empty =
            (self.rows == 0 && pictures > 0) || (self.pictures == 0 && self.lost > 0);
        let most = pictures > share(self.pictures) || self.lost > share(self.rows);
        let unproven = !matched && (one_side_empty || most);
        (beside_nothing || unproven).then(|| {
            format!(
                "{} of {} frames have no picture and {} of {} pictures have no frame: too many \
                 to be left by a crash, so nothing was removed",
                self.lost, self.rows, pictures, self.pictures,
            )
        })
    }
}

#[derive(FromRow)]
struct RowSeen {
    id: i64,
    file: String,
    bytes: i64,
}

/// Brings everything written so far to the disk; says the highest frame number given.
struct HighWater;

impl Write for HighWater {
    type Out = i64;
    const DURABLE: bool = true;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<i64, StoreError> {
        // Without a change there is nothing to sync.
        sqlx::query("UPDATE store SET store_id = store_id").execute(&mut *tx.conn).await?;
        last_frame(tx.conn).await
    }
}
