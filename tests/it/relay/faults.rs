//! Cameras that fail at every stage, and what becomes of slot, client and report.

use camserver::model::failure::{FailureKind, Stage};
use camserver::world::camera::relay::Grant;

use super::endings::playing;
use super::*;

fn hasty(mut spec: GrantSpec) -> GrantSpec {
    spec.limits = SessionLimits {
        connect: Duration::from_millis(500),
        reply: Duration::from_millis(400),
        opening: Duration::from_secs(5),
        idle: Duration::from_millis(900),
        stall: Duration::from_millis(500),
        refused: Duration::from_mins(1),
    };
    spec
}

async fn assert_ended(grant: &Grant, cameras: &Simulated, what: &str) {
    eventually(what, || grant.status().sessions == 0).await;
    cameras.wait_until_left(0, Duration::from_secs(3)).await;
}

#[tokio::test]
async fn every_fault_of_every_stage_is_bounded_and_classified() {
    use FailureKind::{CameraError, ConnectionLost, ProtocolError, Timeout};
    let cameras = Simulated::start(1, Scheme::Digest, &[Codec::H264]).await;
    let running = relay().await;
    let stages = [
        ("options", Stage::Options),
        ("describe", Stage::Describe),
        ("setup", Stage::Setup),
        ("play", Stage::Play),
    ];
    let kinds = [
        ("hang", Timeout, 504),
        ("reset", ConnectionLost, 502),
        ("close", ConnectionLost, 502),
        ("garbage", ProtocolError, 502),
        ("endless", ProtocolError, 502),
        ("crawl", Timeout, 504),
        ("error", CameraError, 500),
    ];
    for (word, stage) in stages {
        for (fault, kind, code) in kinds {
            let what = format!("{word} {fault}");
            cameras.fault(word, fault).await;
            let grant = running.relay.grant(hasty(cameras.spec(0))).unwrap();
            let mut client = Raw::dial(grant.url()).await;
            assert_eq!(client.play().await.0, code, "{what}");
            let failure = grant.status().failure.expect(&what);
            assert_eq!((failure.kind, failure.stage), (kind, Some(stage)), "{what}");
            let text = format!("{failure:?} {grant:?}");
            assert!(!text.contains("hidden") && !text.contains(PASSWORD), "{text}");
            drop(client);
            assert_ended(&grant, &cameras, &what).await;
        }
    }
    let slots = running.gate.0.lock().unwrap();
    assert_eq!((slots.most, slots.held), (1, 0));
}

#[tokio::test]
async fn a_camera_that_hangs_in_the_stream_is_given_up_and_told_apart() {
    let cameras = Simulated::start(1, Scheme::None, &[Codec::H264]).await;
    let running = relay().await;
    for (fault, kind) in [("hang", FailureKind::Timeout), ("reset", FailureKind::ConnectionLost)] {
        let grant = running.relay.grant(hasty(cameras.spec(0))).unwrap();
        let mut client = Raw::dial(grant.url()).await;
        assert_eq!(client.play().await.0, 200);
        client.frames(2).await;
        assert_eq!(grant.status().failure, None);
        cameras.fault("stream", fault).await;
        while client.read().await {}
        let failure = grant.status().failure.unwrap();
        assert_eq!((failure.kind, failure.stage), (kind, Some(Stage::Stream)));
        assert_ended(&grant, &cameras, fault).await;
        cameras.call("DELETE", "/cameras/cam-001/fault", "").await;
    }
}

/// Its encoder hangs; what sends reports does not.
#[tokio::test]
async fn reports_without_media_do_not_keep_a_session() {
    let cameras = Simulated::start(1, Scheme::None, &[Codec::H264]).await;
    let running = relay().await;
    let mut spec = hasty(cameras.spec(0));
    // Longer than from one report to the next.
    spec.limits.idle = Duration::from_secs(4);
    let grant = running.relay.grant(spec).unwrap();
    let mut client = Raw::dial(grant.url()).await;
    assert_eq!(client.play().await.0, 200);
    client.frames(2).await;
    cameras.fault("stream", "hang").await;
    let reading = async { while client.read().await {} };
    timeout(Duration::from_secs(10), reading).await.expect("it goes on");
    let failure = grant.status().failure.unwrap();
    assert_eq!((failure.kind, failure.stage), (FailureKind::Timeout, Some(Stage::Stream)));
    assert_ended(&grant, &cameras, "hang").await;
}

#[tokio::test]
async fn a_camera_that_says_nothing_to_the_end_is_cut_within_the_bound() {
    let cameras = Simulated::start(1, Scheme::None, &[Codec::H264]).await;
    let running = relay().await;
    for fault in ["hang", "endless", "garbage", "crawl"] {
        let grant = running.relay.grant(cameras.spec(0)).unwrap();
        let mut client = Raw::dial(grant.url()).await;
        assert_eq!(client.play().await.0, 200);
        cameras.fault("teardown", fault).await;
        drop(client);
        assert_ended(&grant, &cameras, fault).await;
        cameras.call("DELETE", "/cameras/cam-001/fault", "").await;
    }
    assert_eq!(running.gate.ends().len(), 4);
}

