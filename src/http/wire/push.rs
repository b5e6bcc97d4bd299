//! The messages of `/ws`, from the server to the browser.

use serde::{Deserialize, Serialize};

use super::{Camera, Event, Status, Subnet, Time};

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Push {
    /// The first.
    Hello {
        /// Another one means that the server has started anew.
        instance: String,
        /// Of the program.
        version: String,
        /// The newest event.
        seq: u64,
        /// Now.
        server_time: Time,
    },
    /// The second: everything as it is.
    Snapshot {
        /// The server.
        status: Box<Status>,
        /// All cameras.
        cameras: Vec<Camera>,
        /// All subnets.
        subnets: Vec<Subnet>,
        /// The suggestion; there is none yet.
        suggest: Option<serde_json::Value>,
        /// Events since the client was last here, or the newest; oldest first.
        events: Vec<Event>,
    },
    /// Something happened.
    Event {
        /// What.
        event: Event,
    },
    /// A camera is new or has changed.
    Camera {
        /// It.
        camera: Box<Camera>,
    },
    /// A camera is no longer declared.
    CameraRemoved {
        /// Which.
        name: String,
    },
    /// A subnet is new or has changed.
    Subnet {
        /// It.
        subnet: Box<Subnet>,
    },
    /// A subnet is no longer declared.
    SubnetRemoved {
        /// Which.
        name: String,
    },
    /// The server has changed.
    Status {
        /// It.
        status: Box<Status>,
    },
    /// Nothing happened, but the line works.
    Heartbeat {
        /// Now.
        server_time: Time,
    },
    /// The client must connect anew; nothing follows.
    Resync {
        /// Why: `slow`.
        reason: String,
    },
}
