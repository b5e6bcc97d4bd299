//! What the host offers for children: said, with the remedy, but no fault of the server's health.

use crate::model::condition::{ConditionType, Verdict};
use crate::model::observed::{CgroupState, Facilities, ToolState};

/// The conditions; none about what was not looked at yet.
pub(super) fn verdicts(facilities: &Facilities) -> Vec<Verdict> {
    let ffmpeg = facilities.ffmpeg.as_ref().map(ffmpeg);
    ffmpeg.into_iter().chain(facilities.cgroups.as_ref().map(cgroups)).collect()
}

fn cgroups(state: &CgroupState) -> Verdict {
    let kind = ConditionType::CgroupDelegated;
    match state {
        CgroupState::Delegated => {
            Verdict::new(kind, true, "Delegated", "children are kept in control groups")
        }
        CgroupState::Unavailable { why } => Verdict::new(
            kind,
            false,
            "Unavailable",
            format!("children are ended one by one, by their marks: {why}"),
        ),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn said(ffmpeg: ToolState) -> String {
        let facilities = Facilities { ffmpeg: Some(ffmpeg), cgroups: None };
        let all = verdicts(&facilities);
        all.iter().map(|v| format!("{} {}", v.reason, v.message)).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_tool_that_cannot_be_used_comes_with_its_remedy() {
        assert_eq!(said(ToolState::Usable { version: "5.1".into() }), "Usable ffmpeg 5.1");
        let old = ToolState::TooOld { version: "3.4".into(), oldest: "5.0".into() };
        assert!(said(old).contains("install 5.0 or newer"));
        let missing = ToolState::Unusable { why: "there is no program ffmpeg".into() };
        assert!(said(missing).contains("install ffmpeg, or name it in processes.ffmpeg"));
    }

    #[test]
    fn what_was_not_looked_at_is_not_spoken_of() {
        assert!(verdicts(&Facilities::default()).is_empty());
    }
}
