//! Live views of the whole program, with simulated cameras: what is watched here are sockets, and
//! what the cameras counted.

mod ends;
mod many;
mod priorities;

use std::time::Duration;

use serde_json::{Value, json};

use crate::cameras::{Cameras, settings};
use crate::manifests::Manifests;
use crate::server::{Place, Server};
use camserver_chaos::{Codec, FleetSettings};

/// From the last viewer's end to the end of the camera's connection.
const GONE: Duration = Duration::from_secs(6);
/// From the server's decision to the last byte.
const STOPPED: Duration = Duration::from_secs(1);
/// Longest wait for a sweep on a busy machine.
const SWEPT: Duration = Duration::from_mins(1);

/// Cameras that browsers can play.
fn playable(cameras: u32, limit: u64) -> FleetSettings {
    let mut fleet = settings(cameras);
    fleet.limit = limit;
    fleet.codecs = vec![Codec::H264];
    fleet
}

/// A server over a fleet, after its first sweep.
struct Scene {
    cameras: Cameras,
    manifests: Manifests,
    place: Place,
    server: Server,
}

impl Scene {
    fn new(fleet: FleetSettings, admission: &Value, change: impl FnOnce(&mut Manifests)) -> Self {
        let cameras = Cameras::start(fleet);
        let place = Place::new();
        let mut manifests = Manifests::of(&cameras);
        let mut admission = admission.clone();
        // The machine of the tests may have much else to do.
        admission["overload"] = json!({"cpuPercent": 100, "memoryPercent": 100});
        manifests.server = json!({"admission": admission});
        manifests.sweep = json!({"interval": "1h", "cooldown": "1s", "concurrency": 4});
        change(&mut manifests);
        manifests.write(&place.manifests);
        let server = place.start();
        server.sweep_done(1, SWEPT);
        cameras.idle(Duration::from_secs(10));
        Self { cameras, manifests, place, server }
    }

    /// Makes a sweep begin, and says its number.
    fn sweep(&self) -> i64 {
        let next = self.server.last_sweep_id() + 1;
        let output = self.server.cli(&["sweep", "sim"]);
        assert!(output.status.success(), "{output:?}");
        next
    }

    fn done(&self, sweep: i64, camera: &str) -> (Value, Value) {
        let sweep = self.server.sweep_done(sweep, SWEPT);
        let results = sweep["results"].as_array().unwrap();
        let result = results.iter().find(|result| result["camera"] == camera).unwrap().clone();
        (sweep, result)
    }
}
