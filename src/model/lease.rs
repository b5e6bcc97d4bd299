//! Modal leases: a user's right to one live view, and what ends or refuses it.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::names::CameraName;
use super::slot::Purpose;
use super::time::{Mono, Now};

/// Name of a lease: 32 hexadecimal digits of the SHA-256 of its key.
///
/// The key is a secret that only who was granted the lease knows; its name is none, and nothing
/// that is stored or shown leads back from it to the key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub Arc<str>);

impl LeaseId {
    /// Digits of the short form.
    pub const SHORT_DIGITS: usize = 12;

    /// The form that lists show and operators type.
    pub fn short(&self) -> &str {
        self.0.get(..Self::SHORT_DIGITS).unwrap_or(&self.0)
    }
}

impl std::fmt::Display for LeaseId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which stream of a camera.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    /// The small stream.
    #[default]
    Sub,
    /// The large stream.
    Main,
}

impl Quality {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sub => "sub",
            Self::Main => "main",
        }
    }

    /// What it costs of the budget.
    pub fn units(self) -> u32 {
        match self {
            Self::Sub => 1,
            Self::Main => 2,
        }
    }
}

/// What a view is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ViewKind {
    /// Somebody opened a camera.
    Modal,
    /// The pane of the suggested camera.
    Suggest,
}

impl ViewKind {
    /// The word of the API, of the store and of metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Modal => "modal",
            Self::Suggest => "suggest",
        }
    }

    /// What a connection to the camera is taken for.
    pub fn purpose(self) -> Purpose {
        match self {
            Self::Modal => Purpose::Modal,
            Self::Suggest => Purpose::Suggest,
        }
    }
}

/// Why a lease ended; also the code that closes its live socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Its time is over.
    Expired,
    /// No sign of life.
    Heartbeat,
    /// Given back: closed, hidden, idle.
    Released,
    /// Ended by an operator.
    Revoked,
    /// The camera, or its stream, is no longer declared.
    CameraRemoved,
    /// The user's newer view took its place.
    Preempted,
    /// The server ended.
    Shutdown,
}

impl EndReason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Expired,
        Self::Heartbeat,
        Self::Released,
        Self::Revoked,
        Self::CameraRemoved,
        Self::Preempted,
        Self::Shutdown,
    ];

    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Heartbeat => "heartbeat",
            Self::Released => "released",
            Self::Revoked => "revoked",
            Self::CameraRemoved => "camera_removed",
            Self::Preempted => "preempted",
            Self::Shutdown => "shutdown",
        }
    }
}

/// One live view that is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Its name.
    pub id: LeaseId,
    /// What for.
    pub kind: ViewKind,
    /// Who watches: the browser's cookie, or a user's name.
    pub user: Arc<str>,
    /// What.
    pub camera: CameraName,
    /// Which stream.
    pub quality: Quality,
    /// When it was granted.
    pub created: Timestamp,
    /// When it was granted.
    pub created_mono: Mono,
    /// When it ends unless renewed.
    pub expires: Mono,
    /// The last sign of life.
    pub heartbeat: Mono,
    /// What the browser can decode, as it names it; empty when it did not say.
    pub codecs: Vec<Arc<str>>,
    /// Whether a live socket is open on it.
    pub watched: bool,
}

/// A lease that is no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedLease {
    /// As it was.
    pub lease: Lease,
    /// Why it ended.
    pub reason: EndReason,
    /// When.
    pub at: Now,
}
