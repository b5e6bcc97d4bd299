//! What should exist: the manifests after defaults and references are resolved. Immutable.
//!
//! Every field of the manifests is here, also those of parts that read them elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::names::{CameraName, DetectorName, FamilyName, NotifierName, SubnetName};
use super::secret::{Secret, SourceUrl};
use super::server::ServerSpec;

/// A device: the address and port that cameras live on. Connection limits are per device.
pub type Device = SocketAddr;

/// One applied set of manifests.
#[derive(Debug, Clone)]
pub struct Desired {
    /// Counts applied sets since the data directory was made, from 1.
    pub generation: u64,
    /// SHA-256 over the manifest files' names and contents, hexadecimal.
    pub digest: Arc<str>,
    /// The git commit of the directory where it is a checkout, or the name that a symlink swap
    /// (git-sync, Kubernetes) points to.
    pub revision: Option<Arc<str>>,
    /// When this set came into force.
    pub applied_at: Timestamp,
    /// This instance.
    pub server: Arc<ServerSpec>,
    /// All cameras, disabled ones too.
    pub cameras: BTreeMap<CameraName, Arc<Camera>>,
    /// All subnets.
    pub subnets: BTreeMap<SubnetName, Arc<Subnet>>,
    /// Built-in families, overridden and added ones.
    pub families: BTreeMap<FamilyName, Family>,
    /// Detectors, the built-in `motion` included.
    pub detectors: BTreeMap<DetectorName, Arc<Detector>>,
    /// Notifiers.
    pub notifiers: BTreeMap<NotifierName, Arc<Notifier>>,
    /// How long rows and files live.
    pub retention: Retention,
    /// Limits of every device that an enabled camera lives on, derived from the cameras.
    pub devices: BTreeMap<Device, DeviceLimits>,
}

impl Desired {
    /// Every secret value that must not leave the process in a text.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let credentials = self.cameras.values().filter_map(|camera| camera.credentials.as_ref());
        let passwords = credentials.filter_map(|credentials| credentials.password.as_ref().ok());
        let hooks = self.notifiers.values().filter_map(|notifier| notifier.secret.as_ref());
        passwords.chain(hooks.filter_map(|secret| secret.as_ref().ok()))
    }
}

/// How many connections a make of camera tolerates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// Connections at once, at least 1.
    pub max_connections: u16,
    /// From a socket's end to the next SYN, per device.
    pub min_reconnect_interval: Duration,
    /// How long a slot rests after an end that the camera did not acknowledge.
    pub quarantine: Duration,
    /// No second consumer of ours may share the device's stream while one holds it.
    pub exclusive: bool,
}

/// The strictest of the families of the cameras on one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLimits {
    /// Smallest `maxConnections`.
    pub max_connections: u16,
    /// Longest `minReconnectInterval`.
    pub min_reconnect_interval: Duration,
    /// Longest `quarantine`.
    pub quarantine: Duration,
    /// Whether any of the families is exclusive.
    pub exclusive: bool,
    /// The enabled cameras on it, in order of name.
    pub cameras: Vec<CameraName>,
}

/// A named group of cameras swept together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// Its name.
    pub name: SubnetName,
    /// Labels of `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// The network that its cameras' addresses lie in, as written.
    pub cidr: Arc<str>,
    /// Sweep schedule.
    pub sweep: SweepSpec,
}

/// When and how a subnet is swept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepSpec {
    /// From start to start.
    pub interval: Duration,
    /// At least this long between the end of one sweep and the start of the next.
    pub cooldown: Duration,
    /// Cameras at a time.
    pub concurrency: u16,
    /// No sweeps while true.
    pub suspend: bool,
    /// No sweeps start within these times of day.
    pub quiet_hours: Vec<DayWindow>,
}

/// A span of the day in the server's time zone; over midnight when `from` is later than `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayWindow {
    /// First minute of the span.
    pub from: jiff::civil::Time,
    /// First minute after the span.
    pub to: jiff::civil::Time,
}

/// One video source.
#[derive(Debug, Clone, PartialEq)]
pub struct Camera {
    /// Its name.
    pub name: CameraName,
    /// What people call it; the name where the manifest gives none.
    pub display_name: Arc<str>,
    /// Labels of `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// The subnet that sweeps it.
    pub subnet: SubnetName,
    /// Its make.
    pub family: FamilyName,
    /// Its address.
    pub address: IpAddr,
    /// The port of streams that are given as a path; others carry their own in the URL.
    pub port: u16,
    /// Where its main stream is.
    pub main: Option<SourceUrl>,
    /// Where its sub stream is.
    pub sub: Option<SourceUrl>,
    /// Where the camera itself hands out a JPEG.
    pub snapshot_url: Option<SourceUrl>,
    /// User and password.
    pub credentials: Option<Credentials>,
    /// Whether it takes part at all.
    pub enabled: bool,
    /// Keep the live session open without a viewer.
    pub always_on: bool,
    /// How pictures are taken.
    pub capture: CaptureSpec,
    /// Weight in the suggestion, 0-10.
    pub suggest_weight: u8,
    /// Its detector; `None` for no detection.
    pub detector: Option<DetectorName>,
    /// Settings of the built-in motion detector.
    pub motion: MotionSpec,
    /// Free text and tags for the detector.
    pub context: Option<serde_json::Value>,
    /// Changes whenever anything that a capture depends on changes.
    pub spec_digest: u64,
}

impl Camera {
    /// The device that captures go to: that of the capture stream, else that of the picture.
    pub fn device(&self) -> Device {
        let stream = self.capture_stream().map(|(_, url)| url).or(self.snapshot_url.as_ref());
        stream.map_or(SocketAddr::new(self.address, self.port), |url| self.device_of(url))
    }

