//! ffmpeg and ffprobe play everything that the cameras offer.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::thread;

use camserver_chaos::Stamp;

use crate::simulator::Simulator;

const CODECS: [&str; 3] = ["h264", "hevc", "mjpeg"];
const PROFILES: [(&str, usize, usize); 2] = [("/main?x=1", 640, 360), ("/sub", 320, 184)];

// A client that comes in between two key pictures must do without what came before it; ffmpeg says
// so for H.265. Anything else it says is a fault.
fn complaints(text: &str) -> Vec<&str> {
    let known = ["Could not find ref with POC", "deprecated pixel format"];
    text.lines().filter(|line| !known.iter().any(|known| line.contains(known))).collect()
}

#[expect(clippy::disallowed_methods, reason = "a player not written here, and the true time")]
fn play(url: &str, transport: &str, (width, height): (usize, usize), name: &str) {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-rtsp_transport", transport])
        // Without this ffmpeg collects two seconds of pictures before it shows the first.
        .args(["-fpsprobesize", "0", "-flags", "low_delay", "-i", url, "-t", "2"])
        .args(["-vsync", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut picture = vec![0; width * height];
    let mut stamps = Vec::new();
    let mut unreadable = 0;
    let mut lag = i64::MAX;
    while output.read_exact(&mut picture).is_ok() {
        let Some(stamp) = Stamp::from_luma(&picture, width, height) else {
            // Before the first key picture ffmpeg shows H.265 without what it refers to.
            unreadable += 1;
            assert!(stamps.is_empty() && unreadable < 6, "{url} {transport}: no stamp");
            continue;
        };
        lag = lag.min(jiff::Timestamp::now().as_millisecond() - stamp.sent.as_millisecond());
        stamps.push(stamp);
    }
    let said = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{url} {transport}: {text}");
    assert!(complaints(&text).is_empty(), "{url} {transport}: {text}");
    assert!(stamps.len() >= 10, "{url} {transport}: {} pictures in 2 s", stamps.len());
    assert!(stamps.iter().all(|stamp| stamp.name == name), "{url}");
    assert!(stamps.is_sorted_by(|a, b| a.sent < b.sent), "{url} {transport}: out of order");
    assert!((0..1000).contains(&lag), "{url} {transport}: {lag} ms late");
}

fn plays_everything(auth: &str) {
    let simulator =
        Simulator::start(&["--cameras", "3", "--codec", "mixed", "--auth", auth, "--limit", "4"]);
    thread::scope(|scope| {
        for transport in ["tcp", "udp"] {
            let simulator = &simulator;
            scope.spawn(move || {
                for nth in 1..=3 {
                    for (path, width, height) in PROFILES {
                        let url = match auth {
                            "none" => simulator.url(nth, path),
                            _ => simulator.url_with_password(nth, path),
                        };
                        play(&url, transport, (width, height), &format!("cam-{nth:03}"));
                    }
                }
            });
        }
    });
}

#[test]
fn ffmpeg_plays_everything_without_authentication() {
    plays_everything("none");
}

#[test]
fn ffmpeg_plays_everything_with_basic_authentication() {
    plays_everything("basic");
}

#[test]
fn ffmpeg_plays_everything_with_digest_authentication() {
    plays_everything("digest");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a program not written here")]
fn ffprobe_names_codec_and_size() {
    let simulator = Simulator::start(&["--cameras", "3", "--codec", "mixed"]);
    for (nth, codec) in (1..).zip(CODECS) {
        for (path, width, height) in PROFILES {
            let output = Command::new("ffprobe")
                .args(["-v", "error", "-rtsp_transport", "tcp", "-of", "csv=p=0"])
                .args(["-show_entries", "stream=codec_name,width,height"])
                .arg(simulator.url(nth, path))
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            assert_eq!(said, format!("{codec},{width},{height}"), "{path}");
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(complaints(&text).is_empty(), "{path}: {text}");
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a program not written here")]
fn wrong_password_is_denied() {
    let simulator = Simulator::start(&["--cameras", "1", "--auth", "digest"]);
    let url = simulator.url(1, "/sub").replace("rtsp://", "rtsp://admin:wrong@");
    let output = Command::new("ffprobe").args(["-v", "error", &url]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("401"));
}
