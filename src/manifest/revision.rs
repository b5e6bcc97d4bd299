//! Which revision a manifest directory is at: the git commit, or what a swapped link points to.
//!
//! Reads git's own files and starts no program. Nothing it says decides anything: it is shown.

use std::fs;
use std::path::{Path, PathBuf};

use super::files::read_bounded;

/// Largest of git's small files; `packed-refs` of large repositories is long.
const GIT_BYTES_MAX: u64 = 16 << 20;

/// Most links from one reference to the next.
const REFERENCES_MAX: usize = 5;

/// The revision of a directory; `directory` as given, `real` with links resolved.
pub(crate) fn revision(directory: &Path, real: &Path) -> Option<String> {
    git_commit(real)
        .or_else(|| link_target(directory))
        .or_else(|| link_target(&real.join("..data")))
}

/// The last part of the path that a link points to.
fn link_target(path: &Path) -> Option<String> {
    let target = fs::read_link(path).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}

fn git_commit(real: &Path) -> Option<String> {
    let git = real.ancestors().find_map(git_directory)?;
    let common = read_line(&git.join("commondir")).map_or(git.clone(), |path| git.join(path));
    let mut reference = read_line(&git.join("HEAD"))?;
    for _ in 0..REFERENCES_MAX {
        let Some(name) = reference.strip_prefix("ref:").map(str::trim) else {
            return is_commit(&reference).then_some(reference);
        };
        let safe = Path::new(name)
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        if !safe {
            return None;
        }
        reference = read_line(&git.join(name))
            .or_else(|| read_line(&common.join(name)))
            .or_else(|| packed(&common, name))?;
    }
    None
}

/// The git directory of a checkout: `.git` itself, or where a file of this name leads.
fn git_directory(checkout: &Path) -> Option<PathBuf> {
    let git = checkout.join(".git");
    if git.join("HEAD").is_file() {
        return Some(git);
    }
    let path = PathBuf::from(read_line(&git)?.strip_prefix("gitdir:")?.trim());
    let git = checkout.join(path);
    git.join("HEAD").is_file().then_some(git)
}

fn packed(common: &Path, name: &str) -> Option<String> {
    let text = read_text(&common.join("packed-refs"))?;
    let line = text.lines().find(|line| line.split_once(' ').is_some_and(|(_, it)| it == name))?;
    line.split_once(' ').map(|(commit, _)| commit.to_owned())
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn read_line(path: &Path) -> Option<String> {
    Some(read_text(path)?.lines().next()?.trim().to_owned())
}

fn read_text(path: &Path) -> Option<String> {
    String::from_utf8(read_bounded(path, GIT_BYTES_MAX).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn found(path: &Path) -> Option<String> {
        revision(path, &fs::canonicalize(path).unwrap())
    }

    #[test]
    fn the_commit_of_a_checkout_is_found_loose_packed_detached_and_below() {
        let dir = tempfile::tempdir().unwrap();
        let git = dir.path().join(".git");
        let below = dir.path().join("manifests");
        fs::create_dir(&below).unwrap();
        write(&git.join("HEAD"), "ref: refs/heads/main\n");
        assert_eq!(found(&below), None);
        write(&git.join("packed-refs"), &format!("# pack-refs\n{COMMIT} refs/heads/main\n"));
        assert_eq!(found(&below).as_deref(), Some(COMMIT));
        let newer = COMMIT.replace('0', "a");
        write(&git.join("refs/heads/main"), &newer);
        assert_eq!(found(dir.path()), Some(newer));
        write(&git.join("HEAD"), COMMIT);
        assert_eq!(found(dir.path()).as_deref(), Some(COMMIT));
        write(&git.join("HEAD"), "ref: ../../secret");
        assert_eq!(found(dir.path()), None);
    }

    #[test]
    fn a_worktree_finds_its_branch_in_the_common_directory() {
        let dir = tempfile::tempdir().unwrap();
        let git = dir.path().join("repo/.git");
        let own = git.join("worktrees/w");
        write(&git.join("refs/heads/w"), COMMIT);
        write(&own.join("HEAD"), "ref: refs/heads/w\n");
        write(&own.join("commondir"), "../..\n");
        write(&dir.path().join("w/.git"), "gitdir: ../repo/.git/worktrees/w\n");
        assert_eq!(found(&dir.path().join("w")).as_deref(), Some(COMMIT));
    }

    #[test]
    fn a_swapped_link_names_its_revision() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("abc123")).unwrap();
        symlink("abc123", dir.path().join("current")).unwrap();
        assert_eq!(found(&dir.path().join("current")).as_deref(), Some("abc123"));
        let volume = dir.path().join("volume");
        fs::create_dir_all(volume.join("..2026_01_05")).unwrap();
        symlink("..2026_01_05", volume.join("..data")).unwrap();
        assert_eq!(found(&volume).as_deref(), Some("..2026_01_05"));
    }
}
