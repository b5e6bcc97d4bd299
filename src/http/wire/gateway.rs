//! Gateways: how each go2rtc is that the server starts.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Condition, View};
use crate::model::names::SubnetName;

/// The gateway of one subnet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gateway {
    /// Its subnet.
    pub name: String,
    /// `up`, `silent` (its API did not answer at the last look), `starting` or `down`.
    pub state: Cow<'static, str>,
    /// Its process, while there is one.
    pub pid: Option<u32>,
    /// Its streams.
    pub streams: GatewayStreams,
    /// Starts after the first.
    pub restarts: u64,
    /// `Available`, `InSync`.
    pub conditions: Vec<Condition>,
}

/// How many streams a gateway has of those that it should have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GatewayStreams {
    /// Those that are wanted.
    pub desired: usize,
    /// Those of them that it has; null while that cannot be read.
    pub present: Option<usize>,
}

impl View {
    /// The gateway of a subnet, where the server starts one.
    pub fn gateway(&self, name: &SubnetName) -> Option<Gateway> {
        let status = self.snapshot.gateways.get(name)?;
        let seen = &status.seen;
        Some(Gateway {
            name: name.as_str().to_owned(),
            state: seen.state.as_str().into(),
            pid: seen.pid,
            streams: GatewayStreams { desired: seen.wanted.len(), present: seen.present() },
            restarts: seen.restarts.values().sum(),
            conditions: self.conditions(&status.conditions),
        })
    }
}
