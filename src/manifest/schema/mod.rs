//! The kinds of manifests as they are written: every field, its type, its range, its default.
//!
//! These types are the one truth for the reader and for the JSON Schema. They know nothing of
//! each other: references are resolved in `resolve`.

pub mod address;
pub mod camera;
pub mod recording;
pub mod server;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text::text_value;
use crate::model::names::check_label;

/// The `apiVersion` of every manifest.
pub const API_VERSION: &str = "camserver.dev/v1";

/// The kinds of manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Kind {
    /// This instance.
    Server,
    /// How many connections a make tolerates.
    CameraFamily,
    /// A sweep schedule.
    Subnet,
    /// One camera.
    Camera,
    /// What decides that a frame shows something.
    Detector,
    /// Where events go.
    Notifier,
    /// How long rows and files live.
    Retention,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Server,
        Self::CameraFamily,
        Self::Subnet,
        Self::Camera,
        Self::Detector,
        Self::Notifier,
        Self::Retention,
    ];

    /// The word of the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "Server",
            Self::CameraFamily => "CameraFamily",
            Self::Subnet => "Subnet",
            Self::Camera => "Camera",
            Self::Detector => "Detector",
            Self::Notifier => "Notifier",
            Self::Retention => "Retention",
        }
    }

    /// Whether there can be only one, so that it needs no name.
    pub fn is_single(self) -> bool {
        matches!(self, Self::Server | Self::Retention)
    }

    /// The kind of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One document.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Manifest<S: Default> {
    /// Checked before; kept here so that it is a known field.
    #[serde(rename = "apiVersion")]
    _api_version: serde::de::IgnoredAny,
    #[serde(rename = "kind")]
    _kind: serde::de::IgnoredAny,
    pub(crate) metadata: Metadata,
    pub(crate) spec: S,
}

impl<S: Default> Default for Manifest<S> {
    fn default() -> Self {
        Self {
            _api_version: serde::de::IgnoredAny,
            _kind: serde::de::IgnoredAny,
            metadata: Metadata::default(),
            spec: S::default(),
        }
    }
}

/// Name and labels of an object.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Metadata {
    /// Name of the object, unique within its kind. `Server` and `Retention` need none.
    pub name: Option<Label>,
    /// Free words for people and filters.
    pub labels: BTreeMap<String, String>,
}

/// A DNS label: 1 to 63 of a-z, 0-9 and '-', with a letter or digit at both ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label(pub String);

impl Label {
    /// A label known to be one.
    pub fn known(text: &'static str) -> Self {
        Self(text.to_owned())
    }
}

impl std::str::FromStr for Label {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Err(error) = check_label(text) else { return Ok(Self(text.to_owned())) };
        let shown = super::problem::quote(text);
        let near: String = text
            .to_lowercase()
            .chars()
            .map(|char| if char.is_ascii_alphanumeric() { char } else { '-' })
            .take(63)
            .collect();
        let near = near.trim_matches('-');
        if near.is_empty() {
            return Err(format!("{shown} is no name: {error}"));
        }
        Err(format!("{shown} is no name: {error}\nfor instance `{near}`"))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(Label, "a name", {
    "type": "string",
    "minLength": 1,
    "maxLength": 63,
    "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
});

/// Where a secret comes from: exactly one of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SecretFrom {
    /// Name of an environment variable of the server.
    pub env: Option<String>,
    /// A file that holds nothing else; relative to the manifest's own directory.
    pub file: Option<String>,
}

/// The JSON Schema (draft 2020-12) of one manifest document of any kind.
pub fn schema() -> serde_json::Value {
    let mut generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let metadata = generator.subschema_for::<Metadata>();
    let mut one_of = Vec::new();
    for kind in Kind::ALL {
        let (spec, about) = spec_schema(kind, &mut generator);
        let mut required = vec!["apiVersion", "kind"];
        if !kind.is_single() {
            required.push("metadata");
        }
        if matches!(kind, Kind::Subnet | Kind::Camera | Kind::Notifier) {
            required.push("spec");
        }
        one_of.push(serde_json::json!({
            "title": kind.as_str(),
            "description": about,
            "type": "object",
            "additionalProperties": false,
            "required": required,
            "properties": {
                "apiVersion": {"const": API_VERSION},
                "kind": {"const": kind.as_str()},
                "metadata": metadata.clone(),
                "spec": spec,
            },
        }));
    }
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "camserver manifest",
        "description": "One document of a camserver manifest directory.",
        "oneOf": one_of,
        "$defs": generator.take_definitions(true),
    })
}

fn spec_schema(kind: Kind, generator: &mut SchemaGenerator) -> (Schema, &'static str) {
    match kind {
        Kind::Server => (
            generator.subschema_for::<server::ServerFields>(),
            "Settings of this instance. At most one; absent, every default holds.",
        ),
        Kind::CameraFamily => (
            generator.subschema_for::<camera::FamilyFields>(),
            "How many connections a make of camera tolerates. A built-in family of the same name \
             is replaced.",
        ),
        Kind::Subnet => {
            (generator.subschema_for::<camera::SubnetFields>(), "Cameras that are swept together.")
        }
        Kind::Camera => (generator.subschema_for::<camera::CameraFields>(), "One video source."),
        Kind::Detector => (
            generator.subschema_for::<recording::DetectorFields>(),
            "What decides that a frame shows something.",
        ),
        Kind::Notifier => {
            (generator.subschema_for::<recording::NotifierFields>(), "Where events go.")
        }
        Kind::Retention => (
            generator.subschema_for::<recording::RetentionFields>(),
            "How long rows and files live. At most one; absent, every default holds.",
        ),
    }
}
