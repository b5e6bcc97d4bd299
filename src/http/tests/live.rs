//! Leases of live views and streams, request by request.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::fixture::{World, camera_name, device};
use super::{Answer, json, post, request, send};
use crate::live::{LeaseKey, ViewEnd};
use crate::model::admission::{OverloadCause, Overloaded};
use crate::model::desired::Desired;
use crate::model::lease::EndReason;
use crate::model::slot::{Holder, Purpose, Slot, SlotState};
use crate::model::time::Mono;

const ANN: &str = "camserver_client=ann";
const BOB: &str = "camserver_client=bob";

async fn ask(world: &World, cookie: &str, body: &Value) -> Answer {
    ask_at(world, "/api/v1/modal/lease", cookie, body).await
}

async fn ask_at(world: &World, path: &str, cookie: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("cookie", cookie)];
    post(world, path, &headers, &body.to_string()).await
}

/// A granted view of the camera.
async fn granted(world: &World, cookie: &str, camera: &str) -> Value {
    let answer = ask(world, cookie, &json!({"camera": camera, "quality": "sub"})).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    answer.json()
}

async fn act(world: &World, method: &str, path: &str, cookie: &str) -> Answer {
    send(world, request(method, path, &[("cookie", cookie)], "")).await
}

fn change(world: &World, change: impl FnOnce(&mut Desired)) {
    world.change(|state| {
        let mut desired = (*state.desired).clone();
        change(&mut desired);
        state.desired = Arc::new(desired);
    });
}

#[tokio::test]
async fn a_grant_says_everything_that_a_player_needs() {
    let world = World::new(5);
    let body = json!({"camera": "cam-004", "quality": "main", "codecs": ["avc1.640028"]});
    let answer = ask(&world, ANN, &body).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.header("set-cookie"), "");
    let lease = answer.json();
    let id = lease["id"].as_str().unwrap();
    assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    let expected = json!({
        "id": id, "name": lease["name"], "kind": "modal", "camera": "cam-004", "quality": "main",
        "expiresAt": "2026-01-05T22:05:00.000Z", "heartbeatSeconds": 30, "graceSeconds": 45,
        "serverTime": "2026-01-05T22:00:00.000Z", "ws": format!("/live/{id}/ws"),
        "transports": ["mse"],
    });
    assert_eq!(lease, expected);
    world.pass();
    let status = json(&world, "/api/v1/status").await;
    assert_eq!(status["liveViews"], json!({"used": 2, "limit": 35}));
    assert_eq!(status["suggestViewers"], json!({"used": 0, "limit": 10}));
}

#[tokio::test]
async fn a_first_contact_gets_a_cookie_and_the_lease_is_bound_to_it() {
    let world = World::new(1);
    let answer = ask(&world, "", &json!({"camera": "cam-001"})).await;
    let cookie = answer.header("set-cookie").to_owned();
    let pair = cookie.split(';').next().unwrap();
    assert!(pair.starts_with("camserver_client="), "{cookie}");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let path = format!("/api/v1/modal/lease/{}/heartbeat", answer.json()["id"].as_str().unwrap());
    assert_eq!(act(&world, "POST", &path, pair).await.status, StatusCode::OK);
    assert_eq!(act(&world, "POST", &path, BOB).await.code(), "LEASE_NOT_YOURS");
    assert_eq!(act(&world, "POST", &path, "").await.code(), "LEASE_NOT_YOURS");
}

