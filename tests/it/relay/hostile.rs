//! Cameras and clients that mean harm.

use std::io::ErrorKind;

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use tokio::net::TcpListener;

use super::*;

/// A camera that tells everybody where it is, and how to get in.
const TELLTALE_HEADERS: &str = "Server: cam 127.44.59.9\r\nLocation: rtsp://127.44.59.9/x\r\n\
    Content-Location: rtsp://127.44.59.9/base/\r\nX-Real: sword+fish\r\n\
    WWW-Authenticate: Basic realm=\"127.44.59.9\"\r\nRange: npt=0-;127.44.59.9\r\n";
const TELLTALE_SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.44.59.9\r\ns=127.44.59.9\r\n\
    i=sword+fish\r\nu=http://127.44.59.9/\r\nc=IN IP4 127.44.59.9\r\nt=0 0\r\n\
    a=tool:127.44.59.9\r\nm=video 0 RTP/AVP 96\r\nc=IN IP4 127.44.59.9\r\n\
    a=rtpmap:96 H264/90000\r\na=control:rtsp://admin:sword+fish@127.44.59.9/s/t\r\n";

/// What the camera does after PLAY.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Nothing,
    /// Media as fast as it goes, until it cannot be sent.
    Flood,
}

/// What the camera has seen: its requests, and how many bytes of media it could send.
type Seen = Arc<Mutex<(String, usize)>>;

async fn telltale(after: After, requests_of_its_own: bool) -> (SocketAddr, Seen, JoinHandle<()>) {
    let listener = TcpListener::bind("127.44.59.9:0").await.unwrap();
    let device = listener.local_addr().unwrap();
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            drop(tell(stream, after, requests_of_its_own, &noted).await);
        }
    });
    (device, seen, task)
}

/// Where the frame or message at the beginning ends.
fn message_end(input: &[u8]) -> Option<usize> {
    if let [b'$', _, high, low, ..] = input {
        let end = 4 + usize::from(u16::from_be_bytes([*high, *low]));
        return (input.len() >= end).then_some(end);
    }
    let end = input.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&input[..end]).into_owned();
    let body = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let end = end + body.map_or(0, |length| length.parse().unwrap());
    (input.len() >= end).then_some(end)
}

async fn tell(mut stream: TcpStream, after: After, asks: bool, seen: &Seen) -> std::io::Result<()> {
    let mut input = Vec::new();
    loop {
        while let Some(end) = message_end(&input) {
            let message: Vec<u8> = input.drain(..end).collect();
            let request = String::from_utf8_lossy(&message).into_owned();
            seen.lock().unwrap().0.push_str(&request);
            if request.starts_with(['$', '\r']) || request.starts_with("RTSP/") {
                continue;
            }
            let number = request.lines().find_map(|line| line.strip_prefix("CSeq: "));
            let (method, number) = (request.split(' ').next().unwrap(), number.unwrap_or("0"));
            let (extra, body) = match method {
                "DESCRIBE" => ("Content-Base: rtsp://127.44.59.9/s/\r\n", TELLTALE_SDP),
                "SETUP" => (
                    "Session: 127.44.59.9;timeout=60\r\n\
                     Transport: RTP/AVP/TCP;source=127.44.59.9;interleaved=0-1;ssrc=0a\r\n",
                    "",
                ),
                "PLAY" => ("RTP-Info: url=rtsp://127.44.59.9/s/t;seq=1;rtptime=2\r\n", ""),
                "GET_PARAMETER" => ("", "address: 127.44.59.9\r\n"),
                _ => ("Public: OPTIONS, DESCRIBE, ANNOUNCE, PLAY\r\n", ""),
            };
            if asks {
                stream
                    .write_all(b"ANNOUNCE rtsp://127.44.59.9/ RTSP/1.0\r\nCSeq: 5\r\n\r\n")
                    .await?;
            }
            let length = body.len();
            let head =
                format!("RTSP/1.0 200 127.44.59.9\r\nCSeq: {number}\r\n{TELLTALE_HEADERS}{extra}");
            let text = format!("{head}Content-Length: {length}\r\n\r\n{body}");
            stream.write_all(text.as_bytes()).await?;
            if method == "PLAY" && after == After::Flood {
                let mut frame = vec![7; 4 + 0x8000];
                frame[..4].copy_from_slice(&[b'$', 0, 0x80, 0]);
                loop {
                    stream.write_all(&frame).await?;
                    seen.lock().unwrap().1 += frame.len();
                }
            }
        }
        if stream.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
    }
}

