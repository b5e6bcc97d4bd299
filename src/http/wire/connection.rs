//! Connections to devices, and leases: the rights to them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Time, View};
use crate::model::desired::Device;
use crate::model::observed::{self, ConnectionOwner};
use crate::model::process::Unit;
use crate::model::slot::{Purpose, Slot, SlotId, SlotState};

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
    /// The process, where it is known: this server itself for `capture` and `engine`, unless a
    /// child opened the connection without the relay; null for `ghost` and `unattributable`.
    pub pid: Option<u32>,
    /// Whose it is. `capture`: this server's, for one picture. `engine`: this server's, for live
    /// video. `ghost`: closed by its process, kept by the kernel until the camera answers.
    /// `stray`: this server's, without a slot; one that is just being opened or closed.
    /// `foreign`: of a process that this server did not start. `unattributable`: of no process
    /// that this server may see.
    pub owner: Cow<'static, str>,
    /// Number of the slot that gives the right to it (`/leases`); null where none does.
    pub slot: Option<String>,
    /// What that slot is for: `sweep`, `suggest` or `modal`.
    pub purpose: Option<Cow<'static, str>>,
    /// Name of the process's program, at most 15 bytes.
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
    /// Of a slot: `held`; `closing` (its holder is done, the socket was not seen gone);
    /// `quarantined` (the socket is gone, but the camera may not know). Of a live view: `watched`,
    /// or `waiting` for its socket.
    pub state: Cow<'static, str>,
    /// Of a slot: this side of its connection, once there is one.
    pub local: Option<String>,
    /// Of a slot that is held: the process that uses it, this server or its child.
    pub pid: Option<u32>,
    /// Name of that process's program.
    pub command: Option<String>,
    /// Since when.
    pub created_at: Time,
    /// When it ends by itself.
    pub expires_at: Option<Time>,
    /// Of a live view.
    pub last_heartbeat_at: Option<Time>,
}

impl View {
    /// One connection; `None` when it has ended since it was seen. That is known of one whose slot
    /// has come back: none does before the kernel has forgotten the socket.
    pub fn connection(&self, connection: &observed::Connection) -> Option<Connection> {
        let slot = match connection.owner {
            ConnectionOwner::Slot(id) => Some(self.slot(id)?),
            ConnectionOwner::Stray
            | ConnectionOwner::Child { .. }
            | ConnectionOwner::Foreign { .. }
            | ConnectionOwner::Unattributable => None,
        };
        let (owner, user) = self.owner(connection, slot);
        let holder = slot.and_then(|slot| slot.holder.as_ref());
        Some(Connection {
            device: connection.device.to_string(),
            camera: self.camera_of(connection),
            local: connection.local.to_string(),
            remote: connection.device.to_string(),
            state: connection.state.as_str().into(),
            pid: user.as_ref().map(|user| user.pid),
            owner: owner.into(),
            slot: slot.map(|slot| slot.id.to_string()),
            purpose: holder.map(|holder| holder.purpose.as_str().into()),
            command: user.and_then(|user| user.command),
            since: self.wall(connection.since),
        })
    }

    fn owner(
        &self,
        connection: &observed::Connection,
        slot: Option<&Slot>,
    ) -> (&'static str, Option<User>) {
        if connection.inode == 0 {
            return ("ghost", None);
        }
        match &connection.owner {
            ConnectionOwner::Slot(_) => {
                let holder = slot.and_then(|slot| slot.holder.as_ref());
                let word = holder.map_or("ghost", |holder| by_purpose(holder.purpose));
                (word, Some(User::this_server()))
            }
            ConnectionOwner::Stray => ("stray", Some(User::this_server())),
            ConnectionOwner::Child { process, unit } => {
                let word = match unit {
                    Unit::Capture(_) => "capture",
                    Unit::Gateway(_) | Unit::Probe => "engine",
                };
                let table = self.snapshot.processes.fresh();
                let known = table.and_then(|table| table.get(*process));
                let command = known.and_then(|process| self.program(&process.command));
                (word, Some(User { pid: process.pid, command }))
            }
            ConnectionOwner::Foreign { pid, command } => {
                ("foreign", Some(User { pid: *pid, command: self.program(command) }))
            }
            ConnectionOwner::Unattributable => ("unattributable", None),
        }
    }

    /// A program's name; it cannot always be read.
    fn program(&self, name: &str) -> Option<String> {
        (!name.is_empty()).then(|| self.text(name))
    }

    fn slot(&self, id: SlotId) -> Option<&Slot> {
        self.snapshot.slots.iter().find(|slot| slot.id == id)
    }

    /// Who uses a slot: the child that captures its camera goes through the relay.
    fn user(&self, slot: &Slot) -> Option<User> {
        let holder = slot.holder.as_ref().filter(|_| slot.state == SlotState::Held)?;
        let child = match holder.purpose {
            Purpose::Sweep => self
                .snapshot
                .processes
                .fresh()
                .and_then(|table| table.capturing(&holder.camera, &self.snapshot.run.instance)),
            Purpose::Suggest | Purpose::Modal => None,
        };
        Some(child.map_or_else(User::this_server, |child| User {
            pid: child.id.pid,
            command: self.program(&child.command),
        }))
    }

    /// One slot, as a lease.
    pub fn lease(&self, slot: &Slot) -> Lease {
        let holder = slot.holder.as_ref();
        let expires_at = match slot.state {
            SlotState::Quarantined { until } => Some(self.wall(until)),
            SlotState::Held | SlotState::Closing { .. } => None,
        };
        let user = self.user(slot);
        Lease {
            id: slot.id.to_string(),
            kind: "slot".into(),
            camera: holder.map(|holder| holder.camera.as_str().to_owned()),
            user: None,
            quality: None,
            device: slot.device.to_string(),
            purpose: holder.map(|holder| holder.purpose.as_str().into()),
            state: slot.state.as_str().into(),
            local: slot.local.map(|local| local.to_string()),
            pid: user.as_ref().map(|user| user.pid),
            command: user.and_then(|user| user.command),
            created_at: self.wall(slot.since),
            expires_at,
            last_heartbeat_at: None,
        }
    }

    /// The camera that a connection serves, or the only one on its device.
    pub(super) fn camera_of(&self, connection: &observed::Connection) -> Option<String> {
        let holder = match connection.owner {
            ConnectionOwner::Slot(id) => self.slot(id)?.holder.as_ref(),
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

/// A process behind a connection or a slot.
struct User {
    pid: u32,
    command: Option<String>,
}

impl User {
    fn this_server() -> Self {
        Self { pid: std::process::id(), command: Some(env!("CARGO_PKG_NAME").to_owned()) }
    }
}

fn by_purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Sweep => "capture",
        Purpose::Suggest | Purpose::Modal => "engine",
    }
}