#[tokio::test]
async fn every_refusal_has_its_code_its_limit_and_both_languages() {
    let world = World::new(6);
    change(&world, |desired| {
        let server = Arc::make_mut(&mut desired.server);
        server.admission.total_units = server.admission.baseline_units + 10 + 3;
    });
    granted(&world, ANN, "cam-004").await;
    let refused = async |body: Value, status: u16, code: &str| {
        let answer = ask(&world, BOB, &body).await;
        assert_eq!(answer.code(), code, "{body}");
        assert_eq!(answer.status.as_u16(), status, "{body}");
        let problem = answer.json();
        assert_eq!(problem["detail"], problem["messages"]["en"]);
        assert!(!problem["messages"]["ja"].as_str().unwrap().is_ascii());
        problem
    };
    refused(json!({"camera": "nobody"}), 404, "NOT_FOUND").await;
    refused(json!({"camera": "cam-003"}), 409, "CAMERA_DISABLED").await;
    change(&world, |desired| Arc::make_mut(&mut desired.server).suggest.enabled = false);
    let off = ask_at(&world, "/api/v1/suggest/lease", BOB, &json!({"camera": "cam-001"})).await;
    assert_eq!((off.code(), off.status.as_u16()), ("SUGGEST_DISABLED".to_owned(), 409));
    refused(json!({"camera": "cam-001", "quality": "main"}), 409, "STREAM_NOT_DECLARED").await;
    let main = json!({"camera": "cam-004", "quality": "main"});
    assert_eq!(ask(&world, BOB, &main).await.status, StatusCode::CREATED);
    let problem = refused(json!({"camera": "cam-005"}), 409, "USER_ALREADY_HAS_MODAL").await;
    assert_eq!(problem["camera"], "cam-004");
    let third = ask(&world, "camserver_client=eve", &json!({"camera": "cam-005"})).await;
    let problem = third.json();
    assert_eq!((third.code(), third.header("retry-after")), ("OVER_CAPACITY".to_owned(), "10"));
    assert_eq!(problem["limitedBy"], "units");
    assert_eq!((&problem["current"], &problem["limit"]), (&json!(3), &json!(3)));
    assert_eq!(problem["retryAfterSeconds"], 10);
    let overloaded =
        Overloaded { since: Mono(1), cause: OverloadCause::Cpu, measured: 93, limit: 85 };
    world.change(|state| state.overload = Some(overloaded));
    let take_over = json!({"camera": "cam-005", "quality": "main", "takeOver": true});
    let problem = ask(&world, ANN, &take_over).await;
    assert_eq!((problem.code(), problem.status.as_u16()), ("SYSTEM_OVERLOAD".to_owned(), 503));
    assert_eq!(problem.json()["current"], 93);
    assert!(json(&world, "/api/v1/status").await["overload"].as_str().unwrap().contains("93 %"));
    assert_eq!(world.leases.leases().len(), 2, "a refusal ends nothing");
}

