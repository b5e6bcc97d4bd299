//! Conversations message by message, and what no camera can make the relay say.

use std::time::Duration;

use bytes::BytesMut;
use proptest::prelude::*;

use super::super::testkit::source;
use super::*;
use crate::world::camera::rtsp::message::{Message, Parser};

const OWN: &str = "rtsp://127.0.0.1:9/0123";
const SDP: &str = "v=0\r\nm=video 0 RTP/AVP 96\r\na=control:t\r\n";
const TCP: &str = "RTP/AVP/TCP;unicast;interleaved=0-1";

fn dialogue() -> Dialogue {
    let source = source("rtsp://10.0.0.5/s?key=1", Some("swordfish"));
    let names = Names::new(OWN.into(), source.request_url().unwrap());
    let auth = Authenticator::new(source.login.clone());
    Dialogue::new(names, Hidden::new(&source), auth, "abcd".into())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn ask(dialogue: &mut Dialogue, method: &str, path: &str, transport: Option<&str>) -> Asked {
    let mut request = Request::new(method, &format!("{OWN}{path}")).with("CSeq", "77");
    if let Some(transport) = transport {
        request.headers.push("Transport", transport);
    }
    dialogue.ask(&request, Instant::now() + Duration::from_secs(1))
}

fn forwarded(asked: Asked) -> String {
    let Asked::Forward(bytes) = asked else { panic!("answered: {asked:?}") };
    text(&bytes)
}

fn ok(headers: &[(&str, &str)], body: &'static str) -> Response {
    let mut response = Response::new(200, "Fine");
    for (name, value) in headers {
        response.headers.push(name, value);
    }
    response.body = body.into();
    response
}

fn answered(told: Told) -> (String, Option<(Fault, Stage)>) {
    let Told::Answer(bytes, wrong) = told else { panic!("no answer: {told:?}") };
    (text(&bytes), wrong)
}

fn challenge(more: &str) -> Response {
    let mut response = Response::new(401, "No");
    let text = format!("Digest realm=\"r\", qop=\"auth\", nonce=\"n\"{more}");
    response.headers.push("WWW-Authenticate", &text);
    response
}

fn playing() -> Dialogue {
    let mut dialogue = dialogue();
    forwarded(ask(&mut dialogue, "DESCRIBE", "", None));
    answered(dialogue.told(&ok(&[], SDP)));
    forwarded(ask(&mut dialogue, "SETUP", "/track0", Some(TCP)));
    answered(dialogue.told(&ok(&[("Session", "s7;timeout=9"), ("Transport", TCP)], "")));
    forwarded(ask(&mut dialogue, "PLAY", "/", None));
    answered(dialogue.told(&ok(&[], "")));
    assert_eq!((dialogue.phase(), dialogue.stage()), (Phase::Playing, Stage::Stream));
    dialogue
}

#[test]
fn a_challenge_is_answered_once_and_its_nonce_kept() {
    let mut dialogue = dialogue();
    let first = forwarded(ask(&mut dialogue, "DESCRIBE", "", None));
    assert!(first.starts_with("DESCRIBE rtsp://10.0.0.5/s?key=1 RTSP/1.0\r\n"), "{first}");
    assert!(first.contains("CSeq: 1\r\n") && !first.contains("Authorization"), "{first}");
    let Told::Again(second) = dialogue.told(&challenge("")) else { panic!() };
    let second = text(&second);
    assert!(second.contains("CSeq: 2\r\n") && second.contains("nc=00000001"), "{second}");
    assert!(second.contains("uri=\"rtsp://10.0.0.5/s?key=1\""), "{second}");
    let (answer, wrong) = answered(dialogue.told(&ok(&[], SDP)));
    assert!(answer.contains("CSeq: 77\r\n") && wrong.is_none(), "{answer}");
    let third = forwarded(ask(&mut dialogue, "OPTIONS", "", None));
    assert!(third.contains("CSeq: 3\r\n") && third.contains("nc=00000002"), "{third}");
}

#[test]
fn a_refusal_reaches_the_client_without_a_challenge_and_a_stale_nonce_excuses_one() {
    for (replies, retries) in [(["", "", ""], 1), (["", ", stale=true", ""], 2)] {
        let mut dialogue = dialogue();
        forwarded(ask(&mut dialogue, "DESCRIBE", "", None));
        for reply in &replies[..retries] {
            assert!(matches!(dialogue.told(&challenge(reply)), Told::Again(_)));
        }
        let (answer, wrong) = answered(dialogue.told(&challenge("")));
        assert!(answer.starts_with("RTSP/1.0 401 Unauthorized\r\nCSeq: 77\r\n\r\n"), "{answer}");
        assert!(matches!(wrong, Some((Fault::Unauthorized, Stage::Describe))));
    }
}

#[test]
fn the_session_has_two_names_and_the_track_too() {
    let mut dialogue = playing();
    assert_eq!(dialogue.to_tear_down(), Some("rtsp://10.0.0.5/s?key=1"));
    let alive = forwarded(ask(&mut dialogue, "GET_PARAMETER", "/", None));
    assert!(alive.contains("Session: s7\r\n"), "{alive}");
    let (answer, _) = answered(dialogue.told(&ok(&[("Session", "s7")], "secret: 1\r\n")));
    assert_eq!(answer, "RTSP/1.0 200 OK\r\nSession: abcd\r\nCSeq: 77\r\n\r\n");
    assert!(dialogue.is_control_channel(1) && !dialogue.is_control_channel(0));
    forwarded(ask(&mut dialogue, "TEARDOWN", "/", None));
    answered(dialogue.told(&Response::new(454, "x")));
    assert!(dialogue.is_torn_down() && dialogue.to_tear_down().is_none());
}

#[test]
fn an_answer_that_nobody_waits_for_any_more_is_not_taken_for_the_next() {
    let mut dialogue = playing();
    let sign = forwarded(ask(&mut dialogue, "OPTIONS", "", None));
    assert!(sign.contains("CSeq: 4\r\n") && dialogue.may_go_unanswered(), "{sign}");
    dialogue.forget();
    forwarded(ask(&mut dialogue, "PAUSE", "/", None));
    assert!(matches!(dialogue.told(&ok(&[("CSeq", "4")], "")), Told::Nothing));
    assert!(matches!(dialogue.told(&Response::new(100, "Continue")), Told::Nothing));
    answered(dialogue.told(&ok(&[("CSeq", "5")], "")));
    assert_eq!(dialogue.phase(), Phase::Paused);
    assert!(matches!(dialogue.told(&ok(&[("CSeq", "9")], "")), Told::Nothing));
}

#[test]
fn a_camera_that_insists_on_datagrams_is_refused_and_torn_down() {
    let mut dialogue = dialogue();
    forwarded(ask(&mut dialogue, "DESCRIBE", "", None));
    answered(dialogue.told(&ok(&[("Content-Base", "rtsp://10.0.0.5/b/")], SDP)));
    let setup = forwarded(ask(&mut dialogue, "SETUP", "/track0", Some(TCP)));
    assert!(setup.starts_with("SETUP rtsp://10.0.0.5/b/t RTSP/1.0\r\n"), "{setup}");
    let udp = ok(&[("Session", "s"), ("Transport", "RTP/AVP;server_port=5-6")], "");
    let (answer, wrong) = answered(dialogue.told(&udp));
    assert!(answer.starts_with("RTSP/1.0 461 ") && wrong.is_some(), "{answer}");
    assert_eq!(dialogue.to_tear_down(), Some("rtsp://10.0.0.5/b/"));
}

#[test]
fn what_was_never_set_up_needs_no_camera_to_end() {
    let mut dialogue = dialogue();
    let Asked::Answer(bytes) = ask(&mut dialogue, "TEARDOWN", "", None) else { panic!() };
    assert!(text(&bytes).starts_with("RTSP/1.0 200 OK\r\n"));
    assert_eq!((dialogue.phase(), dialogue.to_tear_down()), (Phase::Over, None));
}

proptest! {
    /// Whatever a camera answers to whatever was asked, its address, its password and a header
    /// that asks for credentials are not in what the client is sent.
    #[test]
    fn no_answer_tells_a_client_what_it_must_not_know(
        bytes in "RTSP/1\\.0 (200|201|302|401|404|999) (10\\.0\\.0\\.5|)\r\n\
            ((Session|Transport|Content-Base|RTP-Info|Range|Public|Scale|Location|Server|\
            WWW-Authenticate|Content-Type|X): [ -~]{0,20}(url=|interleaved=|ssrc=|;|,|)\
            (10\\.0\\.0\\.5|swordfish|rtsp://10\\.0\\.0\\.5/t|)[ -~]{0,20}\r\n){0,8}\r\n",
        body in "([vmoa]=(control:|)(10\\.0\\.0\\.5|swordfish|[ -~]{0,9})\r\n){0,9}",
        method in 0..5_usize,
    ) {
        let mut input = BytesMut::from(bytes.as_bytes());
        let Ok(Some(Message::Response(mut response))) = Parser::default().next(&mut input) else {
            return Ok(());
        };
        response.body = body.into();
        let mut dialogue = playing();
        let (method, path) = [
            ("DESCRIBE", ""), ("SETUP", "/track0"), ("PLAY", ""), ("OPTIONS", ""), ("TEARDOWN", ""),
        ][method];
        forwarded(ask(&mut dialogue, method, path, Some(TCP)));
        if let Told::Answer(bytes, _) = dialogue.told(&response) {
            let sent = text(&bytes).to_lowercase();
            for secret in ["10.0.0.5", "swordfish", "www-auth", "key=1"] {
                prop_assert!(!sent.contains(secret), "{sent}");
            }
            prop_assert!(sent.contains("cseq: 77\r\n"));
        }
    }
}
