//! The `http` way of capturing against small web servers, good and bad.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use camserver::model::failure::{FailureKind, Stage};
use camserver::world::camera::connection::End;
use camserver::world::camera::http::capture_http;
use camserver::world::camera::request::{CaptureRequest, Limits};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Noted, login, request};

const JPEG: &[u8] = b"\xff\xd8\xff\xe0picture\xff\xd9";

/// From a request and how many came before to the bytes of the reply.
type Answer = fn(&str, usize) -> Vec<u8>;

/// Answers each request with what the function says; an empty answer ends the connection, one
/// that ends with `CLOSE` does so after what is before.
async fn serve(answer: Answer) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.44.2.1:0").await.unwrap();
    let device = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let mut count = 0;
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            converse(stream, answer, &mut count).await;
        }
    });
    (device, server)
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: Answer,
    count: &mut usize,
) {
    let mut bytes = Vec::new();
    loop {
        while !bytes.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => bytes.push(byte),
                Err(_) => return,
            }
        }
        let request = String::from_utf8(std::mem::take(&mut bytes)).unwrap();
        let reply = answer(&request, *count);
        *count += 1;
        let (reply, close) = match reply.strip_suffix(b"CLOSE") {
            Some(before) => (before, true),
            None => (&reply[..], reply.is_empty()),
        };
        if stream.write_all(reply).await.is_err() || close {
            return;
        }
    }
}

fn reply(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

fn hasty(device: SocketAddr) -> CaptureRequest {
    let mut request = request("http", device, "/pic.jpg?size=1&key=hidden");
    request.source.login = Some(login("admin", "swordfish"));
    request.deadline = Instant::now() + Duration::from_secs(1);
    request.limits = Limits {
        reply: Duration::from_millis(400),
        close: Duration::from_millis(100),
        ..Limits::default()
    };
    request
}

#[tokio::test]
async fn pictures_come_in_every_form() {
    let forms: [Answer; 5] = [
        |request, _| {
            assert!(
                request.starts_with("GET /pic.jpg?size=1&key=hidden HTTP/1.1\r\n"),
                "{request}"
            );
            assert!(request.contains("Host: 127.44.2.1:"), "{request}");
            reply("200 OK\r\nContent-Type: image/jpeg", JPEG)
        },
        |_, _| {
            let head = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\
                         Transfer-Encoding: chunked\r\n\r\n4\r\n";
            [head, &JPEG[..4], b"\r\n9\r\n", &JPEG[4..], b"\r\n0\r\n\r\n"].concat()
        },
        |_, _| [b"HTTP/1.0 200 OK\r\n\r\n", JPEG, b"CLOSE"].concat(),
        |_, _| {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\
                        \r\n--b\r\nContent-Type: image/jpeg\r\n\r\n";
            [head.as_bytes(), JPEG, b"\r\n--b\r\n"].concat()
        },
        |request, _| {
            if request.starts_with("GET /moved ") {
                return reply("200 OK", JPEG);
            }
            reply("302 Found\r\nLocation: /moved", b"over there")
        },
    ];
    for (index, form) in forms.into_iter().enumerate() {
        let (device, server) = serve(form).await;
        let noted = Noted::default();
        let (captured, end) = capture_http(&hasty(device), &noted).await;
        let captured = captured.unwrap();
        assert_eq!(captured.picture.data, JPEG, "{index}");
        assert_eq!((end, noted.all().len()), (End::Acknowledged, 2), "{index}");
        assert!(captured.bytes_received > JPEG.len() as u64);
        server.abort();
    }
}

#[tokio::test]
async fn challenges_are_answered_on_the_same_or_on_a_new_connection() {
    let kept: Answer = |request, _| {
        if request.contains("uri=\"/pic.jpg?") {
            return reply("200 OK", JPEG);
        }
        reply("401 No\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\"", b"no")
    };
    let closed: Answer = |request, _| {
        if request.contains("Basic YWRt") {
            return reply("200 OK", JPEG);
        }
        b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"r\"\r\n\r\nnoCLOSE".to_vec()
    };
    let silent: Answer = |_, count| match count {
        0 => reply("401 No\r\nWWW-Authenticate: Basic realm=\"r\"", b""),
        1 => Vec::new(),
        _ => reply("200 OK", JPEG),
    };
    for (answer, connections) in [(kept, 1), (closed, 2), (silent, 2)] {
        let (device, server) = serve(answer).await;
        let mut request = hasty(device);
        request.limits.reconnect = Duration::from_millis(150);
        let (noted, begun) = (Noted::default(), Instant::now());
        let (captured, end) = capture_http(&request, &noted).await;
        assert_eq!(captured.unwrap().picture.data, JPEG);
        assert_eq!((end, noted.all().len()), (End::Acknowledged, 3 * connections - 1));
        assert!(connections == 1 || begun.elapsed() >= Duration::from_millis(150));
        server.abort();
    }
}

#[tokio::test]
async fn bad_answers_are_bounded_and_classified() {
    use FailureKind::{AuthFailed, CameraError, ConnectionLost, NotFound, ProtocolError, Timeout};
    let table: [(Answer, FailureKind, Stage); 12] = [
        (|_, _| reply("404 No", b""), NotFound, Stage::Describe),
        (|_, _| reply("503 Busy", b""), CameraError, Stage::Describe),
        (|_, _| Vec::new(), ConnectionLost, Stage::Describe),
        (|_, _| b"\x00\x01\x02\x03".to_vec(), ProtocolError, Stage::Describe),
        (|_, _| b"HTTP/1.1 200 OK\r\nX".to_vec(), Timeout, Stage::Describe),
        (
            |_, _| [&b"HTTP/1.1 200 OK\r\nX: "[..], &vec![b'a'; 20_000]].concat(),
            ProtocolError,
            Stage::Describe,
        ),
        (
            |_, _| b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n".to_vec(),
            ProtocolError,
            Stage::Describe,
        ),
        (|_, _| reply("200 OK", b"<html>"), ProtocolError, Stage::Stream),
        (
            |_, _| b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\xff\xd8".to_vec(),
            Timeout,
            Stage::Stream,
        ),
        (
            |_, _| b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\xff\xd8CLOSE".to_vec(),
            ConnectionLost,
            Stage::Stream,
        ),
        (
            |_, count| match count {
                0 => reply("302 Found\r\nLocation: http://127.44.2.9/", b""),
                _ => reply("200 OK", JPEG),
            },
            ProtocolError,
            Stage::Describe,
        ),
        (
            |_, _| reply("401 No\r\nWWW-Authenticate: Basic realm=\"r\"", b""),
            AuthFailed,
            Stage::Describe,
        ),
    ];
    for (index, (answer, kind, stage)) in table.into_iter().enumerate() {
        let (device, server) = serve(answer).await;
        let begun = Instant::now();
        let (captured, end) = capture_http(&hasty(device), &Noted::default()).await;
        let failure = captured.unwrap_err();
        assert_eq!((failure.kind, failure.stage), (kind, Some(stage)), "{index} {failure}");
        assert!(!format!("{failure:?}").contains("hidden"), "{failure:?}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{index}");
        // The server always closes its side when it sees ours.
        assert_eq!(end, End::Acknowledged, "{index} {failure}");
        server.abort();
    }
}

#[tokio::test]
async fn an_endless_body_is_cut_off() {
    let listener = TcpListener::bind("127.44.2.2:0").await.unwrap();
    let device = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut sent = 0_usize;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n\xff\xd8\xff").await.unwrap();
        while let Ok(count) = stream.write(&[0; 8192]).await {
            sent += count;
        }
        sent
    });
    let mut request = hasty(device);
    request.deadline = Instant::now() + Duration::from_secs(20);
    let (captured, end) = capture_http(&request, &Noted::default()).await;
    let failure = captured.unwrap_err();
    assert_eq!((failure.kind, end), (FailureKind::ProtocolError, End::Unacknowledged));
    assert!(server.await.unwrap() < 48 << 20);
}

