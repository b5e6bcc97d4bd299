//! Camera families, the built-in ones included, and the limits of devices that follow from them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::manifest::schema::camera::FamilyFields;
use crate::model::desired::{Camera, Detector, Device, DeviceLimits, Family};
use crate::model::names::{CameraName, DetectorName, FamilyName};

/// How long a slot rests where a family does not say.
const QUARANTINE: Duration = Duration::from_secs(10);

/// Name, connections, seconds between connections, exclusive.
const BUILT_IN: [(&str, u16, u64, bool); 8] = [
    ("tapo-ptz", 1, 0, true),
    ("tapo", 2, 0, false),
    ("vigi", 3, 0, false),
    ("nvt", 2, 2, false),
    ("hikvision", 4, 0, false),
    ("dahua", 4, 0, false),
    ("axis", 8, 0, false),
    ("unknown", 1, 1, false),
];

/// Share of the picture that must change for the built-in detector.
pub(crate) const MOTION_THRESHOLD: f64 = 0.02;

/// The families that exist without any manifest.
pub(crate) fn built_in_families() -> BTreeMap<FamilyName, Family> {
    BUILT_IN
        .into_iter()
        .filter_map(|(name, max_connections, seconds, exclusive)| {
            let family = Family {
                max_connections,
                min_reconnect_interval: Duration::from_secs(seconds),
                quarantine: QUARANTINE,
                exclusive,
            };
            Some((FamilyName::parse(name).ok()?, family))
        })
        .collect()
}

/// The detectors that exist without any manifest.
pub(crate) fn built_in_detectors() -> BTreeMap<DetectorName, Arc<Detector>> {
    let motion = Arc::new(Detector::Motion { threshold: MOTION_THRESHOLD });
    DetectorName::parse("motion").ok().map(|name| (name, motion)).into_iter().collect()
}

/// A declared family.
pub(super) fn family(fields: &FamilyFields) -> Family {
    Family {
        max_connections: fields.max_connections.fit(),
        min_reconnect_interval: fields.min_reconnect_interval.duration(),
        quarantine: fields.quarantine.duration(),
        exclusive: fields.exclusive,
    }
}

/// The strictest limits of the enabled cameras on each device.
pub(super) fn devices(
    cameras: &BTreeMap<CameraName, Arc<Camera>>,
    families: &BTreeMap<FamilyName, Family>,
) -> BTreeMap<Device, DeviceLimits> {
    let mut devices: BTreeMap<Device, DeviceLimits> = BTreeMap::new();
    for camera in cameras.values().filter(|camera| camera.enabled) {
        let Some(family) = families.get(&camera.family) else { continue };
        for device in camera.devices() {
            let limits = devices.entry(device).or_insert_with(|| DeviceLimits {
                max_connections: family.max_connections,
                min_reconnect_interval: family.min_reconnect_interval,
                quarantine: family.quarantine,
                exclusive: family.exclusive,
                cameras: Vec::new(),
            });
            limits.max_connections = limits.max_connections.min(family.max_connections);
            limits.min_reconnect_interval =
                limits.min_reconnect_interval.max(family.min_reconnect_interval);
            limits.quarantine = limits.quarantine.max(family.quarantine);
            limits.exclusive |= family.exclusive;
            limits.cameras.push(camera.name.clone());
        }
    }
    devices
}
