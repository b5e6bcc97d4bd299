//! Which streams a gateway is given and told to forget.

use std::collections::BTreeSet;

use crate::model::gateway::{Owner, StreamName, StreamView};

/// One step about one stream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum StreamStep {
    /// Forget it: nobody wants it, nobody is attached, it has no session.
    Remove(StreamName),
    /// Put it there.
    Put(StreamName),
    /// Nobody wants it, and it has consumers or a session: whoever holds them ends them first.
    /// go2rtc would forget the name and go on, unseen.
    Drain(StreamName),
}

/// The difference between what is wanted and what the gateway lists, removals first.
///
/// Streams that are not this owner's by name are left to the watch for ghosts.
pub fn reconcile(
    owner: &Owner,
    wanted: &BTreeSet<StreamName>,
    listed: &[StreamView],
) -> Vec<StreamStep> {
    let ours = |stream: &StreamView| owner.parse(&stream.name);
    let there: BTreeSet<StreamName> = listed.iter().filter_map(ours).collect();
    let mut steps = Vec::new();
    for stream in listed {
        let Some(name) = ours(stream).filter(|name| !wanted.contains(name)) else { continue };
        if stream.is_active() || !stream.consumers.is_empty() {
            steps.push(StreamStep::Drain(name));
        } else {
            steps.push(StreamStep::Remove(name));
        }
    }
    steps.extend(wanted.difference(&there).cloned().map(StreamStep::Put));
    steps.sort();
    steps
}
