//! Tables at 80 columns.

use std::sync::Arc;

use super::*;
use crate::http::tests::fixture::{camera_name, event, now, snapshot, subnet_name, sweep};
use crate::http::wire::{Condition, GatewayStreams, View};
use crate::model::frame::SweepState;
use crate::model::lease::Quality;
use crate::model::secret::Redactor;
use crate::model::server::Engine;
use crate::model::stream as model;

fn view() -> View {
    View { snapshot: Arc::new(snapshot(3)), redactor: Redactor::default() }
}

fn table<T: Listed>(things: &[T], wide: bool) -> String {
    let rows: Vec<Row> = things.iter().map(|thing| thing.row(now().wall, wide)).collect();
    Table::fit(T::columns(wide), &rows, (!wide).then_some(80), false).text(&rows)
}

/// The test's own pid is another one each time.
fn without_own_pid(connection: Connection) -> Connection {
    let pid = connection.pid.map(|pid| if pid == std::process::id() { 4000 } else { pid });
    Connection { pid, ..connection }
}

#[test]
fn cameras_fit_into_eighty_columns() {
    let view = view();
    let mut cameras: Vec<Camera> = (1..=3).map(|n| view.camera(&camera_name(n)).unwrap()).collect();
    cameras[2].display_name = "東館三階 南廊下 エレベーター前 防犯カメラ 第十二号機".to_owned();
    insta::assert_snapshot!(table(&cameras, false), @r"
    NAME     DISPLAY                        STATE  REASON    FRAME  CONN  FAIL  NEXT
    cam-001  Camera 1                       ● ok   Captured  3m19s   1/2     0   48s
    cam-002  北門カメラ                     ✖ bad  Timeout       -   1/2     3   48s
    cam-003  東館三階 南廊下 エレベーター…  ● ok   Captured  3m17s   1/2     0     -
    ");
    insta::assert_snapshot!(table(&cameras[..2], true), @r"
    NAME     DISPLAY     STATE  REASON    FRAME  CONN  FAIL  NEXT  SUBNET  DEVICE              CODEC  SIZE           MESSAGE
    cam-001  Camera 1    ● ok   Captured  3m19s   1/2     0   48s  north   127.125.0.11:10554  h264   640x360 31 KB  picture taken
    cam-002  北門カメラ  ✖ bad  Timeout       -   1/2     3   48s  north   127.125.0.12:10554  -      -              no answer at DESCRIBE, rtsp://u:hunter-2-secret@h/
    ");
}

#[test]
fn subnets_and_sweeps_show_counts_and_times() {
    let subnet = view().subnet(&subnet_name(), true).unwrap();
    insta::assert_snapshot!(table(&[subnet], false), @r"
    NAME   READY  STATE     EVERY  NEXT   LAST  CLEAN  OVERRUNS
    north    1/3  sweeping    60s   40s  12.0s  yes           1
    ");
    let sweeps =
        [sweep(8, SweepState::Running), sweep(7, SweepState::Done)].map(|s| Sweep::from(&s));
    insta::assert_snapshot!(table(&sweeps, false), @r"
    ID  SUBNET  STATE    AGE   TOOK  OK  FAILED  SKIPPED  CLEAN
     8  north   running  20s  20.0s   1       0        1  -
     7  north   done     20s  12.0s   1       0        1  yes
    ");
}

#[test]
fn connections_leases_and_events_name_their_owners() {
    let view = view();
    let connections: Vec<Connection> = view
        .snapshot
        .connections
        .fresh()
        .unwrap()
        .iter()
        .filter_map(|c| view.connection(c))
        .map(without_own_pid)
        .collect();
    insta::assert_snapshot!(table(&connections, true), @r"
    CAMERA   DEVICE              OWNER    STATE   PID  PROGRAM    AGE  LOCAL            SLOT  PURPOSE
    cam-001  127.125.0.11:10554  capture  ESTAB  4000  camserver   2s  127.0.0.1:40001    12  sweep
    cam-002  127.125.0.12:10554  foreign  ESTAB  4711  vlc         2s  127.0.0.1:40002     -  -
    ");
    let leases: Vec<Lease> = view.snapshot.slots.iter().map(|slot| view.lease(slot)).collect();
    insta::assert_snapshot!(table(&leases, false), @r"
    ID  KIND  CAMERA   PURPOSE  STATE  AGE  EXPIRES
    12  slot  cam-001  sweep    held    2s        -
    ");
    let mut long = Event::new(&event(41, Some(camera_name(1))), &view.redactor);
    long.summary =
        "camera lost: no answer at DESCRIBE, 3 tries, the last one after 30 s".to_owned();
    let events = [long, Event::new(&event(42, None), &view.redactor)];
    insta::assert_snapshot!(table(&events, false), @r"
    SEQ  AGE  SEV  EVENT           CAMERA   SUMMARY
     41   0s    4  camera_lost     cam-001  camera lost: no answer at DESCRIBE, 3 t…
     42   0s    4  config_applied  -        event 42, password hunter-2-secret
    ");
}

#[test]
fn a_live_view_with_long_names_fits_into_eighty_columns() {
    let view = view();
    let slot = Lease {
        device: "192.168.100.111:10554".into(),
        ..view.lease(view.snapshot.slots.iter().next().unwrap())
    };
    let live = Lease {
        id: "0123456789ab".to_owned(),
        kind: "suggest".into(),
        camera: Some("the-camera-at-the-north-gate-behind-the-garage".to_owned()),
        user: Some("client-0c086cdc".to_owned()),
        quality: Some("main".to_owned()),
        local: None,
        pid: None,
        command: None,
        purpose: Some("suggest".into()),
        state: "watched".into(),
        expires_at: Some((now().wall + Duration::from_secs(599)).into()),
        ..slot.clone()
    };
    let leases = [Lease { camera: None, ..slot }, live];
    insta::assert_snapshot!(table(&leases, false), @r"
              ID  KIND     CAMERA                     PURPOSE  STATE    AGE  EXPIRES
              12  slot     192.168.100.111:10554      sweep    held      2s        -
    0123456789ab  suggest  the-camera-at-the-north-…  suggest  watched   2s    9m59s
    ");
    let wide = table(&leases, true);
    for all in ["north-gate-behind-the-garage", "client-0c086cdc", "192.168.100.111:10554"] {
        assert!(wide.contains(all), "{wide}");
    }
}

#[test]
fn a_wide_table_is_cut_only_where_it_then_fits_the_terminal() {
    let view = view();
    let mut lease = view.lease(view.snapshot.slots.iter().next().unwrap());
    lease.camera = Some("the-camera-at-the-north-gate".to_owned());
    let rows = [lease.row(now().wall, true)];
    let shown = |width| {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let screen = Screen { out: &mut out, err: &mut err, width, terminal: true, colour: false };
        fit::<Lease>(&rows, Output::Wide, &screen).text(&rows)
    };
    assert!(shown(80).contains("the-camera-at-the-north-gate"));
    let cut = shown(125);
    assert!(cut.contains("the-camera-at") && cut.contains('…'), "{cut}");
    assert!(cut.lines().all(|line| line.chars().count() <= 125), "{cut}");
}

#[test]
fn processes_say_who_answers_for_them() {
    let view = view();
    let processes = view.processes(view.snapshot.processes.fresh().unwrap());
    insta::assert_snapshot!(table(&processes, false), @r"
     PID  KIND     OWNER            CAMERA   STATE            AGE  MEMORY  PROGRAM
    4711  foreign  foreign          cam-002  running          60s   31 MB  vlc
    4712  capture  capture/cam-001  cam-001  sleeping          2s   31 MB  ffmpeg
    4713  capture  orphan           cam-002  stopped          60s   31 MB  ffmpeg
    4714  capture  previous-run     cam-002  uninterruptible  16m   31 MB  ffmpeg
    4715  unknown  unmarked         -        zombie           60s     0 B  ffmpeg
    ");
    insta::assert_snapshot!(table(&processes[..2], true), @r"
     PID  KIND     OWNER            CAMERA   STATE     AGE  MEMORY  PROGRAM  PARENT   CPU  FILES  CONN
    4711  foreign  foreign          cam-002  running   60s   31 MB  vlc        4000  1.3s      -     1
    4712  capture  capture/cam-001  cam-001  sleeping   2s   31 MB  ffmpeg     4000  1.3s      9     0
    ");
}

#[test]
fn streams_and_gateways_say_what_is_wrong_with_them() {
    let view = view();
    let stream = |wanted_by: Vec<Arc<str>>, present| {
        view.stream(&model::Stream {
            name: "cs-01234567-0123456789abcdef-sub".into(),
            camera: camera_name(1),
            quality: Quality::Sub,
            engine: Engine::Go2rtc,
            consumers: u32::from(present),
            since: now().mono,
            wanted_by,
            present,
        })
    };
    let lease = format!("lease/{}", "0123456789abcdef".repeat(2));
    let streams = [stream(vec![lease.into(), "alwaysOn".into()], true), stream(Vec::new(), false)];
    insta::assert_snapshot!(table(&streams, false), @r"
    CAMERA   PROFILE  ENGINE  OPEN  VIEWERS  AGE  WANTED BY
    cam-001  sub      go2rtc  yes         1   0s  lease/0123456789ab, alwaysOn
    cam-001  sub      go2rtc  no          0   0s  -
    ");
    let condition = |kind: &'static str, status: &'static str, message: &str| Condition {
        kind: kind.into(),
        status: status.into(),
        reason: "Reason".into(),
        message: message.to_owned(),
        last_transition_time: now().wall.into(),
        observed_generation: 1,
    };
    let gateway = |name: &str, up: bool| Gateway {
        name: name.to_owned(),
        state: if up { "up" } else { "down" }.into(),
        pid: up.then_some(4711),
        streams: GatewayStreams { desired: 3, present: up.then_some(2) },
        restarts: 4,
        conditions: vec![
            condition("Available", if up { "True" } else { "False" }, "it has ended: panic"),
            condition("InSync", if up { "False" } else { "Unknown" }, "it lacks cam-001/sub"),
        ],
    };
    let gateways = [gateway("north", true), gateway("south", false)];
    insta::assert_snapshot!(table(&gateways, false), @r"
    SUBNET  STATE   PID  STREAMS  RESTARTS  IN SYNC  MESSAGE
    north   up     4711      2/3         4  False    it lacks cam-001/sub
    south   down      -      ?/3         4  Unknown  it has ended: panic
    ");
}

fn watched(key: &'static [&'static str]) -> Source {
    Source { path: "", key, restless: &["ageSeconds"], max: 9, empty: "" }
}

#[test]
fn only_what_differs_is_told_again() {
    let item = |name: &str, n: u32| serde_json::json!({"name": name, "n": n});
    let mut known = BTreeMap::new();
    let source = watched(&["name"]);
    assert_eq!(changed(&mut known, vec![item("a", 1), item("b", 1)], &source).len(), 2);
    assert_eq!(changed(&mut known, vec![item("a", 1), item("b", 2)], &source), [item("b", 2)]);
    assert_eq!(changed(&mut known, vec![item("a", 1)], &source).len(), 0);
    assert_eq!(changed(&mut known, vec![item("a", 1), item("b", 2)], &source), [item("b", 2)]);
}

#[test]
fn a_process_that_only_grows_older_is_not_told_again() {
    let process =
        |state: &str, age: u32| serde_json::json!({"pid": 7, "state": state, "ageSeconds": age});
    let mut known = BTreeMap::new();
    let source = watched(&["pid"]);
    assert_eq!(changed(&mut known, vec![process("running", 1)], &source).len(), 1);
    assert_eq!(changed(&mut known, vec![process("running", 3)], &source).len(), 0);
    assert_eq!(changed(&mut known, vec![process("zombie", 5)], &source), [process("zombie", 5)]);
}
