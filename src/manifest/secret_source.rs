//! Reading secrets from where `passwordFrom` and `secretFrom` say.
//!
//! A secret that cannot be had is no mistake of the manifest: it comes back as a reason, and the
//! object that needs it shows that reason.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::files::{BoundedError, read_bounded};
use super::schema::SecretFrom;
use crate::model::secret::Secret;

/// Longest secret.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// A secret, or why it cannot be had.
pub(crate) type Found = Result<Secret, Arc<str>>;

/// Reads secrets and remembers the files they came from.
#[derive(Default)]
pub(crate) struct SecretReader {
    files: BTreeMap<PathBuf, Found>,
}

impl SecretReader {
    /// The secret; files are relative to `directory`. `None` where no source is given.
    pub(crate) fn read(&mut self, from: &SecretFrom, directory: &Path) -> Option<Found> {
        match (&from.env, &from.file) {
            (Some(name), _) => Some(from_env(name)),
            (None, Some(file)) => {
                let path = directory.join(file);
                Some(self.files.entry(path).or_insert_with_key(|path| from_file(path)).clone())
            }
            (None, None) => None,
        }
    }

    /// The files that were read.
    pub(crate) fn into_files(self) -> Vec<PathBuf> {
        self.files.into_keys().collect()
    }
}

/// A digest that changes when one of the files does. Never shown: a short secret could be
/// guessed from it.
pub(crate) fn fingerprint(files: &[PathBuf]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for path in files {
        let found = from_file(path);
        let (tag, text) = match &found {
            Ok(secret) => (b'+', secret.expose()),
            Err(why) => (b'-', &**why),
        };
        hash.update([tag]);
        hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().into()
}

fn from_env(name: &str) -> Found {
    match std::env::var(name) {
        Ok(value) if value.is_empty() => {
            Err(format!("environment variable {name} is empty").into())
        }
        Ok(value) => Ok(Secret::new(value)),
        Err(std::env::VarError::NotPresent) => {
            Err(format!("environment variable {name} is not set").into())
        }
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(format!("environment variable {name} is not valid UTF-8").into())
        }
    }
}

fn from_file(path: &Path) -> Found {
    let shown = path.display();
    let text = read_text(path).map_err(|why| format!("password file {shown}: {why}"))?;
    let value = text.strip_suffix('\n').unwrap_or(&text);
    let value = value.strip_suffix('\r').unwrap_or(value);
    if value.is_empty() {
        return Err(format!("password file {shown}: it is empty").into());
    }
    Ok(Secret::new(value))
}

fn read_text(path: &Path) -> Result<String, String> {
    match read_bounded(path, SECRET_BYTES_MAX) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| "it is not valid UTF-8".to_owned()),
        Err(BoundedError::TooLong) => {
            Err(format!("it is longer than {} KiB", SECRET_BYTES_MAX / 1024))
        }
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_file_is_read_without_its_last_line_break() {
        let dir = tempfile::tempdir().unwrap();
        let read = |content: &str| {
            std::fs::write(dir.path().join("pw"), content).unwrap();
            let from = SecretFrom { env: None, file: Some("pw".to_owned()) };
            SecretReader::default().read(&from, dir.path()).unwrap()
        };
        assert_eq!(read("a b\n").unwrap().expose(), "a b");
        assert_eq!(read("a\r\n").unwrap().expose(), "a");
        assert_eq!(read("a\n\n").unwrap().expose(), "a\n");
        assert!(read("\n").unwrap_err().contains("is empty"));
        assert!(read(&"x".repeat(70_000)).unwrap_err().contains("longer than 64 KiB"));
    }

    #[test]
    fn what_is_no_regular_file_is_a_reason_and_never_blocks() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(from_file(&pipe).unwrap_err().contains("not a regular file"));
        assert!(from_file(dir.path()).unwrap_err().contains("not a regular file"));
        assert!(from_file(&dir.path().join("none")).unwrap_err().contains("No such file"));
    }
}
