//! Who gets a live view and who does not.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::admission::OverloadCause;
use crate::model::secret::SourceUrl;
use crate::model::slot::Purpose;
use crate::plan::testkit::{Case, camera_name, device, lease};

/// Cameras `cam-1`, `cam-2`, ... with both streams, each on a device of its own.
struct Wall {
    case: Case,
    overload: Option<Overloaded>,
    open: Vec<(CameraName, Quality)>,
    granted: u32,
}

impl Wall {
    fn new(cameras: u8) -> Self {
        let mut case = Case::new();
        case.subnet("cam", cameras);
        for n in 1..=cameras {
            let url = format!("rtsp://{}/stream1", device(n)).parse().unwrap();
            case.edit(&format!("cam-{n}"), |camera| camera.main = Some(SourceUrl::new(url)));
        }
        Self { case, overload: None, open: Vec::new(), granted: 0 }
    }

    fn spec(&mut self, change: impl FnOnce(&mut AdmissionSpec)) {
        change(&mut Arc::make_mut(&mut self.case.desired.server).admission);
    }

    fn asks(&mut self, request: Request<'_>) -> Result<Grant, Refusal> {
        let leases: Vec<&Lease> = self.case.leases.iter().collect();
        let slots = self.case.slots.view();
        let state = State {
            desired: &self.case.desired,
            leases: &leases,
            overload: self.overload,
            slots: &slots,
            open: &self.open,
        };
        let grant = admit(request, state, self.case.now.mono)?;
        self.granted += 1;
        let mut lease = lease(request.user, request.camera, request.kind, self.case.now.mono);
        lease.id = LeaseId(format!("{}", self.granted).into());
        lease.quality = grant.quality;
        self.case.leases.retain(|old| !grant.replaces.contains(&old.id));
        self.case.leases.push(lease);
        Ok(grant)
    }

    /// Asks and says the code.
    fn modal(&mut self, user: &str, camera: &str, quality: Quality, take_over: bool) -> String {
        let camera = &camera_name(camera);
        let kind = ViewKind::Modal;
        let request = Request { user, camera, quality: Some(quality), kind, take_over };
        word(&self.asks(request))
    }

    fn suggest(&mut self, user: &str, camera: &str) -> String {
        let camera = &camera_name(camera);
        let kind = ViewKind::Suggest;
        word(&self.asks(Request { user, camera, quality: None, kind, take_over: true }))
    }

    /// A slot of the camera's device is taken for this.
    fn holds(&mut self, camera: &str, purpose: Purpose) {
        let name = camera_name(camera);
        let at = self.case.desired.cameras[&name].device();
        let holder = Holder { camera: name, purpose };
        let limits = &self.case.desired.devices[&at];
        self.case.slots.acquire(limits, at, holder, self.case.now.mono).unwrap();
    }
}

fn word(answer: &Result<Grant, Refusal>) -> String {
    match answer {
        Ok(Grant { replaces, .. }) if replaces.is_empty() => "granted".to_owned(),
        Ok(_) => "replaced".to_owned(),
        Err(refusal) => refusal.code().to_owned(),
    }
}

use Quality::{Main, Sub};

#[test]
fn the_budget_is_what_is_left_of_the_baseline_and_the_reserve() {
    let mut wall = Wall::new(1);
    wall.spec(|spec| (spec.total_units, spec.baseline_units, spec.reserved_users) = (10, 3, 4));
    assert_eq!(wall.modal("a", "cam-1", Main, false), "granted");
    assert_eq!(wall.modal("b", "cam-1", Main, false), "OVER_CAPACITY");
    assert_eq!(wall.modal("b", "cam-1", Sub, false), "granted");
    assert_eq!(wall.modal("c", "cam-1", Sub, false), "OVER_CAPACITY");
    // What a user gives up for it counts as free.
    assert_eq!(wall.modal("a", "cam-1", Main, true), "replaced");
    assert_eq!(wall.modal("b", "cam-1", Main, true), "OVER_CAPACITY");
    assert_eq!(wall.case.leases.len(), 2, "a refusal ends nothing");
}

#[test]
fn with_the_defaults_35_small_views_are_allowed_and_10_panes_beside_them() {
    let mut wall = Wall::new(1);
    for n in 0..35 {
        assert_eq!(wall.modal(&format!("u{n}"), "cam-1", Sub, false), "granted");
    }
    assert_eq!(wall.modal("u35", "cam-1", Sub, false), "OVER_CAPACITY");
    for n in 0..10 {
        assert_eq!(wall.suggest(&format!("u{n}"), "cam-1"), "granted");
    }
    assert_eq!(wall.suggest("u10", "cam-1"), "OVER_CAPACITY");
    assert_eq!(wall.suggest("u9", "cam-1"), "replaced");
}

