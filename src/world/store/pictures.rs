//! The files of pictures: names, writing, bounded reading, removal.
//!
//! ```text
//! frames/2026-01-05/22/cam-001-1767650400123-9f3a12cd.jpg         day and hour in UTC
//! frames/2026-01-05/22/cam-001-1767650400123-9f3a12cd.thumb.jpg
//! ```
//!
//! A file gets its name when it is whole (written as `.tmp`, then renamed). Nothing is synced to
//! the disk: a power failure may leave a file shorter than its row says, which counts as
//! missing. All functions block; knows nothing of the database.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::data_dir::{make_dir, new_file};
use super::error::StoreError;
use crate::model::names::CameraName;

/// Largest picture that is stored or read.
pub const PICTURE_BYTES_MAX: u64 = 32 << 20;
/// A directory may be removed by retention between making it and writing into it.
const DIR_TRIES: usize = 4;

/// The directory of pictures.
#[derive(Debug)]
pub(super) struct Pictures {
    root: PathBuf,
    /// Pictures whose files are being written or whose row is not yet committed.
    in_flight: Mutex<HashSet<String>>,
}

/// A picture that is being stored: no repair touches its files while this lives.
#[derive(Debug)]
pub(super) struct InFlight<'a> {
    pictures: &'a Pictures,
    file: String,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.pictures.flying().remove(&self.file);
    }
}

impl Pictures {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, in_flight: Mutex::new(HashSet::new()) }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn flying(&self) -> MutexGuard<'_, HashSet<String>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The files that are being stored now.
    pub(super) fn in_flight(&self) -> HashSet<String> {
        self.flying().clone()
    }

    /// Marks a file as being stored.
    pub(super) fn begin(&self, file: &str) -> InFlight<'_> {
        self.flying().insert(file.to_owned());
        InFlight { pictures: self, file: file.to_owned() }
    }

    /// Writes both files of a picture; on failure neither is left.
    pub(super) fn write(&self, file: &str, jpeg: &[u8], thumb: &[u8]) -> Result<(), StoreError> {
        let written =
            self.write_one(&thumbnail_of(file), thumb).and_then(|()| self.write_one(file, jpeg));
        if written.is_err() {
            self.remove(file)?;
        }
        written
    }

    fn write_one(&self, file: &str, content: &[u8]) -> Result<(), StoreError> {
        let path = self.path_of(file)?;
        let temporary = path.with_extension("tmp");
        let mut open = create(&temporary)?;
        let written = open.write_all(content).and_then(|()| std::fs::rename(&temporary, &path));
        written.map_err(|error| {
            // What could not be written whole is worth nothing; repair removes it should this fail.
            drop(std::fs::remove_file(&temporary));
            StoreError::io(&path, error)
        })
    }

    /// Reads a file that should have `size` bytes.
    pub(super) fn read(&self, file: &str, size: u64) -> Result<Vec<u8>, StoreError> {
        let path = self.path_of(file)?;
        let io = |error| StoreError::io(&path, error);
        let limit = size.min(PICTURE_BYTES_MAX);
        let mut content = Vec::with_capacity(usize::try_from(limit).unwrap_or(0));
        File::open(&path).map_err(io)?.take(limit + 1).read_to_end(&mut content).map_err(io)?;
        if content.len() as u64 == size {
            Ok(content)
        } else {
            Err(StoreError::NotFound(format!("{} in its full length", path.display())))
        }
    }

    /// Removes both files of a picture, and directories that are empty then.
    pub(super) fn remove(&self, file: &str) -> Result<(), StoreError> {
        self.remove_one(file)?;
        self.remove_one(&thumbnail_of(file))?;
        Ok(())
    }

    /// Removes one file; `false` when it is gone already, which is no failure.
    pub(super) fn remove_one(&self, file: &str) -> Result<bool, StoreError> {
        let path = self.path_of(file)?;
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StoreError::io(&path, error)),
        }
    }

    /// Removes the hour and day directories of these files where they are empty.
    pub(super) fn remove_empty_dirs<'a>(&self, files: impl Iterator<Item = &'a str>) {
        let hours: HashSet<&Path> = files.filter_map(|file| Path::new(file).parent()).collect();
        for hour in hours {
            // Fails on purpose while anything is inside.
            if std::fs::remove_dir(self.root.join(hour)).is_ok()
                && let Some(day) = hour.parent()
            {
                drop(std::fs::remove_dir(self.root.join(day)));
            }
        }
    }

    /// The path of a file named by a row, never outside the directory of pictures.
    fn path_of(&self, file: &str) -> Result<PathBuf, StoreError> {
        let relative = Path::new(file);
        let inside = relative.components().all(|part| matches!(part, Component::Normal(_)));
        if !inside || file.is_empty() {
            return Err(StoreError::bad_row("frames", format!("the file name `{file}`")));
        }
        Ok(self.root.join(relative))
    }
}

