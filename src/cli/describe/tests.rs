//! The sections at 80 columns.

use std::sync::Arc;

use super::*;
use crate::http::tests::fixture::{camera_name, now, snapshot};
use crate::http::wire::View;
use crate::model::secret::{Redactor, Secret};

fn subject(n: u32) -> Subject {
    let redactor = Redactor::new([&Secret::new(crate::http::tests::fixture::PASSWORD)]);
    let view = View { snapshot: Arc::new(snapshot(3)), redactor };
    let camera = view.camera_with_detail(&camera_name(n)).unwrap();
    let seen = view.snapshot.connections.fresh().unwrap().iter().map(|c| view.connection(c));
    let of_camera = |c: &Connection| c.camera.as_deref() == Some(camera.name.as_str());
    let connections = seen.filter(of_camera);
    let connections = connections.map(|c| Connection { pid: Some(4711), ..c }).collect();
    let leases = view.snapshot.slots.iter().map(|slot| view.lease(slot));
    let leases = leases.filter(|l| l.camera.as_deref() == Some(camera.name.as_str())).collect();
    Subject { connections: Ok(connections), leases, camera }
}

#[test]
fn a_good_camera_is_described_in_sections() {
    insta::assert_snapshot!(subject(1).text(now().wall, 80, false), @"GOOD");
}

#[test]
fn a_failing_camera_says_why_and_what_comes_next() {
    let mut subject = subject(2);
    subject.connections = Err("sock_diag: permission denied".to_owned());
    insta::assert_snapshot!(subject.text(now().wall, 80, false), @"FAILING");
}
