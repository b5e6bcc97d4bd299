//! What the objects look like.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::json;

use super::fixture::{PASSWORD, World, device, refused_config};
use super::{get, json, post};
use crate::model::observed::Seen;
use crate::model::snapshot::HeldConfig;

#[tokio::test]
async fn a_camera_has_every_promised_field() {
    let world = World::new(3);
    let camera = json(&world, "/api/v1/cameras/cam-001").await;
    let expected = json!({
        "name": "cam-001", "displayName": "Camera 1", "subnet": "north",
        "address": device(1).ip().to_string(), "device": device(1).to_string(), "enabled": true,
        "limit": 2, "failures": 0, "nextCaptureAt": "2026-01-05T22:00:48.000Z", "codec": "h264",
        "connections": {"total": 1, "ours": 1, "foreign": 0},
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
    assert_eq!(list["items"][0]["owner"], "slot/12");
    assert_eq!(list["items"][0]["camera"], "cam-001");
    assert_eq!(list["items"][1]["owner"], "foreign");
    assert_eq!(list["items"][1]["pid"], 4711);
    assert_eq!(list["items"][1]["camera"], "cam-002");
    assert_eq!(list["items"][1]["remote"], device(2).to_string());
    let of_one = json(&world, "/api/v1/connections?camera=cam-002").await;
    assert_eq!(of_one["items"].as_array().unwrap().len(), 1);
    let lease = &json(&world, "/api/v1/leases").await["items"][0];
    assert_eq!(lease["id"], "12");
    assert_eq!(lease["kind"], "slot");
    assert_eq!(lease["createdAt"], "2026-01-05T21:59:58.000Z");
}

#[tokio::test]
async fn unreadable_connections_are_not_shown_as_none() {
    let world = World::new(1);
    world.change(|s| {
        s.connections = Seen::Unreadable { since: s.at.mono, why: "sock_diag: denied".to_owned() };
    });
    let answer = get(&world, "/api/v1/connections").await;
    assert_eq!(answer.code(), "NOT_OBSERVED");
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
