//! GStreamer's RTSP server as the camera, ffmpeg as the judge of the pictures.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use camserver::model::desired::Transport;
use camserver::model::failure::{FailureKind, Stage};
use camserver::model::picture::Codec;
use camserver::world::camera::connection::End;
use camserver::world::camera::native::capture_native;
use camserver::world::camera::request::CaptureRequest;
use camserver::world::camera::rtp::{Unit, Wanted};
use camserver::world::camera::session::Session;
use tokio::time::{Instant, timeout};

use super::{Noted, login, request};

const PYTHON: &str = "/usr/bin/python3";

/// The server; ends with this value.
pub(crate) struct Gst {
    child: Child,
    pub(crate) device: SocketAddr,
}

impl Drop for Gst {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[expect(clippy::disallowed_methods, reason = "a test starts a camera of its own")]
fn command(program: &str) -> Command {
    Command::new(program)
}

impl Gst {
    /// `None`, said aloud, where GStreamer's RTSP server is not installed.
    pub(crate) fn start(address: &str, login: &[&str]) -> Option<Self> {
        let probe = "import gi; gi.require_version('GstRtspServer', '1.0'); \
                     from gi.repository import GstRtspServer";
        let installed = command(PYTHON).args(["-c", probe]).stderr(Stdio::null()).status();
        if !installed.is_ok_and(|status| status.success()) {
            println!("SKIPPED: GStreamer's RTSP server is not installed");
            return None;
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/gst_camera.py");
        let mut child = command(PYTHON)
            .arg(script)
            .arg(address)
            .args(login)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port: u16 = line.trim().parse().unwrap();
        Some(Self { child, device: SocketAddr::new(address.parse().unwrap(), port) })
    }

    fn request(&self, path: &str) -> CaptureRequest {
        request("rtsp", self.device, path)
    }
}

/// The size in all of the pictures that ffmpeg finds, which must not complain about them.
fn luma_bytes(format: &str, data: &[u8], pictures: usize) -> usize {
    let mut child = command("ffmpeg")
        .args(["-v", "error", "-xerror", "-f", format, "-i", "-", "-frames:v"])
        .arg(pictures.to_string())
        .args(["-pix_fmt", "gray", "-f", "rawvideo", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(data).unwrap();
    let output = child.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{complaints}");
    output.stdout.len()
}

async fn check(request: &CaptureRequest, codec: Codec, size: usize) {
    let noted = Noted::default();
    let (captured, end) = capture_native(request, &noted).await;
    let captured = captured.unwrap();
    assert_eq!((captured.picture.codec, end), (codec, End::Acknowledged));
    assert_eq!(noted.all().len(), 2);
    let format = match codec {
        Codec::H264 => "h264",
        Codec::H265 => "hevc",
        Codec::Jpeg => "mjpeg",
    };
    assert_eq!(luma_bytes(format, &captured.picture.data, 1), size);
    assert!(captured.bytes_received >= captured.picture.data.len() as u64);
    println!("{codec:?}: {:?} {:?}", captured.timings, captured.tally);
}

#[tokio::test]
async fn every_codec_is_captured_over_tcp_and_udp() {
    let Some(camera) = Gst::start("127.44.0.1", &[]) else { return };
    for transport in [Transport::Tcp, Transport::Udp] {
        for (path, codec, size) in [
            ("/h264", Codec::H264, 320 * 240),
            ("/h264-slices", Codec::H264, 640 * 360),
            ("/h265", Codec::H265, 320 * 240),
            ("/jpeg", Codec::Jpeg, 320 * 240),
        ] {
            let mut request = camera.request(path);
            request.source.transport = transport;
            println!("{path} over {transport:?}");
            check(&request, codec, size).await;
        }
    }
}

#[tokio::test]
async fn digest_authentication_opens_the_stream() {
    let Some(camera) = Gst::start("127.44.0.2", &["admin", "p\"ä ss"]) else { return };
    let mut request = camera.request("/h264");
    request.source.login = Some(login("admin", "p\"ä ss"));
    check(&request, Codec::H264, 320 * 240).await;

    for wrong in [Some(login("admin", "no")), None] {
        request.source.login = wrong;
        let (captured, end) = capture_native(&request, &Noted::default()).await;
        let failure = captured.unwrap_err();
        assert_eq!((failure.kind, failure.code), (FailureKind::AuthFailed, Some(401)));
        assert_eq!((failure.stage, end), (Some(Stage::Describe), End::Acknowledged));
    }
}

#[tokio::test]
async fn what_is_not_there_and_what_cannot_be_decoded_are_told_apart() {
    let Some(camera) = Gst::start("127.44.0.3", &[]) else { return };
    let (captured, end) = capture_native(&camera.request("/none"), &Noted::default()).await;
    assert_eq!(captured.unwrap_err().kind, FailureKind::NotFound);
    assert_eq!(end, End::Acknowledged);
    let (captured, end) = capture_native(&camera.request("/vp8"), &Noted::default()).await;
    let failure = captured.unwrap_err();
    assert_eq!(failure.kind, FailureKind::UnsupportedCodec);
    assert!(failure.message.contains("video/VP8"), "{failure}");
    assert_eq!(end, End::Acknowledged);
}

/// What a live engine does, with its waiting broken off all the time.
#[tokio::test]
async fn a_session_gives_every_picture_in_order_even_when_waiting_is_broken_off() {
    let Some(camera) = Gst::start("127.44.0.4", &[]) else { return };
    for (path, format) in [("/h264-slices", "h264"), ("/h265", "hevc")] {
        let request = camera.request(path);
        let noted = Noted::default();
        let opening =
            Session::open(&request.source, request.limits, Wanted::All, request.deadline, &noted);
        let mut session = opening.await.unwrap();
        let mut units: Vec<Unit> = Vec::new();
        while units.len() < 25 {
            match timeout(Duration::from_millis(2), session.next_frame()).await {
                Ok(unit) => units.push(unit.unwrap()),
                Err(_) => assert!(Instant::now() < request.deadline),
            }
        }
        assert_eq!(session.close(None).await, End::Acknowledged);
        let first = units.iter().position(|unit| unit.key).unwrap();
        let from_key = &units[first..];
        assert!(from_key.iter().filter(|unit| unit.key).count() > 2);
        let steps: Vec<u32> = units
            .windows(2)
            .map(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp))
            .collect();
        assert!(steps.iter().all(|step| (8_900..9_100).contains(step)), "{steps:?}");
        let data: Vec<u8> = from_key.iter().flat_map(|unit| unit.data.to_vec()).collect();
        let size = if format == "h264" { 640 * 360 } else { 320 * 240 };
        assert_eq!(luma_bytes(format, &data, from_key.len()), size * from_key.len());
    }
}
