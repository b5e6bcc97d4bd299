//! `Server` as it is written.
//!
//! Which settings go together is decided in `resolve`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address::Listen;
use crate::manifest::quantity::{Length, Number, Percent, Share, Size, Whole};
use crate::manifest::text::TimeOfDay;

/// Settings of this instance.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServerFields {
    /// Where HTTP listens.
    pub listen: Listen,
    /// Where files live; relative to the directory that the server was started in.
    pub data_dir: String,
    /// IANA name such as `Asia/Tokyo` for times of day, or `local` for the host's.
    pub timezone: String,
    /// The database.
    pub store: StoreFields,
    /// Live video.
    pub live: LiveFields,
    /// go2rtc.
    pub gateway: GatewayFields,
    /// Who may watch how much.
    pub admission: AdmissionFields,
    /// The suggested camera.
    pub suggest: SuggestFields,
    /// Bounds of caches in memory.
    pub buffers: BufferFields,
    /// Watching this host's memory.
    pub monitor: MonitorFields,
    /// Child processes.
    pub processes: ProcessFields,
    /// Planned refreshes.
    pub refresh: RefreshFields,
    /// When a new set of manifests waits for confirmation.
    pub removal_guard: GuardFields,
    /// Who may use the server.
    pub auth: AuthFields,
    /// Certificate and key; both or neither.
    pub tls: TlsFields,
}

impl Default for ServerFields {
    fn default() -> Self {
        Self {
            listen: Listen(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080)),
            data_dir: "./data".to_owned(),
            timezone: "local".to_owned(),
            store: StoreFields::default(),
            live: LiveFields::default(),
            gateway: GatewayFields::default(),
            admission: AdmissionFields::default(),
            suggest: SuggestFields::default(),
            buffers: BufferFields::default(),
            monitor: MonitorFields::default(),
            processes: ProcessFields::default(),
            refresh: RefreshFields::default(),
            removal_guard: GuardFields::default(),
            auth: AuthFields::default(),
            tls: TlsFields::default(),
        }
    }
}

/// Declares a struct of fields with their defaults.
macro_rules! fields {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty = $default:expr,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
        pub struct $name { $($(#[$doc])* pub $field: $type,)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}

fields! {
    /// The database.
    StoreFields {
        /// `sqlite://FILE`, relative to the data directory, or `mysql://USER@HOST/DATABASE`.
        url: String = "sqlite://camserver.db".to_owned(),
        /// Whether the server counts as ready only while the database answers.
        required: bool = true,
    }
}

fields! {
    /// Live video.
    LiveFields {
        /// Who opens live sessions.
        engine: EngineWord = EngineWord::Native,
        /// Offer WebRTC.
        webrtc: bool = false,
        /// Offer HLS.
        hls: bool = false,
    }
}

/// Who opens live sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum EngineWord {
    /// The server itself.
    Native,
    /// go2rtc.
    Go2rtc,
}

fields! {
    /// go2rtc.
    GatewayFields {
        /// Whether the server starts and ends it; not together with `url`.
        managed: bool = true,
        /// The program.
        binary: String = "go2rtc".to_owned(),
        /// The API of a go2rtc that runs elsewhere, http or https.
        url: Option<String> = None,
    }
}

fields! {
    /// Who may watch how much.
    AdmissionFields {
        /// Units in all. A sub stream costs 1, a main stream 2.
        total_units: Whole<1, 100_000> = Whole(50),
        /// Units that the server itself uses.
        baseline_units: Whole<0, 100_000> = Whole(5),
        /// Users whose suggestion stream is always paid for.
        reserved_users: Whole<0, 100_000> = Whole(10),
        /// Life of a live view without renewal.
        lease_ttl: Length<10_000, 86_400_000> = Length(300_000),
        /// From one sign of life of a viewer to the next.
        heartbeat: Length<1_000, 600_000> = Length(30_000),
        /// A view without a sign of life for this long ends; longer than `heartbeat`.
        grace: Length<1_000, 3_600_000> = Length(45_000),
        /// When the host counts as overloaded.
        overload: OverloadFields = OverloadFields::default(),
    }
}

fields! {
    /// When the host counts as overloaded, and when it no longer does.
    OverloadFields {
        /// Mean over 30 s.
        cpu_percent: Percent = Number(85.0),
        /// Memory in use.
        memory_percent: Percent = Number(90.0),
        /// Swapping in for 30 s.
        swap_in_bytes_per_second: Size<1, { 1 << 40 }> = Size(1 << 20),
        /// Below this it is over; below `cpuPercent`.
        recover_cpu_percent: Percent = Number(60.0),
        /// Below this it is over; below `memoryPercent`.
        recover_memory_percent: Percent = Number(70.0),
        /// For this long.
        recover_after: Length<0, 3_600_000> = Length(60_000),
    }
}

fields! {
    /// The suggested camera.
    SuggestFields {
        /// Whether there is a suggestion.
        enabled: bool = true,
        /// Score at which one starts.
        start: Number<0, 100_000> = Number(50.0),
        /// A rival must be this many times better.
        switch_ratio: Number<1, 100> = Number(1.2),
        /// How long one stands without news.
        ttl: Length<1_000, 3_600_000> = Length(60_000),
        /// Rest after a hazard cleared.
        cooldown: Length<0, 3_600_000> = Length(10_000),
    }
}

fields! {
    /// Bounds of caches in memory.
    BufferFields {
        /// Events.
        events: Whole<10, 100_000> = Whole(2_000),
        /// Frames.
        frames: Whole<1, 100_000> = Whole(1_000),
        /// Thumbnails for each camera.
        thumbnails_per_camera: Whole<1, 10_000> = Whole(100),
        /// Frames and thumbnails together.
        bytes: Size<{ 1 << 20 }, { 1 << 40 }> = Size(64 << 20),
    }
}

fields! {
    /// Watching this host's memory.
    MonitorFields {
        /// Percent in use that draws a warning.
        memory_warning: Percent = Number(80.0),
        /// Percent in use that is critical; above `memoryWarning`.
        memory_critical: Percent = Number(90.0),
        /// From one look to the next.
        interval: Length<1_000, 3_600_000> = Length(60_000),
    }
}

fields! {
    /// Child processes.
    ProcessFields {
        /// The ffmpeg program.
        ffmpeg: String = "ffmpeg".to_owned(),
        /// A capture child older than this is killed, whoever owns it.
        max_age: Length<10_000, 86_400_000> = Length(300_000),
        /// Children at once.
        max_children: Whole<1, 1_000> = Whole(16),
    }
}

fields! {
    /// Planned refreshes.
    RefreshFields {
        /// Time of day at which the page reloads itself.
        page: TimeOfDay = TimeOfDay::hour(3),
    }
}

fields! {
    /// When a new set of manifests waits for confirmation: when it removes more than the larger
    /// of the two.
    GuardFields {
        /// Removing up to this many objects never waits.
        min_objects: Whole<0, 1_000_000> = Whole(3),
        /// Removing up to this share of the objects never waits.
        max_share: Share = Number(0.3),
    }
}

fields! {
    /// Who may use the server.
    AuthFields {
        /// How users are known.
        mode: AuthWord = AuthWord::Auto,
    }
}

/// How users are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum AuthWord {
    /// Nobody needs to log in on loopback; beyond it the server refuses to start without users.
    Auto,
    /// Nobody needs to log in anywhere.
    None,
    /// Everybody logs in.
    Users,
}

fields! {
    /// Certificate and key.
    TlsFields {
        /// Certificate chain, PEM.
        cert_file: Option<String> = None,
        /// Private key, PEM.
        key_file: Option<String> = None,
    }
}
