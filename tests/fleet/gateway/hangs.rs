//! A gateway that hangs under viewers and captures, for a moment or for good, and one that answers
//! while its camera sends nothing.

use std::path::Path;
use std::time::Duration;

use camserver_chaos::{Codec, FleetSettings};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{
    GONE, LIMIT, is_alive, manifests, programs, restarts, serving, signal, succeeded, told,
};
use crate::cameras::{Cameras, settings};
use crate::clock::{now, turn, until};
use crate::server::{Place, Server};
use crate::viewer::{Browser, View};

/// From the hang to video again: three questions in vain, 2 s each with as much between them, and
/// the start of another one. Viewers wait for 20 s.
const BACK: Duration = Duration::from_secs(18);

fn field(program: &Path) -> (Cameras, Place, Server, [View; 2]) {
    println!("ON: {}", program.display());
    let (codecs, limit) = (vec![Codec::H264], 1);
    let cameras = Cameras::start(FleetSettings { codecs, limit, ..settings(3) });
    let place = Place::new();
    let mut declared = manifests(&cameras, program);
    declared.capture(&json!({"order": ["gateway"]}));
    declared.write(&place.manifests);
    let server = place.start();
    server.sweep_done(1, LIMIT);
    let views = ["cam-001", "cam-002"].map(|camera| {
        let (browser, wish) =
            (Browser::new(&server, camera), json!({"camera": camera, "quality": "sub"}));
        // A capture has the only connection for a moment, which it gives up for viewers.
        let lease = until(LIMIT, "a lease is granted", || browser.request("modal", &wish).ok());
        let view = browser.watch(&lease);
        view.playing();
        view
    });
    (cameras, place, server, views)
}

fn goes_on(view: &View) {
    let before = view.messages();
    until(LIMIT, "the view goes on", || {
        assert!(view.is_open(), "it has ended instead");
        (view.messages() > before + 3).then_some(())
    });
}

/// Waits for a sweep that began from now on and has every camera's picture.
fn swept(server: &Server) {
    let next = server.last_sweep_id() + 1;
    until(LIMIT, "every camera was captured", || {
        let is_whole = |s: &Value| s["id"].as_i64() >= Some(next) && succeeded(s) == 3;
        server.sweeps().iter().any(is_whole).then_some(())
    });
}

#[test]
fn a_gateway_that_hangs_is_replaced_before_its_viewers_lose_their_patience() {
    let _turn = turn();
    let scripts = Place::new();
    for program in programs(&scripts) {
        let (cameras, _place, server, views) = field(&program);
        swept(&server);
        let pid = until(LIMIT, "it serves", || serving(&server, "sim", None));

        signal(pid, Signal::STOP);
        let silent = || (told(&server, "sim")["state"] == "silent").then_some(());
        until(LIMIT, "it is seen to be silent", silent);
        signal(pid, Signal::CONT);
        views.iter().for_each(goes_on);
        assert_eq!(until(LIMIT, "it serves", || serving(&server, "sim", None)), pid);

        signal(pid, Signal::STOP);
        let stopped = now();
        until(LIMIT, "it is seen to be silent", silent);
        let silent_after = stopped.elapsed();
        until(LIMIT, "another one serves", || serving(&server, "sim", Some(pid)));
        let served_after = stopped.elapsed();
        views.iter().for_each(goes_on);
        let back_after = stopped.elapsed();
        swept(&server);
        println!(
            "HUNG: silent after {silent_after:?}, another serves after {served_after:?}, both \
             viewers go on after {back_after:?}, all captured after {:?}",
            stopped.elapsed()
        );
        assert!(back_after < BACK, "{back_after:?}");
        assert!(!is_alive(pid), "the one that hung is still there");
        assert!((restarts(&server, "sim", "Silent") - 1.0).abs() < 0.5);
        server.stop();
        cameras.idle(GONE);
        cameras.check_limits();
    }
}

/// The gateway answers, and one camera's stream stands still under a viewer and a capture; its
/// reports go on.
#[test]
fn a_camera_that_sends_nothing_ends_no_other_view_and_costs_no_restart() {
    let _turn = turn();
    let scripts = Place::new();
    for program in programs(&scripts) {
        let (cameras, _place, server, views) = field(&program);
        let pid = until(LIMIT, "it serves", || serving(&server, "sim", None));
        views[1].longest_gap();
        let accepted = cameras.counts("accepted");

        cameras.fault(0, &json!({"stage": "stream", "kind": "hang"}));
        let begun = now();
        until(LIMIT, "the camera is dialled again", || {
            (cameras.counts("accepted")[0] > accepted[0]).then_some(())
        });
        let dialled_after = begun.elapsed();
        cameras.heal(0);
        goes_on(&views[0]);
        assert!(begun.elapsed() < BACK, "{:?}", begun.elapsed());
        println!("STILL: dialled again after {dialled_after:?}, on after {:?}", begun.elapsed());
        goes_on(&views[1]);
        assert!(views[1].longest_gap() < Duration::from_secs(3), "the other view stood still");
        assert_eq!(serving(&server, "sim", None), Some(pid));
        assert_eq!(cameras.counts("accepted")[1], accepted[1]);
        assert!(restarts(&server, "sim", "SeveredConsumer").abs() < 0.5);
        server.stop();
        cameras.idle(GONE);
        cameras.check_limits();
    }
}
