//! Connections to devices, and leases: the rights to them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Time, View};
use crate::model::desired::Device;
use crate::model::observed::{self, ConnectionOwner};
use crate::model::slot::{Slot, SlotState};

/// One TCP connection of this host to a declared device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Connection {
    /// The device.
    pub device: String,
    /// The camera that it was opened for, or the only one on the device.
    pub camera: Option<String>,
    /// This side.
    pub local: String,
    /// The other side.
    pub remote: String,
    /// State of the socket, as `ss` names it.
    pub state: Cow<'static, str>,
    /// The process, where it is known.
    pub pid: Option<u32>,
    /// `slot/NUMBER`, `stray`, `foreign` or `unattributable`.
    pub owner: String,
    /// The program of a foreign one.
    pub command: Option<String>,
    /// When it was first seen.
    pub since: Time,
}

/// One right to a connection, or to a live view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// Its number; of a live view, a short name that is no secret.
    pub id: String,
    /// `slot`, or of a live view `modal` or `suggest`.
    pub kind: Cow<'static, str>,
    /// On whose behalf; null for one that a run before this one left behind.
    pub camera: Option<String>,
    /// Of a live view: who watches. Other browsers than the one that asks are told apart by a digest
    /// of their cookie.
    pub user: Option<String>,
    /// Of a live view: `sub` or `main`.
    pub quality: Option<String>,
    /// The device.
    pub device: String,
    /// `sweep`, `suggest` or `modal`.
    pub purpose: Option<Cow<'static, str>>,
    /// `held`, `closing` or `quarantined`; of a live view `watched` or `waiting` (for its socket).
    pub state: Cow<'static, str>,
    /// Since when.
    pub created_at: Time,
    /// When it ends by itself.
    pub expires_at: Option<Time>,
    /// Of a live view.
    pub last_heartbeat_at: Option<Time>,
}

impl View {
    /// One connection.
    pub fn connection(&self, connection: &observed::Connection) -> Connection {
        let (owner, pid, command) = match &connection.owner {
            ConnectionOwner::Slot(id) => (format!("slot/{id}"), Some(std::process::id()), None),
            ConnectionOwner::Stray => ("stray".to_owned(), Some(std::process::id()), None),
            ConnectionOwner::Child { process, unit } => (unit.to_string(), Some(process.pid), None),
            ConnectionOwner::Foreign { pid, command } => {
                ("foreign".to_owned(), Some(*pid), Some(self.text(command)))
            }
            ConnectionOwner::Unattributable => ("unattributable".to_owned(), None, None),
        };
        Connection {
            device: connection.device.to_string(),
            camera: self.camera_of(connection),
            local: connection.local.to_string(),
            remote: connection.device.to_string(),
            state: connection.state.as_str().into(),
            pid,
            owner,
            command,
            since: self.wall(connection.since),
        }
    }

    /// One slot, as a lease.
    pub fn lease(&self, slot: &Slot) -> Lease {
        let holder = slot.holder.as_ref();
        let expires_at = match slot.state {
            SlotState::Quarantined { until } => Some(self.wall(until)),
            SlotState::Held | SlotState::Closing { .. } => None,
        };
        Lease {
            id: slot.id.to_string(),
            kind: "slot".into(),
            camera: holder.map(|holder| holder.camera.as_str().to_owned()),
            user: None,
            quality: None,
            device: slot.device.to_string(),
            purpose: holder.map(|holder| holder.purpose.as_str().into()),
            state: slot.state.as_str().into(),
            created_at: self.wall(slot.since),
            expires_at,
            last_heartbeat_at: None,
        }
    }

    fn camera_of(&self, connection: &observed::Connection) -> Option<String> {
        let holder = match connection.owner {
            ConnectionOwner::Slot(id) => {
                self.snapshot.slots.iter().find(|slot| slot.id == id)?.holder.as_ref()
            }
            ConnectionOwner::Child { ref unit, .. } => {
                return unit.camera().map(|name| name.as_str().to_owned());
            }
            ConnectionOwner::Stray
            | ConnectionOwner::Foreign { .. }
            | ConnectionOwner::Unattributable => None,
        };
        let name = holder.map(|h| &h.camera).or_else(|| self.only_camera(connection.device))?;
        Some(name.as_str().to_owned())
    }

    fn only_camera(&self, device: Device) -> Option<&crate::model::names::CameraName> {
        match self.snapshot.desired.devices.get(&device)?.cameras.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }
}
