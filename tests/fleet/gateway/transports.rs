//! WebRTC and HLS through a gateway: under the lease only, and over when it is.

use std::path::Path;
use std::time::Duration;

use camserver_chaos::Codec;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{GONE, LIMIT, Viewer, counts, gateway, manifests, programs};
use crate::cameras::{Cameras, settings};
use crate::clock::{now, turn};
use crate::http::ask_as;
use crate::server::{Place, Server};

const WEBRTC: &str = "?transport=webrtc";
/// From the end of the last right to a stream to the end of its camera's connection; the promise is
/// a second, the machine of the tests may be busy.
const CUT: Duration = Duration::from_secs(2);

/// What a browser says that can decode H.264. The stand-in takes one whose name begins with `stay`
/// for a browser that was reached and never leaves.
pub(super) fn offer(name: &str, direction: &str) -> Message {
    let fingerprint = vec!["AB"; 32].join(":");
    let sdp = format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 102\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:{name}\r\n\
         a=ice-pwd:0123456789abcdefghijklmn\r\na=fingerprint:sha-256 {fingerprint}\r\n\
         a=setup:actpass\r\na=mid:0\r\na={direction}\r\na=rtcp-mux\r\n\
         a=rtpmap:102 H264/90000\r\n\
         a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\r\n"
    );
    Message::text(json!({"type": "webrtc/offer", "value": sdp}).to_string())
}

pub(super) fn peer(server: &Server, user: &str, camera: &str, offer: Message) -> Viewer {
    let mut viewer = Viewer::open_as(server, user, (camera, "sub"), WEBRTC);
    viewer.socket.send(offer).unwrap();
    viewer
}

/// The answer to the offer.
pub(super) fn answer(viewer: &mut Viewer) -> String {
    loop {
        match viewer.next() {
            Message::Text(text) => {
                let said: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(said["type"], "webrtc/answer");
                return said["value"].as_str().unwrap().to_owned();
            }
            Message::Ping(_) | Message::Pong(_) => {}
            other @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => {
                panic!("{other:?}")
            }
        }
    }
}

fn fleet() -> Cameras {
    let mut fleet = settings(2);
    fleet.codecs = vec![Codec::H264];
    fleet.limit = 1;
    Cameras::start(fleet)
}

fn start(place: &Place, cameras: &Cameras, program: &Path, declared: &Value) -> Server {
    let mut manifests = manifests(cameras, program);
    manifests.server["live"] = declared.clone();
    // Captures would take the one connection that is looked at.
    manifests.sweep = json!({"interval": "1h"});
    manifests.write(&place.manifests);
    let server = place.start();
    server.sweep_done(1, LIMIT);
    server
}

fn all() -> Value {
    json!({"engine": "go2rtc", "webrtc": true, "hls": true})
}

#[test]
fn the_last_right_to_a_stream_cuts_what_nobody_else_can_end() {
    let _turn = turn();
    let place = Place::with_address();
    for program in programs(&place) {
        println!("ON: {}", program.display());
        let cameras = fleet();
        let server = start(&place, &cameras, &program, &all());
        let mut peer = peer(&server, "viewer", "cam-001", offer("stay", "recvonly"));
        let text = answer(&mut peer);
        let candidates: Vec<&str> = text.lines().filter(|l| l.contains("candidate:")).collect();
        let declared = format!(" {} 8555 ", server.address.ip());
        let is_local = |line: &&str| line.contains(&declared);
        assert!(!candidates.is_empty() && candidates.iter().all(is_local), "{text}");
        counts(&cameras, &[1, 0], LIMIT);
        assert_eq!(peer.release().status, 204);
        let released = now();
        assert_eq!(peer.closes(), (4003, "released".to_owned()));
        counts(&cameras, &[0, 0], CUT);
        println!("CUT after {:?}", released.elapsed());
        // What is left over there neither sees the camera again nor keeps others from it.
        let mut next = Viewer::open(&server, "cam-001", "sub");
        next.begins();
        counts(&cameras, &[1, 0], LIMIT);
        next.release();
        counts(&cameras, &[0, 0], GONE);
        server.stop();
        cameras.check_limits();
    }
}

#[test]
fn a_viewer_that_outlives_its_lease_while_others_watch_costs_one_restart() {
    let _turn = turn();
    let place = Place::with_address();
    // Only the stand-in can play a browser that stays.
    let program = programs(&place).remove(0);
    let cameras = fleet();
    let server = start(&place, &cameras, &program, &all());
    let mut other = Viewer::open(&server, "cam-001", "sub");
    other.begins();
    let pid = gateway(&server, None);
    let mut ghost = peer(&server, "ghost", "cam-001", offer("stay", "recvonly"));
    answer(&mut ghost);
    ghost.release();
    let ended = now();
    // Its stream begins anew with another gateway only.
    other.begins();
    println!("GHOST: others go on after {:?}", ended.elapsed());
    assert!(ended.elapsed() > Duration::from_secs(9), "{:?}", ended.elapsed());
    gateway(&server, Some(pid));
    server.stop();
    cameras.check_limits();
}

