//! Whether the documents name what exists: paths, commands, targets, links.

use camserver::cli::Cli;
use clap::Parser as _;

use super::{assert_none, root, text_of};

const DOCUMENTS: [&str; 8] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "docs/GLOSSARY.md",
    "manifests/README.md",
    "migrations/README.md",
    "tests/README.md",
    "web/README.md",
];

/// Longest ARCHITECTURE.md that is still read from top to bottom.
const ARCHITECTURE_LINES_MAX: usize = 180;

/// Folders that a path in a document begins with.
const FOLDERS: [&str; 8] =
    ["src/", "chaos/", "web/", "tests/", "manifests/", "migrations/", "docs/", "benches/"];

/// The lines of the first table below a heading, without its head, as lists of cells.
fn table(text: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, after) = text.split_once(heading).unwrap_or_else(|| panic!("no {heading:?}"));
    let rows = after.lines().skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| row.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect();
    rows.map(cells).collect()
}

/// What stands between single backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The fenced blocks of a language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let parts = text.split(&fence).skip(1);
    parts.filter_map(|part| part.split_once("```").map(|(block, _)| block)).collect()
}

#[test]
fn the_table_of_changes_leads_to_places_that_exist() {
    let text = text_of("ARCHITECTURE.md");
    assert!(text.lines().count() <= ARCHITECTURE_LINES_MAX, "ARCHITECTURE.md is too long");
    let rows = table(&text, "I want to change");
    assert!(rows.len() >= 15, "only {} rows", rows.len());
    let mut violations = Vec::new();
    for row in &rows {
        let places: Vec<&str> = quoted(&row[1]).collect();
        if places.is_empty() {
            violations.push(format!("{}: no place", row[0]));
        }
        let missing = places.into_iter().filter(|place| !root().join(place).exists());
        violations.extend(missing.map(|place| format!("{}: {place} does not exist", row[0])));
    }
    assert_none(&violations, "rows of the table in ARCHITECTURE.md");
}

#[test]
fn paths_in_documents_exist() {
    let mut violations = Vec::new();
    for document in DOCUMENTS {
        let text = text_of(document);
        for path in quoted(&text).filter(|path| FOLDERS.iter().any(|f| path.starts_with(f))) {
            let is_pattern = path.contains(['*', '<', '{', ' ']);
            // Its own folder comes first: `src/` of the wall is not `src/` of the server.
            let beside = root().join(document).with_file_name(path);
            // Made by `npm run build` and `npm run look`.
            let is_built = path.starts_with("dist/") || path.starts_with("test-results/");
            if !is_pattern && !is_built && !beside.exists() && !root().join(path).exists() {
                violations.push(format!("{document}: {path}"));
            }
        }
    }
    assert_none(&violations, "paths that do not exist");
}

#[test]
fn links_in_documents_lead_somewhere() {
    let mut violations = Vec::new();
    for document in DOCUMENTS {
        let text = text_of(document);
        for rest in text.split("](").skip(1) {
            let target = rest.split([')', '#']).next().unwrap_or_default();
            let is_outside = target.contains("://") || target.is_empty();
            if !is_outside && !root().join(document).with_file_name(target).exists() {
                violations.push(format!("{document}: {target}"));
            }
        }
    }
    assert_none(&violations, "links that lead nowhere");
}

/// Commands in the documents' shell blocks, without comments.
fn commands() -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for document in DOCUMENTS {
        let text = text_of(document);
        for line in blocks(&text, "sh").into_iter().flat_map(str::lines) {
            let line = line.split(" #").next().unwrap_or_default().trim();
            if !line.is_empty() {
                found.push((document, line.to_owned()));
            }
        }
    }
    found
}

#[test]
fn commands_in_documents_are_understood() {
    let makefile = text_of("Makefile");
    let mut violations = Vec::new();
    let mut checked = 0;
    for (document, line) in commands() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_understood = match words.as_slice() {
            ["make", target, ..] => makefile.contains(&format!("\n{target}:")),
            [program, ..] if program.ends_with("camserver") => Cli::try_parse_from(&words).is_ok(),
            _ => continue,
        };
        checked += 1;
        if !is_understood {
            violations.push(format!("{document}: {line}"));
        }
    }
    assert!(checked >= 8, "only {checked} commands found");
    assert_none(&violations, "commands that do not exist");
}

#[test]
fn the_first_own_camera_of_the_readme_is_valid() {
    let readme = text_of("README.md");
    let manifests = blocks(&readme, "yaml");
    assert_eq!(manifests.len(), 1);
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("cameras.yaml"), manifests[0]).unwrap();
    std::fs::write(directory.path().join("door-password.txt"), "secret").unwrap();
    let loaded = camserver::manifest::load_dir(directory.path());
    assert_eq!(camserver::manifest::render(&loaded.problems), "");
    let desired = loaded.desired.unwrap();
    assert_eq!(desired.cameras.len(), 1);
    let camera = desired.cameras.values().next().unwrap();
    assert!(camera.credentials.as_ref().unwrap().password.is_ok(), "its password is not read");
}

#[test]
fn the_changelog_knows_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(text_of("CHANGELOG.md").contains(&format!("## [{version}]")), "{version} is missing");
}
