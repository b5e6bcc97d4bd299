//! `Camera`, `CameraFamily` and `Subnet` as they are written.
//!
//! What a stream path means is decided in `resolve`, which knows address and port.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address::{Address, Cidr};
use super::{Label, SecretFrom};
use crate::manifest::quantity::{Length, Share, Whole};
use crate::manifest::text::Window;
use crate::model::desired::{Backend, Profile, Transport};

/// How many connections a make of camera tolerates.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FamilyFields {
    /// Connections at once.
    pub max_connections: Whole<1, 1_000>,
    /// From the end of a connection to the next one, per device.
    pub min_reconnect_interval: Length<0, 3_600_000>,
    /// How long a connection counts on after an end that the camera did not acknowledge.
    pub quarantine: Length<0, 3_600_000>,
    /// Nothing else may use the device's stream while it is in use.
    pub exclusive: bool,
}

impl Default for FamilyFields {
    fn default() -> Self {
        Self {
            max_connections: Whole(2),
            min_reconnect_interval: Length(0),
            quarantine: Length(10_000),
            exclusive: false,
        }
    }
}

/// Cameras that are swept together.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SubnetFields {
    /// The network that the cameras' addresses lie in.
    #[schemars(required)]
    pub cidr: Option<Cidr>,
    /// Schedule.
    pub sweep: SweepFields,
}

/// When and how a subnet is swept.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SweepFields {
    /// From the start of one sweep to the start of the next.
    pub interval: Length<1_000, 86_400_000>,
    /// At least this long from the end of one sweep to the start of the next.
    pub cooldown: Length<0, 86_400_000>,
    /// Cameras at a time.
    pub concurrency: Whole<1, 256>,
    /// No sweeps while true.
    pub suspend: bool,
    /// Spans of the day in which no sweep starts, such as "22:00-05:00".
    pub quiet_hours: Vec<Window>,
}

impl Default for SweepFields {
    fn default() -> Self {
        Self {
            interval: Length(60_000),
            cooldown: Length(15_000),
            concurrency: Whole(1),
            suspend: false,
            quiet_hours: Vec::new(),
        }
    }
}

/// One video source.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CameraFields {
    /// What people call it; the name where this is not given.
    pub display_name: Option<String>,
    /// Name of the `Subnet` that sweeps it.
    #[schemars(required)]
    pub subnet: Option<Label>,
    /// Name of its `CameraFamily`.
    pub family: Label,
    /// IP address, inside the subnet's network.
    #[schemars(required)]
    pub address: Option<Address>,
    /// Port of RTSP, for streams that are given as a path.
    pub port: Whole<1, 65_535>,
    /// Where its video is; one of the two is enough.
    pub streams: StreamFields,
    /// Where the camera itself hands out a JPEG: an http or https URL on its address.
    pub snapshot_url: Option<String>,
    /// User and password.
    pub credentials: Option<CredentialFields>,
    /// Whether it takes part at all.
    pub enabled: bool,
    /// Keep the live session open without a viewer.
    pub always_on: bool,
    /// How pictures are taken.
    pub capture: CaptureFields,
    /// Its part in the suggestion.
    pub suggest: WeightFields,
    /// Name of a `Detector`; `none` for no detection.
    pub detector: Label,
    /// Settings of the built-in motion detector.
    pub motion: MotionFields,
    /// Free text and tags for the detector.
    pub context: Option<serde_json::Value>,
}

impl Default for CameraFields {
    fn default() -> Self {
        Self {
            display_name: None,
            subnet: None,
            family: Label::known("unknown"),
            address: None,
            port: Whole(554),
            streams: StreamFields::default(),
            snapshot_url: None,
            credentials: None,
            enabled: true,
            always_on: false,
            capture: CaptureFields::default(),
            suggest: WeightFields::default(),
            detector: Label::known("motion"),
            motion: MotionFields::default(),
            context: None,
        }
    }
}

/// Where a camera's video is: a path, or a whole URL on the camera's address.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StreamFields {
    /// The high resolution.
    pub main: Option<String>,
    /// The low resolution.
    pub sub: Option<String>,
}

/// User and password of a camera.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CredentialFields {
    /// User name.
    #[schemars(required)]
    pub username: Option<String>,
    /// Where the password comes from.
    pub password_from: Option<SecretFrom>,
    /// The password itself. Draws a warning: prefer `passwordFrom`.
    pub password: Option<String>,
}

/// How pictures are taken.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CaptureFields {
    /// Ways of taking a picture, tried in turn; what does not apply is skipped.
    #[schemars(with = "Vec<BackendWord>", length(min = 1))]
    pub order: Vec<Backend>,
    /// Which stream.
    pub stream: ProfileWord,
    /// One deadline over all ways.
    pub timeout: Length<1_000, 300_000>,
    /// How RTP travels.
    pub transport: TransportWord,
}

impl Default for CaptureFields {
    fn default() -> Self {
        Self {
            order: vec![Backend::Live, Backend::Native, Backend::Ffmpeg, Backend::Http],
            stream: ProfileWord::Sub,
            timeout: Length(30_000),
            transport: TransportWord::Tcp,
        }
    }
}

/// The words of `capture.order`, for the schema.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase", inline)]
#[expect(dead_code, reason = "only its schema is used; the reader is the model's own")]
enum BackendWord {
    Live,
    Native,
    Gateway,
    Ffmpeg,
    Http,
}

/// One of a camera's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum ProfileWord {
    /// The high resolution.
    Main,
    /// The low resolution.
    Sub,
}

impl From<ProfileWord> for Profile {
    fn from(word: ProfileWord) -> Self {
        match word {
            ProfileWord::Main => Self::Main,
            ProfileWord::Sub => Self::Sub,
        }
    }
}

/// How RTP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum TransportWord {
    /// Inside the RTSP connection.
    Tcp,
    /// In datagrams of its own.
    Udp,
}

impl From<TransportWord> for Transport {
    fn from(word: TransportWord) -> Self {
        match word {
            TransportWord::Tcp => Self::Tcp,
            TransportWord::Udp => Self::Udp,
        }
    }
}

/// A camera's part in the suggestion.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WeightFields {
    /// 0 (never suggested) to 10; scores are multiplied by a fifth of it.
    pub weight: Whole<0, 10>,
}

impl Default for WeightFields {
    fn default() -> Self {
        Self { weight: Whole(5) }
    }
}

/// Settings of the built-in motion detector.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MotionFields {
    /// 1 (only large changes) to 10 (small ones too).
    pub sensitivity: Whole<1, 10>,
    /// Areas to leave out: [x, y, width, height] as shares of the picture.
    pub masks: Vec<[Share; 4]>,
}

impl Default for MotionFields {
    fn default() -> Self {
        Self { sensitivity: Whole(5), masks: Vec::new() }
    }
}