#[test]
fn hls_plays_under_its_lease_and_shows_nothing_else() {
    let _turn = turn();
    let place = Place::with_address();
    for program in programs(&place) {
        println!("ON: {}", program.display());
        let cameras = fleet();
        let server = start(&place, &cameras, &program, &all());
        let viewer = Viewer::open(&server, "cam-001", "sub");
        let base = format!("/live/{}", viewer.lease);
        let get =
            |cookie: &str, path: &str| ask_as(server.address, cookie, ("GET", path), "").unwrap();
        let playlist = get(&viewer.cookie, &format!("{base}/stream.m3u8"));
        assert_eq!(playlist.status, 200, "{}", playlist.text());
        let text = playlist.text();
        let files: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(text.starts_with("#EXTM3U\n") && files.len() >= 2, "{text}");
        for hidden in ["cs-", "api", "id=", "://", "sub", "cam-"] {
            assert!(!text.contains(hidden), "{text}");
        }
        let init = get(&viewer.cookie, &format!("{base}/init-1.mp4"));
        assert_eq!((init.status, init.body.get(4..8)), (200, Some(&b"ftyp"[..])));
        for file in &files {
            let segment = get(&viewer.cookie, &format!("{base}/{file}"));
            assert_eq!((segment.status, segment.body.get(4..8)), (200, Some(&b"moof"[..])));
            // Once is not enough for a player that lost an answer.
            assert_eq!(get(&viewer.cookie, &format!("{base}/{file}")).body, segment.body);
        }
        counts(&cameras, &[1, 0], LIMIT);
        assert_eq!(server.metric("camserver_live_viewers"), Some(1.0));
        check_shut(&server, &viewer, files[0]);
        assert_eq!(viewer.release().status, 204);
        for file in ["stream.m3u8", "init-1.mp4", files[0]] {
            let gone = get(&viewer.cookie, &format!("{base}/{file}"));
            assert_eq!((gone.status, &gone.json()["reason"]), (410, &json!("released")), "{file}");
        }
        counts(&cameras, &[0, 0], GONE);
        assert_eq!(server.metric("camserver_live_viewers"), Some(0.0));
        server.stop();
        cameras.check_limits();
    }
}

/// Neither another user nor another path leads anywhere.
fn check_shut(server: &Server, viewer: &Viewer, file: &str) {
    let base = format!("/live/{}", viewer.lease);
    let ask = |cookie: &str, method: &str, path: &str| {
        ask_as(server.address, cookie, (method, path), "").unwrap().status
    };
    for file in ["stream.m3u8", "init-1.mp4", file] {
        for cookie in ["", "camserver_client=somebody"] {
            assert_eq!(ask(cookie, "GET", &format!("{base}/{file}")), 403, "{file}");
        }
        let guessed = format!("/live/{}/{file}", "0".repeat(32));
        assert_eq!(ask(&viewer.cookie, "GET", &guessed), 404);
    }
    for name in [
        "playlist.m3u8?id=1",
        "segment.m4s",
        "init.mp4",
        "..%2f..%2fapi%2fstreams",
        "%2e%2e/api/streams",
        "../../api/streams",
        "stream.m3u8/..",
        "stream.m3u8%00",
        "1.m4s%2f",
        "webrtc?src=cam-002",
        "streams?src=cam-002",
    ] {
        let status = ask(&viewer.cookie, "GET", &format!("{base}/{name}"));
        assert_eq!(status, 404, "{name}");
    }
    for path in ["/api/streams", "/api/webrtc?src=x", "/api/ws?src=x", "/api/stream.m3u8?src=x"] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let status = ask(&viewer.cookie, method, path);
            assert!(matches!(status, 404 | 405), "{method} {path}: {status}");
        }
    }
}

#[test]
fn nothing_is_offered_that_is_not_declared_and_no_offer_passes_that_would_send() {
    let _turn = turn();
    let place = Place::with_address();
    let program = programs(&place).remove(0);
    let cameras = fleet();
    let server = start(&place, &cameras, &program, &json!({"engine": "go2rtc"}));
    let mut undeclared = peer(&server, "viewer", "cam-001", offer("stay", "recvonly"));
    let (code, reason) = undeclared.closes();
    assert!(code == 4008 && reason.contains("WebRTC is not declared"), "{code} {reason}");
    let path = format!("/live/{}/stream.m3u8", undeclared.lease);
    let answer = ask_as(server.address, &undeclared.cookie, ("GET", &path), "").unwrap();
    assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("LIVE_FAILED")));
    undeclared.release();
    server.stop();

    let place = Place::with_address();
    let server = start(&place, &cameras, &program, &all());
    for direction in ["sendonly", "sendrecv", "inactive", "recvonly\r\na=sendonly"] {
        let mut sender = peer(&server, "viewer", "cam-001", offer("stay", direction));
        assert_eq!(sender.closes().0, 1008, "{direction}");
    }
    let nonsense = ["", "{}", "v=0", "{\"type\":\"mse\",\"value\":\"avc1.640029\"}"];
    for text in nonsense {
        let mut odd = peer(&server, "viewer", "cam-001", Message::text(text));
        assert_eq!(odd.closes().0, 1008, "{text}");
    }
    let mut large = peer(&server, "viewer", "cam-001", Message::text("x".repeat(60_000)));
    assert_eq!(large.closes().0, 1008);
    counts(&cameras, &[0, 0], GONE);
    server.stop();
    cameras.check_limits();
}
