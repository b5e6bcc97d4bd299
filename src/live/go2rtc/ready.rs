//! What viewers of a gateway wait for, and why they wait in vain.
//!
//! It decides nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::gateway::StreamName;
use crate::world::gateway::endpoint::Endpoint;

/// What viewers wait for.
#[derive(Debug, Clone, Default)]
pub(super) struct Ready {
    /// Why there is no gateway, as far as that is known.
    pub(super) trouble: Option<Trouble>,
    /// The API of the process that is up.
    pub(super) endpoint: Option<Endpoint>,
    /// Streams that were seen there.
    pub(super) streams: BTreeSet<StreamName>,
    /// Streams of ours that were seen there and that nobody wants any more.
    pub(super) leaving: BTreeSet<StreamName>,
}

/// Why there is no gateway.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    /// For people, with the remedy where there is one.
    pub(super) text: Arc<str>,
    /// Somebody has to do something: waiting does not help.
    pub(super) needs_help: bool,
}
