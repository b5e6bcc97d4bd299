//! Live reload against a real directory, with the changes that editors, git, git-sync and
//! Kubernetes make.

use std::fs;
use std::ops::Range;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::watch::Receiver;
use tokio::time::timeout;

use super::super::files::snapshot;
use super::super::load::{Loaded, load_dir};
use super::super::test_sets::cameras_yaml;
use super::{Eyes, QUIET, Signal, Watcher};

/// Longest wait for a load: the promised second, and what a busy machine adds. Far below the
/// poll, so that a test that passes has seen the wake-up.
const LIMIT: Duration = Duration::from_secs(6);

struct Watched {
    dir: TempDir,
    watcher: Watcher,
    results: Receiver<Arc<Loaded>>,
}

impl Watched {
    /// Watches `name` in a folder that `prepare` fills.
    fn start(name: &str, prepare: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path());
        let directory = dir.path().join(name);
        let watcher = Watcher::start(&directory, &Arc::new(load_dir(&directory)));
        let results = watcher.results();
        Self { dir, watcher, results }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Waits until the first look is over, so that the watches stand.
    async fn ready(&mut self) {
        self.watcher.wake();
        self.next().await;
    }

    async fn next(&mut self) -> Arc<Loaded> {
        timeout(LIMIT, self.results.changed()).await.expect("a load in time").unwrap();
        Arc::clone(&self.results.borrow_and_update())
    }

    /// The number of cameras of the next set that is loaded, which has no problem.
    async fn next_cameras(&mut self) -> usize {
        let loaded = self.next().await;
        assert_eq!(loaded.problems, []);
        loaded.desired.as_ref().unwrap().cameras.len()
    }
}

fn write(path: &Path, cameras: Range<usize>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, cameras_yaml(cameras)).unwrap();
}

#[tokio::test]
async fn a_plain_write_a_rename_and_a_removal_are_noticed() {
    let mut watched = Watched::start("m", |dir| write(&dir.join("m/a.yaml"), 0..1));
    watched.ready().await;
    write(&watched.path("m/a.yaml"), 0..2);
    assert_eq!(watched.next_cameras().await, 2);
    write(&watched.path("m/.a.yaml.tmp"), 0..3);
    fs::rename(watched.path("m/.a.yaml.tmp"), watched.path("m/a.yaml")).unwrap();
    assert_eq!(watched.next_cameras().await, 3);
    fs::remove_file(watched.path("m/a.yaml")).unwrap();
    assert_eq!(watched.next_cameras().await, 0);
    watched.watcher.stop().await;
}

#[tokio::test]
async fn a_new_folder_and_what_is_written_into_it_at_once_are_noticed() {
    let mut watched = Watched::start("m", |dir| write(&dir.join("m/a.yaml"), 0..1));
    watched.ready().await;
    write(&watched.path("m/deep/er/b.yaml"), 0..0);
    fs::write(watched.path("m/deep/er/b.yaml"), cameras_yaml(0..4)).unwrap();
    fs::remove_file(watched.path("m/a.yaml")).unwrap();
    assert_eq!(watched.next_cameras().await, 4);
    write(&watched.path("m/deep/er/b.yaml"), 0..5);
    assert_eq!(watched.next_cameras().await, 5);
    watched.watcher.stop().await;
}

#[tokio::test]
async fn a_swapped_link_is_noticed_again_and_again() {
    let mut watched = Watched::start("current", |dir| {
        write(&dir.join("rev-1/a.yaml"), 0..1);
        symlink("rev-1", dir.join("current")).unwrap();
    });
    watched.ready().await;
    for revision in 2..5 {
        let name = format!("rev-{revision}");
        write(&watched.path(&name).join("a.yaml"), 0..revision);
        symlink(&name, watched.path("new")).unwrap();
        fs::rename(watched.path("new"), watched.path("current")).unwrap();
        assert_eq!(watched.next_cameras().await, revision);
        // Only now: the swap alone must have been noticed.
        fs::remove_dir_all(watched.path(&format!("rev-{}", revision - 1))).unwrap();
        assert_eq!(watched.results.borrow().revision.as_deref(), Some(name.as_str()));
    }
    // And the directory behind the link is watched as well.
    write(&watched.path("rev-4/a.yaml"), 0..9);
    assert_eq!(watched.next_cameras().await, 9);
    watched.watcher.stop().await;
}

#[tokio::test]
async fn a_kubernetes_volume_is_loaded_once_and_its_swap_is_noticed() {
    let mut watched = Watched::start("m", |dir| {
        write(&dir.join("m/..1/a.yaml"), 0..1);
        symlink("..1", dir.join("m/..data")).unwrap();
        symlink("..data/a.yaml", dir.join("m/a.yaml")).unwrap();
    });
    assert_eq!(watched.results.borrow().files.len(), 1);
    watched.ready().await;
    for version in 2..4 {
        write(&watched.path(&format!("m/..{version}/a.yaml")), 0..version);
        symlink(format!("..{version}"), watched.path("m/..data_tmp")).unwrap();
        fs::rename(watched.path("m/..data_tmp"), watched.path("m/..data")).unwrap();
        fs::remove_dir_all(watched.path(&format!("m/..{}", version - 1))).unwrap();
        assert_eq!(watched.next_cameras().await, version);
    }
    watched.watcher.stop().await;
}

