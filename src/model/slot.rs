//! Slots: the rights to one connection to a device, as others see them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;

use super::desired::Device;
use super::names::CameraName;
use super::time::Mono;

/// Number of a slot lease; never used twice in one run.
pub type SlotId = u64;

/// What a slot is wanted for. A later kind goes before an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// A capture of a sweep.
    Sweep,
    /// The suggestion pane.
    Suggest,
    /// Somebody's live view.
    Modal,
}

impl Purpose {
    /// The word of the API and of metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sweep => "sweep",
            Self::Suggest => "suggest",
            Self::Modal => "modal",
        }
    }
}

/// Who holds a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// On whose behalf.
    pub camera: CameraName,
    /// What for.
    pub purpose: Purpose,
}

/// What is connected to a device, beside what it tolerates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowd {
    /// Slots of this server that are not free.
    pub ours: u16,
    /// Connections that no slot answers for, as last observed.
    pub foreign: u16,
    /// The device's limit.
    pub limit: u16,
}

/// How a connection ended, as far as this side knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// No packet was sent.
    NeverConnected,
    /// The camera answered the TEARDOWN, closed its side, or refused the connection.
    Acknowledged,
    /// Reset by this side, or cut: the camera may believe that the session goes on.
    Unacknowledged,
}

/// Where a slot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotState {
    /// Taken; a socket may exist.
    Held,
    /// Its holder is done with it; the socket has not been seen gone.
    Closing {
        /// When the holder was done.
        since: Mono,
        /// How it ended.
        end: ConnectionEnd,
    },
    /// The socket is gone from this host, but the camera may not know.
    Quarantined {
        /// When the slot is free.
        until: Mono,
    },
}

impl SlotState {
    /// The word of the API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Closing { .. } => "closing",
            Self::Quarantined { .. } => "quarantined",
        }
    }
}

/// One slot that is not free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its number.
    pub id: SlotId,
    /// To which device.
    pub device: Device,
    /// Who has it; `None` for one that a run before this one left behind.
    pub holder: Option<Holder>,
    /// Since when.
    pub since: Mono,
    /// This side's address, from the moment of connecting.
    pub local: Option<SocketAddr>,
    /// Where it stands.
    pub state: SlotState,
}

/// What the slot keeper knows, for decisions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlotView {
    /// Slots that are not free.
    pub slots: Vec<Slot>,
    /// Connections of a device that belong to no slot, as last seen; none for devices that are
    /// not in it.
    pub others: BTreeMap<Device, u16>,
    /// When a connection to the device was last seen to end.
    pub ended: BTreeMap<Device, Mono>,
    /// When the connections of this host were last looked at; `None` before the first look.
    pub observed: Option<Mono>,
    /// The highest purpose that waits for a slot of the device; lower ones stand back.
    pub waiting: BTreeMap<Device, Purpose>,
    /// Every device rests until then: the host has just booted and cameras may believe in
    /// sessions from before.
    pub rest_until: Option<Mono>,
}

/// Why a slot was not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// All connections that the device tolerates are taken.
    Full {
        /// How many that is.
        limit: u16,
        /// Of ours, those in quarantine and closing included.
        ours: u16,
        /// Seen in the socket table and not ours.
        others: u16,
    },
    /// The device wants a rest between a socket's end and the next.
    Resting {
        /// Until then.
        until: Mono,
    },
    /// The device must not be shared while somebody uses it.
    Exclusive {
        /// Who does.
        holder: Option<Holder>,
    },
    /// Somebody of higher purpose waits for the slot.
    Wanted {
        /// For what.
        by: Purpose,
    },
    /// The device is in no manifest (any more).
    UnknownDevice,
    /// The connections of this host have not been observed yet.
    NotObserved,
}

impl Refusal {
    /// One CamelCase word; also the metric label.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Full { .. } => "Full",
            Self::Resting { .. } => "Resting",
            Self::Exclusive { .. } => "Exclusive",
            Self::Wanted { .. } => "Wanted",
            Self::UnknownDevice => "UnknownDevice",
            Self::NotObserved => "NotObserved",
        }
    }

    /// When asking again could be answered otherwise, by time alone.
    pub fn until(&self) -> Option<Mono> {
        match self {
            Self::Resting { until } => Some(*until),
            Self::Full { .. }
            | Self::Exclusive { .. }
            | Self::Wanted { .. }
            | Self::UnknownDevice
            | Self::NotObserved => None,
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full { limit, ours, others: 0 } => {
                write!(f, "all {limit} connections taken: {ours} by this server")
            }
            Self::Full { limit, ours, others } => write!(
                f,
                "all {limit} connections taken: {ours} by this server, {others} by other programs"
            ),
            Self::Resting { .. } => f.write_str("the device rests before its next connection"),
            Self::Exclusive { holder: Some(holder) } => {
                write!(f, "in exclusive use for {}", holder.purpose.as_str())
            }
            Self::Exclusive { holder: None } => f.write_str("in exclusive use"),
            Self::Wanted { by: Purpose::Modal } => f.write_str("a viewer waits for the camera"),
            Self::Wanted { by } => write!(f, "the camera is wanted for {}", by.as_str()),
            Self::UnknownDevice => f.write_str("the device is not declared"),
            Self::NotObserved => f.write_str("connections have not been observed yet"),
        }
    }
}