#[test]
fn a_stream_of_an_exclusive_device_is_not_shared_and_the_pane_stands_back() {
    let mut wall = Wall::new(1);
    wall.case.limits(device(1), |limits| limits.exclusive = true);
    assert_eq!(wall.suggest("a", "cam-1"), "granted");
    wall.open.push((camera_name("cam-1"), Sub));
    assert_eq!(wall.suggest("b", "cam-1"), "NO_SLOT");
    assert_eq!(wall.modal("a", "cam-1", Sub, false), "replaced");
    assert_eq!(wall.case.leases.len(), 1, "the pane has ended");
    assert_eq!(wall.modal("b", "cam-1", Sub, false), "NO_SLOT");
    assert_eq!(wall.suggest("a", "cam-1"), "NO_SLOT");
    assert_eq!(wall.modal("a", "cam-1", Sub, true), "replaced");
}

#[test]
fn a_user_has_one_modal_view_and_one_pane() {
    let mut wall = Wall::new(2);
    assert_eq!(wall.modal("a", "cam-1", Sub, false), "granted");
    assert_eq!(wall.modal("a", "cam-2", Sub, false), "USER_ALREADY_HAS_MODAL");
    assert_eq!(wall.suggest("a", "cam-2"), "granted");
    assert_eq!(wall.modal("a", "cam-2", Sub, true), "replaced");
    assert_eq!(wall.suggest("a", "cam-1"), "replaced");
    assert_eq!(wall.case.leases.len(), 2);
}

#[test]
fn cameras_and_streams_that_there_are_not_have_their_own_answers() {
    let mut wall = Wall::new(2);
    wall.case.edit("cam-1", |camera| camera.sub = None);
    wall.case.edit("cam-2", |camera| camera.enabled = false);
    assert_eq!(wall.modal("a", "cam-9", Sub, false), "NOT_FOUND");
    assert_eq!(wall.modal("a", "cam-2", Sub, false), "CAMERA_DISABLED");
    assert_eq!(wall.modal("a", "cam-1", Sub, false), "STREAM_NOT_DECLARED");
    assert_eq!(wall.suggest("a", "cam-1"), "granted", "of the stream that there is");
    assert_eq!(wall.case.leases[0].quality, Main);
}

#[test]
fn a_suggestion_that_is_turned_off_is_shown_to_nobody() {
    let mut wall = Wall::new(1);
    Arc::make_mut(&mut wall.case.desired.server).suggest.enabled = false;
    assert_eq!(wall.suggest("a", "cam-1"), "SUGGEST_DISABLED");
    assert_eq!(wall.modal("a", "cam-1", Sub, false), "granted");
}

#[test]
fn an_overloaded_host_takes_nothing_that_adds_load() {
    let mut wall = Wall::new(2);
    assert_eq!(wall.modal("a", "cam-1", Sub, false), "granted");
    assert_eq!(wall.suggest("a", "cam-1"), "granted");
    let cause = OverloadCause::Cpu;
    let since = wall.case.now.mono;
    wall.overload = Some(Overloaded { since, cause, measured: 91, limit: 85 });
    assert_eq!(wall.modal("b", "cam-1", Sub, false), "SYSTEM_OVERLOAD");
    assert_eq!(wall.suggest("b", "cam-1"), "SYSTEM_OVERLOAD");
    assert_eq!(wall.modal("a", "cam-2", Main, true), "SYSTEM_OVERLOAD");
    assert_eq!(wall.modal("a", "cam-2", Sub, true), "replaced");
    assert_eq!(wall.suggest("a", "cam-2"), "replaced");
}

#[test]
fn a_view_needs_a_connection_or_a_session_that_is_open() {
    let mut wall = Wall::new(2);
    wall.case.limits(device(1), |limits| limits.max_connections = 1);
    wall.holds("cam-1", Purpose::Modal);
    assert_eq!(wall.modal("a", "cam-1", Sub, false), "granted", "nobody watches what holds it");
    assert_eq!(wall.modal("b", "cam-1", Main, false), "NO_SLOT");
    assert_eq!(wall.suggest("b", "cam-1"), "NO_SLOT");
    wall.open = vec![(camera_name("cam-1"), Sub)];
    assert_eq!(wall.modal("b", "cam-1", Main, false), "NO_SLOT", "the other stream is open");
    assert_eq!(wall.modal("b", "cam-1", Sub, false), "granted");
    // The only viewer may change to the other stream: break before make.
    wall.case.leases.retain(|lease| &*lease.user == "a");
    assert_eq!(wall.modal("a", "cam-1", Main, true), "replaced");
    assert_eq!(wall.modal("b", "cam-2", Main, false), "granted");
}

