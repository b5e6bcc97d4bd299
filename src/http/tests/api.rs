//! What the objects look like.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::json;

use super::fixture::{PASSWORD, World, camera_name, device, now, refused_config, subnet_name};
use super::{get, json, post};
use crate::model::gateway::{GatewayFault, GatewayState, GatewayView};
use crate::model::observed::{ConnectionOwner, Seen};
use crate::model::process::{ProcessId, Unit};
use crate::model::slot::Purpose;
use crate::model::snapshot::{GatewayStatus, HeldConfig};

#[tokio::test]
async fn a_camera_has_every_promised_field() {
    let world = World::new(3);
    let camera = json(&world, "/api/v1/cameras/cam-001").await;
    let expected = json!({
        "name": "cam-001", "displayName": "Camera 1", "subnet": "north",
        "address": device(1).ip().to_string(), "device": device(1).to_string(), "enabled": true,
        "limit": 2, "failures": 0, "nextCaptureAt": "2026-01-05T22:00:48.000Z", "codec": "h264",
        "connections": {"total": 1, "ours": 1, "foreign": 0, "heldBy": []},
        "lastFrame": {"id": 801, "capturedAt": "2026-01-05T21:56:41.000Z", "backend": "native",
            "width": 640, "height": 360, "bytes": 31022},
        "state": {"badge": "ok", "reason": "Captured", "message": "picture taken",
            "since": "2026-01-05T21:59:48.000Z",
            "next": {"kind": "capture", "at": "2026-01-05T22:00:48.000Z"}},
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&camera[field], value, "{field}");
    }
    assert_eq!(
        camera["conditions"][0],
        json!({"type": "Ready", "status": "True", "reason": "Captured",
            "message": "Captured since the last sweep",
            "lastTransitionTime": "2026-01-05T21:57:00.000Z", "observedGeneration": 4})
    );
    let detail = &camera["detail"];
    assert_eq!(detail["streams"]["sub"], format!("rtsp://{}/sub", device(1)));
    assert_eq!(detail["attempts"][0]["outcome"], "ok");
}

#[tokio::test]
async fn a_failing_and_a_disabled_camera_say_so() {
    let world = World::new(3);
    let failing = json(&world, "/api/v1/cameras/cam-002").await;
    assert_eq!(failing["lastFrame"], json!(null));
    assert_eq!(failing["state"]["stage"], "describe");
    assert_eq!(failing["state"]["next"]["kind"], "retry");
    assert_eq!(failing["detail"]["attempts"][0]["reason"], "Timeout");
    let disabled = json(&world, "/api/v1/cameras/cam-003").await;
    assert_eq!(disabled["state"]["next"], json!({"kind": "none", "at": null}));
}

#[tokio::test]
async fn a_subnet_tells_its_sweeps() {
    let world = World::new(3);
    let subnet = json(&world, "/api/v1/subnets/north").await;
    assert_eq!(subnet["interval"], 60);
    assert_eq!(subnet["nextSweepAt"], "2026-01-05T22:00:40.000Z");
    assert_eq!(subnet["currentSweep"]["id"], 8);
    assert_eq!(
        subnet["lastSweep"]["results"],
        json!([
            {"camera": "cam-001", "outcome": "ok", "reason": "Captured", "backend": "native",
                "durationMs": 700, "frameId": 801},
            {"camera": "cam-002", "outcome": "skipped", "reason": "NoSlot", "backend": null,
                "durationMs": 700, "frameId": null},
        ])
    );
    let sweep = json(&world, "/api/v1/sweeps/7").await;
    assert_eq!(sweep["state"], "done");
    assert_eq!(sweep["clean"], true);
    assert_eq!(sweep["endedAt"], "2026-01-05T21:59:52.000Z");
}

#[tokio::test]
async fn a_wish_for_a_sweep_is_taken() {
    let world = World::new(1);
    let answer = post(&world, "/api/v1/subnets/north/sweep", &[], "").await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.json(), json!({"subnet": "north", "after": 8}));
    let answer = post(&world, "/api/v1/subnets/south/sweep", &[], "").await;
    assert_eq!(answer.code(), "NOT_FOUND");
}

