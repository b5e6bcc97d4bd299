//! What counts as a manifest file, and what does not.

use std::os::unix::fs::symlink;

use super::*;

fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.texts.iter().map(|text| text.name.as_str()).collect()
}

fn messages(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.problems.iter().map(|problem| problem.message.as_str()).collect()
}

#[test]
fn manifests_are_found_below_hidden_and_other_files_are_not() {
    let dir = tempfile::tempdir().unwrap();
    for path in ["b.yaml", "a.yml", "deep/er/c.yaml", ".git/d.yaml", ".e.yaml", "f.txt", "g.yaml~"]
    {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "# empty").unwrap();
    }
    let found = snapshot(dir.path());
    assert_eq!(names(&found), ["a.yml", "b.yaml", "deep/er/c.yaml"]);
    assert_eq!((found.problems, found.directories.len()), (Vec::new(), 3));
}

#[test]
fn a_file_or_folder_that_is_linked_twice_or_in_a_circle_is_read_once() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("sub")).unwrap();
    fs::write(dir.path().join("sub/a.yaml"), "# a").unwrap();
    symlink("sub/a.yaml", dir.path().join("again.yaml")).unwrap();
    symlink("sub", dir.path().join("twin")).unwrap();
    symlink("..", dir.path().join("sub/up")).unwrap();
    let found = snapshot(dir.path());
    assert_eq!(found.texts.len(), 1, "{:?}", names(&found));
    assert_eq!(found.problems, []);
}

#[test]
fn what_cannot_be_read_is_a_problem_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    symlink("nowhere", path("broken.yaml")).unwrap();
    fs::write(path("large.yaml"), "x".repeat((1 << 20) + 1)).unwrap();
    fs::write(path("latin.yaml"), b"a: b\nname: caf\xe9\n").unwrap();
    let mode = rustix::fs::Mode::RUSR;
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, path("pipe.yaml"), fifo, mode, 0).unwrap();
    let found = snapshot(dir.path());
    let messages = messages(&found);
    assert_eq!(messages.len(), 4, "{messages:?}");
    assert!(messages[0].contains("No such file"), "{messages:?}");
    assert_eq!(messages[1], "the file is larger than 1024 KiB");
    assert_eq!(messages[2], "the file is not UTF-8 from here on");
    assert_eq!(messages[3], "the file cannot be read: it is not a regular file");
    assert_eq!((found.problems[2].line, found.problems[2].column), (2, 10));
    assert_eq!(found.problems[2].file, path("latin.yaml").display().to_string());
}

#[test]
fn a_missing_directory_is_not_an_empty_one() {
    let dir = tempfile::tempdir().unwrap();
    let missing = snapshot(&dir.path().join("none"));
    assert_eq!(messages(&missing), ["the directory is missing"]);
    fs::write(dir.path().join("file"), "").unwrap();
    assert_eq!(messages(&snapshot(&dir.path().join("file"))), ["this is no directory"]);
    assert_eq!(messages(&snapshot(dir.path())), [""; 0]);
}

#[test]
fn too_many_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..=FILES_MAX {
        fs::write(dir.path().join(format!("{number}.yaml")), "").unwrap();
    }
    assert_eq!(messages(&snapshot(dir.path())), ["more than 1000 manifest files: 1001"]);
}
