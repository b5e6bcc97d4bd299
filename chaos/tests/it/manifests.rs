//! The manifests that describe a fleet.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::simulator::Simulator;

fn documents(text: &str) -> Vec<Value> {
    text.split("---\n").skip(1).map(|part| serde_saphyr::from_str(part).unwrap()).collect()
}

#[test]
fn manifests_are_complete_when_the_control_port_answers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made");
    let simulator = Simulator::start(&[
        "--cameras",
        "3",
        "--limit",
        "4",
        "--auth",
        "digest",
        "--manifests",
        path.to_str().unwrap(),
        "--camera-spec",
        "{capture: {stream: main}, detector: none}",
        "--server-spec",
        "{listen: 127.0.0.1:9999}",
        "--interval",
        "7s",
    ]);
    let read = |name: &str| documents(&std::fs::read_to_string(path.join(name)).unwrap());
    let family = &read("family.yaml")[0];
    assert_eq!(
        (&family["metadata"]["name"], &family["spec"]),
        (&json!("sim"), &json!({ "maxConnections": 4 }))
    );
    let subnet = &read("subnet.yaml")[0];
    assert_eq!(subnet["kind"], "Subnet");
    let sweep = json!({ "interval": "7s", "cooldown": "1s", "concurrency": 8 });
    assert_eq!(subnet["spec"]["sweep"], sweep);
    assert_eq!(read("server.yaml")[0]["spec"], json!({ "listen": "127.0.0.1:9999" }));
    let cameras = read("cameras.yaml");
    let names: Vec<_> = cameras.iter().map(|camera| camera["metadata"]["name"].clone()).collect();
    assert_eq!(names, ["cam-001", "cam-002", "cam-003"]);
    let spec = &cameras[2]["spec"];
    assert_eq!(spec["address"], simulator.address(3));
    assert_eq!(spec["streams"], json!({ "main": "/main", "sub": "/sub" }));
    assert_eq!((&spec["family"], &spec["subnet"]), (&json!("sim"), &json!("sim")));
    assert_eq!(
        (&spec["capture"], &spec["detector"]),
        (&json!({ "stream": "main" }), &json!("none"))
    );
    let password = spec["credentials"]["passwordFrom"]["file"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(password).unwrap(), "camsim");
    assert_eq!(std::fs::metadata(password).unwrap().permissions().mode() & 0o777, 0o600);
}