#[tokio::test]
async fn connections_and_leases_name_their_owners() {
    let world = World::new(3);
    let list = json(&world, "/api/v1/connections").await;
    let (ours, theirs) = (&list["items"][0], &list["items"][1]);
    assert_eq!((&ours["owner"], &ours["slot"]), (&json!("capture"), &json!("12")));
    assert_eq!((&ours["purpose"], &ours["camera"]), (&json!("sweep"), &json!("cam-001")));
    assert_eq!((&ours["pid"], &ours["command"]), (&json!(std::process::id()), &json!("camserver")));
    assert_eq!((&theirs["owner"], &theirs["slot"]), (&json!("foreign"), &json!(null)));
    assert_eq!((&theirs["pid"], &theirs["command"]), (&json!(4711), &json!("vlc")));
    assert_eq!(theirs["camera"], "cam-002");
    assert_eq!(theirs["remote"], device(2).to_string());
    let device = device(2);
    for filter in ["camera=cam-002".to_owned(), format!("device={device}")] {
        let of_one = json(&world, &format!("/api/v1/connections?{filter}")).await;
        assert_eq!(of_one["items"].as_array().unwrap().len(), 1, "{filter}");
    }
    let leases = json(&world, "/api/v1/leases").await;
    let lease = &leases["items"][0];
    assert_eq!((&lease["id"], &lease["kind"]), (&json!("12"), &json!("slot")));
    assert_eq!(lease["createdAt"], "2026-01-05T21:59:58.000Z");
    assert_eq!(lease["local"], ours["local"]);
    // The child goes through the relay, whose socket is the server's own.
    assert_eq!((&lease["pid"], &lease["command"]), (&json!(4712), &json!("ffmpeg")));
    let none = json(&world, &format!("/api/v1/leases?device={device}")).await;
    assert_eq!(none["items"], json!([]));
}

#[tokio::test]
async fn connections_are_named_by_what_is_known_of_them() {
    let world = World::new(3);
    let unit = Unit::Capture(camera_name(1));
    let child = ProcessId { pid: 4712, start_ticks: 94_000 };
    for (owner, inode, purpose, expected, pid) in [
        (ConnectionOwner::Slot(12), 1, Purpose::Modal, "engine", json!(std::process::id())),
        (ConnectionOwner::Slot(12), 1, Purpose::Sweep, "capture", json!(std::process::id())),
        (ConnectionOwner::Slot(12), 0, Purpose::Sweep, "ghost", json!(null)),
        (ConnectionOwner::Stray, 1, Purpose::Sweep, "stray", json!(std::process::id())),
        (
            ConnectionOwner::Child { process: child, unit },
            1,
            Purpose::Sweep,
            "capture",
            json!(4712),
        ),
        (ConnectionOwner::Unattributable, 0, Purpose::Sweep, "ghost", json!(null)),
        (ConnectionOwner::Unattributable, 7, Purpose::Sweep, "unattributable", json!(null)),
    ] {
        world.change(|s| {
            let mut slots = (*s.slots).clone();
            slots[0].holder.as_mut().unwrap().purpose = purpose;
            s.slots = Arc::new(slots);
            let mut connection = s.connections.fresh().unwrap()[0].clone();
            (connection.owner, connection.inode) = (owner, inode);
            s.connections = Seen::Fresh { at: s.at.mono, value: Arc::new(vec![connection]) };
        });
        let seen = &json(&world, "/api/v1/connections").await["items"][0];
        assert_eq!((&seen["owner"], &seen["pid"]), (&json!(expected), &pid), "{seen}");
    }
}

#[tokio::test]
async fn a_connection_whose_slot_has_come_back_since_is_shown_no_more() {
    let world = World::new(3);
    world.change(|s| {
        let mut connection = s.connections.fresh().unwrap()[0].clone();
        connection.owner = ConnectionOwner::Slot(99);
        s.connections = Seen::Fresh { at: s.at.mono, value: Arc::new(vec![connection]) };
    });
    assert_eq!(json(&world, "/api/v1/connections").await["items"], json!([]));
}

