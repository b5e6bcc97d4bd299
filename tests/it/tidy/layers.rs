//! Who may import whom. `ARCHITECTURE.md` says why.

use super::source::{Word, words};
use super::{assert_none, is_test, rust_files, text_of};

/// Top-level modules of `src/`, and the paths of the crate that each may name.
///
/// A path covers what is below it. Every module may name itself.
const LAYERS: [(&str, &[&str]); 16] = [
    ("model", &[]),
    ("chain", &[]),
    ("clock", &["model"]),
    ("metrics", &["model"]),
    ("plan", &["model"]),
    ("vision", &["model", "chain"]),
    ("manifest", &["model", "clock", "chain"]),
    ("world", &["model", "clock", "chain"]),
    ("reconcile", &["model", "manifest", "plan", "vision", "world", "clock", "chain", "metrics"]),
    ("live", &["model", "manifest", "plan", "vision", "world", "clock", "chain", "metrics"]),
    (
        "http",
        &[
            "model",
            "metrics",
            "chain",
            "clock",
            "reconcile::Handle",
            "reconcile::EventLog",
            "reconcile::Intent",
            "reconcile::IntentError",
            "live::LiveHandle",
            "live::LiveView",
            "live::LeaseError",
            "live::LeaseKey",
            "live::Media",
            "live::Offers",
            "live::ShelfFile",
            "live::ViewEnd",
            "live::ViewRequest",
        ],
    ),
    ("log", &["model"]),
    (
        "cli",
        &[
            "model",
            "app",
            "chain",
            "clock",
            "log",
            "manifest",
            "http::wire",
            "http::ProblemDocument",
            // The other end of a start: the program's own hidden command.
            "world::process::shim",
        ],
    ),
    (
        "app",
        &[
            "model",
            "chain",
            "clock",
            "http",
            "live",
            "manifest",
            "metrics",
            "plan",
            "reconcile",
            "vision",
            "world",
        ],
    ),
    ("lib", &[]),
    ("main", &["cli"]),
];

/// Inside a module: one folder may not know its neighbour.
const NEIGHBOURS: [(&str, &[&str]); 7] = [
    (
        "src/world/camera",
        &["world::store", "world::sockets", "world::journal", "world::host", "world::process"],
    ),
    (
        "src/world/store",
        &["world::camera", "world::sockets", "world::journal", "world::host", "world::process"],
    ),
    (
        "src/world/sockets",
        &["world::camera", "world::store", "world::journal", "world::host", "world::process"],
    ),
    (
        "src/world/process",
        &["world::camera", "world::store", "world::sockets", "world::journal", "world::host"],
    ),
    // The loop captures in one place; everything else of it knows no camera protocol.
    ("src/reconcile/observe.rs", &["world::camera"]),
    ("src/reconcile/keeper.rs", &["world::camera"]),
    ("src/reconcile/mod.rs", &["world::camera"]),
];

/// Names of crates and types that only these places may use.
const RESERVED: [(&str, &[&str]); 16] = [
    // Children come in by the relay, browsers by the rest; the client's tests play a camera.
    (
        "TcpListener",
        &[
            "src/world/camera/relay/mod.rs",
            "src/world/camera/rtsp/client.rs",
            "src/http/listener.rs",
            "src/app.rs",
            // Looks for a free port, and accepts nobody.
            "src/world/gateway/config.rs",
        ],
    ),
    ("TcpSocket", &["src/world/camera"]),
    ("UdpSocket", &["src/world/camera"]),
    // Browsers are accepted there.
    ("TcpStream", &["src/world/camera", "src/http/listener.rs"]),
    ("axum", &["src/http"]),
    ("sqlx", &["src/world/store"]),
    ("reqwest", &["src/cli", "src/world/gateway"]),
    ("mp4_atom", &["src/live/mp4"]),
    ("rusty_h264_decoder", &["src/vision"]),
    ("rusty_h265", &["src/vision"]),
    // Nothing else starts, signals or reaps a process.
    ("CommandExt", &["src/world/process"]),
    ("pidfd_open", &["src/world/process"]),
    ("pidfd_send_signal", &["src/world/process"]),
    ("kill_process_group", &["src/world/process"]),
    ("waitid", &["src/world/process"]),
    ("nix", &["src/world/process"]),
];

