//! What only ffmpeg speaks: RTSPS by GStreamer's server, RTMP by ffmpeg's own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use crate::cameras::{Cameras, settings};
use crate::clock::{turn, until};
use crate::http::PASSWORD;
use crate::manifests::Manifests;
use crate::server::{Place, holds};

const LIMIT: Duration = Duration::from_mins(1);
/// Not the interpreter of some other installation, which lacks Debian's modules.
const PYTHON: &str = "/usr/bin/python3";
const RTMP_PORT: u16 = 1935;

#[expect(clippy::disallowed_methods, reason = "cameras of other makers")]
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// GStreamer's server with TLS; dropping it ends it.
struct Tls {
    child: Child,
    port: u16,
}

impl Tls {
    fn start(address: &str, directory: &Path) -> Self {
        let pem = certificate(directory);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/gst_camera.py");
        let mut child = command(PYTHON)
            .arg(script)
            .args([address, "admin", PASSWORD])
            .arg(pem)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, port: line.trim().parse().unwrap() }
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A certificate that nobody has signed, as cameras have, with its key.
fn certificate(directory: &Path) -> PathBuf {
    let (key, certificate) = (directory.join("key.pem"), directory.join("certificate.pem"));
    let status = command("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-subj", "/CN=camera", "-days", "2", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .status();
    assert!(status.unwrap().success(), "openssl");
    let both = directory.join("camera.pem");
    let bytes = [fs::read(certificate).unwrap(), fs::read(key).unwrap()].concat();
    fs::write(&both, bytes).unwrap();
    both
}

/// ffmpeg as a camera that serves one client after the other; dropping it ends it.
struct Rtmp {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Rtmp {
    fn start(address: &str) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (ended, url) = (Arc::clone(&over), format!("rtmp://{address}:{RTMP_PORT}/live/cam"));
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                serve_one(&url, &ended);
            }
        });
        Self { over, thread: Some(thread) }
    }
}

/// It listens, serves whoever comes, and ends when the client leaves.
fn serve_one(url: &str, ended: &AtomicBool) {
    let mut child = command("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-re", "-f", "lavfi"])
        .args(["-i", "testsrc=size=640x360:rate=10", "-c:v", "libx264", "-preset", "ultrafast"])
        .args(["-pix_fmt", "yuv420p", "-g", "10", "-f", "flv", "-listen", "1", url])
        .spawn()
        .unwrap();
    while child.try_wait().unwrap().is_none() {
        if ended.load(Ordering::Relaxed) {
            child.kill().ok();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Drop for Rtmp {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

#[test]
fn encrypted_rtsp_and_rtmp_are_captured_by_ffmpeg_under_a_slot() {
    let _turn = turn();
    // Where these would answer, cameras of other makers do; the fleet lends its addresses.
    let mut fleet = settings(1);
    fleet.limit = 1;
    let cameras = Cameras::start(fleet);
    let address = |last: u8| {
        let [a, b, c, _] = cameras.address(0).octets();
        format!("{a}.{b}.{c}.{last}")
    };
    let place = Place::new();
    let tls = Tls::start(&address(101), place.manifests.parent().unwrap());
    let _rtmp = Rtmp::start(&address(102));

    let mut manifests = Manifests::of(&cameras);
    let odd = |last: u8, url: String| {
        let mut spec = cameras.spec(0, "cam");
        spec["address"] = json!(address(last));
        spec["streams"] = json!({"main": url});
        spec
    };
    let rtsps = format!("rtsps://{}:{}/h264", address(101), tls.port);
    let rtmp = format!("rtmp://{}:{RTMP_PORT}/live/cam", address(102));
    manifests.cameras.push(("rtsps".to_owned(), odd(101, rtsps)));
    manifests.cameras.push(("rtmp".to_owned(), odd(102, rtmp)));
    let mut nobody = odd(103, format!("rtmp://{}:{RTMP_PORT}/live/cam", address(103)));
    nobody["capture"] = json!({"timeout": "8s"});
    manifests.cameras.push(("nobody".to_owned(), nobody));
    manifests.sweep = json!({"interval": "10s", "cooldown": "0s", "concurrency": 4});
    manifests.write(&place.manifests);
    let server = place.start();

    for name in ["rtsps", "rtmp"] {
        until(LIMIT, &format!("{name} is captured"), || {
            holds(&server.api(&format!("/cameras/{name}")), "Ready").then_some(())
        });
        let frame = server.get(&format!("/api/v1/cameras/{name}/snapshot.jpg"));
        assert!(frame.body.starts_with(&[0xff, 0xd8]), "{name}: no JPEG");
    }
    let refused = until(LIMIT, "nobody answers", || {
        let camera = server.api("/cameras/nobody");
        (camera["failures"].as_u64() > Some(0)).then(|| camera["state"].clone())
    });
    assert_eq!(refused["reason"], "Refused", "{refused}");
    until(LIMIT, "nothing is left", || server.items("/connections").is_empty().then_some(()));
    server.stop();
}