#[tokio::test]
async fn a_camera_that_tells_everything_tells_a_client_nothing() {
    let (device, seen, camera) = telltale(After::Nothing, true).await;
    let running = relay().await;
    let mut spec = spec(device, "/s?token=hidden", Some(PASSWORD));
    spec.bytes = Some(1 << 20);
    let grant = running.relay.grant(spec).unwrap();
    let mut client = Raw::dial(grant.url()).await;
    client.stream.set_nodelay(true).unwrap();
    let (code, text) = client.play().await;
    assert_eq!(code, 200, "{text}");
    let number = client.number;
    assert!(text.contains(&format!("RTP-Info: url={}/track0;seq=1;rtptime=2\r\n", grant.url())));
    client.stream.write_all(b"$\x01\0\x04abcd$\0\0\x01x$\x02\0\x01y").await.unwrap();
    for method in ["GET_PARAMETER", "SET_PARAMETER", "PAUSE", "OPTIONS", "TEARDOWN"] {
        assert_eq!(client.ask(method, "/", "Authorization: Basic x\r\nVia: y\r\n").await.0, 200);
    }
    assert_eq!(client.number, number + 5);
    let sent = String::from_utf8_lossy(&client.received).to_lowercase();
    for secret in ["127.44.59.9", PASSWORD, "hidden", "announce", "authenticate", "location"] {
        assert!(!sent.contains(secret), "{secret}: {sent}");
    }
    eventually("the slot comes back", || grant.status().sessions == 0).await;
    camera.abort();
    let requests = seen.lock().unwrap().0.clone();
    assert!(requests.contains("SETUP rtsp://admin:sword+fish@127.44.59.9/s/t RTSP/1.0\r\n"));
    assert!(requests.contains("PLAY rtsp://127.44.59.9/s/ RTSP/1.0\r\n"), "{requests}");
    assert!(requests.contains("Session: 127.44.59.9\r\n"), "{requests}");
    assert!(requests.contains("$\u{1}\0\u{4}abcd") && !requests.contains("Via"), "{requests}");
    assert!(!requests.contains("\0\u{1}x") && !requests.contains("\0\u{1}y"), "{requests}");
    assert_eq!(requests.matches("RTSP/1.0 501").count(), 9);
}

#[tokio::test]
async fn a_client_that_stops_reading_is_cut_and_holds_the_camera_up_till_then() {
    let (device, seen, camera) = telltale(After::Flood, false).await;
    let running = relay().await;
    let mut spec = spec(device, "/s", None);
    spec.limits.stall = Duration::from_millis(500);
    let grant = running.relay.grant(spec).unwrap();
    let mut client = Raw::dial(grant.url()).await;
    assert_eq!(client.play().await.0, 200);
    eventually("the client is cut", || grant.status().sessions == 0).await;
    // What the kernel keeps for three sockets, and the relay's own bound.
    let sent = seen.lock().unwrap().1;
    assert!(sent < 40 << 20, "{sent}");
    assert_eq!(grant.status().failure, None);
    camera.abort();
}

#[tokio::test]
async fn a_grant_with_a_bound_takes_no_more_bytes() {
    let (device, _, camera) = telltale(After::Flood, false).await;
    let running = relay().await;
    let mut spec = spec(device, "/s", None);
    spec.bytes = Some(300_000);
    let grant = running.relay.grant(spec).unwrap();
    let mut client = Raw::dial(grant.url()).await;
    assert_eq!(client.play().await.0, 200);
    while client.read().await {}
    eventually("the session ends", || grant.status().sessions == 0).await;
    let failure = grant.status().failure.unwrap();
    assert_eq!(failure.kind, camserver::model::failure::FailureKind::ProtocolError);
    assert!(client.received.len() < 600_000, "{}", client.received.len());
    camera.abort();
}

