//! Control groups of the kernel's second version: one call kills all of a child's descendants,
//! even those that fork meanwhile.
//!
//! Used where the service manager has handed the server's own group over to it; nothing depends
//! on it. The server stays in that group itself, beside its children's: no controllers are
//! switched on, so the kernel's rule against processes in inner groups does not apply.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::model::process::Mark;

/// How the names of children's groups begin.
const PREFIX: &str = "child-";

/// Whether control groups are used, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Capability {
    /// Each child has a group below this one.
    Delegated {
        /// The server's own group.
        group: PathBuf,
    },
    /// Children are ended by session and mark alone.
    None {
        /// Why, a fragment of a sentence.
        why: String,
    },
}

impl Capability {
    /// Looks where this process is, and what it may do there.
    pub(super) fn find() -> Self {
        let found = match own_group() {
            Ok(group) => Self::of_group(group),
            Err(why) => Self::None { why },
        };
        if let Self::Delegated { group } = &found {
            remove_empty(group);
        }
        found
    }

    fn of_group(group: PathBuf) -> Self {
        let is_root = !group.join("cgroup.type").exists();
        let why = if is_root {
            "the server is in the root control group"
        } else if !group.join("cgroup.kill").exists() {
            "the kernel has no cgroup.kill (Linux 5.14 has)"
        } else if access(&group, Access::WRITE_OK).is_err()
            || access(group.join("cgroup.procs"), Access::WRITE_OK).is_err()
        {
            "the control group of the server is not writable"
        } else if rustix::process::geteuid().is_root() && !is_handed_over(&group) {
            "the control group of the server is not delegated (Delegate=yes)"
        } else {
            return Self::Delegated { group };
        };
        Self::None { why: why.to_owned() }
    }

    /// Makes the group of one child; `None` where there are none, or this one cannot be made.
    pub(super) fn create(&self, mark: &Mark) -> Option<Group> {
        let Self::Delegated { group } = self else { return None };
        let path = group.join(name(mark));
        fs::create_dir(&path).ok()?;
        Some(Group { path })
    }
}

/// Removes what an earlier run left. The kernel keeps a group in which something lives, and that
/// is found by its mark.
fn remove_empty(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            fs::remove_dir(entry.path()).ok();
        }
    }
}

/// The name of a child's group. Names of units have no dot, names of the kernel's files do.
fn name(mark: &Mark) -> String {
    let unit = mark.unit.to_string().replace('/', "-").replace('.', "_");
    format!("{PREFIX}{unit}-{}", mark.token.number)
}

/// The group of one child.
#[derive(Debug)]
pub(super) struct Group {
    path: PathBuf,
}

impl Group {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Kills everything in it.
    pub(super) fn kill(&self) {
        fs::write(self.path.join("cgroup.kill"), "1").ok();
    }

    /// Whether something lives in it.
    pub(super) fn is_populated(&self) -> bool {
        let events = fs::read_to_string(self.path.join("cgroup.events"));
        events.is_ok_and(|events| events.lines().any(|line| line == "populated 1"))
    }
}

impl Drop for Group {
    /// Removes it; the kernel refuses while something lives in it.
    fn drop(&mut self) {
        fs::remove_dir(&self.path).ok();
    }
}

/// The folder of this process's group in the second version's tree.
fn own_group() -> Result<PathBuf, String> {
    let unreadable = |error: io::Error| format!("/proc cannot be read: {error}");
    let groups = fs::read_to_string("/proc/self/cgroup").map_err(unreadable)?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(unreadable)?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let path = path.ok_or("the kernel has no control groups of the second version")?;
    group_folder(path, &mounts).ok_or_else(|| "their file system is not mounted here".to_owned())
}

/// Where a group of the kernel's tree is visible, by `/proc/self/mountinfo`.
fn group_folder(path: &str, mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        // proc_pid_mountinfo(5): id, parent, device, root, mount point, ... - type ...
        let (place, kind) = line.split_once(" - ")?;
        if !kind.starts_with("cgroup2 ") {
            return None;
        }
        let mut fields = place.split(' ').skip(3);
        let (root, mount_point) = (fields.next()?, fields.next()?);
        let inside = Path::new(path).strip_prefix(root).ok()?;
        Some(Path::new(mount_point).join(inside))
    })
}

/// Whether the service manager says so, or the group is the root of a container's own tree.
fn is_handed_over(group: &Path) -> bool {
    let says_so = |name: &str| {
        let mut value = [0; 1];
        rustix::fs::getxattr(group, name, &mut value[..]).is_ok() && value == *b"1"
    };
    let is_namespace_root =
        fs::read_to_string("/proc/self/cgroup").is_ok_and(|text| text.lines().any(|l| l == "0::/"));
    is_namespace_root || says_so("user.delegate") || says_so("trusted.delegate")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "23 28 0:21 / /proc rw - proc proc rw\n\
        31 23 0:27 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755\n\
        32 31 0:28 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn the_own_group_is_found_below_the_mount_point() {
        let found = group_folder("/system.slice/camserver.service", MOUNTS).unwrap();
        let expected = "/sys/fs/cgroup/unified/system.slice/camserver.service";
        assert_eq!(found, Path::new(expected));
        assert_eq!(group_folder("/a", &MOUNTS.replace("cgroup2", "cgroup")), None);
    }

    #[test]
    fn the_name_of_a_group_is_no_file_of_the_kernels() {
        let mark: Mark = "v1:here:capture/cgroup-kill:run-7".parse().unwrap();
        assert_eq!(name(&mark), "child-capture-cgroup-kill-7");
    }

    #[test]
    fn a_folder_that_is_no_group_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let capability = Capability::of_group(folder.path().to_owned());
        assert!(matches!(capability, Capability::None { .. }), "{capability:?}");
    }
}
