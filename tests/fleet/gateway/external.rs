//! A go2rtc that somebody else runs: used through the relay where it is on this host, given the
//! camera's own URL under a reserved slot where it is not, and otherwise left alone.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use camserver_chaos::{Codec, FleetSettings, Scheme};
use serde_json::{Value, json};

use super::{
    GONE, LIMIT, Viewer, counts, gateways, manifests, no_more_sweeps, programs, succeeded, told,
};
use crate::cameras::{Cameras, settings};
use crate::clock::{turn, until};
use crate::manifests::Manifests;
use crate::server::{Place, Server, condition};

/// A stream of somebody else's.
pub(super) const FOREIGN: &str = "front-door";

/// Somebody's go2rtc; dropped, it is killed.
pub(super) struct External {
    child: Child,
    pub(super) address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl External {
    pub(super) fn start(program: &Path) -> Self {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        Self::start_at(program, address)
    }

    #[expect(clippy::disallowed_methods, reason = "runs the program that is not the server's")]
    fn start_at(program: &Path, address: SocketAddr) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = json!({
            "api": {"listen": address.to_string()},
            "rtsp": {"listen": ""}, "webrtc": {"listen": ""}, "srtp": {"listen": ""},
            "streams": {FOREIGN: "rtsp://127.0.0.1:9/x"},
        });
        let path = directory.path().join("go2rtc.yaml");
        fs::write(&path, config.to_string()).unwrap();
        let mut command = Command::new(program);
        command.arg("-c").arg(&path).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.stderr(Stdio::null()).spawn().unwrap();
        let external = Self { child, address, _directory: directory };
        until(LIMIT, "the external go2rtc answers", || external.streams());
        external
    }

    /// The names that it lists; `None` when it does not answer.
    pub(super) fn streams(&self) -> Option<Vec<String>> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(b"GET /api/streams HTTP/1.0\r\nHost: x\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let listed: Value = serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()?;
        Some(listed.as_object()?.keys().cloned().collect())
    }

    pub(super) fn only_foreign(&self) {
        until(LIMIT, "only the foreign stream is left", || {
            (self.streams()? == [FOREIGN]).then_some(())
        });
    }
}

