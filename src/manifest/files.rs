//! The manifest directory: which files there are, their texts, and a digest over them.
//!
//! Symbolic links are followed once and everything is read behind them, so that a swap of a link
//! (git-sync, Kubernetes volumes) cannot mix two sets. Says nothing about what the texts mean.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::document::SourceText;
use super::problem::{Problem, ProblemKind};

/// Largest file.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Most files.
const FILES_MAX: usize = 1_000;
/// Largest set.
const SET_BYTES_MAX: u64 = 64 << 20;
/// Deepest folder.
const DEPTH_MAX: usize = 16;
/// Most folders.
const DIRECTORIES_MAX: usize = 1_000;
/// The link by which Kubernetes swaps all files of a volume at once.
const KUBERNETES_DATA: &str = "..data";

/// A folder as found: its path and which one it was, for whoever watches it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Directory {
    /// Where it is, links resolved.
    pub(crate) path: PathBuf,
    /// Device and inode: another one may be found under the same path later.
    identity: (u64, u64),
}

/// A manifest directory as read once.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// The texts in order of name.
    pub(crate) texts: Vec<SourceText>,
    /// What could not be read.
    pub(crate) problems: Vec<Problem>,
    /// The folders that were read.
    pub(crate) directories: Vec<Directory>,
    /// The directory itself, links resolved; empty where it is missing.
    pub(crate) real: PathBuf,
}

impl Snapshot {
    /// SHA-256 over names and contents, hexadecimal.
    pub(crate) fn digest(&self) -> String {
        digest_of(&self.texts)
    }
}

/// SHA-256 over names and contents in their order, hexadecimal.
pub(crate) fn digest_of(texts: &[SourceText]) -> String {
    use std::fmt::Write;

    let mut hash = Sha256::new();
    for source in texts {
        for part in [&source.name, &source.text] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(part.as_bytes());
        }
    }
    hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let written = write!(text, "{byte:02x}");
        debug_assert!(written.is_ok(), "a String takes every text");
        text
    })
}

/// Reads the whole directory.
pub(crate) fn snapshot(directory: &Path) -> Snapshot {
    let mut walk = Walk { shown: directory.to_path_buf(), ..Walk::default() };
    let real = match fs::canonicalize(directory) {
        Ok(real) if real.is_dir() => real,
        Ok(_) => {
            let help = "give the directory that holds the manifests";
            walk.problem(directory, ProblemKind::Unreadable, "this is no directory", help);
            return walk.done(PathBuf::new());
        }
        Err(error) => {
            let missing = error.kind() == io::ErrorKind::NotFound;
            let message = if missing {
                "the directory is missing".to_owned()
            } else {
                format!("the directory cannot be read: {error}")
            };
            let help = "check the path, the mount and the permissions";
            walk.problem(directory, ProblemKind::Unreadable, message, help);
            return walk.done(PathBuf::new());
        }
    };
    walk.data = fs::canonicalize(real.join(KUBERNETES_DATA)).ok();
    walk.seen.insert(real.clone());
    walk.folder(&real, "", 0);
    let data = walk.data.take();
    walk.directories.extend(data.and_then(|path| identify(&path)));
    walk.files.sort();
    walk.read_files();
    walk.done(real)
}

/// A folder and which one it is; `None` where it cannot be looked at.
pub(crate) fn identify(path: &Path) -> Option<Directory> {
    let metadata = fs::metadata(path).ok()?;
    Some(Directory { path: path.to_path_buf(), identity: (metadata.dev(), metadata.ino()) })
}

#[derive(Default)]
struct Walk {
    /// The directory as the user gave it.
    shown: PathBuf,
    /// Where `..data` leads, if it exists.
    data: Option<PathBuf>,
    /// Relative name and real path.
    files: Vec<(String, PathBuf)>,
    /// Files and folders seen, by real path: each is loaded once.
    seen: BTreeSet<PathBuf>,
    directories: Vec<Directory>,
    texts: Vec<SourceText>,
    problems: Vec<Problem>,
}

impl Walk {
    fn done(self, real: PathBuf) -> Snapshot {
        let mut directories = self.directories;
        directories.sort();
        directories.dedup();
        Snapshot { texts: self.texts, problems: self.problems, directories, real }
    }

    fn problem(&mut self, path: &Path, kind: ProblemKind, message: impl Into<String>, help: &str) {
        let shown = path.display().to_string();
        self.problems.push(Problem::of_file(shown, kind, message, help));
    }

