//! Leases of live views: what is asked for, what is granted, what others may know of them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::{Lease, Time, View};
use crate::live::Offers;
use crate::model::desired::Camera;
use crate::model::lease::{self, Quality};
use crate::model::time::Now;

/// Asks for a live view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LeaseRequest {
    /// Name of the camera.
    pub camera: String,
    /// Which stream: `sub` (the default) or `main`.
    #[serde(default)]
    #[schema(value_type = String, example = "sub")]
    pub quality: Quality,
    /// What the browser can decode, as `MediaSource.isTypeSupported` knows it (`avc1.640028`);
    /// nothing when it does not say. At most 32.
    #[serde(default)]
    pub codecs: Vec<String>,
    /// End the user's other view for it.
    #[serde(default)]
    pub take_over: bool,
}

/// Asks for a view of the suggested camera; one that the user has ends for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SuggestLeaseRequest {
    /// Name of the camera.
    pub camera: String,
    /// What the browser can decode; nothing when it does not say. At most 32.
    #[serde(default)]
    pub codecs: Vec<String>,
}

/// A live view that is granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrantedLease {
    /// The lease's key: a secret, told to nobody else.
    pub id: String,
    /// Its name in lists.
    pub name: String,
    /// `modal` or `suggest`.
    pub kind: Cow<'static, str>,
    /// Name of the camera.
    pub camera: String,
    /// `sub` or `main`.
    pub quality: Cow<'static, str>,
    /// When it ends unless it is renewed; for a view of the suggestion, unless it is heard of.
    pub expires_at: Time,
    /// Between two heartbeats.
    pub heartbeat_seconds: u64,
    /// Without one for so long it ends.
    pub grace_seconds: u64,
    /// Now, as the server's clock has it.
    pub server_time: Time,
    /// Path of the live socket.
    pub ws: String,
    /// How the media may come, the one to be tried first in front: `mse`, `webrtc`, `hls`.
    pub transports: Vec<Cow<'static, str>>,
    /// Path of the socket for WebRTC, where it is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webrtc: Option<String>,
    /// Path of the playlist, where HLS is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hls: Option<String>,
}

impl View {
    /// A granted or renewed lease, for whom it belongs to.
    pub fn granted(
        &self,
        lease: &lease::Lease,
        key: &str,
        offers: Offers,
        now: Now,
    ) -> GrantedLease {
        let all = [("mse", true), ("webrtc", offers.webrtc), ("hls", offers.hls)];
        let transports = all.into_iter().filter(|(_, is)| *is).map(|(name, _)| name.into());
        let spec = &self.snapshot.desired.server.admission;
        GrantedLease {
            id: key.to_owned(),
            name: lease.id.short().to_owned(),
            kind: lease.kind.as_str().into(),
            camera: lease.camera.as_str().to_owned(),
            quality: lease.quality.as_str().into(),
            expires_at: now.wall_at(lease.expires).into(),
            heartbeat_seconds: spec.heartbeat.as_secs().max(1),
            grace_seconds: spec.grace.as_secs().max(1),
            server_time: now.wall.into(),
            ws: format!("/live/{key}/ws"),
            transports: transports.collect(),
            webrtc: offers.webrtc.then(|| format!("/live/{key}/ws?transport=webrtc")),
            hls: offers.hls.then(|| format!("/live/{key}/stream.m3u8")),
        }
    }

    /// A live view's lease, for everybody; `asker` sees the own name on the own ones.
    pub fn live_lease(&self, lease: &lease::Lease, asker: &str, now: Now) -> Lease {
        let camera = self.snapshot.desired.cameras.get(&lease.camera);
        let device = camera.and_then(|camera| device(camera, lease.quality));
        Lease {
            id: lease.id.short().to_owned(),
            kind: lease.kind.as_str().into(),
            camera: Some(lease.camera.as_str().to_owned()),
            user: Some(shown(&lease.user, asker)),
            quality: Some(lease.quality.as_str().to_owned()),
            device: device.unwrap_or_default(),
            local: None,
            pid: None,
            command: None,
            purpose: Some(lease.kind.as_str().into()),
            state: if lease.watched { "watched" } else { "waiting" }.into(),
            created_at: lease.created.into(),
            expires_at: Some(now.wall_at(lease.expires).into()),
            last_heartbeat_at: Some(now.wall_at(lease.heartbeat).into()),
        }
    }
}

fn device(camera: &Camera, quality: Quality) -> Option<String> {
    let url = match quality {
        Quality::Sub => camera.sub.as_ref(),
        Quality::Main => camera.main.as_ref(),
    };
    url.map(|url| camera.device_of(url).to_string())
}

/// A cookie is half of what somebody needs to take another's place: others see its digest.
fn shown(user: &str, asker: &str) -> String {
    if user == asker {
        return user.to_owned();
    }
    let digest = Sha256::digest(user.as_bytes());
    digest.iter().take(4).fold("client-".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}
