//! Clients that nobody here wrote, with everything noted that they are sent.

use std::path::Path;
use std::process::Stdio;

use tokio::net::TcpListener;
use tokio::process::Command;

use super::*;
use crate::capture::gst::Gst;

#[expect(clippy::disallowed_methods, reason = "a test starts a client of its own")]
pub(super) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.kill_on_drop(true).stdin(Stdio::null());
    command
}

/// Whether a program ends well within a time, and what it says.
async fn run(mut command: Command) -> String {
    let ended = timeout(Duration::from_secs(40), command.output()).await;
    let output = ended.expect("the client does not end").unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8_lossy(&output.stdout).into_owned() + &said
}

pub(super) fn ffmpeg(url: &str, options: &[&str]) -> Command {
    let mut ffmpeg = command("ffmpeg");
    ffmpeg.args(["-v", "error", "-nostdin"]).args(options).args(["-i", url]);
    ffmpeg
}

fn gst_client(url: &str) -> Command {
    let mut client = command("/usr/bin/python3");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/gst_client.py");
    client.arg(script).args([url, "20"]);
    client
}

/// Stands before the relay and notes what it sends.
pub(super) struct Recorder {
    pub(super) url: String,
    sent: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Recorder {
    pub(super) async fn before(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut parts = url.splitn(4, '/').skip(2);
        let (relay, token) = (parts.next().unwrap().to_owned(), parts.next().unwrap());
        let url = format!("rtsp://{}/{token}", listener.local_addr().unwrap());
        let sent = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&sent);
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let relay = TcpStream::connect(&relay).await.unwrap();
                tokio::spawn(copy(client, relay, Arc::clone(&noted)));
            }
        });
        Self { url, sent, task }
    }

    /// Everything that clients were sent.
    pub(super) fn sent(&self) -> Vec<u8> {
        self.sent.lock().unwrap().clone()
    }
}

async fn copy(client: TcpStream, relay: TcpStream, noted: Arc<Mutex<Vec<u8>>>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_relay, mut to_relay) = relay.into_split();
    let up = async {
        drop(tokio::io::copy(&mut from_client, &mut to_relay).await);
        drop(to_relay.shutdown().await);
    };
    let down = async {
        let mut piece = vec![0; 16384];
        while let Ok(count @ 1..) = from_relay.read(&mut piece).await {
            noted.lock().unwrap().extend_from_slice(&piece[..count]);
            if to_client.write_all(&piece[..count]).await.is_err() {
                break;
            }
        }
        drop(to_client.shutdown().await);
    };
    tokio::join!(up, down);
}

fn assert_silent_about(sent: &[u8], secrets: &[&str]) {
    assert!(sent.len() > 1000, "only {} bytes", sent.len());
    for secret in secrets {
        let found = sent
            .windows(secret.len())
            .position(|part| part.eq_ignore_ascii_case(secret.as_bytes()));
        if let Some(at) = found {
            let around = &sent[at.saturating_sub(80)..(at + 80).min(sent.len())];
            panic!("{secret}: {}", String::from_utf8_lossy(around));
        }
    }
}

/// Every client, over every codec, with what a camera of that kind asks for.
async fn play_everything(auth: Scheme) {
    let cameras = Simulated::start(3, auth, &[Codec::H264, Codec::H265, Codec::Mjpeg]).await;
    let running = relay().await;
    for (index, codec) in ["h264", "hevc", "mjpeg"].into_iter().enumerate() {
        let index = u32::try_from(index).unwrap();
        let mut spec = cameras.spec(index);
        spec.wait = Duration::from_secs(5);
        let grant = running.relay.grant(spec).unwrap();
        let recorder = Recorder::before(grant.url()).await;
        let mut probe = command("ffprobe");
        probe.args([
            "-v",
            "error",
            "-rtsp_transport",
            "tcp",
            "-show_entries",
            "stream=codec_name,width",
        ]);
        let said = run({
            probe.args(["-of", "csv=p=0", &recorder.url]);
            probe
        })
        .await;
        assert_eq!(said.trim(), format!("{codec},320"));
        for options in [&["-rtsp_transport", "tcp"][..], &[]] {
            let mut ffmpeg = ffmpeg(&recorder.url, options);
            ffmpeg.args(["-frames:v", "12", "-f", "framemd5", "-"]);
            let said = run(ffmpeg).await;
            let frames = said.lines().filter(|line| line.starts_with("0,")).count();
            assert_eq!(frames, 12, "{codec} {options:?}: {said}");
        }
        run(gst_client(&recorder.url)).await;
        assert_silent_about(
            &recorder.sent(),
            &[&cameras.device(index).ip().to_string(), PASSWORD, "hidden", "/sub", "WWW-Auth"],
        );
        let status = grant.end().await;
        assert_eq!((status.dials, status.sessions, status.failure), (4, 0, None));
        assert!(status.played && status.received > 10_000, "{}", status.received);
        cameras.wait_until_left(index, Duration::from_secs(3)).await;
        assert_eq!(cameras.count(index, "tornDown").await, 4, "{codec}");
        assert_eq!(cameras.count(index, "connectionsMost").await, 1, "{codec}");
    }
    let ends = running.gate.ends();
    assert_eq!(ends, [ConnectionEnd::Acknowledged; 12]);
}

#[tokio::test]
async fn ffmpeg_ffprobe_and_gstreamer_play_cameras_that_ask_for_nothing() {
    play_everything(Scheme::None).await;
}

#[tokio::test]
async fn ffmpeg_ffprobe_and_gstreamer_play_cameras_that_ask_for_basic() {
    play_everything(Scheme::Basic).await;
}

#[tokio::test]
async fn ffmpeg_ffprobe_and_gstreamer_play_cameras_that_ask_for_digest() {
    play_everything(Scheme::Digest).await;
}

#[tokio::test]
async fn gstreamers_server_is_a_camera_like_any_other() {
    let Some(camera) = Gst::start("127.44.59.1", &["admin", "p\"ä ss"]) else { return };
    let running = relay().await;
    for (path, codec) in [("/h264", "h264"), ("/h265", "hevc"), ("/jpeg", "mjpeg")] {
        let mut spec = spec(camera.device, path, Some("p\"ä ss"));
        spec.wait = Duration::from_secs(5);
        let grant = running.relay.grant(spec).unwrap();
        let recorder = Recorder::before(grant.url()).await;
        let mut ffmpeg = ffmpeg(&recorder.url, &["-rtsp_transport", "tcp"]);
        ffmpeg.args(["-frames:v", "8", "-c", "copy", "-f", "framemd5", "-"]);
        let said = run(ffmpeg).await;
        assert!(said.contains(&format!("#codec_id 0: {codec}")), "{said}");
        run(gst_client(&recorder.url)).await;
        assert_silent_about(&recorder.sent(), &["127.44.59.1", "p\"ä ss", path]);
        let status = grant.end().await;
        assert_eq!((status.failure, status.end), (None, Some(ConnectionEnd::Acknowledged)));
    }
}
