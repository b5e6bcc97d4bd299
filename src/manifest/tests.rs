//! Properties of loading: whatever the text, no panic, problems with a place, no secret shown.

use std::path::Path;

use proptest::prelude::*;

use super::test_sets::{cameras_yaml, loaded};
use super::{Loaded, Severity, SourceText, load_texts, render};

const EXAMPLES: [&str; 5] = [
    include_str!("../../manifests/example/server.yaml"),
    include_str!("../../manifests/example/families.yaml"),
    include_str!("../../manifests/example/shop.yaml"),
    include_str!("../../manifests/example/detection.yaml"),
    include_str!("../../manifests/example/retention.yaml"),
];

/// A camera whose manifest holds a secret at every place that can hold one.
const SECRETS: &str = "apiVersion: camserver.dev/v1\nkind: Camera\nmetadata:\n  name: door\nspec:\n  \
     subnet: shop\n  address: 10.0.0.1\n  streams:\n    main: \
     rtsp://admin:hunter2@10.0.0.1/a?token=hunter2\n    sub: \"/sub?user=a&pw=hunter2\"\n  \
     snapshotUrl: http://10.0.0.1/?p=hunter2\n  credentials:\n    username: admin\n    password: \
     hunter2\n  port: 70000\n";

/// Every problem names a place that exists, and a set with an error is no set.
fn check(text: &str, loaded: &Loaded) {
    let lines = text.lines().count().max(1);
    for problem in &loaded.problems {
        assert!((1..=lines + 1).contains(&(problem.line as usize)), "{problem}");
        assert!(problem.column >= 1 && !problem.message.is_empty(), "{problem}");
        let first = format!("{}:{}:{}: ", problem.file, problem.line, problem.column);
        assert!(problem.to_string().starts_with(&first), "{problem}");
    }
    let wrong = loaded.problems.iter().any(|problem| problem.severity == Severity::Error);
    assert_eq!(loaded.desired.is_none(), wrong);
}

fn mutated(text: &str, edits: &[(usize, u8, usize)], keep: &str) -> String {
    const INSERTED: [&str; 12] =
        ["\"", "'", "{", "}", "[", "]", ": ", "\n", "&a ", "*a", "\t", "- "];
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (at, how, what) in edits {
        let at = at % lines.len();
        let line = &mut lines[at];
        if !keep.is_empty() && line.contains(keep) {
            continue;
        }
        let place = (0..=line.len())
            .rev()
            .filter(|it| line.is_char_boundary(*it))
            .nth(what % (line.chars().count() + 1));
        let place = place.unwrap_or(0);
        match how % 4 {
            0 => line.truncate(place),
            1 => line.insert_str(place, INSERTED[what % INSERTED.len()]),
            2 => *line = line.split_off(place),
            _ => *line = format!("  {line}"),
        }
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_text_is_loaded_without_a_panic(text in "\\PC{0,300}|[ -~\n\t]{0,300}") {
        check(&text, &loaded(&text));
    }

    #[test]
    fn a_damaged_example_is_loaded_without_a_panic(
        which in 0_usize..5,
        edits in prop::collection::vec((0_usize..200, any::<u8>(), 0_usize..80), 1..12),
    ) {
        let text = mutated(EXAMPLES[which], &edits, "");
        check(&text, &loaded(&text));
    }

    #[test]
    fn no_problem_ever_shows_a_secret(
        edits in prop::collection::vec((0_usize..20, any::<u8>(), 0_usize..80), 0..8),
    ) {
        let text = mutated(SECRETS, &edits, "hunter2");
        let loaded = loaded(&text);
        check(&text, &loaded);
        let shown = render(&loaded.problems);
        prop_assert!(!shown.contains("hunter2"), "{}\n{}", text, shown);
        for problem in &loaded.problems {
            let all = format!("{problem:?}");
            prop_assert!(!all.contains("hunter2"), "{}\n{}", text, all);
        }
    }

    #[test]
    fn one_mistake_in_one_of_many_documents_is_one_problem(which in 0_usize..60) {
        let name = format!("cam-{which:03}");
        let text = cameras_yaml(0..60).replace(&format!("{{name: {name}}}\nspec: {{"),
            &format!("{{name: {name}}}\nspec: {{colour: red, "));
        let loaded = loaded(&text);
        prop_assert_eq!(loaded.problems.len(), 1);
        prop_assert_eq!(&loaded.problems[0].text, "colour");
    }
}

#[test]
fn the_digest_speaks_of_names_and_contents() {
    let of = |files: &[(&str, &str)]| {
        let text = |(name, text): &(&str, &str)| SourceText {
            name: (*name).to_owned(),
            text: (*text).to_owned(),
        };
        load_texts(Path::new("m"), files.iter().map(text).collect(), None).digest
    };
    let one = of(&[("a.yaml", "# a")]);
    assert_eq!(one.len(), 64);
    assert_eq!(one, of(&[("a.yaml", "# a")]));
    assert_ne!(one, of(&[("b.yaml", "# a")]));
    assert_ne!(one, of(&[("a.yaml", "# b")]));
    assert_ne!(of(&[("a", "bc")]), of(&[("ab", "c")]));
}

#[test]
fn limits_of_devices_are_the_strictest_of_their_cameras() {
    let text = "apiVersion: camserver.dev/v1\nkind: Subnet\nmetadata: {name: s}\n\
                spec: {cidr: 10.0.0.0/8}\n---\n\
                apiVersion: camserver.dev/v1\nkind: Camera\nmetadata: {name: a}\n\
                spec: {subnet: s, family: axis, address: 10.0.0.1, streams: {main: /1}}\n---\n\
                apiVersion: camserver.dev/v1\nkind: Camera\nmetadata: {name: b}\n\
                spec: {subnet: s, family: nvt, address: 10.0.0.1, streams: {main: /2}, \
                snapshotUrl: http://10.0.0.1/p.jpg}\n---\n\
                apiVersion: camserver.dev/v1\nkind: Camera\nmetadata: {name: c}\n\
                spec: {subnet: s, family: tapo-ptz, address: 10.0.0.1, streams: {sub: /3}, \
                enabled: false}\n";
    let desired = loaded(text).desired.unwrap();
    let shared = &desired.devices[&"10.0.0.1:554".parse().unwrap()];
    assert_eq!((shared.max_connections, shared.exclusive), (2, false));
    assert_eq!(shared.min_reconnect_interval.as_secs(), 2);
    assert_eq!(shared.cameras.len(), 2);
    let picture = &desired.devices[&"10.0.0.1:80".parse().unwrap()];
    assert_eq!(picture.cameras.len(), 1);
    assert_eq!(desired.devices.len(), 2);
}

#[test]
fn aliases_inside_each_other_are_bounded_in_depth() {
    use std::fmt::Write;

    let mut text = "apiVersion: camserver.dev/v1\nkind: Camera\nmetadata: {name: a}\n\
                    spec:\n  context:\n    a0: &a0 [x]\n"
        .to_owned();
    for depth in 1..200 {
        writeln!(text, "    a{depth}: &a{depth} [*a{}]", depth - 1).unwrap();
    }
    let loaded = loaded(&text);
    assert!(loaded.problems[0].message.contains("inside each other"), "{:?}", loaded.problems);
}
