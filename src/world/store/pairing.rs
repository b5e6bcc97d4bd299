//! Whether a database and a directory of pictures belong together.
//!
//! The file `.store` among the pictures names the database that wrote them and the highest frame
//! number at that time. A fresh database, one restored from an older backup, or a disk that is
//! not mounted would otherwise make good pictures look like rubbish. Removes nothing.

use std::fs::read_dir;
use std::path::{Path, PathBuf};

use super::data_dir::{is_id, read_small, replace_small};
use super::error::StoreError;
use super::sqlite::Identity;

const MARK: &str = ".store";

/// Whether database and pictures belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pairing {
    /// The pictures were written under this database.
    Matched,
    /// The directory of pictures does not say; a repair may remove little.
    Unproven,
    /// They do not belong together: a repair removes nothing. Says what was seen, and the remedy.
    Mismatched(String),
}

/// Compares them.
pub(super) async fn look(frames: &Path, identity: &Identity) -> Result<Pairing, StoreError> {
    let (frames, identity) = (frames.to_owned(), identity.clone());
    let looked = tokio::task::spawn_blocking(move || compare(&frames, &identity)).await;
    looked.map_err(|error| StoreError::Unavailable(format!("file work failed: {error}")))?
}

fn compare(frames: &Path, identity: &Identity) -> Result<Pairing, StoreError> {
    let mark = mark_of(frames);
    let text = match read_small(&mark) {
        Ok(text) => text,
        Err(StoreError::NotFound(_)) => return unmarked(frames, identity),
        Err(error) => return Err(error),
    };
    let mut words = text.split_ascii_whitespace();
    let id = words.next().unwrap_or_default();
    let last: i64 = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    let why = if id != identity.store_id && is_id(id) {
        "its pictures were stored with another database"
    } else if id != identity.store_id {
        return Ok(Pairing::Unproven);
    } else if last > identity.last_frame {
        "its newest pictures are missing from this database, which seems to be an older backup"
    } else {
        return Ok(Pairing::Matched);
    };
    let remedy = remedy(frames, &identity.store_id);
    Ok(Pairing::Mismatched(format!("{}: {why}; nothing is cleaned up. {remedy}", frames.display())))
}

/// How an operator can end a mismatch.
pub(super) fn remedy(frames: &Path, store_id: &str) -> String {
    format!(
        "Mount the right disk, restore the database that belongs to it, or move {} away; or write \
         `{store_id}` into {} to have every picture without a row, and every row without a \
         picture, removed",
        frames.display(),
        mark_of(frames).display(),
    )
}

fn unmarked(frames: &Path, identity: &Identity) -> Result<Pairing, StoreError> {
    let mut entries = read_dir(frames).map_err(|error| StoreError::io(frames, error))?;
    if identity.last_frame > 0 || entries.next().is_some() {
        return Ok(Pairing::Unproven);
    }
    note(frames, identity)?;
    Ok(Pairing::Matched)
}

/// Writes down that the pictures belong to this database, which must have reached the disk.
pub(super) fn note(frames: &Path, identity: &Identity) -> Result<(), StoreError> {
    let text = format!("{} {}\n", identity.store_id, identity.last_frame);
    replace_small(&mark_of(frames), &text)
}

fn mark_of(frames: &Path) -> PathBuf {
    frames.join(MARK)
}
