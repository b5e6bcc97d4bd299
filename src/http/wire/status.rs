//! The server as a whole.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Condition, HeldAction, Time, View};
use crate::model::condition::{ConditionType, Truth};
use crate::model::lease::{Lease, ViewKind};
use crate::model::process::{Process, ProcessState, ProcessTable};

/// The server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Of the program.
    pub version: Cow<'static, str>,
    /// Random, another one after each start.
    pub instance: String,
    /// When the program started.
    pub started_at: Time,
    /// Now.
    pub server_time: Time,
    /// Number of the set of manifests in force.
    pub generation: u64,
    /// Its git commit.
    pub revision: Option<String>,
    /// Whether the newest set is in force.
    pub config_valid: bool,
    /// Cameras.
    pub cameras: CameraCounts,
    /// Connections of this host to declared devices, and what the devices tolerate together;
    /// `used` is null while connections cannot be observed.
    pub connections: Usage,
    /// Child processes that run, and how many may run at once; `used` is null while processes
    /// cannot be observed.
    pub children: Usage,
    /// Processes of this server that the loop had to end since the start, for any reason.
    pub orphans_killed: u64,
    /// Units of the budget for live views: a view of a `sub` stream takes one, of a `main` stream
    /// two.
    pub live_views: Usage,
    /// Views of the suggestion, and how many the reserve pays for.
    pub suggest_viewers: Usage,
    /// Why no live view is granted at the moment; null while they are.
    pub overload: Option<String>,
    /// Resident memory; null while it cannot be read.
    pub memory_bytes: Option<u64>,
    /// The sweep that starts next.
    pub next_sweep: Option<NextSweep>,
    /// Whether every part works as declared.
    pub health: Health,
    /// The server's own conditions.
    pub conditions: Vec<Condition>,
    /// What is wanted but not done yet.
    pub held: Vec<HeldAction>,
    /// Time of day at which the page reloads itself.
    pub refresh_page: String,
}

/// Numbers of cameras.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CameraCounts {
    /// Declared.
    pub total: usize,
    /// `Ready`.
    pub ready: usize,
    /// Taking part.
    pub enabled: usize,
}

/// What is used of a bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// In use; null while not known.
    pub used: Option<usize>,
    /// The bound.
    pub limit: u64,
}

/// The sweep that starts next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NextSweep {
    /// Of which subnet.
    pub subnet: String,
    /// When.
    pub at: Time,
}

/// Whether every part works as declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `True`, `False` or `Unknown`.
    pub status: Cow<'static, str>,
    /// One CamelCase word.
    pub reason: Cow<'static, str>,
    /// One sentence.
    pub message: String,
}

fn children(table: &ProcessTable) -> usize {
    let runs =
        |process: &&Process| process.mark().is_some() && process.state != ProcessState::Zombie;
    table.processes.iter().filter(runs).count()
}

impl View {
    /// The server at this moment.
    pub fn status(&self, server_time: jiff::Timestamp) -> Status {
        let s = &*self.snapshot;
        let limit = s.desired.devices.values().map(|d| u64::from(d.max_connections)).sum();
        let connections = s.connections.fresh().map(|seen| seen.len());
        let next = s
            .subnets
            .iter()
            .filter_map(|(name, subnet)| Some((subnet.next_sweep?, name)))
            .min()
            .map(|(at, name)| NextSweep { subnet: name.as_str().to_owned(), at: self.wall(at) });
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            instance: s.run.instance.clone(),
            started_at: s.run.started.wall.into(),
            server_time: server_time.into(),
            generation: s.config.generation,
            revision: s.config.revision.clone(),
            config_valid: s.config.valid,
            cameras: self.camera_counts(),
            connections: Usage { used: connections, limit },
            children: Usage {
                used: s.processes.fresh().map(|table| children(table)),
                limit: u64::from(s.desired.server.processes.max_children),
            },
            orphans_killed: s.orphans_killed.values().sum(),
            live_views: Usage {
                used: Some(self.leased(ViewKind::Modal, |lease| lease.quality.units() as usize)),
                limit: u64::from(s.desired.server.admission.modal_units()),
            },
            suggest_viewers: Usage {
                used: Some(self.leased(ViewKind::Suggest, |_| 1)),
                limit: u64::from(s.desired.server.admission.reserved_users),
            },
            overload: s.overload.map(|overload| overload.to_string()),
            memory_bytes: s.host.fresh().map(|host| host.resident_bytes),
            next_sweep: next,
            health: self.health(),
            conditions: self.conditions(&s.conditions),
            held: self.held(&s.plan),
            refresh_page: s.desired.server.refresh_page.strftime("%H:%M").to_string(),
        }
    }

    fn leased(&self, kind: ViewKind, weight: impl Fn(&Lease) -> usize) -> usize {
        let views = self.snapshot.leases.iter().filter(|lease| lease.kind == kind);
        views.map(weight).sum()
    }

    fn camera_counts(&self) -> CameraCounts {
        let s = &*self.snapshot;
        let ready = s.cameras.values().filter(|status| {
            let mut conditions = status.conditions.iter();
            conditions.any(|c| c.kind == ConditionType::Ready && c.status == Truth::True)
        });
        CameraCounts {
            total: s.cameras.len(),
            ready: ready.count(),
            enabled: s.desired.cameras.values().filter(|camera| camera.enabled).count(),
        }
    }

    fn health(&self) -> Health {
        let healthy = self.snapshot.conditions.iter().find(|c| c.kind == ConditionType::Healthy);
        match healthy {
            Some(condition) => Health {
                status: condition.status.as_str().into(),
                reason: condition.reason.into(),
                message: self.text(&condition.message),
            },
            None => Health {
                status: Truth::Unknown.as_str().into(),
                reason: "Starting".into(),
                message: "the first pass has not ended".to_owned(),
            },
        }
    }
}
