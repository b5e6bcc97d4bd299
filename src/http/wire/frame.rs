//! Stored pictures, as the history of a camera lists them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;
use crate::model::frame;

/// One stored picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Frame {
    /// Its number.
    pub id: i64,
    /// When it was received.
    pub captured_at: Time,
    /// How it was taken.
    pub backend: Cow<'static, str>,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Size of the JPEG.
    pub bytes: u64,
    /// Path of the small picture.
    pub thumbnail: String,
    /// Path of the picture.
    pub image: String,
}

impl From<&frame::Frame> for Frame {
    fn from(frame: &frame::Frame) -> Self {
        Self {
            id: frame.id,
            captured_at: frame.captured_at.into(),
            backend: frame.backend.as_str().into(),
            width: frame.width,
            height: frame.height,
            bytes: frame.bytes,
            thumbnail: format!("/api/v1/frames/{}/thumbnail.jpg", frame.id),
            image: format!("/api/v1/frames/{}.jpg", frame.id),
        }
    }
}
