//! What viewers of a gateway wait for, and why they wait in vain.
//!
//! It decides nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::live::engine::ViewEnd;
use crate::model::gateway::StreamName;
use crate::world::gateway::api::GatewayApi;

/// What viewers wait for.
#[derive(Debug, Clone, Default)]
pub(super) struct Ready {
    /// Why there is no gateway, as far as that is known.
    pub(super) trouble: Option<Trouble>,
    /// The API of the process that is up.
    pub(super) api: Option<GatewayApi>,
    /// Streams that were seen there.
    pub(super) streams: BTreeSet<StreamName>,
    /// Streams of ours that were seen there and that nobody wants any more.
    pub(super) leaving: BTreeSet<StreamName>,
}

impl Ready {
    /// Whether a stream is there, or waiting for it does not help.
    pub(super) fn is_decided(&self, name: &StreamName) -> bool {
        self.needs_help() || self.streams.contains(name)
    }

    fn needs_help(&self) -> bool {
        self.trouble.as_ref().is_some_and(|trouble| trouble.needs_help)
    }

    /// The API, when a stream is there.
    pub(super) fn api_of(&self, name: &StreamName) -> Result<GatewayApi, Absent> {
        if let Some(api) = self.api.as_ref().filter(|_| self.streams.contains(name)) {
            return Ok(api.clone());
        }
        let known = self.trouble.as_ref().map(|trouble| trouble.text.as_ref().to_owned());
        let end = ViewEnd::Engine(known.unwrap_or_else(|| "the gateway is not there".to_owned()));
        Err(if self.needs_help() { Absent::NeedsHelp(end) } else { Absent::NotYet(end) })
    }
}

/// A stream is not there, which would end a view so.
#[derive(Debug)]
pub(super) enum Absent {
    /// It may come.
    NotYet(ViewEnd),
    /// It does not come by itself.
    NeedsHelp(ViewEnd),
}

impl From<Absent> for ViewEnd {
    fn from(absent: Absent) -> Self {
        let (Absent::NotYet(end) | Absent::NeedsHelp(end)) = absent;
        end
    }
}

/// Why there is no gateway.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    /// For people, with the remedy where there is one.
    pub(super) text: Arc<str>,
    /// Somebody has to do something: waiting does not help.
    pub(super) needs_help: bool,
}
