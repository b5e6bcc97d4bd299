//! Events.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;
use crate::model::event;
use crate::model::secret::Redactor;

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its place in the log, without gaps.
    pub seq: u64,
    /// Whose; null for the system's own.
    pub camera_id: Option<String>,
    /// When it happened.
    pub captured_at: Time,
    /// What it is chiefly about, from a closed list.
    pub primary_event: Cow<'static, str>,
    /// 0 to 3; 4 for a lost camera.
    pub severity: u8,
    /// Words such as `reason.Timeout`.
    pub tags: Vec<String>,
    /// The detector was not sure.
    pub unknown_flag: bool,
    /// One sentence.
    pub summary: String,
    /// Values that texts in other languages are made of.
    #[schema(value_type = BTreeMap<String, Object>)]
    pub attributes: BTreeMap<String, serde_json::Value>,
    /// The picture that shows it.
    pub frame_id: Option<i64>,
}

impl Event {
    /// The event without secrets.
    pub fn new(event: &event::Event, redactor: &Redactor) -> Self {
        let what = &event.what;
        let attributes =
            what.attributes.iter().map(|(key, value)| (key.clone(), redacted(value, redactor)));
        Self {
            seq: event.seq,
            camera_id: what.camera.as_ref().map(|name| name.as_str().to_owned()),
            captured_at: what.captured_at.into(),
            primary_event: what.kind.as_str().into(),
            severity: what.severity,
            tags: what.tags.iter().map(|tag| redactor.redact(tag)).collect(),
            unknown_flag: what.unknown_flag,
            summary: redactor.redact(&what.summary),
            attributes: attributes.collect(),
            frame_id: what.frame_id,
        }
    }
}

fn redacted(value: &serde_json::Value, redactor: &Redactor) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(text) => Value::String(redactor.redact(text)),
        Value::Array(items) => items.iter().map(|item| redacted(item, redactor)).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.clone(), redacted(value, redactor))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}
