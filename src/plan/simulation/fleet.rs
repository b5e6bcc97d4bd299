//! What the simulated operator declares, and how that changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::rng::Rng;
use crate::model::desired::{Backend, Desired, Device, DeviceLimits};
use crate::model::names::{CameraName, SubnetName};
use crate::plan::testkit::{camera, camera_name, device, devices, limits, nothing, subnet};

/// Cameras of one fleet.
pub(super) const CAMERAS: u8 = 12;
/// The recorder that several cameras live on.
const RECORDER: u8 = 200;
/// `processes.maxAge`.
const AGE_MAX: Duration = Duration::from_mins(1);
/// Every capture's deadline, milliseconds.
pub(super) const TIMEOUT: u64 = 8_000;

/// The manifests of one run.
#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) desired: Arc<Desired>,
    /// What is declared of each device, be it in use or not.
    special: BTreeMap<Device, DeviceLimits>,
    /// How many connections each device really takes; never less than declared.
    takes: BTreeMap<Device, u16>,
}

impl Fleet {
    /// Two subnets; most cameras have an address of their own, some share a recorder.
    pub(super) fn new(rng: &mut Rng) -> Self {
        let mut desired = nothing();
        Arc::make_mut(&mut desired.server).processes.max_age = AGE_MAX;
        for name in ["farm", "shop"] {
            let mut subnet = subnet(name);
            subnet.sweep.interval = Duration::from_mins(*rng.pick(&[1, 1, 1, 2, 3, 5, 10]));
            subnet.sweep.cooldown = Duration::from_secs(rng.between(1, 20));
            subnet.sweep.concurrency = u16::try_from(rng.between(1, 4)).unwrap();
            desired.subnets.insert(subnet.name.clone(), Arc::new(subnet));
        }
        let mut fleet =
            Self { desired: Arc::new(desired), special: BTreeMap::new(), takes: BTreeMap::new() };
        for n in 1..=CAMERAS {
            let at = if n % 4 == 0 { device(RECORDER) } else { device(n) };
            let special = fleet.special.entry(at).or_insert_with(|| DeviceLimits {
                max_connections: u16::try_from(rng.between(1, 4)).unwrap(),
                min_reconnect_interval: Duration::from_secs(*rng.pick(&[0, 0, 1, 2])),
                exclusive: rng.percent(15),
                ..limits()
            });
            fleet.takes.insert(at, special.max_connections);
            fleet.add(n);
        }
        fleet
    }

    /// Declares the `n`-th camera.
    pub(super) fn add(&mut self, n: u8) {
        let at = if n.is_multiple_of(4) { device(RECORDER) } else { device(n) };
        let has_farm = self.desired.subnets.contains_key("farm");
        let home = if has_farm && n.is_multiple_of(3) { "farm" } else { "shop" };
        let mut camera = camera(&format!("cam-{n:02}"), home, at);
        camera.capture.timeout = Duration::from_millis(TIMEOUT);
        camera.capture.order = match n % 3 {
            0 => vec![Backend::Native],
            1 => vec![Backend::Ffmpeg],
            _ => vec![Backend::Native, Backend::Ffmpeg],
        };
        self.change(|desired| {
            desired.cameras.insert(camera.name.clone(), Arc::new(camera));
        });
    }

    /// Takes the `n`-th camera out.
    pub(super) fn remove(&mut self, n: u8) {
        let name = camera_name(&format!("cam-{n:02}"));
        self.change(|desired| {
            desired.cameras.remove(&name);
        });
    }

    /// Turns a camera on or off.
    pub(super) fn turn(&mut self, name: &CameraName) {
        self.change(|desired| {
            let camera = Arc::make_mut(desired.cameras.get_mut(name).unwrap());
            camera.enabled = !camera.enabled;
        });
    }

    /// Moves a camera to the other subnet.
    pub(super) fn move_over(&mut self, name: &CameraName) {
        self.change(|desired| {
            let names: Vec<SubnetName> = desired.subnets.keys().cloned().collect();
            let camera = Arc::make_mut(desired.cameras.get_mut(name).unwrap());
            let other = names.into_iter().find(|subnet| *subnet != camera.subnet);
            camera.subnet = other.unwrap_or_else(|| camera.subnet.clone());
        });
    }

    /// Removes a subnet and gives its cameras to the other one, or declares it again.
    pub(super) fn farm_comes_or_goes(&mut self) {
        self.change(|desired| {
            if desired.subnets.remove("farm").is_none() {
                let farm = subnet("farm");
                desired.subnets.insert(farm.name.clone(), Arc::new(farm));
                return;
            }
            let shop = subnet("shop").name;
            for camera in desired.cameras.values_mut() {
                Arc::make_mut(camera).subnet = shop.clone();
            }
        });
    }

    /// Declares another limit of a device.
    pub(super) fn limit(&mut self, device: Device, limit: u16) {
        self.special.entry(device).or_insert_with(limits).max_connections = limit;
        self.change(|_| {});
    }

    /// How many connections a device really takes.
    pub(super) fn takes(&self, device: Device) -> u16 {
        self.takes[&device]
    }

    /// Changes something, and derives the devices anew.
    pub(super) fn change(&mut self, what: impl FnOnce(&mut Desired)) {
        let desired = Arc::make_mut(&mut self.desired);
        what(desired);
        desired.generation += 1;
        desired.devices = devices(&desired.cameras, &self.special);
    }

    /// What is declared of a device, be it in use or not.
    pub(super) fn limits(&self, device: Device) -> &DeviceLimits {
        &self.special[&device]
    }

    /// Every device that was ever declared.
    pub(super) fn devices(&self) -> Vec<Device> {
        self.special.keys().copied().collect()
    }
}