fn create(path: &Path) -> Result<File, StoreError> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for _ in 0..DIR_TRIES {
        match new_file().open(path) {
            Ok(file) => return Ok(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => last = error,
            Err(error) => return Err(StoreError::io(path, error)),
        }
        make_dir(path.parent().unwrap_or(path))?;
    }
    Err(StoreError::io(path, last))
}

/// The name of a new picture's file.
pub(super) fn file_name(camera: &CameraName, at: Timestamp) -> String {
    let millis = at.as_millisecond();
    format!("{}/{camera}-{millis}-{:08x}.jpg", hour_dir(at), rand::random::<u32>())
}

/// `YYYY-MM-DD/HH` of a moment.
pub(super) fn hour_dir(at: Timestamp) -> String {
    let utc = at.to_zoned(TimeZone::UTC);
    format!("{:04}-{:02}-{:02}/{:02}", utc.year(), utc.month(), utc.day(), utc.hour())
}

/// The name of the thumbnail beside a picture.
pub(super) fn thumbnail_of(file: &str) -> String {
    format!("{}.thumb.jpg", file.strip_suffix(".jpg").unwrap_or(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures() -> (tempfile::TempDir, Pictures) {
        let dir = tempfile::tempdir().unwrap();
        let pictures = Pictures::new(dir.path().to_owned());
        (dir, pictures)
    }

    #[test]
    fn files_are_named_by_camera_and_time() {
        let camera = CameraName::parse("cam-001").unwrap();
        let name = file_name(&camera, "2026-01-05T22:00:00.123Z".parse().unwrap());
        assert!(name.starts_with("2026-01-05/22/cam-001-1767650400123-"), "{name}");
        assert!(thumbnail_of(&name).ends_with(".thumb.jpg"), "{name}");
    }

    #[test]
    fn a_written_picture_is_read_back_and_leaves_nothing_when_removed() {
        let (dir, pictures) = pictures();
        pictures.write("2026-01-05/22/a.jpg", b"jpeg", b"th").unwrap();
        assert_eq!(pictures.read("2026-01-05/22/a.jpg", 4).unwrap(), b"jpeg");
        assert_eq!(pictures.read("2026-01-05/22/a.thumb.jpg", 2).unwrap(), b"th");
        let names = std::fs::read_dir(dir.path().join("2026-01-05/22")).unwrap().count();
        assert_eq!(names, 2, "no temporary file is left");
        pictures.remove("2026-01-05/22/a.jpg").unwrap();
        pictures.remove_empty_dirs(["2026-01-05/22/a.jpg"].into_iter());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_of_another_length_counts_as_missing() {
        let (dir, pictures) = pictures();
        pictures.write("d/a.jpg", b"jpeg", b"th").unwrap();
        for content in [&b""[..], b"jpe", b"jpeg!"] {
            std::fs::write(dir.path().join("d/a.jpg"), content).unwrap();
            assert_eq!(pictures.read("d/a.jpg", 4).unwrap_err().kind(), "NotFound");
        }
    }

    #[test]
    fn a_row_cannot_name_a_file_outside() {
        let (_dir, pictures) = pictures();
        for file in ["../a.jpg", "/etc/passwd", "a/../../b.jpg", ""] {
            assert_eq!(pictures.read(file, 1).unwrap_err().kind(), "Corrupt", "{file}");
        }
    }
}