#[tokio::test]
async fn a_refusal_speaks_the_language_of_its_reader() {
    let world = World::new(1);
    let headers = [
        ("content-type", "application/json"),
        ("cookie", ANN),
        ("accept-language", "ja-JP,ja;q=0.9,en;q=0.8"),
    ];
    let answer = post(&world, "/api/v1/modal/lease", &headers, r#"{"camera":"x"}"#).await;
    assert_eq!(answer.json()["detail"], "カメラ x はありません。");
}

#[tokio::test]
async fn a_camera_without_a_free_connection_is_refused_at_the_door() {
    let world = World::new(2);
    let slot = |id, purpose| Slot {
        id,
        device: device(1),
        holder: Some(Holder { camera: camera_name(1), purpose }),
        since: world.clock.now().mono,
        local: None,
        state: SlotState::Held,
    };
    let foreign = |count| {
        let mut slots = world.slots.0.lock().unwrap();
        slots.others = [(device(1), count)].into();
    };
    foreign(2);
    let answer = ask(&world, ANN, &json!({"camera": "cam-001"})).await;
    assert_eq!((answer.code(), answer.status.as_u16()), ("NO_SLOT".to_owned(), 503));
    let problem = answer.json();
    assert_eq!(problem["limitedBy"], "connections");
    assert_eq!((&problem["current"], &problem["limit"]), (&json!(2), &json!(2)));
    assert_eq!(answer.header("retry-after"), "5");
    // A sweep's capture makes way.
    foreign(1);
    world.slots.0.lock().unwrap().slots = vec![slot(1, Purpose::Sweep)];
    granted(&world, ANN, "cam-001").await;
}

#[tokio::test]
async fn a_view_is_kept_renewed_taken_over_and_given_back() {
    let world = World::new(5);
    let lease = granted(&world, ANN, "cam-001").await;
    let path = format!("/api/v1/modal/lease/{}", lease["id"].as_str().unwrap());
    world.clock.advance(Duration::from_secs(40));
    let heard = act(&world, "POST", &format!("{path}/heartbeat"), ANN).await.json();
    assert_eq!(heard["expiresAt"], lease["expiresAt"]);
    let renewed = act(&world, "POST", &format!("{path}/renew"), ANN).await.json();
    assert_eq!(renewed["expiresAt"], "2026-01-05T22:05:40.000Z");
    let over = json!({"camera": "cam-002", "takeOver": true});
    let second = ask(&world, ANN, &over).await.json();
    let gone = act(&world, "POST", &format!("{path}/heartbeat"), ANN).await;
    assert_eq!((gone.status.as_u16(), gone.code()), (410, "LEASE_ENDED".to_owned()));
    assert_eq!(gone.json()["reason"], "preempted");
    let path = format!("/api/v1/modal/lease/{}", second["id"].as_str().unwrap());
    assert_eq!(act(&world, "DELETE", &path, BOB).await.code(), "LEASE_NOT_YOURS");
    assert_eq!(act(&world, "DELETE", &path, ANN).await.status, StatusCode::NO_CONTENT);
    for (method, path) in [
        ("DELETE", path.clone()),
        ("POST", format!("{path}/heartbeat")),
        ("POST", format!("{path}/renew")),
    ] {
        let gone = act(&world, method, &path, ANN).await;
        assert_eq!(
            (gone.code(), gone.json()["reason"].clone()),
            ("LEASE_ENDED".to_owned(), json!("released"))
        );
    }
}

#[tokio::test]
async fn every_end_that_the_loop_decides_is_answered_with_its_reason() {
    let world = World::new(6);
    let ends = async |reason: &str, happen: &dyn Fn(&LeaseKey)| {
        let lease = granted(&world, ANN, "cam-004").await;
        let id = lease["id"].as_str().unwrap();
        happen(&LeaseKey::parse(id).unwrap());
        world.pass();
        let path = format!("/api/v1/modal/lease/{id}/heartbeat");
        let gone = act(&world, "POST", &path, ANN).await;
        assert_eq!((gone.status.as_u16(), &gone.json()["reason"]), (410, &json!(reason)));
    };
    ends("heartbeat", &|_| world.clock.advance(Duration::from_secs(45))).await;
    ends("expired", &|key| {
        for _ in 0..9 {
            world.clock.advance(Duration::from_secs(30));
            world.live.heartbeat(key, "ann").unwrap();
        }
        world.clock.advance(Duration::from_secs(30));
    })
    .await;
    ends("camera_removed", &|_| {
        change(&world, |desired| drop(desired.cameras.remove(&camera_name(4))));
    })
    .await;
}

#[tokio::test]
async fn panes_of_the_suggestion_are_counted_apart() {
    let world = World::new(5);
    let path = "/api/v1/suggest/lease";
    let first = ask_at(&world, path, ANN, &json!({"camera": "cam-001"})).await;
    assert_eq!(first.status, StatusCode::CREATED);
    let first = first.json();
    assert_eq!(
        (&first["kind"], &first["expiresAt"]),
        (&json!("suggest"), &json!("2026-01-05T22:00:45.000Z"))
    );
    let second = ask_at(&world, path, ANN, &json!({"camera": "cam-002"})).await.json();
    let old = format!("{path}/{}/heartbeat", first["id"].as_str().unwrap());
    assert_eq!(act(&world, "POST", &old, ANN).await.json()["reason"], "preempted");
    granted(&world, ANN, "cam-001").await;
    world.pass();
    let status = json(&world, "/api/v1/status").await;
    assert_eq!(
        (&status["suggestViewers"]["used"], &status["liveViews"]["used"]),
        (&json!(1), &json!(1))
    );
    let path = format!("{path}/{}", second["id"].as_str().unwrap());
    world.clock.advance(Duration::from_secs(30));
    let heard = act(&world, "POST", &format!("{path}/heartbeat"), ANN).await.json();
    assert_eq!(heard["expiresAt"], "2026-01-05T22:01:15.000Z");
    assert_eq!(act(&world, "DELETE", &path, ANN).await.status, StatusCode::NO_CONTENT);
    let metrics = super::get(&world, "/metrics").await.text();
    for line in [
        "camserver_leases{kind=\"slot\"} 1.0",
        "camserver_leases{kind=\"modal\"} 1.0",
        "camserver_admissions_total{result=\"granted\"} 3",
        "camserver_admissions_total{result=\"NO_SLOT\"} 0",
        "camserver_leases_ended_total{reason=\"preempted\"} 1",
        "camserver_live_units 1.0",
        "camserver_overloaded 0.0",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line} is missing in\n{metrics}");
    }
}

