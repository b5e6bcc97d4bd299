//! Errors as RFC 9457 problem documents with a stable code.
//!
//! Codes are promised to scripts. Details are sentences for people; causes inside the server go
//! to the log only.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::archive::ArchiveError;
use crate::model::secret::Redactor;
use crate::reconcile::IntentError;

/// Media type of problem documents.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $status:ident, $title:literal;)*) => {
        /// What went wrong, as scripts know it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word of the API.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The HTTP status that goes with it.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

codes! {
    /// The object is not declared, or not in the store (any more).
    NotFound = "NOT_FOUND", NOT_FOUND, "Not found";
    /// The path is not part of the API.
    NoRoute = "ROUTE_NOT_FOUND", NOT_FOUND, "No such path";
    /// The path exists, for other methods.
    MethodNotAllowed = "METHOD_NOT_ALLOWED", METHOD_NOT_ALLOWED, "Method not allowed";
    /// The camera has no good picture yet.
    NoFrame = "NO_FRAME", NOT_FOUND, "No picture yet";
    /// A query parameter cannot be understood.
    BadQuery = "BAD_QUERY", BAD_REQUEST, "Bad query";
    /// The cursor is not one of this list.
    BadCursor = "BAD_CURSOR", BAD_REQUEST, "Bad cursor";
    /// The body is not the JSON that is wanted.
    BadJson = "BAD_JSON", BAD_REQUEST, "Bad JSON";
    /// The request has no `Host`.
    BadRequest = "BAD_REQUEST", BAD_REQUEST, "Bad request";
    /// The body is not declared as JSON.
    MediaType = "UNSUPPORTED_MEDIA_TYPE", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type";
    /// The body is larger than 64 KiB.
    BodyTooLarge = "BODY_TOO_LARGE", PAYLOAD_TOO_LARGE, "Body too large";
    /// The request is from a page of another site.
    OriginNotAllowed = "ORIGIN_NOT_ALLOWED", FORBIDDEN, "Origin not allowed";
    /// The request is for another host name than this server's.
    HostNotAllowed = "HOST_NOT_ALLOWED", MISDIRECTED_REQUEST, "Host not allowed";
    /// The path answers WebSocket handshakes only.
    UpgradeRequired = "UPGRADE_REQUIRED", UPGRADE_REQUIRED, "Upgrade required";
    /// As many browsers are connected as may be.
    TooManyClients = "TOO_MANY_CLIENTS", SERVICE_UNAVAILABLE, "Too many clients";
    /// It makes no sense in the present state.
    Conflict = "CONFLICT", CONFLICT, "Conflict";
    /// The loop does not take wishes at the moment.
    Busy = "BUSY", SERVICE_UNAVAILABLE, "Busy";
    /// The store does not answer.
    StoreUnavailable = "STORE_UNAVAILABLE", SERVICE_UNAVAILABLE, "Store unavailable";
    /// This part of the world cannot be read at the moment.
    NotObserved = "NOT_OBSERVED", SERVICE_UNAVAILABLE, "Not observed";
    /// The server is not ready.
    NotReady = "NOT_READY", SERVICE_UNAVAILABLE, "Not ready";
    /// The answer took too long.
    Timeout = "TIMEOUT", SERVICE_UNAVAILABLE, "Timeout";
    /// The camera takes no part at the moment.
    CameraDisabled = "CAMERA_DISABLED", CONFLICT, "Camera disabled";
    /// The manifests turn the suggestion off.
    SuggestDisabled = "SUGGEST_DISABLED", CONFLICT, "Suggestion disabled";
    /// The camera has no stream of this quality.
    StreamNotDeclared = "STREAM_NOT_DECLARED", CONFLICT, "No such stream";
    /// The user has a live view already.
    UserHasModal = "USER_ALREADY_HAS_MODAL", CONFLICT, "One live view at a time";
    /// The budget for live views is spent.
    OverCapacity = "OVER_CAPACITY", SERVICE_UNAVAILABLE, "Over capacity";
    /// The host has too much to do for one more live view.
    SystemOverload = "SYSTEM_OVERLOAD", SERVICE_UNAVAILABLE, "System overload";
    /// No connection to the camera is free.
    NoSlot = "NO_SLOT", SERVICE_UNAVAILABLE, "No connection free";
    /// There is no live video of the camera at the moment.
    LiveFailed = "LIVE_FAILED", SERVICE_UNAVAILABLE, "No live video";
    /// The lease has ended; `reason` says why.
    LeaseEnded = "LEASE_ENDED", GONE, "Lease ended";
    /// The lease is of another browser or user.
    LeaseNotYours = "LEASE_NOT_YOURS", FORBIDDEN, "Lease of somebody else";
    /// A fault of the program.
    Internal = "INTERNAL", INTERNAL_SERVER_ERROR, "Internal error";
}

