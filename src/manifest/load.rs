//! Loading a whole directory, or texts that were kept from one.
//!
//! Says what a set is; whether it comes into force is decided in `state`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::document::SourceText;
use super::files::{self, Snapshot};
use super::problem::Problem;
use super::resolve;
use super::revision;
use super::secret_source;
use crate::model::desired::Desired;

/// Identifies what was loaded, files of secrets included. Never shown: see
/// [`Loaded::digest`] for what people see.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(..)")
    }
}

/// One set of manifests as loaded.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The set, where it has no errors. Its generation is 0 and its time the epoch until
    /// [`super::state::ConfigState`] puts it in force.
    pub desired: Option<Arc<Desired>>,
    /// Errors and warnings in order of place.
    pub problems: Vec<Problem>,
    /// SHA-256 over names and contents of the files, hexadecimal.
    pub digest: Arc<str>,
    /// The git commit or the name that a swapped link points to.
    pub revision: Option<Arc<str>>,
    /// The texts, so that they can be kept.
    pub files: Arc<[SourceText]>,
    /// Whether two loads are the same, secrets included.
    pub fingerprint: Fingerprint,
    /// Files that secrets were read from.
    pub(crate) secret_files: Arc<[PathBuf]>,
}

impl Loaded {
    /// What keeps the set from coming into force.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.is_error())
    }

    /// What somebody should look at.
    pub fn warnings(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| !problem.is_error())
    }
}

/// Loads a directory: every file, every problem, every secret that can be had.
///
/// Reads files; call it from a thread that may block.
pub fn load_dir(directory: &Path) -> Loaded {
    load_snapshot(directory, files::snapshot(directory))
}

/// Loads texts as if they stood in `directory`, which files of secrets are relative to.
pub fn load_texts(directory: &Path, texts: Vec<SourceText>, revision: Option<String>) -> Loaded {
    let snapshot = Snapshot { texts, ..Snapshot::default() };
    finish(directory, snapshot, revision)
}

/// Loads what was read before.
pub(crate) fn load_snapshot(directory: &Path, snapshot: Snapshot) -> Loaded {
    let revision = (!snapshot.real.as_os_str().is_empty())
        .then(|| revision::revision(directory, &snapshot.real))
        .flatten();
    finish(directory, snapshot, revision)
}

fn finish(directory: &Path, snapshot: Snapshot, revision: Option<String>) -> Loaded {
    let digest: Arc<str> = snapshot.digest().into();
    let revision: Option<Arc<str>> = revision.map(Into::into);
    let early = snapshot.problems.clone();
    let resolved = resolve::resolve(directory, &snapshot.texts, early);
    let desired = resolved.desired.map(|desired| {
        Arc::new(Desired {
            digest: Arc::clone(&digest),
            revision: revision.clone(),
            applied_at: Timestamp::UNIX_EPOCH,
            ..desired
        })
    });
    Loaded {
        desired,
        fingerprint: fingerprint(&snapshot, &resolved.secret_files),
        problems: resolved.problems,
        digest,
        revision,
        files: snapshot.texts.into(),
        secret_files: resolved.secret_files.into(),
    }
}

/// What a snapshot with these files of secrets is, compared with others.
pub(crate) fn fingerprint(snapshot: &Snapshot, secret_files: &[PathBuf]) -> Fingerprint {
    let mut hash = Sha256::new();
    hash.update(snapshot.digest());
    for problem in &snapshot.problems {
        hash.update(problem.to_string());
        hash.update([0]);
    }
    hash.update(secret_source::fingerprint(secret_files));
    Fingerprint(hash.finalize().into())
}
