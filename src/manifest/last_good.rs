//! The last set that was in force, kept in the data directory for the next start.
//!
//! Keeps the texts and not what was made of them, so that a newer program reads them by its own
//! rules. Secrets are read anew; the file holds none, except a password that somebody wrote in
//! clear text into a manifest. It is readable by its owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::document::SourceText;
use super::files::{BoundedError, digest_of, read_bounded};
use super::load::{Loaded, load_texts};
use super::state::{InForce, put_in_force};

/// The file in the data directory.
const FILE: &str = "manifests.last-good.json";
/// Where it is written before it takes its place.
const NEW_FILE: &str = "manifests.last-good.json.new";
/// The form of the file.
const FORMAT: u32 = 1;
/// Largest file: a whole set and what JSON adds.
const BYTES_MAX: u64 = 256 << 20;

/// A set that was in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastGood {
    format: u32,
    /// Its generation.
    pub generation: u64,
    /// When it came into force.
    pub applied_at: Timestamp,
    /// SHA-256 over names and contents, hexadecimal.
    pub digest: String,
    /// The git commit or the name of a swapped link.
    pub revision: Option<String>,
    files: Vec<KeptFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeptFile {
    name: String,
    text: String,
}

/// Why the last good set cannot be kept or had.
#[derive(Debug, thiserror::Error)]
pub enum LastGoodError {
    /// The system says no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what was written.
    #[error("{}: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl LastGood {
    /// What is kept of a set in force.
    pub fn of(in_force: &InForce) -> Self {
        let file =
            |source: &SourceText| KeptFile { name: source.name.clone(), text: source.text.clone() };
        Self {
            format: FORMAT,
            generation: in_force.desired.generation,
            applied_at: in_force.desired.applied_at,
            digest: in_force.loaded.digest.as_ref().to_owned(),
            revision: in_force.loaded.revision.as_deref().map(str::to_owned),
            files: in_force.loaded.files.iter().map(file).collect(),
        }
    }

    /// Writes it so that a crash at any moment leaves the old or the new one.
    pub fn write(&self, data_dir: &Path) -> Result<(), LastGoodError> {
        let new = data_dir.join(NEW_FILE);
        let error = |source| LastGoodError::Io { path: new.clone(), source };
        let json = serde_json::to_vec(self).map_err(|why| error(io::Error::other(why)))?;
        write_whole(&new, &json).map_err(error)?;
        let path = data_dir.join(FILE);
        fs::rename(&new, &path)
            .and_then(|()| File::open(data_dir)?.sync_all())
            .map_err(|source| LastGoodError::Io { path, source })
    }

    /// Reads it back; `None` where there is none yet.
    pub fn read(data_dir: &Path) -> Result<Option<Self>, LastGoodError> {
        let path = data_dir.join(FILE);
        let damaged = |why: String| LastGoodError::Damaged { path: path.clone(), why };
        let bytes = match read_bounded(&path, BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(BoundedError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(BoundedError::Io(source)) => return Err(LastGoodError::Io { path, source }),
            Err(error @ (BoundedError::NotRegular | BoundedError::TooLong)) => {
                return Err(damaged(error.to_string()));
            }
        };
        let kept: Self =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if kept.format != FORMAT {
            return Err(damaged(format!("form {} is not known", kept.format)));
        }
        if digest_of(&kept.texts()) != kept.digest {
            return Err(damaged("its contents do not fit its digest".to_owned()));
        }
        Ok(Some(kept))
    }

    fn texts(&self) -> Vec<SourceText> {
        let text =
            |file: &KeptFile| SourceText { name: file.name.clone(), text: file.text.clone() };
        self.files.iter().map(text).collect()
    }

    /// The set in force again, its secrets read anew; or the load with the problems that this
    /// program finds in it. `directory` is where the manifests stand, for files of secrets.
    pub fn restore(&self, directory: &Path) -> Result<InForce, Box<Loaded>> {
        let loaded = load_texts(directory, self.texts(), self.revision.clone());
        match &loaded.desired {
            Some(desired) => Ok(InForce {
                desired: put_in_force(desired, self.generation, self.applied_at),
                loaded: loaded.into(),
            }),
            None => Err(Box::new(loaded)),
        }
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A file left by a crash may have other permissions: it is made anew.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::state::{ConfigState, Decision};
    use super::super::test_sets::{cameras_yaml, loaded};
    use super::*;

    fn in_force(text: &str) -> InForce {
        let now = "2026-01-05T22:00:00Z".parse().unwrap();
        match ConfigState::new(4).loaded(loaded(text).into(), now) {
            Decision::Apply(in_force) => in_force,
            other @ (Decision::Refuse { .. } | Decision::Hold(_) | Decision::Unchanged) => {
                panic!("{other:?}")
            }
        }
    }

    #[test]
    fn the_last_good_set_survives_with_its_generation() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(LastGood::read(dir.path()).unwrap(), None);
        let kept = LastGood::of(&in_force(&cameras_yaml(0..3)));
        kept.write(dir.path()).unwrap();
        kept.write(dir.path()).unwrap();
        let path = dir.path().join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let read = LastGood::read(dir.path()).unwrap().unwrap();
        assert_eq!(read, kept);
        let restored = read.restore(Path::new("manifests")).unwrap();
        assert_eq!((restored.desired.generation, restored.desired.cameras.len()), (5, 3));
        let mut state = ConfigState::restored(restored);
        let now = Timestamp::UNIX_EPOCH;
        assert!(matches!(
            state.loaded(loaded(&cameras_yaml(0..3)).into(), now),
            Decision::Unchanged
        ));
        assert!(matches!(state.loaded(loaded("x: [").into(), now), Decision::Refuse { .. }));
        assert_eq!(state.in_force().unwrap().desired.generation, 5);
    }

    #[test]
    fn a_damaged_file_is_told_from_a_missing_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        LastGood::of(&in_force(&cameras_yaml(0..3))).write(dir.path()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        for broken in [
            "",
            "{",
            &text.replace("cam-001", "cam-009"),
            &text.replace("\"format\":1", "\"format\":9"),
        ] {
            fs::write(&path, broken).unwrap();
            let error = LastGood::read(dir.path()).unwrap_err();
            assert!(matches!(error, LastGoodError::Damaged { .. }), "{error}");
        }
    }
}
