//! The `Server` manifest: settings of this instance.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Settings of this instance.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerSpec {
    /// Where HTTP listens.
    pub listen: SocketAddr,
    /// Where files live.
    pub data_dir: PathBuf,
    /// The time zone for times of day.
    pub timezone: jiff::tz::TimeZone,
    /// The database.
    pub store: StoreSpec,
    /// Live video.
    pub live: LiveSpec,
    /// go2rtc.
    pub gateway: GatewaySpec,
    /// Who may watch how much.
    pub admission: AdmissionSpec,
    /// The suggested camera.
    pub suggest: SuggestSpec,
    /// Bounds of caches in memory.
    pub buffers: BufferSpec,
    /// Watching this host's memory.
    pub monitor: MonitorSpec,
    /// Child processes.
    pub processes: ProcessSpec,
    /// Time of day at which the page reloads itself.
    pub refresh_page: jiff::civil::Time,
    /// When a new set of manifests is held for confirmation.
    pub removal_guard: RemovalGuard,
    /// Who may use the server.
    pub auth: AuthMode,
    /// Certificate and key files, PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
}

/// The database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSpec {
    /// `sqlite://FILE` (relative to the data directory) or `mysql://...`.
    pub url: Arc<str>,
    /// Whether readiness needs it.
    pub required: bool,
}

/// Live video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSpec {
    /// Who opens live sessions.
    pub engine: Engine,
    /// Offer WebRTC.
    pub webrtc: bool,
    /// Offer HLS.
    pub hls: bool,
}

/// Who opens live sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The server itself.
    Native,
    /// go2rtc.
    Go2rtc,
}

/// go2rtc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewaySpec {
    /// Whether the server starts and ends it.
    pub managed: bool,
    /// The program.
    pub binary: PathBuf,
    /// An external one's API.
    pub url: Option<url::Url>,
}

impl GatewaySpec {
    /// Whether there is to be one, where something needs it.
    pub fn is_declared(&self) -> bool {
        self.managed || self.url.is_some()
    }
}

/// Who may watch how much.
#[derive(Debug, Clone, PartialEq)]
pub struct AdmissionSpec {
    /// Units in all.
    pub total_units: u32,
    /// Units that the server itself uses.
    pub baseline_units: u32,
    /// Users whose suggestion stream is always paid for.
    pub reserved_users: u32,
    /// Life of a modal lease.
    pub lease_ttl: Duration,
    /// Between heartbeats.
    pub heartbeat: Duration,
    /// Without a heartbeat for this long a lease ends.
    pub grace: Duration,
    /// When the host is overloaded.
    pub overload: OverloadSpec,
}

impl AdmissionSpec {
    /// Units left for modal views.
    pub fn modal_units(&self) -> u32 {
        self.total_units.saturating_sub(self.baseline_units).saturating_sub(self.reserved_users)
    }
}

/// When the host is overloaded, and when it no longer is.
#[derive(Debug, Clone, PartialEq)]
pub struct OverloadSpec {
    /// Mean of 30 s, percent.
    pub cpu_percent: f64,
    /// Percent of memory.
    pub memory_percent: f64,
    /// Swapping in for 30 s, bytes per second.
    pub swap_in_bytes_per_second: u64,
    /// Below this, percent.
    pub recover_cpu_percent: f64,
    /// Below this, percent.
    pub recover_memory_percent: f64,
    /// For this long.
    pub recover_after: Duration,
}

/// The suggested camera.
#[derive(Debug, Clone, PartialEq)]
pub struct SuggestSpec {
    /// Whether there is a suggestion.
    pub enabled: bool,
    /// Score at which one starts.
    pub start: f64,
    /// A rival must be this many times better.
    pub switch_ratio: f64,
    /// How long one stands without news.
    pub ttl: Duration,
    /// Rest after a hazard cleared.
    pub cooldown: Duration,
}

/// Bounds of caches in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BufferSpec {
    /// Events in the ring.
    pub events: usize,
    /// Frames in the cache.
    pub frames: usize,
    /// Thumbnails in the cache for each camera.
    pub thumbnails_per_camera: usize,
    /// Bytes of frames and thumbnails together.
    pub bytes: u64,
}

/// Watching this host's memory.
#[derive(Debug, Clone, PartialEq)]
pub struct MonitorSpec {
    /// Percent in use that draws a warning.
    pub memory_warning: f64,
    /// Percent in use that is critical.
    pub memory_critical: f64,
    /// Between looks.
    pub interval: Duration,
}

/// Child processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessSpec {
    /// The ffmpeg program.
    pub ffmpeg: PathBuf,
    /// Oldest capture child.
    pub max_age: Duration,
    /// Children at once.
    pub max_children: u16,
}

/// When a new set of manifests is held for confirmation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RemovalGuard {
    /// Removing up to this many objects is never held.
    pub min_objects: u32,
    /// Removing up to this share of the objects is never held.
    pub max_share: f64,
}

/// Who may use the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// Nobody needs to log in on loopback; refuses to start beyond it without users.
    Auto,
    /// Nobody needs to log in anywhere.
    None,
    /// Everybody logs in.
    Users,
}
