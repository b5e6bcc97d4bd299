//! A camera that answers and sends nothing that go2rtc can use: go2rtc dials it again without a
//! pause.

use serde_json::json;

use super::{GONE, LIMIT, Viewer, counts, manifests, one_camera, programs};
use crate::cameras::Cameras;
use crate::clock::turn;
use crate::server::Place;

/// Dials at once, a viewer's twenty seconds of patience with one every five, and some to spare.
const DIALS_MAX: u64 = 5 + 5 + 2;

#[test]
fn a_camera_that_sends_garbage_is_dialled_now_and_then_and_not_all_the_time() {
    let _turn = turn();
    let scripts = Place::new();
    for program in programs(&scripts) {
        println!("ON: {}", program.display());
        let place = Place::new();
        let cameras = Cameras::start(one_camera(2));
        let mut declared = manifests(&cameras, &program);
        declared.sweep = json!({"suspend": true});
        declared.write(&place.manifests);
        let server = place.start();
        let mut viewer = Viewer::open(&server, "cam-001", "sub");
        viewer.begins();
        cameras.fault(0, &json!({"stage": "stream", "kind": "garbage"}));
        let (code, reason) = viewer.closes();
        let dials = cameras.counts("accepted")[0] - 1;
        println!("DIALS: {dials} until {code} {reason}");
        assert_eq!(code, 4008, "{reason}");
        assert!(dials <= DIALS_MAX, "dialled {dials} times");
        cameras.heal(0);
        Viewer::open(&server, "cam-001", "sub").begins();
        server.stop();
        counts(&cameras, &[0], GONE.max(LIMIT));
        cameras.check_limits();
    }
}
