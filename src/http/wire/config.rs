//! The manifests: what is in force, what is wrong, what waits.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Time, View};
use crate::http::archive::ConfigRevision;

/// The manifests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// Number of the set in force.
    pub generation: u64,
    /// SHA-256 of the set in force.
    pub digest: String,
    /// Git commit of the set in force.
    pub revision: Option<String>,
    /// Since when.
    pub applied_at: Option<Time>,
    /// Whether the newest set is in force.
    pub valid: bool,
    /// What is wrong with the newest set.
    pub errors: Vec<ConfigProblem>,
    /// A set that waits for confirmation.
    pub held: Option<HeldSet>,
    /// Loads since the server started.
    pub loads: u64,
    /// Those of them that were refused.
    pub loads_refused: u64,
    /// The last sets that were applied, newest first.
    pub revisions: Vec<Revision>,
}

/// One problem of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigProblem {
    /// File, as seen from the manifest directory.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
    /// What is wrong and what would be right.
    pub message: String,
}

/// A set that waits for confirmation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldSet {
    /// For `POST /config/confirm`.
    pub digest: String,
    /// Why it is held.
    pub message: String,
    /// Objects that it would remove, as `camera/NAME`.
    pub removed: Vec<String>,
}

/// A set that was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// Its number.
    pub generation: u64,
    /// Its SHA-256.
    pub digest: String,
    /// Its git commit.
    pub revision: Option<String>,
    /// When it came into force.
    pub applied_at: Time,
}

/// Which held set may come into force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmRequest {
    /// Its digest, as `GET /config` shows it.
    pub digest: String,
}

/// The answer to a confirmation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Confirmed {
    /// The set that comes into force.
    pub digest: String,
}

impl View {
    /// The manifests, with what was applied before.
    pub fn config(&self, revisions: &[ConfigRevision]) -> Config {
        let config = &self.snapshot.config;
        let problem = |error: &crate::model::snapshot::ConfigError| ConfigProblem {
            file: error.file.clone(),
            line: error.line,
            column: error.column,
            message: self.text(&error.message),
        };
        let revision = |revision: &ConfigRevision| Revision {
            generation: revision.generation,
            digest: revision.digest.clone(),
            revision: revision.revision.clone(),
            applied_at: revision.applied_at.into(),
        };
        Config {
            generation: config.generation,
            digest: config.digest.clone(),
            revision: config.revision.clone(),
            applied_at: config.applied_at.map(Time),
            valid: config.valid,
            errors: config.errors.iter().map(problem).collect(),
            held: config.held.as_ref().map(|held| HeldSet {
                digest: held.digest.clone(),
                message: self.text(&held.message),
                removed: held.removed.clone(),
            }),
            loads: config.loads,
            loads_refused: config.loads_refused,
            revisions: revisions.iter().map(revision).collect(),
        }
    }
}