    fn folder(&mut self, real: &Path, relative: &str, depth: usize) {
        let shown = self.shown.join(relative);
        if depth > DEPTH_MAX || self.directories.len() >= DIRECTORIES_MAX {
            let message =
                format!("more than {DEPTH_MAX} levels or {DIRECTORIES_MAX} folders of manifests");
            self.problem(&shown, ProblemKind::TooLarge, message, "put fewer folders there");
            return;
        }
        self.directories.extend(identify(real));
        let entries = fs::read_dir(real).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                let message = format!("the directory cannot be read: {error}");
                self.problem(&shown, ProblemKind::Unreadable, message, "check the permissions");
                return;
            }
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            let below = if relative.is_empty() { name } else { format!("{relative}/{name}") };
            self.entry(&entry.path(), below, depth);
        }
    }

    fn entry(&mut self, path: &Path, relative: String, depth: usize) {
        let extension = Path::new(&relative).extension();
        let is_manifest = extension.is_some_and(|it| it == "yaml" || it == "yml");
        let target = self.behind_data(path).unwrap_or_else(|| path.to_path_buf());
        let found = fs::canonicalize(&target).and_then(|real| Ok((fs::metadata(&real)?, real)));
        match found {
            Ok((metadata, real)) if metadata.is_dir() => {
                if self.seen.insert(real.clone()) {
                    self.folder(&real, &relative, depth + 1);
                }
            }
            Ok((_, real)) if is_manifest => {
                if self.seen.insert(real.clone()) {
                    self.files.push((relative, real));
                }
            }
            Err(error) if is_manifest => {
                let shown = self.shown.join(&relative);
                let message = format!("the file cannot be read: {error}");
                self.problem(
                    &shown,
                    ProblemKind::Unreadable,
                    message,
                    "check where its link leads",
                );
            }
            Ok(_) | Err(_) => {}
        }
    }

    /// The path behind `..data` as it was resolved at the start, for links that go through it.
    fn behind_data(&self, path: &Path) -> Option<PathBuf> {
        let link = fs::read_link(path).ok()?;
        let rest = link.strip_prefix(KUBERNETES_DATA).ok()?;
        Some(self.data.as_ref()?.join(rest))
    }

    fn read_files(&mut self) {
        let files = std::mem::take(&mut self.files);
        if files.len() > FILES_MAX {
            let message = format!("more than {FILES_MAX} manifest files: {}", files.len());
            let shown = self.shown.clone();
            self.problem(&shown, ProblemKind::TooLarge, message, "one file holds many documents");
            return;
        }
        let mut total = 0;
        for (name, real) in files {
            let shown = self.shown.join(&name);
            let help = "a manifest is a text file in UTF-8";
            let bytes = match read_bounded(&real, FILE_BYTES_MAX) {
                Ok(bytes) => bytes,
                Err(BoundedError::TooLong) => {
                    let message = format!("the file is larger than {} KiB", FILE_BYTES_MAX >> 10);
                    self.problem(&shown, ProblemKind::TooLarge, message, "split it");
                    continue;
                }
                Err(error) => {
                    let message = format!("the file cannot be read: {error}");
                    self.problem(&shown, ProblemKind::Unreadable, message, help);
                    continue;
                }
            };
            total += bytes.len() as u64;
            if total > SET_BYTES_MAX {
                let message = format!("all files together exceed {} MiB", SET_BYTES_MAX >> 20);
                self.problem(&shown, ProblemKind::TooLarge, message, "use fewer manifests");
                return;
            }
            match String::from_utf8(bytes) {
                Ok(text) => self.texts.push(SourceText { name, text }),
                Err(error) => {
                    let good = error.utf8_error().valid_up_to();
                    let mut problem = Problem::of_file(
                        shown.display().to_string(),
                        ProblemKind::Syntax,
                        "the file is not UTF-8 from here on",
                        help,
                    );
                    let (line, column) = place_of(error.as_bytes().get(..good).unwrap_or_default());
                    (problem.line, problem.column) = (line, column);
                    self.problems.push(problem);
                }
            }
        }
    }
}

/// Line and column, from 1, of what follows these bytes of UTF-8.
fn place_of(before: &[u8]) -> (u32, u32) {
    let text = String::from_utf8_lossy(before);
    let line = text.matches('\n').count() + 1;
    let column = text.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    let fit = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    (fit(line), fit(column))
}

/// Why a small file could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BoundedError {
    /// The system says no.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A directory, pipe or device.
    #[error("it is not a regular file")]
    NotRegular,
    /// Longer than allowed.
    #[error("it is too long")]
    TooLong,
}

/// The bytes of a regular file of at most `bytes_max`. A pipe or device cannot make it hang.
pub(crate) fn read_bounded(path: &Path, bytes_max: u64) -> Result<Vec<u8>, BoundedError> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(BoundedError::NotRegular);
    }
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(BoundedError::TooLong);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
