//! What a fault means: from raw errors to the catalogue of failures, and from one failure and the
//! device's connections to whether the camera was merely full.
//!
//! Pure. It does not count connections; the caller does.
//!
//! A camera without a free connection says so in many ways. [`judge`] reads them together with
//! what is known of the device:
//!
//! | answer | others connected, limit reached | others connected, credentials worked before | otherwise |
//! |---|---|---|---|
//! | 453 | `CameraFull` | `CameraFull` | `CameraFull` |
//! | 401, 403 | `CameraFull` | `CameraFull` | as it is: `AuthFailed` |
//! | 401, 403 to SETUP or PLAY (the same session passed DESCRIBE) | `CameraFull` | `CameraFull` whether or not they worked before | as it is |
//! | 500, 503 | `CameraFull` | `CameraFull` | as it is: `CameraError` |
//! | refused; lost before the picture | `CameraFull` | `CameraFull` | as it is |
//! | anything else | as it is | as it is | as it is |

use std::io;

use super::connection::was_cut_by_peer;
use super::fault::Fault;
use super::rtp::MediaError;
use super::rtsp::auth::ChallengeError;
use super::rtsp::sdp::SdpError;
use crate::model::failure::{Failure, FailureKind, Stage};
use crate::model::slot::Crowd;

/// What is known of a device when one capture failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surroundings {
    /// Connections of this server to the device, the failed one included.
    pub ours: u16,
    /// Connections of other processes on this host to the device.
    pub foreign: u16,
    /// The device's limit.
    pub limit: u16,
    /// Whether the camera has accepted the same user name and password before.
    pub worked_before: bool,
}

impl Surroundings {
    /// A device with what is connected to it.
    pub fn new(crowd: Crowd, worked_before: bool) -> Self {
        let Crowd { ours, foreign, limit } = crowd;
        Self { ours, foreign, limit, worked_before }
    }
}

/// The failure that a fault at a stage of an RTSP session is.
pub fn classify(fault: &Fault, stage: Stage) -> Failure {
    let place = match stage {
        Stage::Connect => "cannot connect".to_owned(),
        Stage::Stream => "while waiting for the picture".to_owned(),
        Stage::Options | Stage::Describe | Stage::Setup | Stage::Play | Stage::Teardown => {
            format!("at {stage}")
        }
    };
    failure(fault, stage, &place)
}

/// The failure that a fault at a stage of fetching a picture over HTTP is.
pub fn classify_http(fault: &Fault, stage: Stage) -> Failure {
    let place = match stage {
        Stage::Connect => "cannot connect",
        Stage::Options
        | Stage::Describe
        | Stage::Setup
        | Stage::Play
        | Stage::Stream
        | Stage::Teardown => "while fetching the picture",
    };
    failure(fault, stage, place)
}

fn failure(fault: &Fault, stage: Stage, place: &str) -> Failure {
    let kind = match fault {
        Fault::Timeout => FailureKind::Timeout,
        Fault::Io(error) => of_io(error),
        Fault::Closed => FailureKind::ConnectionLost,
        Fault::Status { code, .. } => of_status(*code),
        Fault::Challenge(ChallengeError::NoLogin) | Fault::Unauthorized => FailureKind::AuthFailed,
        Fault::Challenge(ChallengeError::Unknown) | Fault::Scheme(_) => {
            FailureKind::UnsupportedProtocol
        }
        Fault::Sdp(SdpError::Codec(_)) | Fault::Media(MediaError::Unsupported(_)) => {
            FailureKind::UnsupportedCodec
        }
        Fault::NoKeyFrame { .. } => FailureKind::NoKeyFrame,
        Fault::Tls(error) if was_cut_by_peer(error) || is_early_end(error) => {
            FailureKind::ConnectionLost
        }
        Fault::Tls(_)
        | Fault::TooMuch(_)
        | Fault::Message(_)
        | Fault::Redirect
        | Fault::Sdp(SdpError::Empty)
        | Fault::Answer(_)
        | Fault::Media(MediaError::TooLong(_) | MediaError::Malformed(_)) => {
            FailureKind::ProtocolError
        }
    };
    let code = match fault {
        Fault::Status { code, .. } => Some(*code),
        Fault::Unauthorized | Fault::Challenge(_) => Some(401),
        Fault::Timeout
        | Fault::Io(_)
        | Fault::Tls(_)
        | Fault::Closed
        | Fault::TooMuch(_)
        | Fault::Message(_)
        | Fault::Redirect
        | Fault::Sdp(_)
        | Fault::Answer(_)
        | Fault::Scheme(_)
        | Fault::Media(_)
        | Fault::NoKeyFrame { .. } => None,
    };
    Failure { code, ..Failure::at(kind, stage, text(fault, stage, place)) }
}

