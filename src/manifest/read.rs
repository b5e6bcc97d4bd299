//! From a YAML tree to a type, with every mistake found and not only the first.
//!
//! `serde` stops at the first error. So the entry that an error came from is left out and the
//! tree is read again, until it can be read: every field has a default, and a field that must be
//! there is an `Option` that is checked afterwards against the tree.
//!
//! Knows nothing of manifests; the words for people are in `error`.

mod error;

use std::collections::HashSet;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};

use self::error::{Nature, ReadError, What};
use super::tree::{Content, Entry, Fault, Node, NodeId, Tree};

/// Most mistakes that are looked for in one document.
const FAULTS_MAX: usize = 100;

/// Which entry of a mapping or element of a list.
type Place = (NodeId, usize);

/// Reads `T`; `None` where nothing is left that could be read.
pub(crate) fn read<T: DeserializeOwned>(tree: &Tree, id: NodeId) -> (Option<T>, Vec<Fault>) {
    let mut left_out = HashSet::new();
    let mut faults = Vec::new();
    loop {
        let error = match T::deserialize(At { tree, left_out: &left_out, id }) {
            Ok(value) => return (Some(value), faults),
            Err(error) => error,
        };
        let fault_at = error.at.unwrap_or(tree.node(id).at);
        let What { kind, message, remedy, text, nature } = *error.what;
        if !(error.null && error.in_map || nature == Nature::Follows) {
            faults.push(Fault { at: fault_at, kind, text, message, remedy });
        }
        let fresh = error.place.is_some_and(|place| left_out.insert(place));
        if !fresh || faults.len() >= FAULTS_MAX {
            return (None, faults);
        }
    }
}

/// A node as something that `serde` can read.
#[derive(Clone, Copy)]
struct At<'t> {
    tree: &'t Tree,
    left_out: &'t HashSet<Place>,
    id: NodeId,
}

impl<'t> At<'t> {
    fn node(&self) -> &'t Node {
        self.tree.node(self.id)
    }

    fn wrong_type(&self, expected: &dyn de::Expected) -> ReadError {
        let found = match &self.node().content {
            Content::Scalar { .. } if self.node().is_null() => de::Unexpected::Unit,
            Content::Scalar { text, .. } => de::Unexpected::Str(text),
            Content::List(_) => de::Unexpected::Seq,
            Content::Map(_) => de::Unexpected::Map,
        };
        de::Error::invalid_type(found, expected)
    }

    /// A plain scalar by the rules of YAML 1.2's core schema.
    fn plain<'de, V: Visitor<'de>>(self, text: &str, visitor: V) -> Result<V::Value, ReadError> {
        if self.node().is_null() {
            return visitor.visit_unit();
        }
        match text {
            "true" | "True" | "TRUE" => return visitor.visit_bool(true),
            "false" | "False" | "FALSE" => return visitor.visit_bool(false),
            _ => {}
        }
        if let Ok(number) = text.parse::<u64>() {
            return visitor.visit_u64(number);
        }
        if let Ok(number) = text.parse::<i64>() {
            return visitor.visit_i64(number);
        }
        let numeric = text.starts_with(|char: char| char.is_ascii_digit() || "+-.".contains(char));
        match text.parse::<f64>() {
            Ok(number) if numeric && number.is_finite() => visitor.visit_f64(number),
            Ok(_) | Err(_) => visitor.visit_str(text),
        }
    }

    fn list<'de, V: Visitor<'de>>(
        self,
        items: &[NodeId],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor
            .visit_seq(Elements { at: self, items, next: 0 })
            .map_err(|error| error.in_list(self.left_out, self.id))
    }

    fn map<'de, V: Visitor<'de>>(
        self,
        entries: &[Entry],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_map(Entries { at: self, all: entries, next: 0 })
    }

    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node().content {
            Content::Scalar { text, .. } if !self.node().is_null() => visitor.visit_str(text),
            Content::Scalar { .. } | Content::List(_) | Content::Map(_) => {
                Err(self.wrong_type(&visitor))
            }
        }
    }
}

impl<'de> Deserializer<'de> for At<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node().content {
            Content::Scalar { text, plain: true } => self.plain(text, visitor),
            Content::Scalar { text, plain: false } => visitor.visit_str(text),
            Content::List(items) => self.list(items, visitor),
            Content::Map(entries) => self.map(entries, visitor),
        }
        .map_err(|error| error.at_node(self.node()))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.text(visitor).map_err(|error| error.at_node(self.node()))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        if self.node().is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self).map_err(|error| error.at_node(self.node()))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let result = match &self.node().content {
            Content::Scalar { text, .. } if !self.node().is_null() => {
                let word: StrDeserializer<'_, ReadError> = text.as_str().into_deserializer();
                visitor.visit_enum(word)
            }
            Content::Scalar { .. } | Content::List(_) | Content::Map(_) => {
                let expected = format!("one of {}", words.join(", "));
                Err(self.wrong_type(&expected.as_str()))
            }
        };
        result.map_err(|error| error.at_node(self.node()))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node().content {
            Content::List(items) => self.list(items, visitor),
            Content::Scalar { .. } | Content::Map(_) => {
                Err(self.wrong_type(&"a list\nwrite `[a, b]`, or one element a line after `- `"))
            }
        }
        .map_err(|error| error.at_node(self.node()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node().content {
            Content::Map(entries) => self.map(entries, visitor),
            Content::Scalar { .. } | Content::List(_) => {
                Err(self.wrong_type(&"a mapping\nwrite `key: value` lines, indented below the key"))
            }
        }
        .map_err(|error| error.at_node(self.node()))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        tuple_struct
    }
}

struct Elements<'t> {
    at: At<'t>,
    items: &'t [NodeId],
    next: usize,
}

impl<'de> de::SeqAccess<'de> for Elements<'_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        while let Some(id) = self.items.get(self.next).copied() {
            let place = (self.at.id, self.next);
            self.next += 1;
            if self.at.left_out.contains(&place) {
                continue;
            }
            let element = At { id, ..self.at };
            return seed
                .deserialize(element)
                .map(Some)
                .map_err(|error| error.at_node(element.node()).at_place(place, false));
        }
        Ok(None)
    }
}

struct Entries<'t> {
    at: At<'t>,
    all: &'t [Entry],
    next: usize,
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        while let Some(entry) = self.all.get(self.next) {
            let place = (self.at.id, self.next);
            if self.at.left_out.contains(&place) {
                self.next += 1;
                continue;
            }
            let key: StrDeserializer<'_, ReadError> = entry.key.as_str().into_deserializer();
            return seed
                .deserialize(key)
                .map(Some)
                .map_err(|error| error.at_key(entry).at_place(place, false));
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let place = (self.at.id, self.next);
        let Some(entry) = self.all.get(self.next) else {
            return Err(de::Error::custom("a key without a value"));
        };
        self.next += 1;
        let value = At { id: entry.value, ..self.at };
        seed.deserialize(value).map_err(|error| error.at_node(value.node()).at_place(place, true))
    }
}
