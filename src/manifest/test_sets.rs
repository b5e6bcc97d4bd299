//! Sets of manifests for the tests of this module. Not part of the product.

use std::ops::Range;
use std::path::Path;

use super::document::SourceText;
use super::load::{Loaded, load_texts};
use crate::model::desired::Desired;

/// The text of one subnet `s` and these cameras on it.
pub(super) fn cameras_yaml(numbers: Range<usize>) -> String {
    use std::fmt::Write;

    let mut text = "apiVersion: camserver.dev/v1\nkind: Subnet\nmetadata: {name: s}\n\
                    spec: {cidr: 10.0.0.0/16}\n"
        .to_owned();
    for number in numbers {
        let (high, low) = (number / 256, number % 256);
        write!(
            text,
            "---\napiVersion: camserver.dev/v1\nkind: Camera\nmetadata: {{name: cam-{number:03}}}\n\
             spec: {{subnet: s, address: 10.0.{high}.{low}, streams: {{sub: /s}}}}\n"
        )
        .unwrap();
    }
    text
}

/// A set from one text.
pub(super) fn loaded(text: &str) -> Loaded {
    let source = SourceText { name: "a.yaml".to_owned(), text: text.to_owned() };
    load_texts(Path::new("manifests"), vec![source], None)
}

/// A set of one subnet and these cameras.
pub(super) fn cameras(numbers: Range<usize>) -> Desired {
    let loaded = loaded(&cameras_yaml(numbers));
    assert_eq!(loaded.problems, []);
    Desired::clone(&loaded.desired.unwrap())
}
