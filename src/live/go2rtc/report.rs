//! What a gateway's task says of its process. It decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::gateway::{GatewayFault, GatewayState, StreamName};
use crate::model::time::Mono;
use crate::plan::gateway::{Phase, Reason, Supervision};

/// The reason of a run that never began.
pub(super) const NOT_STARTED: &str = "NotStarted";

/// The reason of a run that ended because its gateway is declared otherwise now.
pub(super) const REDECLARED: &str = "Redeclared";

/// The reason of somebody else's that does not answer.
pub(super) const UNREACHABLE: &str = "Unreachable";

/// The process and what it lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) state: GatewayState,
    pub(super) pid: Option<u32>,
    /// Why the run before ended; until the first answer of this one.
    pub(super) fault: Option<GatewayFault>,
    pub(super) listed: Option<BTreeSet<Arc<str>>>,
    /// Streams of ours that others receive, in somebody else's.
    pub(super) strangers: BTreeSet<StreamName>,
    pub(super) restarts: BTreeMap<&'static str, u64>,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            state: GatewayState::Down { until: Mono(0), braked: false },
            pid: None,
            fault: None,
            listed: None,
            strangers: BTreeSet::new(),
            restarts: [NOT_STARTED, REDECLARED]
                .iter()
                .chain(&Reason::WORDS)
                .map(|word| (*word, 0))
                .collect(),
        }
    }
}

impl Report {
    /// The run has ended, or is being ended.
    pub(super) fn ended(&mut self, reason: &'static str, text: &str) {
        self.fault = Some(GatewayFault { reason, text: text.into() });
        self.pid = None;
        self.listed = None;
    }

    /// Another run begins.
    pub(super) fn begins(&mut self) {
        if let Some(fault) = &self.fault {
            *self.restarts.entry(fault.reason).or_default() += 1;
        }
    }

    /// Takes over whether somebody else's answers.
    pub(super) fn follow_other(&mut self, supervision: &Supervision, unanswered: bool) {
        match supervision.phase() {
            Phase::Up { .. } if !unanswered => (self.state, self.fault) = (GatewayState::Up, None),
            Phase::Up { .. } | Phase::Starting { .. } | Phase::Down { .. } => {
                (self.state, self.listed) = (GatewayState::Unreached, None);
            }
        }
    }

    /// Takes over where the process is.
    pub(super) fn follow(&mut self, supervision: &Supervision) {
        self.state = match supervision.phase() {
            Phase::Down { until, braked } => GatewayState::Down { until, braked },
            Phase::Starting { .. } => GatewayState::Starting,
            Phase::Up { .. } if supervision.is_silent() => GatewayState::Silent,
            Phase::Up { .. } => GatewayState::Up,
        };
        match self.state {
            GatewayState::Up | GatewayState::Silent => self.fault = None,
            GatewayState::Starting | GatewayState::Down { .. } | GatewayState::Unreached => {
                self.listed = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_after_an_end_counts_once_by_its_reason() {
        let mut report = Report::default();
        let mut supervision = Supervision::default();
        report.begins();
        supervision.started(Mono(0));
        supervision.looked(Mono(1), true, Mono(1));
        report.follow(&supervision);
        assert_eq!((report.state, report.restarts["Ended"]), (GatewayState::Up, 0));
        report.ended("Ended", "it is gone");
        report.begins();
        supervision.started(Mono(2));
        report.follow(&supervision);
        assert_eq!((report.state, report.restarts["Ended"]), (GatewayState::Starting, 1));
        assert_eq!(report.fault.as_ref().unwrap().reason, "Ended");
        supervision.looked(Mono(3), true, Mono(3));
        report.follow(&supervision);
        assert_eq!(report.fault, None);
    }
}
