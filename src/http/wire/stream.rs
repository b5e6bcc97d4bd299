//! Live streams: what an engine has of cameras, and who wants it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Time, View};
use crate::model::lease::LeaseId;
use crate::model::server::Engine;
use crate::model::stream;

/// One camera's one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stream {
    /// Its name in the engine.
    pub name: String,
    /// Of which camera.
    pub camera: String,
    /// `sub` or `main`.
    pub profile: Cow<'static, str>,
    /// `native` or `go2rtc`.
    pub engine: Cow<'static, str>,
    /// Why it should be there: `lease/ID`, `sweep/ID` or `alwaysOn`.
    pub wanted_by: Vec<String>,
    /// Whether the engine has a session with the camera.
    pub present: bool,
    /// Viewers attached to it.
    pub consumers: u32,
    /// Since when it is there, or wanted.
    pub since: Time,
}

impl View {
    /// One stream.
    pub fn stream(&self, stream: &stream::Stream) -> Stream {
        Stream {
            name: stream.name.as_ref().to_owned(),
            camera: stream.camera.as_str().to_owned(),
            profile: stream.quality.as_str().into(),
            engine: match stream.engine {
                Engine::Native => "native".into(),
                Engine::Go2rtc => "go2rtc".into(),
            },
            wanted_by: stream.wanted_by.iter().map(|why| short(why)).collect(),
            present: stream.present,
            consumers: stream.consumers,
            since: self.wall(stream.since),
        }
    }
}

/// The same names of leases as in their list.
fn short(why: &str) -> String {
    let lease = why.strip_prefix("lease/").map(|id| LeaseId(id.into()));
    lease.map_or_else(|| why.to_owned(), |id| format!("lease/{}", id.short()))
}