#[test]
fn a_stream_that_is_kept_open_makes_way_for_a_viewer_who_leaves_it_for_another() {
    let mut wall = Wall::new(1);
    wall.case.limits(device(1), |limits| limits.max_connections = 1);
    wall.case.edit("cam-1", |camera| camera.always_on = true);
    wall.holds("cam-1", Purpose::Modal);
    wall.open = vec![(camera_name("cam-1"), Sub)];
    assert_eq!(wall.modal("a", "cam-1", Sub, false), "granted");
    assert_eq!(wall.modal("b", "cam-1", Main, false), "NO_SLOT", "somebody else watches");
    assert_eq!(wall.modal("a", "cam-1", Main, true), "replaced");
}

#[test]
fn lower_purposes_make_way_and_strangers_do_not() {
    let mut wall = Wall::new(4);
    for n in 1..=4 {
        wall.case.limits(device(n), |limits| limits.max_connections = 1);
    }
    wall.holds("cam-1", Purpose::Sweep);
    assert_eq!(wall.modal("a", "cam-1", Sub, false), "granted");
    assert_eq!(wall.suggest("a", "cam-1"), "granted");
    wall.holds("cam-2", Purpose::Suggest);
    assert_eq!(wall.suggest("b", "cam-2"), "granted", "nobody watches");
    assert_eq!(wall.modal("b", "cam-2", Sub, false), "granted");
    assert_eq!(wall.suggest("c", "cam-2"), "NO_SLOT");
    wall.case.foreign(device(3));
    wall.case.look();
    assert_eq!(wall.modal("c", "cam-3", Sub, false), "NO_SLOT");
    wall.case.limits(device(4), |limits| {
        (limits.max_connections, limits.exclusive) = (2, true);
    });
    wall.holds("cam-4", Purpose::Modal);
    let other = lease("z", &camera_name("cam-4"), ViewKind::Modal, wall.case.now.mono);
    wall.case.leases.push(other);
    assert_eq!(wall.modal("c", "cam-4", Sub, false), "NO_SLOT");
}

/// What a user may do.
#[derive(Debug, Clone)]
enum Step {
    Modal { user: u8, camera: u8, main: bool, take_over: bool },
    Suggest { user: u8, camera: u8 },
    Leave(usize),
    Budget(u32, u32, u32),
}

fn step() -> impl Strategy<Value = Step> {
    let (user, camera) = (0u8..12, 1u8..4);
    prop_oneof![
        6 => (user.clone(), camera.clone(), any::<bool>(), any::<bool>()).prop_map(
            |(user, camera, main, take_over)| Step::Modal { user, camera, main, take_over }
        ),
        3 => (user, camera).prop_map(|(user, camera)| Step::Suggest { user, camera }),
        2 => (0usize..20).prop_map(Step::Leave),
        1 => (0u32..20, 0u32..6, 0u32..6).prop_map(|(a, b, c)| Step::Budget(a, b, c)),
    ]
}

proptest! {
    #[test]
    fn no_order_of_requests_exceeds_the_budget_or_gives_a_user_two(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut wall = Wall::new(3);
        for step in steps {
            let before = wall.case.leases.len();
            let granted = wall.granted;
            match step {
                Step::Modal { user, camera, main, take_over } => {
                    let quality = if main { Main } else { Sub };
                    let camera = format!("cam-{camera}");
                    wall.modal(&format!("u{user}"), &camera, quality, take_over);
                }
                Step::Suggest { user, camera } => {
                    wall.suggest(&format!("u{user}"), &format!("cam-{camera}"));
                }
                Step::Leave(n) => {
                    if n < before {
                        wall.case.leases.remove(n);
                    }
                }
                Step::Budget(total, baseline, reserved) => wall.spec(|spec| {
                    spec.total_units = total;
                    spec.baseline_units = baseline;
                    spec.reserved_users = reserved;
                }),
            }
            // A smaller budget ends no view; it only grants none.
            if wall.granted > granted {
                let spec = &wall.case.desired.server.admission;
                let newest = wall.case.leases.last().unwrap();
                match newest.kind {
                    ViewKind::Modal => {
                        prop_assert!(units(wall.case.leases.iter()) <= spec.modal_units());
                    }
                    ViewKind::Suggest => {
                        let views = suggest_views(wall.case.leases.iter());
                        prop_assert!(views <= spec.reserved_users);
                    }
                }
            }
            let mut owners: Vec<_> = wall
                .case
                .leases
                .iter()
                .map(|lease| (&lease.user, lease.kind))
                .collect();
            owners.sort();
            owners.dedup();
            prop_assert_eq!(owners.len(), wall.case.leases.len());
        }
    }
}
