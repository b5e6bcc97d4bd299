//! Makes a `Desired` without manifests: a set of subnets and cameras with short defaults.
//!
//! It does not check what the manifests check; a test may declare nonsense.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::http::tests::fixture::declared;
use crate::model::desired::{Camera, Desired, Device, DeviceLimits, Subnet};
use crate::model::lease::{Lease, LeaseId, Quality, ViewKind};
use crate::model::names::{CameraName, SubnetName};
use crate::model::time::Mono;

/// A camera's name.
pub(in crate::plan) fn camera_name(name: &str) -> CameraName {
    CameraName::parse(name).unwrap()
}

/// A subnet's name.
pub(in crate::plan) fn subnet_name(name: &str) -> SubnetName {
    SubnetName::parse(name).unwrap()
}

/// The `n`-th device, counted from 1.
pub(in crate::plan) fn device(n: u8) -> Device {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, n)), 554)
}

/// What a device tolerates when a test says nothing else.
pub(in crate::plan) fn limits() -> DeviceLimits {
    declared::limits(Vec::new())
}

/// Nothing declared.
pub(in crate::plan) fn nothing() -> Desired {
    Desired {
        generation: 1,
        digest: "0".into(),
        revision: None,
        applied_at: jiff::Timestamp::UNIX_EPOCH,
        server: Arc::new(declared::server_spec()),
        cameras: BTreeMap::new(),
        subnets: BTreeMap::new(),
        families: BTreeMap::new(),
        detectors: BTreeMap::new(),
        notifiers: BTreeMap::new(),
        retention: declared::retention(),
        devices: BTreeMap::new(),
    }
}

/// A subnet with the defaults of the manifests.
pub(in crate::plan) fn subnet(name: &str) -> Subnet {
    Subnet {
        name: subnet_name(name),
        labels: BTreeMap::new(),
        cidr: "10.0.0.0/24".into(),
        sweep: declared::sweep_spec(),
    }
}

/// An enabled camera on `device`.
pub(in crate::plan) fn camera(name: &str, subnet: &str, device: Device) -> Camera {
    declared::camera(camera_name(name), subnet_name(subnet), device)
}

/// A lease of the sub stream, granted at `now`.
pub(in crate::plan) fn lease(user: &str, camera: &CameraName, kind: ViewKind, now: Mono) -> Lease {
    Lease {
        id: LeaseId(format!("{user}-{}-{}", kind.as_str(), now.0).into()),
        kind,
        user: user.into(),
        camera: camera.clone(),
        quality: Quality::Sub,
        created: jiff::Timestamp::UNIX_EPOCH,
        created_mono: now,
        expires: now.plus(Duration::from_mins(5)),
        heartbeat: now,
        codecs: Vec::new(),
        watched: false,
    }
}

/// The devices that enabled cameras live on; `special` for those that are not like the others.
pub(in crate::plan) fn devices(
    cameras: &BTreeMap<CameraName, Arc<Camera>>,
    special: &BTreeMap<Device, DeviceLimits>,
) -> BTreeMap<Device, DeviceLimits> {
    let mut devices: BTreeMap<Device, DeviceLimits> = BTreeMap::new();
    for camera in cameras.values().filter(|camera| camera.enabled) {
        let at = camera.device();
        let entry =
            devices.entry(at).or_insert_with(|| special.get(&at).cloned().unwrap_or_else(limits));
        entry.cameras.push(camera.name.clone());
    }
    devices
}
