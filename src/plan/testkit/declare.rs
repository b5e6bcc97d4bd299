//! Makes a `Desired` without manifests: a set of subnets and cameras with short defaults.
//!
//! It does not check what the manifests check; a test may declare nonsense.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::model::desired::{
    Backend, Camera, CaptureSpec, Desired, Device, DeviceLimits, MotionSpec, Profile, Retention,
    Subnet, SweepSpec, Transport,
};
use crate::model::lease::{Lease, LeaseId, Quality, ViewKind};
use crate::model::names::{CameraName, FamilyName, SubnetName};
use crate::model::secret::SourceUrl;
use crate::model::server::{
    AdmissionSpec, AuthMode, BufferSpec, Engine, GatewaySpec, LiveSpec, MonitorSpec, OverloadSpec,
    ProcessSpec, RemovalGuard, ServerSpec, StoreSpec, SuggestSpec,
};
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
    DeviceLimits {
        max_connections: 2,
        min_reconnect_interval: Duration::ZERO,
        quarantine: Duration::from_secs(10),
        exclusive: false,
        cameras: Vec::new(),
    }
}

/// Nothing declared.
pub(in crate::plan) fn nothing() -> Desired {
    Desired {
        generation: 1,
        digest: "0".into(),
        revision: None,
        applied_at: jiff::Timestamp::UNIX_EPOCH,
        server: Arc::new(server()),
        cameras: BTreeMap::new(),
        subnets: BTreeMap::new(),
        families: BTreeMap::new(),
        detectors: BTreeMap::new(),
        notifiers: BTreeMap::new(),
        retention: retention(),
        devices: BTreeMap::new(),
    }
}

/// A subnet with the defaults of the manifests.
pub(in crate::plan) fn subnet(name: &str) -> Subnet {
    let sweep = SweepSpec {
        interval: Duration::from_mins(1),
        cooldown: Duration::from_secs(15),
        concurrency: 1,
        suspend: false,
        quiet_hours: Vec::new(),
    };
    Subnet { name: subnet_name(name), labels: BTreeMap::new(), cidr: "10.0.0.0/24".into(), sweep }
}

/// An enabled camera on `device`.
pub(in crate::plan) fn camera(name: &str, subnet: &str, device: Device) -> Camera {
    let url = format!("rtsp://{device}/stream2").parse().unwrap();
    Camera {
        name: camera_name(name),
        display_name: name.into(),
        labels: BTreeMap::new(),
        subnet: subnet_name(subnet),
        family: FamilyName::parse("unknown").unwrap(),
        address: device.ip(),
        port: device.port(),
        main: None,
        sub: Some(SourceUrl::new(url)),
        snapshot_url: None,
        credentials: None,
        enabled: true,
        always_on: false,
        capture: CaptureSpec {
            order: vec![Backend::Native],
            stream: Profile::Sub,
            timeout: Duration::from_secs(30),
            transport: Transport::Tcp,
        },
        suggest_weight: 5,
        detector: None,
        motion: MotionSpec { sensitivity: 5, masks: Vec::new() },
        context: None,
        spec_digest: 1,
    }
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

fn retention() -> Retention {
    let days = |days: u64| Duration::from_hours(24 * days);
    Retention {
        at: jiff::civil::time(4, 0, 0, 0),
        no_event_frames: days(14),
        events: days(90),
        notifications: days(30),
        admission_raw: days(1),
        admission_hourly: days(7),
        sweeps: days(30),
        config_revisions: days(30),
        max_bytes: 10 << 30,
    }
}

fn server() -> ServerSpec {
    let secs = Duration::from_secs;
    ServerSpec {
        listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
        data_dir: "data".into(),
        timezone: jiff::tz::TimeZone::UTC,
        store: StoreSpec { url: "sqlite://camserver.db".into(), required: true },
        live: LiveSpec { engine: Engine::Native, webrtc: false, hls: false },
        gateway: GatewaySpec { managed: false, binary: "go2rtc".into(), url: None },
        admission: AdmissionSpec {
            total_units: 50,
            baseline_units: 5,
            reserved_users: 10,
            lease_ttl: secs(300),
            heartbeat: secs(30),
            grace: secs(45),
            overload: OverloadSpec {
                cpu_percent: 85.0,
                memory_percent: 90.0,
                swap_in_bytes_per_second: 1 << 20,
                recover_cpu_percent: 60.0,
                recover_memory_percent: 70.0,
                recover_after: secs(60),
            },
        },
        suggest: SuggestSpec {
            enabled: true,
            start: 50.0,
            switch_ratio: 1.2,
            ttl: secs(60),
            cooldown: secs(10),
        },
        buffers: BufferSpec {
            events: 2000,
            frames: 1000,
            thumbnails_per_camera: 100,
            bytes: 64 << 20,
        },
        monitor: MonitorSpec { memory_warning: 80.0, memory_critical: 90.0, interval: secs(60) },
        processes: ProcessSpec { ffmpeg: "ffmpeg".into(), max_age: secs(300), max_children: 16 },
        refresh_page: jiff::civil::time(3, 0, 0, 0),
        removal_guard: RemovalGuard { min_objects: 3, max_share: 0.3 },
        auth: AuthMode::Auto,
        tls: None,
    }
}