#[tokio::test]
async fn a_dropped_capture_ends_its_socket_at_once() {
    let listener = TcpListener::bind("127.44.2.3:0").await.unwrap();
    let request = hasty(listener.local_addr().unwrap());
    let noted = Noted::default();
    let capture = capture_http(&request, &noted);
    assert!(timeout(Duration::from_millis(100), capture).await.is_err());
    let (mut stream, _) = listener.accept().await.unwrap();
    let read = timeout(Duration::from_millis(500), stream.read_to_end(&mut Vec::new())).await;
    let error = read.expect("the socket lives on").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

/// Set for the run of this program that trusts the test's own certificate.
const TRUST: &str = "SSL_CERT_FILE";
const INNER: &str = "CAMSERVER_TEST_CERTIFICATE";

/// Runs itself once more with a trust store that has the certificate, since the store is read
/// from the environment.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "runs openssl and itself")]
async fn https_needs_a_certificate_that_this_host_trusts() {
    if let Some(folder) = std::env::var_os(INNER) {
        return fetch_over_tls(Path::new(&folder), true).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let (key, certificate) = (folder.path().join("key.pem"), folder.path().join("cert.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "2", "-subj", "/CN=camera"])
        .args(["-addext", "subjectAltName=IP:127.44.2.4", "-addext", "basicConstraints=CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .stderr(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        println!("SKIPPED: openssl is not installed");
        return;
    }
    fetch_over_tls(folder.path(), false).await;
    let inner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "capture::http::https_needs_a_certificate_that_this_host_trusts"])
        .env(TRUST, &certificate)
        .env(INNER, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&inner.stdout);
    assert!(inner.status.success() && text.contains("1 passed"), "{text}");
}

async fn fetch_over_tls(folder: &Path, trusted: bool) {
    let certificate = CertificateDer::from_pem_file(folder.join("cert.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = TcpListener::bind("127.44.2.4:0").await.unwrap();
    let device = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        if let Ok(stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await {
            converse(stream, |_, _| reply("200 OK", JPEG), &mut 0).await;
        }
    });
    let mut request = hasty(device);
    request.deadline = Instant::now() + Duration::from_secs(5);
    let url = format!("https://{device}/pic.jpg").parse().unwrap();
    request.source.url = camserver::model::secret::SourceUrl::new(url);
    let (captured, end) = capture_http(&request, &Noted::default()).await;
    server.await.unwrap();
    if trusted {
        assert_eq!(captured.unwrap().picture.data, JPEG);
        assert_eq!(end, End::Acknowledged);
    } else {
        let failure = captured.unwrap_err();
        assert_eq!(
            (failure.kind, failure.stage),
            (FailureKind::ProtocolError, Some(Stage::Connect))
        );
        assert!(failure.message.contains("certificate"), "{failure}");
        assert_eq!(end, End::Unacknowledged);
    }
}
