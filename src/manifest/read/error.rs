//! What goes wrong while a tree is read, in words for people, and where.
//!
//! Convention: where the text of an error has a second line, that is the remedy.

use std::collections::HashSet;
use std::fmt;

use serde::de;

use super::Place;
use crate::manifest::nearest::nearest;
use crate::manifest::problem::{ProblemKind, quote};
use crate::manifest::tree::{Content, Entry, Extent, Node, NodeId};

/// Why a tree is not a `T`.
#[derive(Debug)]
pub(super) struct ReadError {
    pub(super) what: Box<What>,
    pub(super) at: Option<Extent>,
    pub(super) place: Option<Place>,
    /// The value is null.
    pub(super) null: bool,
    /// The place is in a mapping: null there means "not given".
    pub(super) in_map: bool,
}

/// What an error says.
#[derive(Debug)]
pub(super) struct What {
    pub(super) kind: ProblemKind,
    pub(super) message: String,
    pub(super) remedy: String,
    pub(super) text: String,
    pub(super) nature: Nature,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    Usual,
    /// A list has the wrong number of elements.
    Length,
    /// It has only because something in it was left out before.
    Follows,
}

impl ReadError {
    fn new(kind: ProblemKind, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        let (message, remedy, text) = (message.into(), remedy.into(), String::new());
        let what = Box::new(What { kind, message, remedy, text, nature: Nature::Usual });
        Self { what, at: None, place: None, null: false, in_map: false }
    }

    /// Fills in where it happened, unless something further inside has done so.
    pub(super) fn at_node(mut self, node: &Node) -> Self {
        if self.at.is_none() {
            self.at = Some(node.at);
            self.null = node.is_null();
            if let Content::Scalar { text, .. } = &node.content {
                self.what.text.clone_from(text);
            }
        }
        self
    }

    pub(super) fn at_key(mut self, entry: &Entry) -> Self {
        if self.at.is_none() {
            self.at = Some(entry.key_at);
            self.what.text.clone_from(&entry.key);
        }
        self
    }

    pub(super) fn at_place(mut self, place: Place, in_map: bool) -> Self {
        if self.place.is_none() {
            self.place = Some(place);
            self.in_map = in_map;
        }
        self
    }

    /// Marks a wrong length that comes from an element that was left out.
    pub(super) fn in_list(mut self, left_out: &HashSet<Place>, id: NodeId) -> Self {
        let own = self.at.is_none() && self.what.nature == Nature::Length;
        if own && left_out.iter().any(|place| place.0 == id) {
            self.what.nature = Nature::Follows;
        }
        self
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what.message)
    }
}

impl std::error::Error for ReadError {}

/// The known words as a remedy: the nearest one, or all of them.
fn known_words(word: &str, known: &'static [&'static str]) -> String {
    if word == "<<" {
        return "merge keys are not supported; write the fields out".to_owned();
    }
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "remove it".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    }
}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let text = message.to_string();
        let (message, remedy) = text.split_once('\n').unwrap_or((&text, ""));
        Self::new(ProblemKind::WrongValue, message, remedy)
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = if let de::Unexpected::Str(text) = found {
            format!("the text {}", quote(text))
        } else if found == de::Unexpected::Map {
            "a mapping".to_owned()
        } else if found == de::Unexpected::Seq {
            "a list".to_owned()
        } else if found == de::Unexpected::Unit {
            "nothing".to_owned()
        } else {
            found.to_string()
        };
        let expected = expected.to_string().replace("a boolean", "true or false");
        let (expected, remedy) = expected.split_once('\n').unwrap_or((&expected, ""));
        let message = format!("expected {expected}, found {found}");
        Self::new(ProblemKind::WrongValue, message, remedy)
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn de::Expected) -> Self {
        let expected = expected.to_string().replace("an array of length", "a list of length");
        let message = format!("expected {expected}, found {length} elements");
        let mut error = Self::new(ProblemKind::WrongValue, message, "");
        error.what.nature = Nature::Length;
        error
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let message = format!("unknown field {}", quote(field));
        Self::new(ProblemKind::UnknownField, message, known_words(field, expected))
    }

    fn unknown_variant(word: &str, expected: &'static [&'static str]) -> Self {
        let message = format!("unknown value {}", quote(word));
        Self::new(ProblemKind::WrongValue, message, known_words(word, expected))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(ProblemKind::Missing, format!("`{field}` is missing"), "")
    }
}
