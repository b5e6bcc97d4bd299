//! The sections at 80 columns.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::http::tests::fixture::{camera_name, now, snapshot};
use crate::http::wire::View;
use crate::model::secret::{Redactor, Secret};

fn subject(n: u32) -> Subject {
    let redactor = Redactor::new([&Secret::new(crate::http::tests::fixture::PASSWORD)]);
    let view = View { snapshot: Arc::new(snapshot(3)), redactor };
    let camera = view.camera_with_detail(&camera_name(n)).unwrap();
    let seen = view.snapshot.connections.fresh().unwrap().iter().filter_map(|c| view.connection(c));
    let connections = seen.filter(|c| c.device == camera.device).map(without_own_pid).collect();
    let slots = view.snapshot.slots.iter().map(|slot| view.lease(slot));
    let slots = slots.filter(|lease| lease.device == camera.device).collect();
    let processes = view.processes(view.snapshot.processes.fresh().unwrap());
    let of_camera = |p: &Process| p.camera.as_ref() == Some(&camera.name);
    Subject {
        connections: Ok(connections),
        processes: Ok(processes.into_iter().filter(of_camera).collect()),
        slots,
        views: Vec::new(),
        held: view.held(&view.snapshot.plan),
        camera,
    }
}

/// The test's own pid is another one each time.
fn without_own_pid(connection: Connection) -> Connection {
    let pid = connection.pid.map(|pid| if pid == std::process::id() { 4000 } else { pid });
    Connection { pid, ..connection }
}

#[test]
fn a_good_camera_is_described_in_sections() {
    let mut subject = subject(1);
    let view = Lease {
        id: "0123456789ab".to_owned(),
        kind: "modal".into(),
        user: Some("client-0c086cdc".to_owned()),
        quality: Some("sub".to_owned()),
        state: "watched".into(),
        expires_at: Some((now().wall + Duration::from_secs(125)).into()),
        ..subject.slots[0].clone()
    };
    subject.views.push(view);
    insta::assert_snapshot!(subject.text(now().wall, 80, false), @r"
    Name:             cam-001
    Display name:     Camera 1
    Subnet:           north
    Device:           127.125.0.11:10554 (limit 2)
    Family:           tapo
    Labels:           site=hotel
    Sub:              rtsp://127.125.0.11:10554/sub
    Capture:          native, http, at most 30s
    Enabled:          yes
    Status:
      State:          ● ok, Captured for 12s
      Message:        picture taken
      Failures:       0
      Last picture:   3m19s ago, 640x360, 31 KB, h264 by native (frame 801)
    Conditions:
      TYPE         STATUS  REASON       SINCE  MESSAGE
      Ready        True    Captured        3m  Captured since the last sweep
      Reachable    True    Captured        3m  Captured since the last sweep
      WithinLimit  True    WithinLimit     3m  WithinLimit since the last sweep
      Fresh        True    Fresh           3m  Fresh since the last sweep
    Connections: 1 of 2 (1 by this server, 0 by others)
      OWNER    STATE  LOCAL            PROGRAM     PID  AGE
      capture  ESTAB  127.0.0.1:40001  camserver  4000   2s
    Slots: 1 of 2 taken
      SLOT  CAMERA   PURPOSE  STATE  PROGRAM   PID  AGE  FREE IN
        12  cam-001  sweep    held   ffmpeg   4712   2s        -
    Views: 1
      VIEW          KIND   QUALITY  USER             STATE    AGE  ENDS IN
      0123456789ab  modal  sub      client-0c086cdc  watched   2s     2m5s
    Processes: 1
       PID  KIND     OWNER            CAMERA   STATE     AGE  MEMORY  PROGRAM
      4712  capture  capture/cam-001  cam-001  sleeping   2s   31 MB  ffmpeg
    Last captures:
      AGE  OUTCOME  REASON    BY      TOOK  MESSAGE
      12s  ok       Captured  native  1.2s
    Next:             capture in 48s
    ");
}

#[test]
fn a_failing_camera_says_why_and_what_comes_next() {
    let mut subject = subject(2);
    subject.connections = Err("sock_diag: permission denied".to_owned());
    insta::assert_snapshot!(subject.text(now().wall, 80, false), @r"
    Name:             cam-002
    Display name:     北門カメラ
    Subnet:           north
    Device:           127.125.0.12:10554 (limit 2)
    Family:           tapo
    Labels:           site=hotel
    Sub:              rtsp://127.125.0.12:10554/sub
    Capture:          native, http, at most 30s
    Enabled:          yes
    Status:
      State:          ✖ bad, Timeout at describe for 12s
      Message:        no answer at DESCRIBE, rtsp://u:***@h/
      Failures:       3
      Last picture:   none yet
    Conditions:
      TYPE   STATUS  REASON   SINCE  MESSAGE
      Ready  False   Timeout     3m  Timeout since the last sweep
    Connections: 1 of 2 (0 by this server, 1 by others)
      not known: sock_diag: permission denied
      Others:         vlc (4711); never touched
    Slots: 0 of 2 taken
      none: nothing of this server is connected or rests
    Views: none
    Processes: 3
       PID  KIND     OWNER         CAMERA   STATE            AGE  MEMORY  PROGRAM
      4711  foreign  foreign       cam-002  running          60s   31 MB  vlc
      4713  capture  orphan        cam-002  stopped          60s   31 MB  ffmpeg
      4714  capture  previous-run  cam-002  uninterruptible  16m   31 MB  ffmpeg
    Last captures:
      AGE  OUTCOME  REASON   BY      TOOK  MESSAGE
      60s  failed   Timeout  native  1.2s  no answer at DESCRIBE, rtsp://u:***@h/
    Next:             retry in 48s
      Held back:      Capture: 3 failures in a row (***), for 30s
    ");
}

#[test]
fn long_values_of_slots_and_connections_fit_into_eighty_columns() {
    let mut subject = subject(1);
    let long = |program: &str| Some(format!("{program}-with-a-rather-long-name"));
    let slot = &mut subject.slots[0];
    slot.id = "123456".to_owned();
    slot.camera = long("north-gate");
    slot.purpose = Some("suggest".into());
    slot.state = "resting".into();
    slot.command = long("gateway");
    slot.pid = Some(4_194_304);
    slot.expires_at = Some((now().wall + Duration::from_secs(599)).into());
    let connection = &mut subject.connections.as_mut().unwrap()[0];
    connection.owner = "unattributable".into();
    connection.local = "[fd00:1234:5678:9abc:def0::12]:65535".into();
    connection.command = long("gateway");
    connection.pid = Some(4_194_304);
    let text = subject.text(now().wall, 80, false);
    let long: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
    assert_eq!(long, Vec::<&str>::new());
}
