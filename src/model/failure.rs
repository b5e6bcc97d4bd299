//! Why a capture failed: one closed catalogue for status, metrics, API and wall.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The step of a session at which something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// TCP connect.
    Connect,
    /// OPTIONS.
    Options,
    /// DESCRIBE, or the request for a picture over HTTP.
    Describe,
    /// SETUP.
    Setup,
    /// PLAY.
    Play,
    /// Waiting for and reading the picture.
    Stream,
    /// TEARDOWN and the end of the connection.
    Teardown,
}

impl Stage {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Options => "options",
            Self::Describe => "describe",
            Self::Setup => "setup",
            Self::Play => "play",
            Self::Stream => "stream",
            Self::Teardown => "teardown",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Connect => "connect",
            Self::Options => "OPTIONS",
            Self::Describe => "DESCRIBE",
            Self::Setup => "SETUP",
            Self::Play => "PLAY",
            Self::Stream => "stream",
            Self::Teardown => "TEARDOWN",
        })
    }
}

/// Kinds of failed captures. The reason of conditions, metrics and results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FailureKind {
    /// No route, host unreachable, or the network is down.
    Unreachable,
    /// The connection was refused.
    Refused,
    /// No answer in time; the stage says to what.
    Timeout,
    /// The camera does not accept the user name and password.
    AuthFailed,
    /// All of the camera's connections are taken.
    CameraFull,
    /// The camera has no such stream.
    NotFound,
    /// The camera offers no codec that this way of capturing can decode.
    UnsupportedCodec,
    /// The source needs a protocol that this way of capturing does not speak.
    UnsupportedProtocol,
    /// Pictures came, a key frame did not.
    NoKeyFrame,
    /// The camera broke the rules of its protocol, or exceeded a bound.
    ProtocolError,
    /// The camera ended the connection.
    ConnectionLost,
    /// The camera answered with an error of its own.
    CameraError,
    /// The picture cannot be decoded.
    DecodeFailed,
    /// The password could not be read where the manifest says that it is.
    SecretMissing,
    /// Given up by the server: end of the program, removed camera, or a viewer took the slot.
    Cancelled,
    /// The picture could not be kept.
    StoreFailed,
    /// This host ran out of something (files, memory, threads).
    Host,
}

impl FailureKind {
    /// The CamelCase word of conditions and of the API; also the metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "Unreachable",
            Self::Refused => "Refused",
            Self::Timeout => "Timeout",
            Self::AuthFailed => "AuthFailed",
            Self::CameraFull => "CameraFull",
            Self::NotFound => "NotFound",
            Self::UnsupportedCodec => "UnsupportedCodec",
            Self::UnsupportedProtocol => "UnsupportedProtocol",
            Self::NoKeyFrame => "NoKeyFrame",
            Self::ProtocolError => "ProtocolError",
            Self::ConnectionLost => "ConnectionLost",
            Self::CameraError => "CameraError",
            Self::DecodeFailed => "DecodeFailed",
            Self::SecretMissing => "SecretMissing",
            Self::Cancelled => "Cancelled",
            Self::StoreFailed => "StoreFailed",
            Self::Host => "Host",
        }
    }

    /// Whether another way of opening the same device may be tried after it.
    ///
    /// Only what another client could speak or decode: a second attempt after a refused password
    /// can lock the account.
    pub fn falls_through(self) -> bool {
        matches!(self, Self::UnsupportedCodec | Self::UnsupportedProtocol)
    }

    /// Whether the fault is the camera's or its network's, rather than this server's.
    pub fn is_cameras(self) -> bool {
        !matches!(self, Self::SecretMissing | Self::Cancelled | Self::StoreFailed | Self::Host)
    }
}

/// One failed capture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What it was.
    pub kind: FailureKind,
    /// Where in the session, where there was one.
    pub stage: Option<Stage>,
    /// Status code of the camera's answer, where there was one.
    pub code: Option<u16>,
    /// One sentence fragment for people, redacted.
    pub message: String,
}

impl Failure {
    /// A failure outside any session.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, stage: None, code: None, message: message.into() }
    }

    /// A failure at a stage of the session.
    pub fn at(kind: FailureKind, stage: Stage, message: impl Into<String>) -> Self {
        Self { kind, stage: Some(stage), code: None, message: message.into() }
    }

    /// The same failure with the status code of the camera's answer.
    #[must_use]
    pub fn with_code(mut self, code: u16) -> Self {
        self.code = Some(code);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
