//! Manifests that ship with the product, and faulty ones with the message that each must draw.
//!
//! `UPDATE=1` rewrites the expected messages and `manifests/schema.json`.

use std::fs;
use std::path::{Path, PathBuf};

use camserver::manifest::{Loaded, load_dir, render, schema};

use crate::manifest_schema::errors;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn load(relative: &str) -> Loaded {
    load_dir(&root().join(relative))
}

/// Compares with a file, or writes it where `UPDATE` is set.
fn assert_file(path: &Path, actual: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, actual).expect("the file can be written");
        return;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(actual, expected, "{} is not current: run with UPDATE=1", path.display());
}

#[test]
fn the_example_loads_without_problems_or_warnings() {
    let loaded = load("manifests/example");
    assert_eq!(render(&loaded.problems), "");
    let desired = loaded.desired.unwrap();
    assert_eq!((desired.cameras.len(), desired.subnets.len()), (2, 1));
    assert_eq!((desired.detectors.len(), desired.notifiers.len()), (3, 1));
    let camera = &desired.cameras["entrance"];
    let credentials = camera.credentials.as_ref().unwrap();
    assert_eq!(credentials.password.as_ref().unwrap().expose(), "change-me");
    assert_eq!(desired.devices.len(), 3, "two cameras, one of them with a picture on port 80");
}

#[test]
fn the_demonstration_loads_its_thirty_cameras() {
    let loaded = load("manifests/demo");
    assert_eq!(render(&loaded.problems), "");
    let desired = loaded.desired.unwrap();
    assert_eq!((desired.cameras.len(), desired.devices.len()), (30, 30));
    assert!(desired.devices.values().all(|limits| limits.max_connections == 2));
    let last = desired.cameras.last_key_value().unwrap();
    assert_eq!(last.0.as_str(), "cam-030");
    let main = last.1.main.as_ref().unwrap().to_string();
    assert_eq!(main, "rtsp://127.125.0.40:10554/main");
}

#[test]
fn the_schema_in_the_repository_is_current() {
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    assert_file(&root().join("manifests/schema.json"), &text);
}

/// The documents of all manifests of a directory, as an editor's YAML support reads them.
fn documents(relative: &str) -> Vec<serde_json::Value> {
    load(relative)
        .files
        .iter()
        .flat_map(|file| serde_saphyr::from_multiple(&file.text).expect("YAML"))
        .collect()
}

#[test]
fn the_examples_fit_the_schema_and_mistakes_do_not() {
    let schema = schema();
    let mut documents = [documents("manifests/example"), documents("manifests/demo")].concat();
    assert_eq!(documents.len(), 41);
    for document in &documents {
        assert_eq!(errors(&schema, &schema, document, ""), [""; 0]);
    }
    let camera = documents.iter_mut().find(|it| it["metadata"]["name"] == "entrance").unwrap();
    for (path, value) in [
        ("/spec/port", serde_json::json!(70_000)),
        ("/spec/capture/order", serde_json::json!(["natve"])),
        ("/spec/capture/order", serde_json::json!([])),
        ("/spec/motion/masks", serde_json::json!([[0, 0, 1]])),
        ("/spec/streams", serde_json::json!({"man": "/a"})),
        ("/spec/subnet", serde_json::json!(null)),
        ("/kind", serde_json::json!("Camra")),
    ] {
        let good = std::mem::replace(camera.pointer_mut(path).unwrap(), value);
        assert!(!errors(&schema, &schema, camera, "").is_empty(), "{path}");
        *camera.pointer_mut(path).unwrap() = good;
    }
}

#[test]
fn every_faulty_manifest_draws_its_message() {
    let dir = root().join("tests/data/manifests");
    let mut count = 0;
    let mut paths: Vec<PathBuf> =
        fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|it| it == "yaml")) {
        count += 1;
        let set = tempfile::tempdir().unwrap();
        fs::copy(path, set.path().join("set.yaml")).unwrap();
        let loaded = load_dir(set.path());
        assert!(!loaded.problems.is_empty(), "{} has no problem", path.display());
        let shown =
            render(&loaded.problems).replace(&set.path().display().to_string(), "manifests");
        assert!(!shown.contains("hunter2"), "{} shows its password", path.display());
        assert_file(&path.with_extension("txt"), &shown);
    }
    assert!(count >= 60, "only {count} faulty manifests");
}
