//! The end of the server, a full disk, and browsers that do not read.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::cameras::{Cameras, settings};
use crate::clock::{always, turn, until};
use crate::manifests::Manifests;
use crate::server::{Place, Server, holds};

const LIMIT: Duration = Duration::from_mins(1);

/// Every way in which a camera keeps a connection without going on.
const HANGS: [&str; 7] = [
    r#"{"stage": "accept", "kind": "hang"}"#,
    r#"{"stage": "options", "kind": "hang"}"#,
    r#"{"stage": "describe", "kind": "hang"}"#,
    r#"{"stage": "setup", "kind": "hang"}"#,
    r#"{"stage": "play", "kind": "hang"}"#,
    r#"{"stage": "stream", "kind": "idr-never"}"#,
    r#"{"stage": "teardown", "kind": "hang"}"#,
];

#[test]
fn sigterm_ends_the_server_in_time_while_cameras_hang() {
    let _turn = turn();
    let mut fleet = settings(u32::try_from(HANGS.len()).unwrap());
    fleet.codecs.truncate(1);
    let cameras = Cameras::start(fleet);
    for (index, fault) in HANGS.iter().enumerate() {
        let fault = serde_json::from_str(fault).unwrap();
        cameras.fault(u32::try_from(index).unwrap(), &fault);
    }
    let place = Place::new();
    let mut manifests = Manifests::of(&cameras);
    manifests.sweep = json!({"interval": "60s", "cooldown": "0s", "concurrency": 16});
    manifests.write(&place.manifests);
    let server = place.start();
    until(LIMIT, "every camera but the last is connected", || {
        let counts = cameras.counts("connections");
        counts[..HANGS.len() - 1].iter().all(|count| *count == 1).then_some(())
    });
    server.stop();
    cameras.idle(Duration::from_secs(2));
    // The one that let the server say goodbye heard it.
    assert_eq!(cameras.counts("tornDown")[5], 1);
    cameras.check_limits();
    // What was going on is on record as given up.
    let server = place.start();
    let first = server.sweeps().into_iter().find(|sweep| sweep["id"] == 1).unwrap();
    assert_eq!(first["state"], "aborted");
    server.stop();
}

#[test]
fn browsers_that_do_not_read_cost_no_memory() {
    let _turn = turn();
    let cameras = Cameras::start(settings(20));
    let place = Place::new();
    let mut manifests = Manifests::of(&cameras);
    manifests.sweep = json!({"interval": "1s", "cooldown": "0s", "concurrency": 20});
    manifests.write(&place.manifests);
    let server = place.start();
    let sweeps = |count| server.sweep_done(server.last_sweep_id() + count, LIMIT);
    sweeps(8);
    let before = server.resident();
    let silent: Vec<TcpStream> = (0..50).map(|_| websocket(&server)).collect();
    sweeps(8);
    let joined = server.resident();
    sweeps(20);
    let after = server.resident();
    println!("50 browsers that do not read: {before} KiB resident, {joined}, then {after}");
    // What the kernel does not take is bounded for each of them; the pushes themselves are shared.
    assert!(joined < before + 24 * 1024, "{before} KiB resident before, {joined} with them");
    assert!(after < joined + 4 * 1024, "{joined} KiB resident with them, {after} later");
    drop(silent);
    server.stop();
}

/// A browser that joins, and then never reads again.
pub(crate) fn websocket(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).unwrap();
    let head = format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        server.address
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 101");
    stream
}

/// A small file system of its own; dropping it takes it away.
struct SmallDisk(PathBuf);

impl SmallDisk {
    #[expect(clippy::disallowed_methods, reason = "only a program can mount")]
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=8M", "tmpfs"]).arg(at);
        let mounted = mount.stderr(std::process::Stdio::null()).status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }

    fn fill(&self) {
        let mut ballast = std::fs::File::create(self.0.join("ballast")).unwrap();
        let block = vec![7_u8; 4096];
        while ballast.write_all(&block).is_ok() {}
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    #[expect(clippy::disallowed_methods, reason = "only a program can unmount")]
    fn drop(&mut self) {
        let _gone = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_shown_and_the_server_goes_on() {
    let _turn = turn();
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place.data) else {
        println!("skipped: only root may mount a small file system");
        return;
    };
    let cameras = Cameras::start(settings(6));
    let mut manifests = Manifests::of(&cameras);
    manifests.sweep = json!({"interval": "1s", "cooldown": "0s", "concurrency": 6});
    manifests.write(&place.manifests);
    let server = place.start();
    server.sweep_done(2, LIMIT);
    disk.fill();
    until(LIMIT, "the cameras say that pictures cannot be kept", || {
        let cameras = server.items("/cameras");
        cameras.iter().all(|camera| camera["state"]["reason"] == "StoreFailed").then_some(())
    });
    until(LIMIT, "the server says that it is not healthy", || {
        let status = server.api("/status");
        (!holds(&status, "Healthy") && !holds(&status, "Available")).then_some(())
    });
    let series = r#"camserver_server_condition{type="Available",status="False"}"#;
    until(LIMIT, "the metrics say so", || (server.metric(series) == Some(1.0)).then_some(()));
    always(Duration::from_secs(2), "it answers", || server.get("/healthz").status == 200);
    let events = server.items("/events?limit=500");
    let blamed = events.iter().any(|event| event["primaryEvent"] == "camera_lost");
    assert!(!blamed, "the cameras are not at fault");
    disk.make_room();
    until(LIMIT, "every camera is ready again", || {
        server.items("/cameras").iter().all(|camera| holds(camera, "Ready")).then_some(())
    });
    until(LIMIT, "the server is healthy again", || {
        holds(&server.api("/status"), "Healthy").then_some(())
    });
    server.sweep_done(server.last_sweep_id() + 1, LIMIT);
    server.stop();
    drop(disk);
}