/// A client's words in pieces of any size reach the camera as the same words.
#[tokio::test]
async fn pieces_of_any_size_make_the_same_conversation() {
    let (device, seen, camera) = telltale(After::Nothing, true).await;
    let running = relay().await;
    let mut spec = spec(device, "/s", None);
    spec.wait = Duration::from_secs(5);
    let grant = running.relay.grant(spec).unwrap();
    let url = grant.url();
    let mut script = Vec::new();
    for (method, path, headers) in [
        ("OPTIONS", "", ""),
        ("DESCRIBE", "", "Accept: x\r\n folded\r\n"),
        ("SETUP", "/track0", "Transport: RTP/AVP/TCP;interleaved=0-1\r\n"),
        ("PLAY", "", ""),
        ("SET_PARAMETER", "", "Content-Length: 7\r\n"),
    ] {
        script.extend_from_slice(
            format!("{method} {url}{path} RTSP/1.0\r\nCSeq: 1\r\n{headers}\r\n").as_bytes(),
        );
    }
    script.extend_from_slice(b"a: b\r\n\r");
    script.extend_from_slice(b"\n$\x01\0\x03abc\r\n");
    script.extend_from_slice(format!("TEARDOWN {url} RTSP/1.0\r\nCSeq: 2\r\n\r\n").as_bytes());
    let mut whole: Option<(Vec<u8>, String)> = None;
    for step in [script.len(), 1, 2, 3, 7, 64, 200] {
        seen.lock().unwrap().0.clear();
        let mut client = Raw::dial(url).await;
        client.stream.set_nodelay(true).unwrap();
        for piece in script.chunks(step) {
            client.stream.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        while client.read().await {}
        let session = String::from_utf8_lossy(&client.received).into_owned();
        let name = session.split("Session: ").nth(1).unwrap()[..16].to_owned();
        let received = session.replace(&name, "S").into_bytes();
        eventually("the session ends", || grant.status().sessions == 0).await;
        let mut said = seen.lock().unwrap().0.clone();
        // When these come depends on nothing that the client says before and after.
        for loose in ["RTSP/1.0 501 Not Implemented\r\nCSeq: 5\r\n\r\n", "$\u{1}\0\u{3}abc"] {
            assert!(said.contains(loose), "{step}: {said}");
            said = said.replace(loose, "");
        }
        match &whole {
            None => whole = Some((received, said)),
            Some(whole) => assert_eq!((&received, &said), (&whole.0, &whole.1), "{step}"),
        }
    }
    let (received, said) = whole.unwrap();
    assert_eq!(String::from_utf8(received).unwrap().matches("RTSP/1.0 200 OK").count(), 6);
    assert!(said.contains("a: b\r\n"), "{said}");
    camera.abort();
}

#[tokio::test]
async fn garbage_from_either_side_ends_the_session_and_nothing_else() {
    let listener = TcpListener::bind("127.44.59.10:0").await.unwrap();
    let device = listener.local_addr().unwrap();
    let running = relay().await;
    let mut spec = spec(device, "/s", None);
    spec.limits.reply = Duration::from_millis(200);
    spec.limits.refused = Duration::ZERO;
    let grant = running.relay.grant(spec).unwrap();
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    for round in 0..60 {
        let mut garbage = vec![0; random.random_range(1..40_000)];
        random.fill_bytes(&mut garbage);
        let begins = ["", "RTSP/1.0 200 OK\r\n", "RTSP/1.0 401 X\r\nWWW-Authenticate: ", "$\0\0"];
        let begin = begins[round % begins.len()];
        grant.reset_pace();
        let mut client = Raw::dial(grant.url()).await;
        client.send("OPTIONS", "", "").await;
        let (mut camera, _) = listener.accept().await.unwrap();
        drop(camera.write_all(&[begin.as_bytes(), &garbage].concat()).await);
        drop(client.stream.write_all(&garbage).await);
        let mut rest = Vec::new();
        let ended = timeout(Duration::from_secs(5), client.stream.read_to_end(&mut rest)).await;
        let ended = ended.expect("goes on with garbage");
        assert!(ended.is_ok() || ended.unwrap_err().kind() == ErrorKind::ConnectionReset);
        drop(camera);
        eventually("the slot comes back", || grant.status().sessions == 0).await;
    }
    // Without knowing any grant.
    for _ in 0..20 {
        let mut garbage = vec![0; random.random_range(1..100_000)];
        random.fill_bytes(&mut garbage);
        let mut stream = Raw::dial(grant.url()).await.stream;
        drop(stream.write_all(&garbage).await);
        drop(stream.shutdown().await);
        let mut rest = Vec::new();
        let ended = timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
        drop(ended.expect("the relay waits for more"));
    }
    assert_eq!(grant.status().dials, 60);
    assert_eq!(running.gate.0.lock().unwrap().most, 1);
}
