//! The `native` way of capturing against a camera that misbehaves at every step.

use std::time::Duration;

use camserver::model::failure::{Failure, FailureKind, Stage};
use camserver::world::camera::connection::End;
use camserver::world::camera::native::capture_native;
use camserver::world::camera::request::{CaptureRequest, Captured, Limits};
use tokio::time::{Instant, timeout};

use super::scripted::{Bad, Camera, IDR, Media, PPS, SPS, Seen};
use super::{Noted, login, request};

fn hasty(camera: &Camera) -> CaptureRequest {
    let mut request = request("rtsp", camera.device, "/s?token=hidden");
    request.source.login = Some(login("admin", "swordfish"));
    request.deadline = Instant::now() + Duration::from_secs(1);
    request.limits = Limits {
        reply: Duration::from_millis(400),
        teardown: Duration::from_millis(200),
        close: Duration::from_millis(100),
        picture_bytes: 1024 * 1024,
        ..Limits::default()
    };
    request
}

async fn run(at: &'static str, bad: Bad, media: Media) -> (Result<Captured, Failure>, End, Seen) {
    let camera = Camera::start(at, bad, media).await;
    let begun = Instant::now();
    let (captured, end) = capture_native(&hasty(&camera), &Noted::default()).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{at} {bad:?} {media:?}");
    if let Err(failure) = &captured {
        let text = format!("{failure:?}");
        assert!(!text.contains("hidden") && !text.contains("swordfish"), "{text}");
    }
    (captured, end, camera.seen.await.unwrap())
}

#[tokio::test]
async fn a_good_camera_gives_its_first_key_frame_and_is_left_in_order() {
    let (captured, end, seen) = run("", Bad::Hang, Media::Good).await;
    let captured = captured.unwrap();
    let start = &[0, 0, 0, 1][..];
    assert_eq!(captured.picture.data, [start, SPS, start, PPS, start, IDR].concat());
    assert_eq!((captured.received_at.mono.0, captured.tally.pictures), (7, 2));
    assert_eq!((end, seen.reset), (End::Acknowledged, false));
    assert_eq!(seen.requests, ["DESCRIBE", "SETUP", "PLAY", "TEARDOWN"]);
}

#[tokio::test]
async fn every_fault_of_every_request_is_bounded_and_classified() {
    use FailureKind::{
        AuthFailed, CameraError, CameraFull, ConnectionLost, NotFound, ProtocolError, Timeout,
        UnsupportedProtocol,
    };
    let stages = [("DESCRIBE", Stage::Describe), ("SETUP", Stage::Setup), ("PLAY", Stage::Play)];
    let faults = [
        (Bad::Hang, Timeout, End::Unacknowledged),
        (Bad::Reset, ConnectionLost, End::Acknowledged),
        (Bad::Close, ConnectionLost, End::Acknowledged),
        (Bad::Garbage, ProtocolError, End::Acknowledged),
        (Bad::Endless, ProtocolError, End::Unacknowledged),
        (Bad::Crawl, Timeout, End::Unacknowledged),
        (Bad::Huge, ProtocolError, End::Unacknowledged),
        (Bad::Status(403), AuthFailed, End::Acknowledged),
        (Bad::Status(404), NotFound, End::Acknowledged),
        (Bad::Status(453), CameraFull, End::Acknowledged),
        (Bad::Status(461), UnsupportedProtocol, End::Acknowledged),
        (Bad::Status(500), CameraError, End::Acknowledged),
    ];
    for (method, stage) in stages {
        for (bad, kind, expected) in faults {
            let (captured, end, seen) = run(method, bad, Media::Good).await;
            let failure = captured.unwrap_err();
            assert_eq!((failure.kind, failure.stage), (kind, Some(stage)), "{method} {bad:?}");
            assert_eq!(end, expected, "{method} {bad:?}");
            assert_eq!(seen.reset, end == End::Unacknowledged, "{method} {bad:?}");
            assert!(seen.sent < 32 << 20, "{method} {bad:?} {}", seen.sent);
            let torn = seen.requests.contains(&"TEARDOWN".to_owned());
            let listens = matches!(bad, Bad::Hang | Bad::Garbage | Bad::Status(_));
            assert!(torn == (method == "PLAY") || !listens, "{method} {bad:?} {seen:?}");
        }
    }
}

#[tokio::test]
async fn faults_of_the_stream_are_told_apart_and_the_session_is_torn_down() {
    let table = [
        (Media::None, FailureKind::Timeout, true),
        (Media::NoKey, FailureKind::NoKeyFrame, true),
        (Media::Endless, FailureKind::ProtocolError, false),
        (Media::Half(Bad::Garbage), FailureKind::ProtocolError, true),
        (Media::Half(Bad::Hang), FailureKind::Timeout, true),
        (Media::Half(Bad::Close), FailureKind::ConnectionLost, false),
        (Media::Half(Bad::Reset), FailureKind::ConnectionLost, false),
    ];
    for (media, kind, torn) in table {
        let (captured, _, seen) = run("", Bad::Hang, media).await;
        let failure = captured.unwrap_err();
        assert_eq!((failure.kind, failure.stage), (kind, Some(Stage::Stream)), "{media:?}");
        assert!(!torn || seen.requests.contains(&"TEARDOWN".to_owned()), "{media:?} {seen:?}");
        assert!(seen.sent < 32 << 20, "{media:?} {} {failure}", seen.sent);
    }
}

