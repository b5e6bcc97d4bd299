//! The data directory: made, locked against a second process, and given its installation id.
//!
//! ```text
//! DATA_DIR/lock            held by the running server (flock); its process id as text
//! DATA_DIR/installation    128 random bits in hexadecimal, see `installation`
//! DATA_DIR/camserver.db    the database (with -wal and -shm beside it)
//! DATA_DIR/frames/         pictures, see `pictures`
//! ```
//!
//! Directories get mode 0750, files 0640. Opens no database.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::installation::installation;

pub(super) const DIR_MODE: u32 = 0o750;
pub(super) const FILE_MODE: u32 = 0o640;
/// Characters of an installation or store id.
pub(super) const ID_CHARS: usize = 32;

/// A data directory that this process, and no other, works in.
///
/// Dropping it gives the lock back, so it must live as long as anything writes there.
#[derive(Debug)]
pub struct DataDir {
    root: PathBuf,
    installation: String,
    _lock: File,
}

impl DataDir {
    /// Makes the directory where it is missing, locks it and reads its installation id.
    ///
    /// Blocks on the disk for a moment: meant for the start of the program.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        make_dir(path)?;
        let root = std::fs::canonicalize(path).map_err(|error| StoreError::io(path, error))?;
        let lock = lock(&root)?;
        make_dir(&root.join("frames"))?;
        let installation = installation(&root)?;
        Ok(Self { root, installation, _lock: lock })
    }

    /// The directory, absolute.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Where the pictures are.
    pub fn frames(&self) -> PathBuf {
        self.root.join("frames")
    }

    /// 32 hexadecimal digits, the same for the life of this directory.
    pub fn installation(&self) -> &str {
        &self.installation
    }
}

pub(super) fn make_dir(path: &Path) -> Result<(), StoreError> {
    let made = DirBuilder::new().recursive(true).mode(DIR_MODE).create(path);
    made.map_err(|error| StoreError::io(path, error))
}

/// Options for a file that must not be there yet.
pub(super) fn new_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(FILE_MODE);
    options
}

/// Random 128 bits in hexadecimal.
pub(super) fn random_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

pub(super) fn is_id(text: &str) -> bool {
    text.len() == ID_CHARS && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn lock(root: &Path) -> Result<File, StoreError> {
    let path = root.join("lock");
    let io = |error| StoreError::io(&path, error);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
    let mut file = options.open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let owner = owner_of(&file);
            return Err(StoreError::Locked { path: root.to_owned(), owner });
        }
        Err(TryLockError::Error(error)) => return Err(io(error)),
    }
    file.set_len(0).map_err(io)?;
    writeln!(file, "{}", std::process::id()).map_err(io)?;
    Ok(file)
}

fn owner_of(file: &File) -> String {
    let mut text = String::new();
    match file.take(16).read_to_string(&mut text) {
        Ok(_) if text.trim().parse::<u32>().is_ok() => format!("process {}", text.trim()),
        Ok(_) | Err(_) => "another process".to_owned(),
    }
}

/// At most the first 256 bytes of a small text file.
pub(super) fn read_small(path: &Path) -> Result<String, StoreError> {
    let io = |error| StoreError::io(path, error);
    let mut text = String::new();
    File::open(path).map_err(io)?.take(256).read_to_string(&mut text).map_err(io)?;
    Ok(text)
}

/// Writes a small text file so that a power failure leaves the old or the new one.
pub(super) fn replace_small(path: &Path, text: &str) -> Result<(), StoreError> {
    let temporary = path.with_extension("tmp");
    let io = |error| StoreError::io(path, error);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(FILE_MODE);
    let mut file = options.open(&temporary).map_err(io)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
    std::fs::rename(&temporary, path).map_err(io)?;
    let parent = path.parent().unwrap_or(Path::new("."));
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_opener_is_refused_and_told_who_holds_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(&dir.path().join("data")).unwrap();
        let error = DataDir::open(first.path()).unwrap_err();
        assert_eq!(error.kind(), "Locked");
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");

        let id = first.installation().to_owned();
        drop(first);
        let again = DataDir::open(&dir.path().join("data")).unwrap();
        assert_eq!(again.installation(), id);
    }

    #[test]
    fn others_cannot_read_the_directory() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(&dir.path().join("data")).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(data.path()) & 0o007, 0);
        assert_eq!(mode(&data.frames()) & 0o007, 0);
        assert_eq!(mode(&data.path().join("installation")) & 0o137, 0);
    }
}
