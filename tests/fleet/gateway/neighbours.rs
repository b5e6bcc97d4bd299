//! Two servers that could be in each other's way: on one go2rtc that somebody else runs, and with
//! one's data directory copied from the other's.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use camserver_chaos::{Codec, FleetSettings};
use serde_json::{Value, json};

use super::external::{External, FOREIGN};
use super::{
    GONE, LIMIT, counts, gateway, manifests, no_more_sweeps, programs, restarts, serving, told,
};
use crate::cameras::{Cameras, settings};
use crate::clock::{turn, until};
use crate::manifests::Manifests;
use crate::server::{Place, Server, holds};
use crate::viewer::{Browser, View};

/// Sweeps of each server during which the other one sweeps too.
const SWEEPS: usize = 8;

/// What each server may take of a camera. What the other one takes is known to it from the last
/// look only, so a camera that both have declared has to bear as much for each.
const LIMIT_OF_EACH: u64 = 2;

fn fleet() -> Cameras {
    let (codecs, limit) = (vec![Codec::H264], 2 * LIMIT_OF_EACH);
    Cameras::start(FleetSettings { codecs, limit, ..settings(2) })
}

/// What both servers declare.
fn declared(cameras: &Cameras, external: &External) -> Manifests {
    let mut declared = manifests(cameras, Path::new("go2rtc"));
    let url = format!("http://{}", external.address);
    declared.server["gateway"] = json!({ "url": url });
    declared.family("maxConnections", &json!(LIMIT_OF_EACH));
    declared.capture(&json!({"order": ["gateway"]}));
    declared
}

fn watch(server: &Server, user: &str, camera: &str) -> View {
    let (browser, wish) = (Browser::new(server, user), json!({"camera": camera, "quality": "sub"}));
    // Connections have to be looked at first, and the other server may have them all for a moment.
    let lease = until(LIMIT, "a lease is granted", || browser.request("modal", &wish).ok());
    let view = browser.watch(&lease);
    view.playing();
    view
}

/// Names of the streams that a server has.
fn names(server: &Server) -> BTreeSet<String> {
    let streams = server.items("/streams");
    streams.iter().map(|stream| stream["name"].as_str().unwrap().to_owned()).collect()
}

/// What is there of neither: not the foreign stream, not `of` a server.
fn left(external: &External, of: &BTreeSet<String>) -> Option<Vec<String>> {
    let all = external.streams()?;
    Some(all.into_iter().filter(|name| name != FOREIGN && !of.contains(name)).collect())
}

/// None has more connections of its own than it may.
fn check_own(servers: [&Server; 2]) {
    for camera in servers.iter().flat_map(|server| server.items("/cameras")) {
        let own = camera["connections"]["ours"].as_u64().unwrap();
        assert!(own <= LIMIT_OF_EACH, "{camera}");
    }
}

/// Waits until each has swept so often, and every picture was taken.
fn sweep_beside_each_other(servers: [&Server; 2]) {
    let first = servers.map(|server| server.last_sweep_id() + 1);
    for (server, first) in servers.into_iter().zip(first) {
        let done = until(LIMIT * 3, "both have swept", || {
            check_own(servers);
            let mut sweeps = server.sweeps();
            sweeps.retain(|s| s["state"] == "done" && s["id"].as_i64() >= Some(first));
            (sweeps.len() >= SWEEPS).then_some(sweeps)
        });
        let results = done.iter().flat_map(|sweep| sweep["results"].as_array().unwrap());
        let failed: Vec<&Value> = results.filter(|result| result["outcome"] == "failed").collect();
        assert!(failed.is_empty(), "{failed:?}");
        until(LIMIT, "it is in sync", || holds(&told(server, "external"), "InSync").then_some(()));
    }
}

#[test]
fn servers_that_share_a_gateway_leave_each_others_streams_alone() {
    let _turn = turn();
    let scripts = Place::new();
    for program in programs(&scripts) {
        println!("ON: {}", program.display());
        let (external, cameras) = (External::start(&program), fleet());
        let places = [Place::new(), Place::new()];
        let mut declared = declared(&cameras, &external);
        for place in &places {
            declared.write(&place.manifests);
        }
        let [killed, other] = places.each_ref().map(Place::start);
        let views = [watch(&killed, "viewer", "cam-001"), watch(&other, "viewer", "cam-001")];
        sweep_beside_each_other([&killed, &other]);
        cameras.check_limits();
        assert!(views.iter().all(View::is_open));
        for (server, place) in [(&killed, &places[0]), (&other, &places[1])] {
            no_more_sweeps(server, &mut declared, place);
        }
        counts(&cameras, &[2, 0], LIMIT);
        let accepted = cameras.counts("accepted");

        let of_other = names(&other);
        let of_killed = names(&killed);
        assert!(of_killed.is_disjoint(&of_other));
        killed.kill();
        counts(&cameras, &[1, 0], GONE);
        assert!(!left(&external, &of_other).unwrap().is_empty(), "nobody was left to remove it");
        // Another installation leaves what it does not know alone; the same one clears it away.
        let stranger = Place::new();
        declared.write(&stranger.manifests);
        let stranger_ = stranger.start();
        stranger_.sweep_done(1, LIMIT);
        stranger_.stop();
        let is_left = |name| of_killed.contains(&name);
        assert!(left(&external, &of_other).unwrap().into_iter().any(is_left));
        let again = places[0].start();
        until(LIMIT, "what it left is gone", || {
            left(&external, &of_other)?.is_empty().then_some(())
        });
        again.sweep_done(1, LIMIT);
        again.stop();
        assert_eq!(names(&other), of_other);
        let before = views[1].messages();
        until(LIMIT, "the other's viewer goes on", || {
            (views[1].messages() > before + 3).then_some(())
        });
        let of_viewer = cameras.counts("accepted")[0] - accepted[0];
        // Two servers have swept it once each meanwhile.
        assert!(of_viewer <= 2, "its session was opened again: {of_viewer}");
        other.stop();
        external.only_foreign();
        cameras.idle(GONE);
        cameras.check_limits();
    }
}

/// A copy that believed to be the original would end the original's children as its own leftovers.
#[test]
fn a_server_on_a_copied_data_directory_leaves_the_originals_gateway_alone() {
    let _turn = turn();
    let (place, copy) = (Place::new(), Place::new());
    let program = programs(&place).remove(0);
    let cameras = fleet();
    let mut declared = manifests(&cameras, &program);
    declared.sweep = json!({"interval": "1h"});
    declared.write(&place.manifests);
    declared.write(&copy.manifests);
    let original = place.start();
    let view = watch(&original, "viewer", "cam-001");
    let pid = gateway(&original, None);
    fs::create_dir_all(&copy.data).unwrap();
    for file in fs::read_dir(&place.data).unwrap().map(Result::unwrap) {
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), copy.data.join(file.file_name())).unwrap();
        }
    }
    let server = copy.start();
    if place.installation() == copy.installation() {
        println!("SKIPPED: this file system does not tell when a file was made");
        return;
    }
    // The copy knows of the original's viewer too.
    let other = watch(&server, "other", "cam-002");
    until(LIMIT, "both serve", || {
        serving(&server, "sim", Some(pid)).and(serving(&original, "sim", None))
    });
    server.sweep_done(server.last_sweep_id(), LIMIT);
    assert_eq!(serving(&original, "sim", None), Some(pid));
    assert!(restarts(&original, "sim", "Ended").abs() < 0.5);
    assert!(view.is_open() && other.is_open());
    server.stop();
    original.stop();
    cameras.check_limits();
}
