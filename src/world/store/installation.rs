//! The installation's own random name, and whether it is this directory's.
//!
//! Children's marks and the names of streams in a go2rtc are made of it. A copied data directory
//! would bring it along, and two servers would end each other's children and streams for ever. So
//! it is kept when the file was made: no copy, archive or backup keeps the moment of a file's
//! birth, and a copy gets a name of its own. A clone of a whole disk keeps it.
//!
//! ```text
//! DATA_DIR/installation         128 random bits in hexadecimal
//! DATA_DIR/installation.born    when that file was made, where the file system tells
//! ```

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::data_dir::{is_id, random_id, read_small, replace_small};
use super::error::StoreError;

/// Reads the installation's name; makes one where there is none yet, or where the file is a copy.
pub(super) fn installation(root: &Path) -> Result<String, StoreError> {
    let path = root.join("installation");
    let id = match read_small(&path) {
        Ok(text) if is_id(text.trim()) => text.trim().to_owned(),
        Ok(_) => {
            return Err(StoreError::Corrupt {
                place: path.display().to_string(),
                why: "it is not 32 hexadecimal digits".to_owned(),
                remedy: "restore it from a backup, or remove it and a new one is made",
            });
        }
        Err(StoreError::NotFound(_)) => return make(&path),
        Err(error) => return Err(error),
    };
    match (remembered(&path)?, born(&path)?) {
        (Some(was), Some(is)) if was != is => {
            tracing::warn!(
                path = %path.display(),
                "a copied data directory gets an installation name of its own"
            );
            make(&path)
        }
        (None, Some(_)) => remember(&path).map(|()| id),
        (Some(_), Some(_)) | (_, None) => Ok(id),
    }
}

fn make(path: &Path) -> Result<String, StoreError> {
    let id = random_id();
    // A new file takes the place of the old one, and has another birth.
    remove(&path.with_extension("tmp"))?;
    replace_small(path, &format!("{id}\n"))?;
    remember(path)?;
    Ok(id)
}

fn remembered(path: &Path) -> Result<Option<String>, StoreError> {
    match read_small(&path.with_extension("born")) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(StoreError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn remember(path: &Path) -> Result<(), StoreError> {
    match born(path)? {
        Some(born) => replace_small(&path.with_extension("born"), &format!("{born}\n")),
        None => Ok(()),
    }
}

/// When a file was made; `None` where the file system does not tell.
fn born(path: &Path) -> Result<Option<String>, StoreError> {
    let file = fs::metadata(path).map_err(|error| StoreError::io(path, error))?;
    let since = file.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    Ok(since.map(|since| format!("{}.{:09}", since.as_secs(), since.subsec_nanos())))
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::io(path, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::data_dir::DataDir;
    use super::*;

    #[test]
    fn a_copy_of_a_directory_gets_a_name_of_its_own() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let open = |name: &str| DataDir::open(&at(name)).unwrap().installation().to_owned();
        let id = open("data");
        fs::create_dir(at("copy")).unwrap();
        if fs::copy(at("data/installation.born"), at("copy/installation.born")).is_err() {
            println!("SKIPPED: this file system does not tell when a file was made");
            return;
        }
        let made = |name: &str| born(&at(name)).unwrap();
        // The clock of a file system ticks a few hundred times a second.
        loop {
            fs::copy(at("data/installation"), at("copy/installation")).unwrap();
            if made("copy/installation") != made("data/installation") {
                break;
            }
            fs::remove_file(at("copy/installation")).unwrap();
        }
        let other = open("copy");
        assert_ne!(other, id);
        assert_eq!(open("copy"), other, "it keeps that");
        assert_eq!(open("data"), id);
        fs::rename(at("data"), at("moved")).unwrap();
        assert_eq!(open("moved"), id, "a directory that was moved is no copy");
    }

    #[test]
    fn a_name_whose_birth_was_not_kept_stays() {
        let place = tempfile::tempdir().unwrap();
        let id = random_id();
        fs::write(place.path().join("installation"), format!("{id}\n")).unwrap();
        for _ in 0..2 {
            assert_eq!(DataDir::open(place.path()).unwrap().installation(), id);
        }
    }

    #[test]
    fn a_damaged_name_is_told() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("installation"), "what").unwrap();
        let error = DataDir::open(place.path()).unwrap_err();
        assert!(error.to_string().contains("installation"), "{error}");
    }
}
