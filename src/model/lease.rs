//! Modal leases: a user's right to one live view, and what ends or refuses it.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::names::CameraName;
use super::time::Mono;

/// Random name of a modal lease, 128 bits as 32 hexadecimal digits: whoever knows it may watch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub Arc<str>);

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
}