#[tokio::test]
async fn without_a_slot_no_camera_is_touched() {
    let cameras = Simulated::start(1, Scheme::None, &[Codec::H264]).await;
    let running = relay().await;
    running.gate.set_limit(0);
    let grant = running.relay.grant(cameras.spec(0)).unwrap();
    let (code, text) = Raw::dial(grant.url()).await.ask("OPTIONS", "", "").await;
    assert!(code == 453 && text.contains("CSeq: 1\r\n"), "{text}");
    let status = grant.status();
    assert_eq!(status.refusal, Some(Refusal::Full { limit: 0, ours: 0, others: 0 }));
    assert_eq!((status.dials, cameras.count(0, "accepted").await), (0, 0));

    // One that waits is let in when there is one.
    let mut spec = cameras.spec(0);
    spec.wait = Duration::from_secs(10);
    let patient = running.relay.grant(spec).unwrap();
    let mut client = Raw::dial(patient.url()).await;
    client.send("OPTIONS", "", "").await;
    running.gate.set_limit(1);
    assert_eq!(client.reply().await.0, 200);
}

#[tokio::test]
async fn a_grant_serves_no_more_clients_than_it_says() {
    let cameras = Simulated::start(1, Scheme::None, &[Codec::H264]).await;
    let running = relay().await;
    let grant = running.relay.grant(cameras.spec(0)).unwrap();
    let mut first = Raw::dial(grant.url()).await;
    assert_eq!(first.play().await.0, 200);
    assert_eq!(Raw::dial(grant.url()).await.play().await.0, 453);
    assert_eq!((grant.status().turned_away, cameras.count(0, "accepted").await), (1, 1));
    for url in ["/00000000000000000000000000000000", "/", "/x/y"] {
        let url = grant.url().rsplit_once('/').unwrap().0.to_owned() + url;
        let (code, _) = Raw::dial(&url).await.ask("DESCRIBE", "", "").await;
        assert!(matches!(code, 400 | 404), "{url} {code}");
    }
    for (method, expected) in [("ANNOUNCE", 455), ("SETUP", 455), ("RECORD", 455)] {
        assert_eq!(Raw::dial(grant.url()).await.ask(method, "", "").await.0, expected);
    }
    assert_eq!(cameras.count(0, "accepted").await, 1);
}

#[tokio::test]
async fn a_client_that_dials_again_and_again_reaches_the_camera_a_few_times() {
    let cameras = Simulated::start(1, Scheme::None, &[Codec::H264]).await;
    let running = relay().await;
    let grant = running.relay.grant(cameras.spec(0)).unwrap();
    let dial = async || {
        let code = Raw::dial(grant.url()).await.ask("OPTIONS", "", "").await.0;
        eventually("the slot comes back", || grant.status().sessions == 0).await;
        code
    };
    let mut codes = Vec::new();
    for _ in 0..7 {
        codes.push(dial().await);
    }
    assert_eq!(codes, [200, 200, 200, 200, 200, 453, 453]);
    assert_eq!(cameras.count(0, "accepted").await, 5);
    grant.reset_pace();
    assert_eq!(dial().await, 200);
}

#[tokio::test]
async fn a_refused_password_is_tried_once_and_not_again() {
    let cameras = Simulated::start(1, Scheme::Digest, &[Codec::H264]).await;
    let running = relay().await;
    let mut spec = cameras.spec(0);
    spec.source.login.as_mut().unwrap().password = camserver::model::secret::Secret::new("wrong");
    let grant = running.relay.grant(spec).unwrap();
    for _ in 0..3 {
        let (code, text) = Raw::dial(grant.url()).await.ask("DESCRIBE", "", "").await;
        assert_eq!(code, 401);
        assert!(!text.to_lowercase().contains("authenticate"), "{text}");
        let failure = grant.status().failure.unwrap();
        assert_eq!((failure.kind, failure.code), (FailureKind::AuthFailed, Some(401)));
        eventually("the slot comes back", || grant.status().sessions == 0).await;
    }
    assert_eq!((grant.status().dials, cameras.count(0, "accepted").await), (1, 1));

    let mut spec = cameras.spec(0);
    spec.source.login = None;
    let grant = running.relay.grant(spec).unwrap();
    assert_eq!(Raw::dial(grant.url()).await.ask("DESCRIBE", "", "").await.0, 401);
    assert_eq!(grant.status().failure.unwrap().kind, FailureKind::AuthFailed);
}

