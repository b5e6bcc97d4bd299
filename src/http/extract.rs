//! Reads queries, paths and bodies, and says what is wrong with them as problem documents.

use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;

use super::problem::{Code, Problem};
use crate::live::LeaseKey;
use crate::model::lease::LeaseId;
use crate::model::names::{CameraName, SubnetName};

/// The query, parsed.
pub(super) struct Params<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(value)| Self(value))
            .map_err(|error| Problem::new(Code::BadQuery, error.body_text()))
    }
}

/// The one parameter of the path.
pub(super) struct Name<T>(pub(super) T);

/// What can stand in a path, and what it is called there.
pub(super) trait InPath: Sized {
    /// What it is called in error texts.
    const KIND: &str;
    /// Reads it; `None` for what cannot be the name of anything.
    fn read(text: &str) -> Option<Self>;
}

impl InPath for CameraName {
    const KIND: &str = "camera";
    fn read(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

impl InPath for SubnetName {
    const KIND: &str = "subnet";
    fn read(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

impl InPath for LeaseKey {
    const KIND: &str = "lease";
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

/// The short name of a lease of a live view.
pub(super) struct LeaseName(pub(super) String);

impl InPath for LeaseName {
    const KIND: &str = "lease of a live view";
    fn read(text: &str) -> Option<Self> {
        let is_name = text.len() == LeaseId::SHORT_DIGITS && text.is_ascii();
        is_name.then(|| Self(text.to_owned()))
    }
}

/// The number of a sweep or frame.
pub(super) struct Id(pub(super) i64);

impl InPath for Id {
    const KIND: &str = "number";
    fn read(text: &str) -> Option<Self> {
        i64::from_str(text).ok().map(Self)
    }
}

/// The number of an event.
pub(super) struct EventSeq(pub(super) u64);

impl InPath for EventSeq {
    const KIND: &str = "event";
    fn read(text: &str) -> Option<Self> {
        u64::from_str(text).ok().map(Self)
    }
}

/// `NUMBER.jpg`.
pub(super) struct JpegFile(pub(super) i64);

impl InPath for JpegFile {
    const KIND: &str = "picture";
    fn read(text: &str) -> Option<Self> {
        i64::from_str(text.strip_suffix(".jpg")?).ok().map(Self)
    }
}

impl<S: Send + Sync, T: InPath> FromRequestParts<S> for Name<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|error| Problem::new(Code::NotFound, error.body_text()))?;
        T::read(&text).map(Self).ok_or_else(|| Problem::not_found(T::KIND, text))
    }
}

/// A body of JSON.
pub(super) struct JsonBody<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let declared = request.headers().get(header::CONTENT_TYPE);
        let declared = declared.and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !declared.to_ascii_lowercase().starts_with("application/json") {
            let wanted = "the body must be declared as application/json";
            return Err(Problem::new(Code::MediaType, wanted));
        }
        let body = Bytes::from_request(request, state).await.map_err(|error| {
            if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
                Problem::new(Code::BodyTooLarge, "a body has at most 64 KiB")
            } else {
                Problem::new(Code::BadRequest, error.body_text())
            }
        })?;
        serde_json::from_slice(&body)
            .map(Self)
            .map_err(|error| Problem::new(Code::BadJson, error.to_string()))
    }
}
