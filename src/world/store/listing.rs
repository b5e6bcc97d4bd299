//! What lies in the directory of pictures, hour by hour. Reads no content, removes nothing.

use std::collections::BTreeSet;
use std::fs::{DirEntry, read_dir};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use jiff::civil;
use jiff::tz::TimeZone;

use super::error::StoreError;

/// Milliseconds in an hour: the span of one directory.
pub(super) const HOUR_MS: i64 = 3_600_000;

/// A file of ours.
pub(super) struct Listed {
    /// Relative to the directory of pictures.
    pub(super) name: String,
    /// The picture that it belongs to, likewise; itself when it is one.
    pub(super) picture: String,
    pub(super) is_picture: bool,
    pub(super) is_temporary: bool,
    pub(super) bytes: u64,
    /// Since 1970, by the host's clock.
    pub(super) modified_ms: i64,
}

/// The hours (counted from 1970) that have a directory.
pub(super) fn hours(root: &Path) -> Result<BTreeSet<i64>, StoreError> {
    let mut hours = BTreeSet::new();
    for day in entries(root)? {
        let Some(date) = text_of(&day).and_then(|name| name.parse::<civil::Date>().ok()) else {
            continue;
        };
        for hour in entries(&day.path()).or_else(gone)? {
            let hour = text_of(&hour).filter(|name| name.len() == 2);
            let hour = hour.and_then(|name| name.parse::<i8>().ok());
            let start = hour.and_then(|hour| civil::Time::new(hour, 0, 0, 0).ok());
            let start = start.and_then(|time| date.to_datetime(time).to_zoned(TimeZone::UTC).ok());
            if let Some(start) = start {
                hours.insert(start.timestamp().as_millisecond().div_euclid(HOUR_MS));
            }
        }
    }
    Ok(hours)
}

/// The files of ours in the directory of an hour; none when it does not exist.
pub(super) fn files(root: &Path, dir: &str) -> Result<Vec<Listed>, StoreError> {
    let path = root.join(dir);
    let mut listed = Vec::new();
    for entry in entries(&path).or_else(gone)? {
        let Some(mut file) = text_of(&entry).and_then(|name| named(dir, &name)) else { continue };
        match entry.metadata() {
            Ok(meta) if meta.is_file() => {
                file.bytes = meta.len();
                file.modified_ms = meta.mtime().saturating_mul(1_000);
                listed.push(file);
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::io(&entry.path(), error)),
        }
    }
    Ok(listed)
}

/// Whether a file is there with this length; a file that cannot be looked at counts as there.
pub(super) fn is_whole(root: &Path, name: &str, bytes: u64) -> bool {
    match std::fs::symlink_metadata(root.join(name)) {
        Ok(meta) => meta.len() == bytes,
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

fn gone(error: StoreError) -> Result<Vec<DirEntry>, StoreError> {
    if matches!(error, StoreError::NotFound(_)) { Ok(Vec::new()) } else { Err(error) }
}

fn entries(path: &Path) -> Result<Vec<DirEntry>, StoreError> {
    let listed = read_dir(path).and_then(Iterator::collect);
    listed.map_err(|error| StoreError::io(path, error))
}

fn text_of(entry: &DirEntry) -> Option<String> {
    entry.file_name().into_string().ok()
}

/// What a file name says; `None` when it is not one of ours.
fn named(dir: &str, name: &str) -> Option<Listed> {
    let (stem, extension) = name.rsplit_once('.')?;
    let is_temporary = match extension {
        "jpg" => false,
        "tmp" => true,
        _ => return None,
    };
    let base = stem.strip_suffix(".thumb");
    let is_picture = base.is_none() && !is_temporary;
    let base = base.unwrap_or(stem);
    let (rest, random) = base.rsplit_once('-')?;
    let (_camera, millis) = rest.rsplit_once('-')?;
    let ours = random.len() == 8
        && random.bytes().all(|b| b.is_ascii_hexdigit())
        && !millis.is_empty()
        && millis.bytes().all(|b| b.is_ascii_digit());
    ours.then(|| Listed {
        name: format!("{dir}/{name}"),
        picture: format!("{dir}/{base}.jpg"),
        is_picture,
        is_temporary,
        bytes: 0,
        modified_ms: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_ours_are_listed() {
        let file = named("d", "cam-001-1767650400123-9f3a12cd.jpg").unwrap();
        assert!(file.is_picture && !file.is_temporary);
        let thumb = named("d", "cam-001-1767650400123-9f3a12cd.thumb.jpg").unwrap();
        assert_eq!(thumb.picture, file.name);
        assert!(!thumb.is_picture);
        let temporary = named("d", "cam-001-1767650400123-9f3a12cd.thumb.tmp").unwrap();
        assert!(temporary.is_temporary && !temporary.is_picture);
        for foreign in [".store", "holiday.jpg", "cam-1-x-9f3a12cd.jpg", "cam-1-9f3a12cd.png"] {
            assert!(named("d", foreign).is_none(), "{foreign}");
        }
    }

    #[test]
    fn hours_come_from_directory_names() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["1970-01-02/03", "1970-01-02/99", "1970-01-02/x", "lost+found/00"] {
            std::fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        assert_eq!(hours(dir.path()).unwrap().into_iter().collect::<Vec<_>>(), [27]);
    }
}
