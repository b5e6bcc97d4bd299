//! The program's commands against a running server.

use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use camserver::model::snapshot::HeldConfig;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::fixture::{World, event, refused_config};
use crate::http::Server;

/// Longest wait for anything.
const LIMIT: Duration = Duration::from_secs(20);

#[expect(clippy::disallowed_methods, reason = "runs the program under test")]
fn command(server: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_camserver"));
    command.args(args).env("CAMSERVER_URL", server).env_remove("COLUMNS").kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn run(server: &str, args: &[&str]) -> (i32, String, String) {
    let output: Output = timeout(LIMIT, command(server, args).output()).await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

async fn start(cameras: u32) -> (Server, String) {
    let server = Server::start(World::new(cameras)).await;
    let url = format!("http://{}", server.address);
    (server, url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_follow_pages_and_fit_into_eighty_columns() {
    let (server, url) = start(600).await;
    for list in ["cameras", "subnets", "processes", "connections", "leases", "events", "sweeps"] {
        let (code, out, err) = run(&url, &["get", list]).await;
        assert_eq!(code, 0, "{list}: {err}");
        let long = out.lines().find(|line| line.chars().count() > 80);
        assert_eq!(long, None, "{list}");
    }
    let (_, out, _) = run(&url, &["get", "cameras"]).await;
    assert_eq!(out.lines().count(), 601);
    let (_, out, _) = run(&url, &["get", "cameras", "-o", "json"]).await;
    let list: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 600);
    assert_eq!(list["items"][0]["lastFrame"]["id"], 801);
    let (_, out, _) = run(&url, &["get", "camera", "-o", "yaml", "--limit", "1"]).await;
    assert!(out.contains("displayName: Camera 1"), "{out}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exit_codes_are_as_documented() {
    let (server, url) = start(3).await;
    let (code, out, _) = run(&url, &["describe", "camera", "cam-002"]).await;
    assert_eq!(code, 0);
    assert!(out.contains("Conditions:") && out.contains("Timeout"), "{out}");
    let (code, _, err) = run(&url, &["describe", "camera", "nobody"]).await;
    assert_eq!(code, 4);
    assert!(err.contains("there is no camera nobody") && err.contains(&url), "{err}");
    let (code, _, err) = run(&url, &["confirm", "abc"]).await;
    assert_eq!((code, err.contains("CONFLICT")), (1, true), "{err}");
    assert_eq!(run(&url, &["get", "nonsense"]).await.0, 2);
    assert_eq!(run("no url", &["get", "cameras"]).await.0, 2);
    server.stop().await;
    let (code, _, err) = run(&url, &["get", "cameras"]).await;
    assert_eq!(code, 3);
    assert!(err.contains(&url) && err.contains("camserver run -f DIR"), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plan_sweep_and_confirm_reach_the_server() {
    let (server, url) = start(3).await;
    let (code, out, _) = run(&url, &["plan"]).await;
    assert_eq!(code, 0);
    assert!(out.contains("camera/cam-001") && out.contains("Held back:"), "{out}");
    assert_eq!(run(&url, &["sweep", "north"]).await.1, "sweep of north requested\n");
    assert_eq!(run(&url, &["sweep", "south"]).await.0, 4);
    assert_eq!(run(&url, &["confirm"]).await.1, "no set of manifests is held\n");
    server.world.change(|s| {
        let mut config = refused_config();
        config.held = Some(HeldConfig {
            digest: "abc".to_owned(),
            message: "removes 30 of 30 objects".to_owned(),
            removed: vec!["camera/cam-001".to_owned()],
        });
        s.config = Arc::new(config);
    });
    let (code, out, _) = run(&url, &["confirm"]).await;
    assert_eq!(code, 1);
    assert!(out.contains("camserver confirm abc"), "{out}");
    assert_eq!(run(&url, &["confirm", "abc"]).await.0, 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wished_sweep_is_waited_for() {
    let (server, url) = start(3).await;
    let mut waiting = command(&url, &["sweep", "north", "--wait"]).spawn().unwrap();
    // Sweep 8 is going on; its end is not the wished one's.
    end_sweep(&server, 8);
    let early = timeout(Duration::from_secs(2), waiting.wait()).await;
    assert!(early.is_err(), "the end of the sweep before was taken for the wished one's");
    end_sweep(&server, 9);
    let output = timeout(LIMIT, waiting.wait_with_output()).await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("Sweep 9 of north done: 1 ok, 0 failed, 1 skipped; clean"), "{text}");
    assert_eq!(output.status.code(), Some(0));
    server.stop().await;
}

fn end_sweep(server: &Server, id: i64) {
    use camserver::model::frame::SweepState;
    server.world.change(|s| {
        for status in s.subnets.values_mut() {
            let mut next = (**status).clone();
            next.run = None;
            next.last_sweep = Some(crate::fixture::sweep(id, SweepState::Done));
            *status = Arc::new(next);
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followed_events_come_as_they_happen() {
    let (server, url) = start(3).await;
    let mut child: Child = command(&url, &["events", "--follow", "--since", "19"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = timeout(LIMIT, lines.next_line()).await.unwrap().unwrap().unwrap();
    assert!(line.contains("20") && line.contains("camera_lost"), "{line}");
    server.world.events.publish(event(21, None));
    let line = timeout(LIMIT, lines.next_line()).await.unwrap().unwrap().unwrap();
    assert!(line.contains("21") && line.contains("config_applied"), "{line}");
    child.kill().await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_has_seen_enough_is_no_error() {
    let (server, url) = start(600).await;
    let mut child = command(&url, &["get", "cameras", "-o", "json"]).spawn().unwrap();
    drop(child.stdout.take());
    let output = timeout(LIMIT, child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_prints_only_what_changed() {
    let (server, url) = start(3).await;
    let mut child = command(&url, &["get", "cameras", "-w"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for start in ["NAME", "cam-001", "cam-002", "cam-003"] {
        let line = timeout(LIMIT, lines.next_line()).await.unwrap().unwrap().unwrap();
        assert!(line.starts_with(start), "{line}");
    }
    server.world.change(|s| {
        let status = crate::fixture::failing_status(3);
        s.cameras.insert(crate::fixture::camera_name(3), Arc::new(status));
    });
    let line = timeout(LIMIT, lines.next_line()).await.unwrap().unwrap().unwrap();
    assert!(line.starts_with("cam-003") && line.contains("bad"), "{line}");
    child.kill().await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn completions_need_no_server() {
    let (code, out, _) = run("http://127.0.0.1:1", &["completions", "bash"]).await;
    assert_eq!(code, 0);
    assert!(out.contains("complete -F _camserver"), "{out}");
}
