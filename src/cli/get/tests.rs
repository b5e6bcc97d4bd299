//! Tables at 80 columns.

use std::sync::Arc;

use super::*;
use crate::http::tests::fixture::{camera_name, event, now, snapshot, subnet_name, sweep};
use crate::http::wire::View;
use crate::model::frame::SweepState;
use crate::model::secret::Redactor;

fn view() -> View {
    View { snapshot: Arc::new(snapshot(3)), redactor: Redactor::default() }
}

fn table<T: Listed>(things: &[T], wide: bool) -> String {
    let rows: Vec<Row> = things.iter().map(|thing| thing.row(now().wall, wide)).collect();
    Table::fit(T::columns(wide), &rows, (!wide).then_some(80), false).text(&rows)
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
        .map(|c| Connection { pid: Some(4711), ..view.connection(c) })
        .collect();
    insta::assert_snapshot!(table(&connections, true), @r"
    CAMERA   DEVICE              LOCAL            STATE  OWNER     PID  AGE  PROGRAM
    cam-001  127.125.0.11:10554  127.0.0.1:40001  ESTAB  slot/12  4711   2s  -
    cam-002  127.125.0.12:10554  127.0.0.1:40002  ESTAB  foreign  4711   2s  vlc
    ");
    let leases: Vec<Lease> = view.snapshot.slots.iter().map(|slot| view.lease(slot)).collect();
    insta::assert_snapshot!(table(&leases, false), @r"
    ID  KIND  CAMERA   DEVICE              PURPOSE  STATE  AGE  EXPIRES
    12  slot  cam-001  127.125.0.11:10554  sweep    held    2s        -
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
fn only_what_differs_is_told_again() {
    let item = |name: &str, n: u32| serde_json::json!({"name": name, "n": n});
    let mut known = BTreeMap::new();
    let key = ["name"];
    assert_eq!(changed(&mut known, vec![item("a", 1), item("b", 1)], &key).len(), 2);
    assert_eq!(changed(&mut known, vec![item("a", 1), item("b", 2)], &key), [item("b", 2)]);
    assert_eq!(changed(&mut known, vec![item("a", 1)], &key).len(), 0);
    assert_eq!(changed(&mut known, vec![item("a", 1), item("b", 2)], &key), [item("b", 2)]);
}
