//! What somebody on the network reaches of a server that listens beyond loopback, and of the
//! go2rtc that it starts.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use camserver_chaos::Codec;
use serde_json::json;

use super::transports::{answer, offer, peer};
use super::{LIMIT, gateway, manifests, programs};
use crate::cameras::{Cameras, settings};
use crate::clock::{turn, until};
use crate::network::{Network, SERVER, listening, open};
use crate::server::{Place, Server};

/// Where a gateway is reached over WebRTC.
const WEBRTC: u16 = 8555;

#[test]
fn from_the_network_only_that_is_reached_which_was_declared() {
    let _turn = turn();
    let Some(network) = Network::new() else { return };
    network.of_server(|| {
        let scripts = Place::new();
        for program in programs(&scripts) {
            for host in [SERVER[0], Ipv4Addr::UNSPECIFIED] {
                println!("ON: {} AT: {host}", program.display());
                check(&network, &program, host);
            }
        }
    });
}

fn check(network: &Network, program: &Path, host: Ipv4Addr) {
    let mut fleet = settings(1);
    fleet.codecs = vec![Codec::H264];
    let cameras = Cameras::start(fleet);
    let place = Place::at(host);
    let mut declared = manifests(&cameras, program);
    declared.server["auth"] = json!({"mode": "none"});
    declared.server["live"] = json!({"engine": "go2rtc", "webrtc": true});
    declared.sweep = json!({"interval": "1h"});
    declared.write(&place.manifests);
    let mut server = place.start();
    server.sweep_done(1, LIMIT);
    gateway(&server, None);
    check_private(&place);

    let is_real = !program.ends_with("stand-in");
    let expected = expected(&server, host, is_real);
    until(LIMIT, "it listens where it should", || (open() == expected).then_some(()));
    let ports: BTreeSet<u16> = listening().into_iter().map(|(_, place)| place.port()).collect();
    // Under the address that a user has of it.
    server.address.set_ip(SERVER[1].into());
    if !host.is_unspecified() {
        server.address.set_ip(host.into());
    }
    network.of_user(|| check_reached(&server, &ports, is_real));
    let declared = open();
    let kept = expected.iter().filter(|(kind, _)| *kind == "tcp");
    assert!(kept.eq(declared.iter().filter(|(kind, _)| *kind == "tcp")), "{declared:?}");
    server.stop();
    cameras.idle(LIMIT);
}

/// The stand-in opens no port for WebRTC.
fn expected(
    server: &Server,
    host: Ipv4Addr,
    is_real: bool,
) -> BTreeSet<(&'static str, SocketAddr)> {
    let mut all = BTreeSet::from([("tcp", server.address)]);
    if is_real {
        all.insert(("tcp", SocketAddr::new(host.into(), WEBRTC)));
        // It listens for datagrams at each address by itself.
        let each = if host.is_unspecified() { SERVER.to_vec() } else { vec![host] };
        all.extend(each.into_iter().map(|ip| ("udp", SocketAddr::new(ip.into(), WEBRTC))));
    }
    all
}

/// On the user's side: what answers, and where a viewer is sent for WebRTC.
fn check_reached(server: &Server, ports: &BTreeSet<u16>, is_real: bool) {
    let host = server.address.ip();
    let reached = ports.iter().copied().filter(|port| {
        TcpStream::connect_timeout(&SocketAddr::new(host, *port), Duration::from_secs(2)).is_ok()
    });
    let mut expected = BTreeSet::from([server.address.port()]);
    expected.extend(is_real.then_some(WEBRTC));
    assert_eq!(reached.collect::<BTreeSet<u16>>(), expected);

    let mut viewer = peer(server, "viewer", "cam-001", offer("stay", "recvonly"));
    let text = answer(&mut viewer);
    let candidates: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.contains("candidate:"))
        .map(|line| line.split(' ').collect())
        .collect();
    let place = [host.to_string(), WEBRTC.to_string()];
    assert!(candidates.iter().all(|fields| fields[5] == place[1]), "{text}");
    for protocol in if is_real { &["udp", "tcp"][..] } else { &[] } {
        let is_there = |fields: &Vec<&str>| fields[2] == *protocol && fields[4] == place[0];
        assert!(candidates.iter().any(is_there), "{protocol}: {text}");
    }
    let is_four = |fields: &Vec<&str>| fields[4].parse::<IpAddr>().unwrap().is_ipv4();
    assert!(candidates.iter().all(is_four), "{text}");
    viewer.release();
}

/// Other users of the host come neither to its API nor to its credentials.
fn check_private(place: &Place) {
    let directory = place.data.join("gateway");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let [own, config] = ["sim", "sim/go2rtc.yaml"].map(|file| directory.join(file));
    assert_eq!([mode(&directory), mode(&own), mode(&config)], [0o700, 0o700, 0o600]);
    assert!(own.join("api.sock").exists());
}