#[tokio::test]
async fn a_picture_is_kept_when_its_session_cannot_be_ended() {
    for (bad, expected) in [
        (Bad::Hang, End::Unacknowledged),
        (Bad::Garbage, End::Acknowledged),
        (Bad::Reset, End::Acknowledged),
        (Bad::Close, End::Acknowledged),
    ] {
        let (captured, end, seen) = run("TEARDOWN", bad, Media::Good).await;
        assert!(captured.is_ok(), "{bad:?}");
        assert_eq!((end, seen.reset), (expected, expected == End::Unacknowledged), "{bad:?}");
    }
}

#[tokio::test]
async fn a_dropped_capture_ends_its_socket_at_once() {
    let cases = [
        ("DESCRIBE", Media::Good),
        ("SETUP", Media::Good),
        ("PLAY", Media::Good),
        ("", Media::None),
        ("TEARDOWN", Media::Good),
    ];
    for (method, media) in cases {
        let camera = Camera::start(method, Bad::Hang, media).await;
        let mut request = hasty(&camera);
        request.deadline = Instant::now() + Duration::from_mins(1);
        request.limits.reply = Duration::from_mins(1);
        request.limits.teardown = Duration::from_mins(1);
        let noted = Noted::default();
        let capture = capture_native(&request, &noted);
        assert!(timeout(Duration::from_millis(150), capture).await.is_err(), "{method}");
        let seen = timeout(Duration::from_millis(500), camera.seen).await;
        let seen = seen.expect("the socket lives on").unwrap();
        assert!(seen.reset, "{method} {seen:?}");
        assert!(method.is_empty() || seen.requests.last().unwrap() == method, "{seen:?}");
    }
}

#[tokio::test]
async fn a_nonce_out_of_date_is_answered_once_more() {
    let (captured, _, seen) = run("stale", Bad::Hang, Media::Good).await;
    assert!(captured.is_ok(), "{captured:?}");
    assert_eq!(seen.requests[..3], ["DESCRIBE"; 3]);
}

#[tokio::test]
async fn a_long_session_shows_the_camera_that_it_is_there() {
    let camera = Camera::start("", Bad::Hang, Media::AfterSigns).await;
    let mut request = hasty(&camera);
    request.deadline = Instant::now() + Duration::from_secs(10);
    let (captured, end) = capture_native(&request, &Noted::default()).await;
    assert!(captured.is_ok(), "{captured:?}");
    assert_eq!(end, End::Acknowledged);
    let seen = camera.seen.await.unwrap();
    assert_eq!(seen.requests[3..], ["OPTIONS", "GET_PARAMETER", "TEARDOWN"]);
}

#[tokio::test]
async fn redirections_are_followed_within_the_camera_only() {
    let (captured, ..) = run("DESCRIBE", Bad::To("/moved"), Media::Good).await;
    assert!(captured.is_ok(), "{captured:?}");
    for target in ["rtsp://127.44.1.9/moved", "http://127.44.1.1/moved", "rtsp://[", ""] {
        let (captured, end, _) = run("DESCRIBE", Bad::To(target), Media::Good).await;
        assert_eq!(captured.unwrap_err().kind, FailureKind::ProtocolError, "{target}");
        assert_eq!(end, End::Acknowledged);
    }
}

#[tokio::test]
async fn what_cannot_be_dialled_never_connects() {
    let camera = Camera::start("", Bad::Hang, Media::Good).await;
    let mut request = hasty(&camera);
    camera.seen.abort();
    assert!(camera.seen.await.unwrap_err().is_cancelled());
    let noted = Noted::default();
    let (captured, end) = capture_native(&request, &noted).await;
    let failure = captured.unwrap_err();
    assert_eq!((failure.kind, failure.stage), (FailureKind::Refused, Some(Stage::Connect)));
    assert_eq!((end, &noted.all()[..]), (End::NeverConnected, &["connecting".to_owned()][..]));

    for scheme in ["rtsps", "rtmp", "http"] {
        let url = format!("{scheme}://127.44.1.1/s").parse().unwrap();
        request.source.url = camserver::model::secret::SourceUrl::new(url);
        let (captured, end) = capture_native(&request, &noted).await;
        assert_eq!(captured.unwrap_err().kind, FailureKind::UnsupportedProtocol);
        assert_eq!(end, End::NeverConnected);
    }
    assert_eq!(noted.all().len(), 1);
}
