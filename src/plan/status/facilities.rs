//! What the host offers for children: said, with the remedy, but no fault of the server's health.

use crate::model::condition::{ConditionType, Verdict};
use crate::model::observed::{Facilities, ToolState};

/// The conditions; none about what was not looked at yet.
pub(super) fn verdicts(facilities: &Facilities) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = facilities.ffmpeg.as_ref().map(ffmpeg).into_iter().collect();
    let kind = ConditionType::CgroupDelegated;
    verdicts.push(match &facilities.uncontained {
        None => Verdict::new(kind, true, "Delegated", "children are kept in control groups"),
        Some(why) => Verdict::new(
            kind,
            false,
            "Unavailable",
            format!("children are ended one by one, by their marks: {why}"),
        ),
    });
    verdicts
}

fn ffmpeg(state: &ToolState) -> Verdict {
    let kind = ConditionType::FfmpegUsable;
    match state {
        ToolState::Usable { version } => {
            Verdict::new(kind, true, "Usable", format!("ffmpeg {version}"))
        }
        ToolState::TooOld { version, oldest } => Verdict::new(
            kind,
            false,
            "TooOld",
            format!(
                "ffmpeg {version} is too old: install {oldest} or newer, or name another one in \
                 processes.ffmpeg of the Server manifest"
            ),
        ),
        ToolState::Unusable { why } => Verdict::new(
            kind,
            false,
            "Missing",
            format!(
                "{why}: install ffmpeg, or name it in processes.ffmpeg of the Server manifest; \
                 until then cameras that the server cannot speak to itself have no pictures"
            ),
        ),
    }
}