impl Drop for External {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// One camera that is watched and captured through somebody's go2rtc.
struct Field {
    external: External,
    cameras: Cameras,
    declared: Manifests,
    place: Place,
    server: Server,
}

impl Field {
    /// `host` is how the manifests name the host of the go2rtc; `fleet` what the camera is.
    fn start(program: &Path, host: &str, fleet: FleetSettings) -> Self {
        println!("ON: {}", program.display());
        let (place, external) = (Place::new(), External::start(program));
        let cameras = Cameras::start(FleetSettings { codecs: vec![Codec::H264], ..fleet });
        let mut declared = manifests(&cameras, program);
        declared.cameras.truncate(1);
        let url = format!("http://{host}:{}", external.address.port());
        declared.server["gateway"] = json!({"url": url});
        declared.capture(&json!({"order": ["gateway"]}));
        declared.write(&place.manifests);
        let server = place.start();
        assert_eq!(swept(&server)["results"][0]["backend"], "gateway");
        Self { external, cameras, declared, place, server }
    }
}

/// One camera that bears so many connections.
fn one(limit: u64) -> FleetSettings {
    let mut fleet = settings(1);
    fleet.limit = limit;
    fleet
}

fn slots(server: &Server) -> Vec<Value> {
    let mut leases = server.items("/leases?limit=500");
    leases.retain(|lease| lease["kind"] == "slot");
    leases
}

fn swept(server: &Server) -> Value {
    let next = server.last_sweep_id() + 1;
    until(LIMIT, "it was captured", || {
        let is_new = |sweep: &Value| sweep["id"].as_i64() >= Some(next) && sweep["state"] == "done";
        server.sweeps().into_iter().find(|sweep| is_new(sweep) && succeeded(sweep) == 1)
    })
}

/// Through the relay: one connection, known to the kernel as the server's own.
#[test]
fn an_external_gateway_on_this_host_goes_through_the_relay_and_keeps_what_is_not_ours() {
    let _turn = turn();
    let scripts = Place::new();
    for program in programs(&scripts) {
        let field = Field::start(&program, "127.0.0.1", one(1));
        let Field { external, cameras, mut declared, place, server } = field;
        let mut viewer = Viewer::open(&server, "cam-001", "sub");
        viewer.begins();
        assert_eq!(external.streams().unwrap().len(), 2);
        assert_eq!(swept(&server)["results"][0]["backend"], "gateway");
        counts(&cameras, &[1], LIMIT);
        assert_eq!(gateways(&server), [0; 0], "it is none of the server's children");
        viewer.release();
        no_more_sweeps(&server, &mut declared, &place);
        cameras.idle(GONE);
        external.only_foreign();
        let mut viewer = Viewer::open(&server, "cam-001", "sub");
        viewer.begins();
        server.stop();
        // The end of the server is the end of its streams there, and of nothing else.
        external.only_foreign();
        cameras.idle(GONE);
        cameras.check_limits();
    }
}

/// An address that is not loopback stands for another host; this one leads here all the same.
#[test]
fn an_external_gateway_elsewhere_has_the_slot_reserved_for_as_long_as_it_may_dial() {
    let _turn = turn();
    let scripts = Place::new();
    for program in programs(&scripts) {
        // Seen from here, the session counts twice: as a slot, and as a stranger's connection.
        let fleet = FleetSettings { auth: Scheme::None, ..one(2) };
        let field = Field::start(&program, "0.0.0.0", fleet);
        let Field { external, cameras, mut declared, place, server } = field;
        no_more_sweeps(&server, &mut declared, &place);
        cameras.idle(GONE);
        until(LIMIT, "no slot is left", || slots(&server).is_empty().then_some(()));
        let mut viewer = Viewer::open(&server, "cam-001", "sub");
        viewer.begins();
        counts(&cameras, &[1], LIMIT);
        let held = slots(&server);
        assert_eq!(held.len(), 1, "{held:?}");
        assert_eq!(held[0]["camera"], "cam-001", "{held:?}");
        viewer.release();
        until(LIMIT, "no slot is left", || slots(&server).is_empty().then_some(()));
        assert_eq!(cameras.counts("connections"), [0], "the slot came back before its session");

        // Nobody waits for a slot that only waits for viewers to come back.
        let mut viewer = Viewer::open(&server, "cam-001", "sub");
        viewer.begins();
        viewer.release();
        let mut viewer = Viewer::open(&server, "cam-001", "main");
        viewer.begins();

        // The camera is declared otherwise: a wall tries again at once, under a slot of its own.
        declared.cameras[0].1["streams"] = json!({"main": "/sub", "sub": "/main"});
        declared.write(&place.manifests);
        let (code, reason) = viewer.closes();
        assert_eq!(code, 4008, "{reason}");
        let mut viewer = Viewer::open(&server, "cam-001", "main");
        viewer.begins();
        viewer.release();
        until(LIMIT, "no slot is left", || slots(&server).is_empty().then_some(()));
        external.only_foreign();
        server.stop();
        assert_eq!(cameras.counts("connectionsMost"), [1]);
    }
}

/// What hangs at its old address may be anything now.
#[test]
fn a_camera_that_moves_behind_an_external_gateway_elsewhere_has_another_slot() {
    let _turn = turn();
    let scripts = Place::new();
    for program in programs(&scripts) {
        let fleet = FleetSettings { cameras: 2, auth: Scheme::None, ..one(2) };
        let field = Field::start(&program, "0.0.0.0", fleet);
        let Field { external, cameras, mut declared, place, server } = field;
        no_more_sweeps(&server, &mut declared, &place);
        cameras.idle(GONE);
        let mut viewer = Viewer::open(&server, "cam-001", "sub");
        viewer.begins();
        counts(&cameras, &[1, 0], LIMIT);
        let address = cameras.spec(1, "cam")["address"].clone();
        declared.cameras[0].1["address"] = address.clone();
        declared.write(&place.manifests);
        let (code, reason) = viewer.closes();
        assert_eq!(code, 4008, "{reason}");
        let mut viewer = Viewer::open(&server, "cam-001", "sub");
        viewer.begins();
        counts(&cameras, &[0, 1], LIMIT);
        until(LIMIT, "the only slot is that of its new place", || {
            let held = slots(&server);
            let device = held.first()?["device"].as_str()?.rsplit_once(':')?.0;
            (held.len() == 1 && address == device).then_some(())
        });
        viewer.release();
        until(LIMIT, "no slot is left", || slots(&server).is_empty().then_some(()));
        external.only_foreign();
        server.stop();
        assert_eq!(cameras.counts("connectionsMost"), [1, 1]);
    }
}

#[test]
fn viewers_outlive_an_external_gateway_and_go_on_at_another_address() {
    let _turn = turn();
    let scripts = Place::new();
    for program in programs(&scripts) {
        let field = Field::start(&program, "127.0.0.1", one(1));
        let Field { external: first, cameras, mut declared, place, server } = field;
        no_more_sweeps(&server, &mut declared, &place);
        let mut viewer = Viewer::open(&server, "cam-001", "sub");
        viewer.begins();
        let address = first.address;
        drop(first);
        cameras.idle(GONE);
        let first = External::start_at(&program, address);
        viewer.begins();

        let second = External::start(&program);
        declared.server["gateway"] = json!({"url": format!("http://{}", second.address)});
        declared.write(&place.manifests);
        // The camera is still declared: a wall tries again at once.
        let (code, reason) = viewer.closes();
        assert_eq!(code, 4008, "{reason}");
        let mut viewer = Viewer::open(&server, "cam-001", "sub");
        viewer.begins();
        assert_eq!(second.streams().unwrap().len(), 2);
        first.only_foreign();
        server.stop();
        second.only_foreign();
        cameras.check_limits();
    }
}

#[test]
fn viewers_are_told_of_an_external_gateway_that_does_not_answer() {
    let _turn = turn();
    let place = Place::new();
    let mut fleet = settings(1);
    fleet.codecs = vec![Codec::H264];
    let cameras = Cameras::start(fleet);
    let mut declared = manifests(&cameras, Path::new("go2rtc"));
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    declared.server["gateway"] = json!({"url": format!("http://{closed}")});
    // What the gateway cannot do, the next way does.
    declared.capture(&json!({"order": ["gateway", "native"]}));
    declared.write(&place.manifests);
    let server = place.start();
    let (code, reason) = Viewer::open(&server, "cam-001", "sub").closes();
    assert_eq!(code, 4008);
    assert!(reason.contains("gateway.url"), "{reason}");
    until(LIMIT, "the gateway is told to be unreachable", || {
        let gateway = told(&server, "external");
        let available = condition(&gateway, "Available")?;
        (available["status"] == "False" && available["reason"] == "Unreachable").then_some(())
    });
    assert_eq!(server.get("/readyz").status, 503);
    assert_eq!(swept(&server)["results"][0]["backend"], "native");
    server.stop();
    cameras.check_limits();
}
