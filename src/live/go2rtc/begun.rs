//! A gateway that was begun, and the sessions that are kept open through it.
//!
//! When it begins and ends is the engine's business.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::gateway::Gateway;
use super::kept::Kept;
use crate::live::target::Target;
use crate::model::desired::Camera;
use crate::model::lease::Quality;
use crate::model::names::CameraName;

/// A gateway that was begun.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) gateway: Arc<Gateway>,
    /// Ends its task.
    pub(super) stop: CancellationToken,
    /// Streams of cameras that are `alwaysOn`.
    pub(super) kept: BTreeMap<(CameraName, Quality), Kept>,
}

impl Begun {
    /// Keeps the sessions of those cameras open that are `alwaysOn`, and no others.
    pub(super) fn keep_open<'a>(&mut self, cameras: impl Iterator<Item = &'a Camera>) {
        let wanted: BTreeSet<(CameraName, Quality)> = cameras
            .filter_map(|camera| Some((camera.name.clone(), Target::always_on(camera)?)))
            .collect();
        self.kept.retain(|of, _| wanted.contains(of));
        for of in wanted {
            let gateway = &self.gateway;
            self.kept.entry(of).or_insert_with_key(|of| Kept::new(gateway, &of.0, of.1));
        }
    }
}
