//! What files look like: names, headers, lengths, words that must not stay.

use super::source::words;
use super::{assert_none, is_test, root, rust_files, text_of};

/// Most lines of a file, without its tests.
const LINES_MAX: usize = 500;
/// Beyond this a file needs a reason to be in [`LONG`].
const LINES_SOFT: usize = 400;
/// Files between the two, each with the reason why it is not split.
const LONG: [(&str, &str); 0] = [];

/// Names that say nothing about what is in a file.
const EMPTY_NAMES: [&str; 8] =
    ["util", "utils", "helper", "helpers", "common", "types", "misc", "shared"];

#[test]
fn every_rust_file_says_what_it_is_for() {
    let files = rust_files();
    let silent: Vec<String> =
        files.into_iter().filter(|file| !text_of(file).starts_with("//! ")).collect();
    assert_none(&silent, "files that do not begin with a `//!` line");
}

#[test]
fn every_folder_of_modules_has_its_entry() {
    let mut violations = Vec::new();
    for file in rust_files().iter().filter(|file| file.starts_with("src/")) {
        let Some((folder, _)) = file.rsplit_once('/').filter(|(folder, _)| *folder != "src") else {
            continue;
        };
        let entries = [format!("{folder}/mod.rs"), format!("{folder}.rs")];
        if !entries.iter().any(|entry| root().join(entry).is_file()) {
            violations.push(format!("{folder} has neither {} nor {}", entries[0], entries[1]));
        }
    }
    assert_none(&violations, "folders without an entry file");
}

/// Lines before the tests at the end of a file.
fn code_lines(text: &str) -> usize {
    let tests = text.find("\n#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..tests].lines().count()
}

#[test]
fn files_are_short_enough_to_be_read_at_once() {
    let mut violations = Vec::new();
    for file in rust_files().into_iter().filter(|file| !is_test(file)) {
        let lines = code_lines(&text_of(&file));
        let is_excused = LONG.iter().any(|(long, _)| *long == file);
        if lines > LINES_MAX || (lines > LINES_SOFT && !is_excused) {
            violations.push(format!("{file}: {lines} lines"));
        }
        if lines <= LINES_SOFT && is_excused {
            violations.push(format!("{file}: {lines} lines, no longer in need of an excuse"));
        }
    }
    assert_none(&violations, "files that are too long");
}

#[test]
fn file_names_say_what_is_inside() {
    let mut violations = Vec::new();
    for file in rust_files() {
        let is_empty = |part: &str| EMPTY_NAMES.contains(&part.trim_end_matches(".rs"));
        if file.split('/').any(is_empty) {
            violations.push(file);
        }
    }
    assert_none(&violations, "names that say nothing");
}

#[test]
fn nothing_unfinished_stays() {
    let mut violations = Vec::new();
    for file in rust_files() {
        let text = text_of(&file);
        let words = words(&text);
        for (word, next) in words.iter().zip(words.iter().skip(1)) {
            if matches!(word.text, "todo" | "unimplemented" | "dbg") && next.text == "!" {
                violations.push(format!("{file}:{}: {}!", word.line, word.text));
            }
            if word.text == "unsafe" {
                violations.push(format!("{file}:{}: unsafe", word.line));
            }
        }
        for (index, line) in text.lines().enumerate() {
            let is_marked = ["TODO", "FIXME", "XXX"].iter().any(|mark| {
                line.split_once(mark).is_some_and(|(before, after)| {
                    before.contains("//") && !after.starts_with("(#")
                })
            });
            if is_marked || line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ") {
                violations.push(format!("{file}:{}: {}", index + 1, line.trim()));
            }
        }
    }
    assert_none(&violations, "unfinished places; `TODO(#12)` names where it is followed up");
}

#[test]
fn unsafe_code_is_forbidden_in_both_crates() {
    let workspace = text_of("Cargo.toml");
    assert!(workspace.contains("\nunsafe_code = \"forbid\"\n"));
    for manifest in ["Cargo.toml", "chaos/Cargo.toml"] {
        let text = text_of(manifest);
        assert!(text.contains("\n[lints]\nworkspace = true\n"), "{manifest} has lints of its own");
    }
}