#[tokio::test]
async fn the_list_shows_everybodys_views_and_nobodys_secrets() {
    let world = World::new(5);
    let lease = granted(&world, ANN, "cam-001").await;
    let list = act(&world, "GET", "/api/v1/leases", BOB).await;
    assert!(!list.text().contains(lease["id"].as_str().unwrap()));
    assert!(!list.text().contains("\"ann\""));
    let items = list.json()["items"].as_array().unwrap().clone();
    assert_eq!(items[0]["kind"], "slot");
    let shown = &items[1];
    let expected = json!({
        "id": lease["name"], "kind": "modal", "camera": "cam-001", "user": shown["user"],
        "quality": "sub", "device": device(1).to_string(), "purpose": "modal", "state": "waiting",
        "local": null, "pid": null, "command": null,
        "createdAt": "2026-01-05T22:00:00.000Z", "expiresAt": "2026-01-05T22:05:00.000Z",
        "lastHeartbeatAt": "2026-01-05T22:00:00.000Z",
    });
    assert_eq!(shown, &expected);
    assert!(shown["user"].as_str().unwrap().starts_with("client-"));
    let own = act(&world, "GET", "/api/v1/leases?camera=cam-001", ANN).await.json();
    assert_eq!(own["items"][1]["user"], "ann");
    // The name revokes, the key does not, and neither does half a name.
    let name = lease["name"].as_str().unwrap();
    for wrong in [lease["id"].as_str().unwrap(), &name[..6], "000000000000", "12"] {
        let path = format!("/api/v1/leases/{wrong}");
        assert_eq!(act(&world, "DELETE", &path, BOB).await.code(), "NOT_FOUND", "{wrong}");
    }
    let path = format!("/api/v1/leases/{name}");
    assert_eq!(act(&world, "DELETE", &path, BOB).await.status, StatusCode::NO_CONTENT);
    assert_eq!(act(&world, "DELETE", &path, BOB).await.json()["reason"], "revoked");
    assert_eq!(world.leases.take_ended()[0].reason, EndReason::Revoked);
}

#[tokio::test]
async fn guessing_finds_nothing() {
    let world = World::new(1);
    let lease = granted(&world, ANN, "cam-001").await;
    let name = world.leases.leases()[0].id.to_string();
    let mut guesses = vec![name, "0".repeat(32), "x".repeat(32), "1".to_owned(), "%00".to_owned()];
    guesses.push(lease["name"].as_str().unwrap().to_owned());
    guesses.push(lease["id"].as_str().unwrap().to_uppercase());
    for guess in guesses {
        for path in [
            format!("/api/v1/modal/lease/{guess}/heartbeat"),
            format!("/api/v1/modal/lease/{guess}/renew"),
        ] {
            assert_eq!(act(&world, "POST", &path, ANN).await.code(), "NOT_FOUND", "{path}");
        }
        let path = format!("/api/v1/modal/lease/{guess}");
        assert_eq!(act(&world, "DELETE", &path, ANN).await.code(), "NOT_FOUND", "{path}");
    }
}

#[tokio::test]
async fn bodies_that_are_too_much_are_refused() {
    let world = World::new(1);
    for body in [
        json!({"camera": "cam-001", "codecs": vec!["avc1"; 33]}),
        json!({"camera": "cam-001", "codecs": ["x".repeat(65)]}),
        json!({"camera": "cam-001", "codecs": ["a b"]}),
        json!({"camera": "cam-001", "quality": "huge"}),
        json!({"camera": "cam-001", "ttl": 9}),
        json!({}),
    ] {
        assert_eq!(ask(&world, ANN, &body).await.code(), "BAD_JSON", "{body}");
    }
    assert_eq!(ask(&world, ANN, &json!({"camera": "NO_NAME"})).await.code(), "NOT_FOUND");
}

#[tokio::test]
async fn streams_are_listed_with_who_wants_them() {
    let world = World::new(2);
    granted(&world, ANN, "cam-001").await;
    let list = json(&world, "/api/v1/streams").await;
    assert_eq!(list, json!({"items": [], "next": null}));
    let id = world.leases.leases()[0].id.clone();
    let watch = crate::live::Watch {
        lease: id.clone(),
        camera: camera_name(1),
        quality: crate::model::lease::Quality::Sub,
        purpose: Purpose::Modal,
        codecs: Vec::new(),
    };
    let opens: &dyn crate::live::Engine = &*world.engine;
    let viewer = opens.watch(watch).await;
    let list = json(&world, "/api/v1/streams").await;
    assert_eq!(
        list["items"],
        json!([{"name": "cam-001-sub", "camera": "cam-001", "profile": "sub", "engine": "native",
            "wantedBy": [format!("lease/{}", id.short())], "present": true, "consumers": 1,
            "since": "2026-01-05T22:00:00.000Z"}])
    );
    drop(viewer);
    *world.engine.refuses.lock().unwrap() = Some(ViewEnd::Slow);
    assert_eq!(json(&world, "/api/v1/streams?camera=cam-002").await["items"], json!([]));
}