/// A problem document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemDocument {
    /// Always `about:blank`; the code says more.
    #[serde(rename = "type")]
    #[schema(rename = "type")]
    pub kind: String,
    /// The code in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// Stable, for scripts.
    pub code: String,
    /// One sentence for people.
    pub detail: String,
    /// All problems, where there may be several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// What only some problems have.
    #[serde(flatten)]
    pub members: ProblemMembers,
}

/// Members that only some problem documents have, beside the others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemMembers {
    /// The detail in every language that there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Messages>,
    /// Of an ended lease, why: `expired`, `heartbeat`, `released`, `revoked`, `camera_removed`,
    /// `preempted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of a refused live view, which limit: `units`, `suggestViews`, `cpu`, `memory`, `swapIn`,
    /// `connections`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited_by: Option<String>,
    /// How much of it is in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<u64>,
    /// How much there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The camera that the user watches already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<String>,
    /// When asking again may help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
}

/// A sentence in every language that there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Messages {
    /// English.
    pub en: String,
    /// Japanese.
    pub ja: String,
}

/// An error answer.
#[derive(Debug)]
pub(super) struct Problem {
    code: Code,
    detail: String,
    problems: Vec<String>,
    /// Few have any.
    members: Option<Box<ProblemMembers>>,
}

impl Problem {
    /// A problem with one sentence for people.
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), problems: Vec::new(), members: None }
    }

    /// An object that is not there.
    pub(super) fn not_found(kind: &str, name: impl std::fmt::Display) -> Self {
        Self::new(Code::NotFound, format!("there is no {kind} {name}"))
    }

    /// The same with a list of problems.
    pub(super) fn with(mut self, problems: Vec<String>) -> Self {
        self.problems = problems;
        self
    }

    /// The same with members of its own.
    pub(super) fn members(mut self, members: ProblemMembers) -> Self {
        self.members = Some(Box::new(members));
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code.status();
        let members = self.members.map(|members| *members).unwrap_or_default();
        let retry = members.retry_after_seconds;
        let retry = retry.or((status == StatusCode::SERVICE_UNAVAILABLE).then_some(2));
        let document = ProblemDocument {
            kind: "about:blank".to_owned(),
            title: self.code.title().to_owned(),
            status: status.as_u16(),
            code: self.code.as_str().to_owned(),
            detail: self.detail,
            problems: self.problems,
            members,
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = retry {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<ArchiveError> for Problem {
    fn from(error: ArchiveError) -> Self {
        match &error {
            ArchiveError::NotFound => Self::new(Code::NotFound, "it is not in the store any more"),
            ArchiveError::Unavailable(source) => {
                tracing::warn!(error = %source, "the store did not answer a request");
                Self::new(Code::StoreUnavailable, "the store does not answer at the moment")
            }
        }
    }
}

impl Problem {
    /// Why the loop did not take a wish; its sentence may quote what came from elsewhere.
    pub(super) fn refused(error: &IntentError, redactor: &Redactor) -> Self {
        let code = match error {
            IntentError::NotFound(_) => Code::NotFound,
            IntentError::Conflict(_) => Code::Conflict,
            IntentError::Busy => Code::Busy,
        };
        Self::new(code, redactor.redact(&error.to_string()))
    }
}