#[tokio::test]
async fn who_is_refused_beside_somebody_who_plays_is_not_taken_for_a_stranger() {
    let cameras = Simulated::start(1, Scheme::Digest, &[Codec::H264]).await;
    let running = relay().await;
    running.gate.set_limit(3);
    let (first, mut client) = playing(&running, &cameras).await;
    let spec = GrantSpec { wait: Duration::from_secs(20), ..cameras.spec(0) };
    let grant = running.relay.grant(spec).unwrap();
    // Whatever the credentials, as a camera does that takes no more than one.
    let refusal = "{\"stage\": \"describe\", \"kind\": \"error\", \"code\": 401}";
    cameras.call("PUT", "/cameras/cam-001/fault", refusal).await;
    let dial = async |grant: &Grant| Raw::dial(grant.url()).await.ask("DESCRIBE", "", "").await.0;
    let brief = GrantSpec { wait: Duration::from_millis(100), ..cameras.spec(0) };
    let brief = running.relay.grant(brief).unwrap();
    for dials in 1..=2 {
        // Each waits until the one before it has been a while ago: the password might be wrong.
        assert_eq!(dial(&grant).await, 401);
        let failure = grant.status().failure.unwrap();
        assert_eq!(failure.kind, FailureKind::CameraFull, "{}", failure.message);
        assert_eq!(dial(&brief).await, 453);
        assert_eq!((grant.status().dials, brief.status().dials), (dials, 0));
        // Who plays on may have done so since before the password was changed.
        assert_eq!(client.ask("OPTIONS", "/", "").await.0, 200);
    }
    // Nor is it tried for ever, however many are connected.
    for _ in 0..3 {
        assert_eq!(dial(&grant).await, 401);
        assert_eq!(grant.status().failure.unwrap().kind, FailureKind::AuthFailed);
    }
    assert_eq!(grant.status().dials, 3);
    client.frames(1).await;

    let other = running.relay.grant(cameras.spec(0)).unwrap();
    assert_eq!(client.ask("TEARDOWN", "/", "").await.0, 200);
    eventually("the slot comes back", || first.status().sessions == 0).await;
    // Alone with the camera, it is a stranger's refusal at once.
    assert_eq!(Raw::dial(other.url()).await.ask("DESCRIBE", "", "").await.0, 401);
    assert_eq!(other.status().failure.unwrap().kind, FailureKind::AuthFailed);
}

#[tokio::test]
async fn a_full_camera_and_one_that_is_not_there_are_told_apart() {
    let cameras = Simulated::start(1, Scheme::None, &[Codec::H264]).await;
    let running = relay().await;
    let mut foreign = Vec::new();
    for _ in 0..2 {
        foreign.push(TcpStream::connect(cameras.device(0)).await.unwrap());
    }
    let grant = running.relay.grant(cameras.spec(0)).unwrap();
    assert_eq!(Raw::dial(grant.url()).await.ask("DESCRIBE", "", "").await.0, 453);
    assert_eq!(grant.status().failure.unwrap().kind, FailureKind::CameraFull);
    drop(grant);
    drop(foreign);

    let nobody = spec("127.44.59.250:1".parse().unwrap(), "/s", None);
    let grant = running.relay.grant(nobody).unwrap();
    assert_eq!(Raw::dial(grant.url()).await.ask("OPTIONS", "", "").await.0, 502);
    let failure = grant.status().failure.unwrap();
    assert_eq!((failure.kind, failure.stage), (FailureKind::Refused, Some(Stage::Connect)));
    assert_eq!(running.gate.ends().last(), Some(&ConnectionEnd::NeverConnected));

    let missing = spec(cameras.device(0), "/none", None);
    let grant = running.relay.grant(missing).unwrap();
    assert_eq!(Raw::dial(grant.url()).await.ask("DESCRIBE", "", "").await.0, 404);
    assert_eq!(grant.status().failure.unwrap().kind, FailureKind::NotFound);
}

#[tokio::test]
async fn only_media_within_the_connection_is_set_up() {
    let cameras = Simulated::start(1, Scheme::None, &[Codec::H264]).await;
    let running = relay().await;
    let grant = running.relay.grant(cameras.spec(0)).unwrap();
    let mut client = Raw::dial(grant.url()).await;
    assert_eq!(client.ask("DESCRIBE", "", "").await.0, 200);
    let udp = "Transport: RTP/AVP;unicast;client_port=5000-5001\r\n";
    assert_eq!(client.ask("SETUP", "/track0", udp).await.0, 461);
    assert_eq!(client.ask("PLAY", "/", "").await.0, 455);
    assert_eq!(client.ask("SETUP", "/track7", udp).await.0, 404);
    let (code, text) = client.ask("ANNOUNCE", "/", "").await;
    assert!(code == 405 && text.contains("Allow: OPTIONS, "), "{text}");
    assert_eq!(client.ask("DESCRIBE", "", "Require: x.y\r\n").await.0, 551);
    let back_channel = "Require: www.onvif.org/ver20/backchannel\r\n";
    assert_eq!(client.ask("DESCRIBE", "", back_channel).await.0, 200);
    let tcp = "Transport: RTP/AVP/TCP;unicast;interleaved=4-5\r\n";
    let (code, text) = client.ask("SETUP", "/track0", tcp).await;
    assert!(code == 200 && text.contains("interleaved="), "{text}");
    assert_eq!(grant.status().failure, None);
}