#[tokio::test]
async fn a_checkout_of_many_files_is_one_load() {
    let file = |number: usize| format!("m/{number:02}.yaml");
    let camera = |number: usize, port: u16| {
        format!(
            "apiVersion: camserver.dev/v1\nkind: Camera\nmetadata: {{name: c{number}}}\n\
             spec: {{subnet: s, address: 10.0.1.{number}, port: {port}, streams: {{sub: /s}}}}\n"
        )
    };
    let mut watched = Watched::start("m", |dir| {
        write(&dir.join("m/subnet.yaml"), 0..0);
        for number in 0..50 {
            fs::write(dir.join(file(number)), camera(number, 554)).unwrap();
        }
    });
    watched.ready().await;
    for number in 0..50 {
        fs::remove_file(watched.path(&file(number))).unwrap();
        fs::write(watched.path(&file(number)), camera(number, 8554)).unwrap();
    }
    let loaded = watched.next().await;
    let desired = loaded.desired.as_ref().unwrap();
    assert!(desired.cameras.values().all(|camera| camera.port == 8554));
    assert_eq!(desired.cameras.len(), 50);
    watched.watcher.stop().await;
}

#[tokio::test]
async fn a_half_written_file_is_not_loaded_before_it_is_whole() {
    use std::io::Write;

    let mut watched = Watched::start("m", |dir| write(&dir.join("m/a.yaml"), 0..1));
    watched.ready().await;
    let text = cameras_yaml(0..20);
    let mut file = fs::File::create(watched.path("m/a.yaml")).unwrap();
    // Pieces cut in the middle of lines, with pauses shorter than what counts as quiet.
    for piece in text.as_bytes().chunks(text.len() / 8 + 1) {
        file.write_all(piece).unwrap();
        tokio::time::sleep(QUIET / 4).await;
    }
    assert_eq!(watched.next_cameras().await, 20);
    watched.watcher.stop().await;
}

#[tokio::test]
async fn a_missing_directory_is_a_problem_and_its_return_is_noticed() {
    let mut watched = Watched::start("m", |dir| write(&dir.join("m/a.yaml"), 0..1));
    watched.ready().await;
    fs::rename(watched.path("m"), watched.path("away")).unwrap();
    let loaded = watched.next().await;
    assert!(loaded.desired.is_none());
    assert_eq!(loaded.problems[0].message, "the directory is missing");
    fs::rename(watched.path("away"), watched.path("m")).unwrap();
    assert_eq!(watched.next_cameras().await, 1);
    write(&watched.path("m/a.yaml"), 0..2);
    assert_eq!(watched.next_cameras().await, 2);
    watched.watcher.stop().await;
}

#[tokio::test]
async fn a_changed_password_file_is_a_new_load_with_the_same_digest() {
    let text =
        cameras_yaml(0..1) + "  credentials: {username: u, passwordFrom: {file: ../secret/pw}}\n";
    let text = text.replace(
        "spec: {subnet: s, address: 10.0.0.0, streams: {sub: /s}}\n",
        "spec:\n  subnet: s\n  address: 10.0.0.0\n  streams: {sub: /s}\n",
    );
    let mut watched = Watched::start("m", |dir| {
        fs::create_dir(dir.join("m")).unwrap();
        fs::create_dir(dir.join("secret")).unwrap();
        fs::write(dir.join("m/a.yaml"), text).unwrap();
    });
    let first = Arc::clone(&watched.results.borrow());
    let password = |loaded: &Loaded| {
        let desired = loaded.desired.as_ref().unwrap();
        let camera = Arc::clone(&desired.cameras["cam-000"]);
        (camera.credentials.clone().unwrap().password, camera.spec_digest)
    };
    let (missing, digest) = password(&first);
    assert!(missing.unwrap_err().contains("No such file"));
    watched.ready().await;
    fs::write(watched.path("secret/pw"), "one").unwrap();
    let second = watched.next().await;
    let (found, other) = password(&second);
    assert_eq!(found.unwrap().expose(), "one");
    assert_eq!(second.digest, first.digest);
    assert_ne!((second.fingerprint, other), (first.fingerprint, digest));
    watched.watcher.stop().await;
}

#[tokio::test]
async fn reading_and_noise_beside_the_directory_do_not_wake_the_watch() {
    let dir = tempfile::tempdir().unwrap();
    let manifests = dir.path().join("m");
    write(&manifests.join("a.yaml"), 0..1);
    let signal = Arc::new(Signal::default());
    let mut eyes = Eyes::new(&manifests, Arc::clone(&signal));
    let snapshot = snapshot(&manifests);
    assert!(!eyes.follow(&snapshot, &[]));
    assert!(eyes.follow(&snapshot, &[]));
    load_dir(&manifests);
    fs::write(dir.path().join("noise.log"), "x").unwrap();
    assert!(timeout(QUIET, signal.wake.notified()).await.is_err(), "woken without a reason");
    write(&manifests.join("a.yaml"), 0..2);
    timeout(LIMIT, signal.wake.notified()).await.unwrap();
}