    /// The device that one of this camera's URLs is opened on.
    pub fn device_of(&self, url: &SourceUrl) -> Device {
        SocketAddr::new(self.address, url.port().unwrap_or(self.port))
    }

    /// Every device that this camera's streams and picture are opened on, each once, in order.
    pub fn devices(&self) -> BTreeSet<Device> {
        let urls = [&self.main, &self.sub, &self.snapshot_url];
        urls.into_iter().flatten().map(|url| self.device_of(url)).collect()
    }

    /// The device that `snapshotUrl` is on.
    pub fn snapshot_device(&self) -> Option<Device> {
        let url = self.snapshot_url.as_ref()?.expose();
        Some(SocketAddr::new(self.address, url.port_or_known_default()?))
    }

    /// The device that a capture opens first.
    pub fn capture_device(&self) -> Device {
        if self.capture_stream().is_some() {
            return self.device();
        }
        self.snapshot_device().unwrap_or_else(|| self.device())
    }

    /// The stream for captures: the declared profile, or the other where only that exists.
    pub fn capture_stream(&self) -> Option<(Profile, &SourceUrl)> {
        let main = self.main.as_ref().map(|url| (Profile::Main, url));
        let sub = self.sub.as_ref().map(|url| (Profile::Sub, url));
        match self.capture.stream {
            Profile::Main => main.or(sub),
            Profile::Sub => sub.or(main),
        }
    }
}

/// User name and password of a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub username: Arc<str>,
    /// The password, or why it could not be had (environment variable or file not readable).
    ///
    /// A password that cannot be had is this camera's own fault, not the manifest's: the set is
    /// applied and the camera shows it.
    pub password: Result<Secret, Arc<str>>,
}

/// Which of a camera's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// The high resolution.
    Main,
    /// The low resolution.
    Sub,
}

/// One way of taking a picture.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// The key frame of a live session that is open anyway.
    Live,
    /// The RTSP client inside the server.
    Native,
    /// go2rtc opens the stream.
    Gateway,
    /// A supervised ffmpeg opens the stream.
    Ffmpeg,
    /// The camera's own JPEG.
    Http,
}

impl Backend {
    /// The word of the manifest, of metrics and of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Native => "native",
            Self::Gateway => "gateway",
            Self::Ffmpeg => "ffmpeg",
            Self::Http => "http",
        }
    }

    /// Whether a capture this way starts a process.
    pub fn starts_child(self) -> bool {
        match self {
            Self::Ffmpeg => true,
            Self::Live | Self::Native | Self::Gateway | Self::Http => false,
        }
    }
}

/// How pictures of a camera are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureSpec {
    /// Tried in turn; what does not apply is skipped.
    pub order: Vec<Backend>,
    /// Which stream.
    pub stream: Profile,
    /// The one deadline over all backends.
    pub timeout: Duration,
    /// RTP over the RTSP connection, or over UDP.
    pub transport: Transport,
}

/// How RTP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Interleaved in the RTSP connection.
    Tcp,
    /// In datagrams of its own.
    Udp,
}

/// Settings of the built-in motion detector.
#[derive(Debug, Clone, PartialEq)]
pub struct MotionSpec {
    /// 1 (only large changes) to 10 (small ones too).
    pub sensitivity: u8,
    /// Areas to leave out: `[x, y, width, height]` as shares of the picture, 0 to 1.
    pub masks: Vec<[f64; 4]>,
}

/// What decides that a frame shows something.
#[derive(Debug, Clone, PartialEq)]
pub enum Detector {
    /// Built in: compares the picture with the one before.
    Motion {
        /// Share of the picture that must change, 0 to 1.
        threshold: f64,
    },
    /// An HTTP endpoint.
    Http {
        /// Where it is.
        url: SourceUrl,
        /// What it speaks.
        format: DetectorFormat,
        /// Least confidence, 0 to 1.
        threshold: f64,
        /// Longest wait for an answer.
        timeout: Duration,
        /// Requests at once.
        concurrency: u16,
        /// From the endpoint's labels to primary events.
        map: BTreeMap<String, String>,
    },
}

/// What an HTTP detector speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DetectorFormat {
    /// `DeepStack` and `CodeProject.AI`.
    Deepstack,
    /// Multipart with the previous and the current frame and the camera's context.
    Multipart,
}

/// Where events go.
#[derive(Debug, Clone, PartialEq)]
pub struct Notifier {
    /// Where the webhook is.
    pub url: SourceUrl,
    /// Signs the body, where given; or why it could not be had.
    pub secret: Option<Result<Secret, Arc<str>>>,
    /// Least severity.
    pub severity: u8,
    /// Primary events; empty for all.
    pub kinds: Vec<String>,
    /// Cameras; empty for all.
    pub cameras: Vec<CameraName>,
    /// Per camera and kind.
    pub cooldown: Duration,
    /// Tries after the first.
    pub retries: u16,
}

/// How long rows and files live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Time of day of the daily pass, in the server's time zone.
    pub at: jiff::civil::Time,
    /// Frames without an event.
    pub no_event_frames: Duration,
    /// Events and their frames.
    pub events: Duration,
    /// Notifications.
    pub notifications: Duration,
    /// Admission measurements as taken.
    pub admission_raw: Duration,
    /// Admission measurements as hourly means.
    pub admission_hourly: Duration,
    /// Sweep records.
    pub sweeps: Duration,
    /// Applied sets of manifests.
    pub config_revisions: Duration,
    /// Bytes of frame files on disk.
    pub max_bytes: u64,
}

/// Where a secret of the server itself comes from (TLS keys are files by nature).
pub type SecretFile = PathBuf;
