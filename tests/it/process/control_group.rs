//! Children in control groups of their own, where the kernel lets a test make some.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use camserver::world::process::{Capability, Spawner};

use super::{command, has_ended, identity, shell, spawner_of, this_program_with, until};

const GROUP: &str = "CAMSERVER_TEST_GROUP";
const LIMIT: Duration = Duration::from_secs(10);

/// A group that is handed over as a service manager does; removed at the end.
struct Delegated(PathBuf);

impl Delegated {
    fn new() -> Option<Self> {
        ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].into_iter().find_map(|mount| {
            let path = Path::new(mount).join(format!("t{}", std::process::id()));
            if !Path::new(mount).join("cgroup.procs").exists() || fs::create_dir(&path).is_err() {
                return None;
            }
            let made = Self(path);
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::setxattr(&made.0, "user.delegate", b"1", flags).ok().map(|()| made)
        })
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        fs::remove_dir(&self.0).ok();
    }
}

#[test]
fn what_neither_session_nor_mark_shows_ends_with_the_control_group() {
    let Some(group) = Delegated::new().filter(|group| group.0.join("cgroup.kill").exists()) else {
        println!(
            "SKIPPED: no control group can be made, which needs root and their second version"
        );
        return;
    };
    let enter = "echo 0 > \"$1/cgroup.procs\" && shift && exec \"$@\"";
    let ended = command("sh")
        .args(["-c", enter, "sh"])
        .arg(&group.0)
        .args(this_program_with("process::control_group::a_server_in_a_delegated_group"))
        .env(GROUP, &group.0)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && text.contains("1 passed"), "{text}");
}

/// Groups of children below the server's.
fn groups(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    folders.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

async fn a_hidden_grandchild(spawner: &Spawner, folder: &Path) {
    let word = folder.join("word");
    let script = format!(
        "env -i setsid sh -c 'echo $$ > {word}.new; mv {word}.new {word}; exec sleep 1000' & wait",
        word = word.display()
    );
    let child = spawner.spawn(shell(&script)).await.unwrap();
    until("the grandchild runs", LIMIT, || word.exists()).await;
    let grandchild = identity(fs::read_to_string(&word).unwrap().trim().parse().unwrap());
    let membership = fs::read_to_string(format!("/proc/{}/cgroup", grandchild.pid)).unwrap();
    assert!(membership.contains("/child-capture-cam-001-1\n"), "{membership}");
    child.stop().await.unwrap();
    assert!(has_ended(grandchild));
}

#[tokio::test]
#[ignore = "is run by another test, in a control group of its own"]
async fn a_server_in_a_delegated_group() {
    let Some(group) = std::env::var_os(GROUP).map(PathBuf::from) else { return };
    fs::create_dir(group.join("child-of-an-earlier-run")).unwrap();
    let spawner = spawner_of(1);
    assert_eq!(spawner.capability(), &Capability::Delegated { group: group.clone() });
    let folder = tempfile::tempdir().unwrap();
    a_hidden_grandchild(&spawner, folder.path()).await;
    assert_eq!(groups(&group), Vec::<String>::new());
}
