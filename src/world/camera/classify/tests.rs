//! Which failure each fault becomes, alone and beside what else is connected.

use std::io::{Error, ErrorKind};

use super::*;
use crate::world::camera::rtsp::message::MessageError;

fn kind(fault: &Fault, stage: Stage) -> FailureKind {
    classify(fault, stage).kind
}

#[test]
fn every_fault_has_its_kind() {
    let status = |code| Fault::Status { code, reason: String::new() };
    let io = |kind| Fault::Io(Error::from(kind));
    let table = [
        (io(ErrorKind::ConnectionRefused), FailureKind::Refused),
        (io(ErrorKind::HostUnreachable), FailureKind::Unreachable),
        (io(ErrorKind::NetworkUnreachable), FailureKind::Unreachable),
        (io(ErrorKind::TimedOut), FailureKind::Timeout),
        (io(ErrorKind::ConnectionReset), FailureKind::ConnectionLost),
        (io(ErrorKind::BrokenPipe), FailureKind::ConnectionLost),
        (io(ErrorKind::AddrNotAvailable), FailureKind::Host),
        (Fault::Io(Error::from_raw_os_error(24)), FailureKind::Host),
        (Fault::Tls(Error::from(ErrorKind::InvalidData)), FailureKind::ProtocolError),
        (Fault::Tls(Error::from(ErrorKind::UnexpectedEof)), FailureKind::ConnectionLost),
        (Fault::Timeout, FailureKind::Timeout),
        (Fault::Closed, FailureKind::ConnectionLost),
        (Fault::Unauthorized, FailureKind::AuthFailed),
        (Fault::Challenge(ChallengeError::NoLogin), FailureKind::AuthFailed),
        (Fault::Challenge(ChallengeError::Unknown), FailureKind::UnsupportedProtocol),
        (Fault::Scheme("rtmp".into()), FailureKind::UnsupportedProtocol),
        (Fault::Redirect, FailureKind::ProtocolError),
        (Fault::TooMuch(1), FailureKind::ProtocolError),
        (Fault::Message(MessageError::HeadTooLong), FailureKind::ProtocolError),
        (Fault::Sdp(SdpError::Empty), FailureKind::ProtocolError),
        (Fault::Sdp(SdpError::Codec("x".into())), FailureKind::UnsupportedCodec),
        (Fault::Media(MediaError::Unsupported("x")), FailureKind::UnsupportedCodec),
        (Fault::Media(MediaError::TooLong(1)), FailureKind::ProtocolError),
        (Fault::NoKeyFrame { pictures: 1 }, FailureKind::NoKeyFrame),
        (status(400), FailureKind::CameraError),
        (status(401), FailureKind::AuthFailed),
        (status(403), FailureKind::AuthFailed),
        (status(404), FailureKind::NotFound),
        (status(453), FailureKind::CameraFull),
        (status(461), FailureKind::UnsupportedProtocol),
        (status(500), FailureKind::CameraError),
        (status(150), FailureKind::ProtocolError),
    ];
    for (fault, expected) in table {
        assert_eq!(kind(&fault, Stage::Describe), expected, "{fault}");
    }
}

#[test]
fn failures_say_stage_code_and_cause_in_words() {
    let fault = Fault::Status { code: 500, reason: "Oh No".into() };
    let failure = classify(&fault, Stage::Setup);
    assert_eq!((failure.stage, failure.code), (Some(Stage::Setup), Some(500)));
    assert_eq!(failure.message, "at SETUP: the camera answered 500 Oh No");
    let refused = classify(&Fault::Io(Error::from_raw_os_error(111)), Stage::Connect);
    assert_eq!(refused.message, "cannot connect: connection refused");
    assert_eq!(classify(&Fault::Unauthorized, Stage::Describe).code, Some(401));
}

/// Kind, code, stage; ours, foreign, limit, worked before; what it is judged to be.
type Row = (FailureKind, Option<u16>, Stage, (u16, u16, u16, bool), FailureKind);

#[test]
fn a_full_camera_is_recognised_behind_its_many_faces() {
    use FailureKind::{AuthFailed, CameraError, CameraFull, ConnectionLost, NotFound, Refused};
    let describe = Stage::Describe;
    let table: &[Row] = &[
        // Alone, nothing but 453 says full.
        (CameraFull, Some(453), describe, (1, 0, 4, false), CameraFull),
        (CameraError, Some(453), describe, (1, 0, 4, false), CameraFull),
        (AuthFailed, Some(401), describe, (1, 0, 2, true), AuthFailed),
        (AuthFailed, Some(401), describe, (1, 0, 1, true), AuthFailed),
        (CameraError, Some(500), describe, (1, 0, 1, false), CameraError),
        (Refused, None, Stage::Connect, (1, 0, 1, true), Refused),
        // With others up to the limit.
        (AuthFailed, Some(401), describe, (2, 0, 2, false), CameraFull),
        (AuthFailed, Some(403), describe, (1, 1, 2, false), CameraFull),
        (CameraError, Some(500), Stage::Setup, (1, 3, 2, false), CameraFull),
        (CameraError, Some(503), Stage::Setup, (2, 0, 2, false), CameraFull),
        (CameraError, Some(400), Stage::Setup, (2, 0, 2, false), CameraError),
        (Refused, None, Stage::Connect, (2, 0, 2, false), CameraFull),
        (ConnectionLost, None, describe, (2, 0, 2, false), CameraFull),
        (ConnectionLost, None, Stage::Stream, (2, 0, 2, true), ConnectionLost),
        (NotFound, Some(404), describe, (2, 0, 2, true), NotFound),
        // With others below the limit, only against better knowledge.
        (AuthFailed, Some(401), describe, (2, 0, 4, false), AuthFailed),
        (AuthFailed, Some(401), describe, (2, 0, 4, true), CameraFull),
        (AuthFailed, Some(401), Stage::Setup, (2, 0, 4, false), CameraFull),
        (CameraError, Some(500), describe, (1, 1, 4, true), CameraFull),
        (Refused, None, Stage::Connect, (1, 1, 4, false), Refused),
    ];
    for (kind, code, stage, (ours, foreign, limit, worked_before), expected) in table {
        let failure = Failure { code: *code, ..Failure::at(*kind, *stage, "why") };
        let around = Surroundings {
            ours: *ours,
            foreign: *foreign,
            limit: *limit,
            worked_before: *worked_before,
        };
        let judged = judge(failure.clone(), around);
        assert_eq!(judged.kind, *expected, "{failure:?} {around:?}");
        assert_eq!((judged.stage, judged.code), (failure.stage, failure.code));
        assert!(judged.message.starts_with("why"));
    }
}
