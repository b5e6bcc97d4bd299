//! Rules of the repository that no compiler checks: who may import whom, what files look like,
//! and whether the documents name what exists.
//!
//! Reads text and runs nothing. Rules that clippy or rustc can check stand in `Cargo.toml`.

mod files;
mod layers;
mod papers;
mod source;

use std::path::{Path, PathBuf};

/// Every rule's report: one line a violation, and none when all is well.
fn assert_none(violations: &[String], rule: &str) {
    assert!(violations.is_empty(), "{rule}\n  {}", violations.join("\n  "));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text_of(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All Rust files of the workspace, as `src/plan/mod.rs`, sorted.
fn rust_files() -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["src", "tests", "benches", "chaos/src", "chaos/tests", "chaos/benches"] {
        collect(&root().join(folder), &mut found);
    }
    found.sort();
    assert!(found.len() > 100, "only {} Rust files found", found.len());
    found
}

fn collect(folder: &Path, found: &mut Vec<String>) {
    // Not every folder of the list exists.
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let path = path.strip_prefix(root()).unwrap();
            found.push(path.to_str().unwrap().to_owned());
        }
    }
}

/// Whether a file holds nothing but tests.
fn is_test(path: &str) -> bool {
    let is_named_so = |part: &str| {
        matches!(part, "tests" | "tests.rs" | "testkit" | "testkit.rs" | "simulation")
            || part == "test_sets.rs"
    };
    path.split('/').any(is_named_so)
}