/// A path that begins at the crate's root, and where it stands.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    path: String,
    line: usize,
}

/// Paths of the crate that a file names, apart from those in its `mod tests`.
fn named(text: &str, depth: usize) -> Vec<Named> {
    let words = words(text);
    let mut found = Vec::new();
    // Modules around a word, beginning with the file's own; `true` for tests.
    let mut braces: Vec<Option<bool>> = Vec::new();
    for at in 0..words.len() {
        let before = |n: usize| at.checked_sub(n).map_or("", |i| words[i].text);
        match words[at].text {
            "{" if before(2) == "mod" => braces.push(Some(before(1) == "tests")),
            "{" => braces.push(None),
            "}" => drop(braces.pop()),
            "crate" | "camserver" | "super"
                if before(1) != "::" && !braces.contains(&Some(true)) =>
            {
                let inner = braces.iter().flatten().count();
                follow(&words[at..], depth + inner, &mut found);
            }
            _ => {}
        }
    }
    found
}

/// Adds the paths that begin with `crate`, or with as many `super` as lead to the root.
fn follow(words: &[Word<'_>], depth: usize, found: &mut Vec<Named>) {
    let mut supers = 0;
    let mut at = 0;
    while words.get(at).is_some_and(|word| word.text == "super") {
        supers += 1;
        at += 2;
    }
    if supers == 0 {
        at = 2;
    }
    if words.get(at.saturating_sub(1)).is_none_or(|word| word.text != "::")
        || (supers > 0 && supers < depth)
    {
        return;
    }
    tree(&words[at..], "", found);
}

/// Adds the paths of one use tree; returns how many words it has.
fn tree(words: &[Word<'_>], stem: &str, found: &mut Vec<Named>) -> usize {
    let mut path = stem.to_owned();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if word.text == "{" {
            at += 1;
            while let Some(word) = words.get(at).filter(|word| word.text != "}") {
                at += match word.text {
                    "," => 1,
                    "as" => 2,
                    _ => tree(&words[at..], &path, found),
                };
            }
            return at + 1;
        }
        if word.text != "*" {
            path.push_str(word.text);
        }
        at += 1;
        if words.get(at).is_none_or(|word| word.text != "::") {
            found.push(Named { path, line: word.line });
            return at;
        }
        path.push_str("::");
        at += 1;
    }
    at
}

/// `src/http/push/hub.rs` is `http`, three modules below the root.
fn module_of(file: &str) -> Option<(&str, usize)> {
    let path = file.strip_prefix("src/")?.strip_suffix(".rs")?;
    let path = path.strip_suffix("/mod").unwrap_or(path);
    Some((path.split('/').next()?, path.split('/').count()))
}

fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Every path of the crate that the product's files name.
fn product() -> Vec<(String, &'static str, Vec<Named>)> {
    let mut all = Vec::new();
    for file in rust_files() {
        let Some((module, depth)) = module_of(&file) else { continue };
        if is_test(&file) {
            continue;
        }
        let layer = LAYERS.iter().find(|(name, _)| *name == module);
        let layer = layer.unwrap_or_else(|| panic!("{file}: its module is in no layer"));
        let depth = if matches!(module, "lib" | "main") { 0 } else { depth };
        all.push((file.clone(), layer.0, named(&text_of(&file), depth)));
    }
    all
}

#[test]
fn modules_import_only_what_lies_below_them() {
    let mut violations = Vec::new();
    let mut checked = 0;
    for (file, module, named) in product() {
        let allowed = LAYERS.iter().find(|(name, _)| *name == module).unwrap().1;
        for Named { path, line } in named {
            let target = path.split("::").next().unwrap_or_default();
            if target == module || !LAYERS.iter().any(|(name, _)| *name == target) {
                continue;
            }
            checked += 1;
            if !allowed.iter().any(|above| is_below(&path, above)) {
                violations.push(format!("{file}:{line}: {module} may not use {path}"));
            }
        }
    }
    assert!(checked > 200, "only {checked} imports were found: the reader is broken");
    assert_none(&violations, "imports against the direction of ARCHITECTURE.md");
}

#[test]
fn neighbours_do_not_know_each_other() {
    let mut violations = Vec::new();
    for (file, _, named) in product() {
        for (folder, strangers) in NEIGHBOURS {
            for Named { path, line } in named.iter().filter(|_| file.starts_with(folder)) {
                if strangers.iter().any(|stranger| is_below(path, stranger)) {
                    violations.push(format!("{file}:{line}: {folder} may not use {path}"));
                }
            }
        }
    }
    assert_none(&violations, "folders that know too much");
}

#[test]
fn only_one_place_opens_cameras_databases_and_the_web() {
    let mut violations = Vec::new();
    for file in rust_files().into_iter().filter(|file| file.starts_with("src/") && !is_test(file)) {
        for word in words(&text_of(&file)) {
            for (name, places) in RESERVED.iter().filter(|(name, _)| *name == word.text) {
                // The kernel's table of sockets has types of these names, of its own.
                let is_own = file.starts_with("src/world/sockets");
                if !is_own && !places.iter().any(|place| file.starts_with(place)) {
                    violations.push(format!("{file}:{}: {name} belongs to {places:?}", word.line));
                }
            }
        }
    }
    assert_none(&violations, "names used outside their place");
}

#[test]
fn only_one_place_starts_processes() {
    let mut violations = Vec::new();
    let mut found = 0;
    for file in rust_files().into_iter().filter(|file| file.starts_with("src/") && !is_test(file)) {
        let text = text_of(&file);
        let words = words(&text);
        for three in words.windows(3) {
            if !three.iter().map(|word| word.text).eq(["Command", "::", "new"]) {
                continue;
            }
            found += 1;
            if !file.starts_with("src/world/process/") {
                violations.push(format!("{file}:{}: starts a process", three[0].line));
            }
        }
    }
    assert!(found >= 2, "the reader is broken");
    assert_none(&violations, "processes that are started outside src/world/process");
}

#[test]
fn planning_has_no_clock_no_files_and_no_tasks() {
    // Addresses of `std::net` are plain data; its sockets are in `RESERVED`.
    let forbidden =
        ["async", "await", "tokio", "tracing", "fs", "thread", "rand", "env", "process"];
    let mut violations = Vec::new();
    for file in rust_files() {
        let is_pure = file.starts_with("src/plan/") || file.starts_with("src/model/");
        if !is_pure || is_test(&file) {
            continue;
        }
        let text = text_of(&file);
        let words = words(&text);
        for (at, word) in words.iter().enumerate() {
            let clock = word.text == "now"
                && at >= 2
                && words[at - 1].text == "::"
                && matches!(words[at - 2].text, "Timestamp" | "Instant" | "SystemTime" | "Zoned");
            let is_path = words.get(at + 1).is_some_and(|next| next.text == "::")
                || (at > 0 && words[at - 1].text == "::")
                || matches!(word.text, "async" | "await");
            // Plain data may bear the name of what it describes.
            let is_ours =
                at >= 2 && matches!(words[at - 2].text, "super" | "model" | "plan" | "crate");
            if clock || (is_path && !is_ours && forbidden.contains(&word.text)) {
                violations.push(format!("{file}:{}: {}", word.line, word.text));
            }
        }
    }
    assert_none(&violations, "model and plan ask nothing of the world");
}

#[test]
fn paths_are_found_wherever_they_stand() {
    let text = "use crate::model::{time::Now, plan::{Plan, Held as H}};
        mod inner { use super::super::world; }
        fn f() -> super::manifest::Problem { crate::chain::Chain(&e) }
        pub(crate) struct S; use self::x::crate_like; use super::super::y;
        mod tests { use crate::http::X; }";
    let paths: Vec<_> = named(text, 1).into_iter().map(|named| named.path).collect();
    let expected = [
        "model::time::Now",
        "model::plan::Plan",
        "model::plan::Held",
        "world",
        "manifest::Problem",
        "chain::Chain",
        "y",
    ];
    assert_eq!(paths, expected);
    assert_eq!(named("use super::http;", 2), []);
}