#[tokio::test]
async fn processes_say_who_answers_for_them() {
    let world = World::new(3);
    let list = json(&world, "/api/v1/processes").await;
    let owned = json!({
        "pid": 4712, "startedAt": "2026-01-05T21:59:58.000Z", "kind": "capture",
        "owner": "capture/cam-001", "camera": "cam-001", "state": "sleeping", "ageSeconds": 2,
        "residentBytes": 31_000_000, "ours": true, "parent": 4000, "command": "ffmpeg",
        "cpuSeconds": 1.286, "openFiles": 9, "connections": 0,
    });
    assert_eq!(list["items"][1], owned);
    let seen: Vec<_> = list["items"].as_array().unwrap().iter().collect();
    let each = |field: &str| seen.iter().map(|p| p[field].clone()).collect::<Vec<_>>();
    assert_eq!(each("kind"), ["foreign", "capture", "capture", "capture", "unknown"]);
    assert_eq!(each("owner"), ["foreign", "capture/cam-001", "orphan", "previous-run", "unmarked"]);
    assert_eq!(each("ours"), [false, true, true, true, true]);
    // A foreign one has the camera that it is connected to.
    assert_eq!((&seen[0]["camera"], &seen[0]["connections"]), (&json!("cam-002"), &json!(1)));
    let first = json(&world, "/api/v1/processes?limit=2").await;
    let next = first["next"].as_str().unwrap();
    let rest = json(&world, &format!("/api/v1/processes?limit=500&cursor={next}")).await;
    assert_eq!(rest["items"][0]["pid"], 4713);
    let of_one = json(&world, "/api/v1/processes?camera=cam-002").await;
    assert_eq!(of_one["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_camera_names_who_else_holds_its_connections() {
    let world = World::new(3);
    let camera = json(&world, "/api/v1/cameras/cam-002").await;
    let vlc = json!([{"command": "vlc", "pid": 4711, "connections": 1}]);
    assert_eq!(camera["connections"]["heldBy"], vlc);
}

#[tokio::test]
async fn what_cannot_be_read_is_not_shown_as_none() {
    let world = World::new(1);
    world.change(|s| {
        s.connections = Seen::Unreadable { since: s.at.mono, why: "sock_diag: denied".to_owned() };
    });
    let answer = get(&world, "/api/v1/connections").await;
    assert_eq!(answer.code(), "NOT_OBSERVED");
    let processes = json(&world, "/api/v1/processes").await;
    assert_eq!(processes["items"][0]["connections"], json!(null), "not known is not none");
    world.change(|s| {
        s.processes = Seen::Unreadable { since: s.at.mono, why: "/proc: denied".to_owned() };
    });
    assert_eq!(get(&world, "/api/v1/processes").await.code(), "NOT_OBSERVED");
    assert_eq!(json(&world, "/api/v1/status").await["connections"]["used"], json!(null));
}

#[tokio::test]
async fn plan_config_and_status_are_as_promised() {
    let world = World::new(3);
    let plan = json(&world, "/api/v1/plan").await;
    assert_eq!(plan["generation"], 4);
    assert_eq!(plan["actions"][0]["kind"], "Capture");
    assert_eq!(plan["actions"][0]["object"], "camera/cam-001");
    assert_eq!(plan["held"][0]["until"], "2026-01-05T22:00:30.000Z");
    assert_eq!(plan["nextLook"], "2026-01-05T22:00:05.000Z");
    let config = json(&world, "/api/v1/config").await;
    assert_eq!(config["valid"], true);
    assert_eq!(config["revisions"][0]["generation"], 4);
    let status = json(&world, "/api/v1/status").await;
    assert_eq!(status["cameras"], json!({"total": 3, "ready": 2, "enabled": 2}));
    assert_eq!(status["connections"], json!({"used": 2, "limit": 6}));
    assert_eq!(status["children"], json!({"used": 3, "limit": 16}));
    assert_eq!(status["orphansKilled"], 3);
    assert_eq!(status["liveViews"], json!({"used": 0, "limit": 35}));
    assert_eq!(status["memoryBytes"], 58_000_000);
    assert_eq!(status["nextSweep"]["subnet"], "north");
    assert_eq!(status["health"]["status"], "True");
    assert_eq!(status["refreshPage"], "03:00");
}

#[tokio::test]
async fn a_held_set_is_confirmed_by_its_digest_only() {
    let world = World::new(1);
    world.change(|s| {
        let mut config = refused_config();
        config.held = Some(HeldConfig {
            digest: "abc".to_owned(),
            message: "removes 30 of 30 objects".to_owned(),
            removed: vec!["camera/cam-001".to_owned()],
        });
        s.config = Arc::new(config);
    });
    let config = json(&world, "/api/v1/config").await;
    assert_eq!(config["errors"][0]["line"], 7);
    assert_eq!(config["held"]["removed"][0], "camera/cam-001");
    let as_json = [("content-type", "application/json")];
    let path = "/api/v1/config/confirm";
    assert_eq!(post(&world, path, &as_json, r#"{"digest":"x"}"#).await.code(), "CONFLICT");
    let answer = post(&world, path, &as_json, r#"{"digest":"abc"}"#).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
}

#[tokio::test]
async fn a_gateway_that_does_not_serve_is_shown_and_the_server_is_not_ready() {
    let world = World::new(1);
    assert_eq!(json(&world, "/api/v1/gateways").await, json!({"items": [], "next": null}));
    assert_eq!(get(&world, "/readyz").await.status, StatusCode::OK);
    let seen = GatewayView {
        state: GatewayState::Starting,
        pid: Some(7),
        fault: Some(GatewayFault { reason: "Ended", text: format!("said {PASSWORD}").into() }),
        wanted: BTreeMap::new(),
        listed: None,
        strangers: [].into(),
        restarts: BTreeMap::from([("Ended", 2), ("Silent", 1)]),
    };
    let conditions = crate::plan::status::gateway(&seen, &[], 4, now());
    world.change(|s| {
        let status = GatewayStatus { seen, conditions };
        s.gateways = BTreeMap::from([(subnet_name(), Arc::new(status))]);
    });
    let gateways = json(&world, "/api/v1/gateways").await;
    let gateway = &gateways["items"][0];
    assert_eq!(gateway["name"], "north");
    assert_eq!(gateway["state"], "starting");
    assert_eq!(gateway["streams"], json!({"desired": 0, "present": null}));
    assert_eq!(gateway["restarts"], 3);
    assert_eq!(gateway["conditions"][0]["type"], "Available");
    assert_eq!(gateway["conditions"][0]["status"], "False");
    assert_eq!(gateway["conditions"][1]["type"], "InSync");
    assert_eq!(gateway["conditions"][1]["status"], "Unknown");
    let ready = get(&world, "/readyz").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(ready.text().contains("gateway of north: said"), "{}", ready.text());
    for text in [gateways.to_string(), ready.text()] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
}

#[tokio::test]
async fn no_answer_holds_a_secret() {
    let world = World::new(3);
    world.change(|s| s.config = Arc::new(refused_config()));
    for path in [
        "/api/v1/cameras",
        "/api/v1/cameras/cam-001",
        "/api/v1/cameras/cam-002",
        "/api/v1/subnets/north",
        "/api/v1/events?since=0",
        "/api/v1/events/3",
        "/api/v1/processes",
        "/api/v1/connections",
        "/api/v1/leases",
        "/api/v1/config",
        "/api/v1/plan",
        "/api/v1/status",
        "/api/v1/sweeps",
        "/metrics",
    ] {
        let answer = get(&world, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        assert!(!answer.text().contains(PASSWORD), "{path}: {}", answer.text());
        assert!(!answer.text().contains("token=x"), "{path}: {}", answer.text());
    }
}