fn text(fault: &Fault, stage: Stage, place: &str) -> String {
    let what = if matches!(fault, Fault::Timeout) && stage == Stage::Stream {
        "no picture in time".to_owned()
    } else if let Fault::Io(error) = fault {
        words(error)
    } else if let Fault::Tls(error) = fault {
        format!("no TLS: {}", words(error))
    } else {
        fault.to_string()
    };
    format!("{place}: {what}")
}

/// The system's words without its error number.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

fn of_io(error: &io::Error) -> FailureKind {
    use io::ErrorKind as Kind;
    let kind = error.kind();
    if kind == Kind::ConnectionRefused {
        FailureKind::Refused
    } else if matches!(kind, Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown) {
        FailureKind::Unreachable
    } else if kind == Kind::TimedOut {
        FailureKind::Timeout
    } else if was_cut_by_peer(error) || is_early_end(error) {
        FailureKind::ConnectionLost
    } else if kind == Kind::InvalidData {
        FailureKind::ProtocolError
    } else {
        // Files, ports, memory, a local firewall: whatever is left is about this host.
        FailureKind::Host
    }
}

fn is_early_end(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
}

fn of_status(code: u16) -> FailureKind {
    match code {
        401 | 403 | 407 => FailureKind::AuthFailed,
        404 | 410 => FailureKind::NotFound,
        453 => FailureKind::CameraFull,
        461 | 505 => FailureKind::UnsupportedProtocol,
        0..300 => FailureKind::ProtocolError,
        _ => FailureKind::CameraError,
    }
}

/// Reads a failure together with the device's connections; see the table above.
pub fn judge(failure: Failure, device: Surroundings) -> Failure {
    use FailureKind as Kind;
    if failure.kind == Kind::CameraFull || failure.code == Some(453) {
        return Failure { kind: Kind::CameraFull, ..failure };
    }
    let early = failure.stage.is_some_and(|stage| stage < Stage::Stream);
    let suspicious = match failure.kind {
        Kind::AuthFailed => matches!(failure.code, Some(401 | 403)),
        Kind::CameraError => matches!(failure.code, Some(500 | 503)),
        Kind::Refused => true,
        Kind::ConnectionLost => early,
        Kind::Unreachable
        | Kind::Timeout
        | Kind::CameraFull
        | Kind::NotFound
        | Kind::UnsupportedCodec
        | Kind::UnsupportedProtocol
        | Kind::NoKeyFrame
        | Kind::ProtocolError
        | Kind::DecodeFailed
        | Kind::SecretMissing
        | Kind::Cancelled
        | Kind::StoreFailed
        | Kind::Host => false,
    };
    let others = device.ours.saturating_sub(1).saturating_add(device.foreign);
    let full = device.ours.max(1).saturating_add(device.foreign) >= device.limit;
    let accepted = device.worked_before
        || (failure.kind == Kind::AuthFailed
            && matches!(failure.stage, Some(Stage::Setup | Stage::Play)));
    if !suspicious || others == 0 || !(full || accepted) {
        return failure;
    }
    let plural = if others == 1 { "" } else { "s" };
    let message = format!(
        "{} (taken for a full camera: {others} other connection{plural}, limit {})",
        failure.message, device.limit
    );
    Failure { kind: Kind::CameraFull, message, ..failure }
}

#[cfg(test)]
mod tests;
