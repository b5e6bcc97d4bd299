//! The life of the process: start, restart with back-off, brake.

use std::collections::VecDeque;
use std::time::Duration;

use super::ghosts::Ghost;
use crate::model::gateway::RunEnd;
use crate::model::time::Mono;

/// From start to the first answer.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// Looks without an answer in a row, after which it is taken for hung.
const SILENT_LOOKS: u32 = 3;
/// A run that answered for so long was a good one: its end is an accident, not a fault of starting.
const GOOD_RUN: Duration = Duration::from_secs(1);
/// Before the second start after bad runs; doubles.
const BACKOFF: Duration = Duration::from_secs(1);
/// Longest back-off.
const BACKOFF_MAX: Duration = Duration::from_mins(1);
/// Longest pause after runs that somebody else cut short: streams have to be back within 5 s of a
/// kill, and nothing speaks against the program.
const KILLED_MAX: Duration = Duration::from_secs(2);
/// For both brakes.
const WINDOW: Duration = Duration::from_mins(10);
/// Bad runs in a row within [`WINDOW`] after which it is not started until one is that old.
const BAD_RUNS_MAX: usize = 5;
/// Starts in [`WINDOW`] at most, good runs or not.
const STARTS_MAX: usize = 60;
/// Between two restarts for ghosts: each takes the video of every viewer away for a moment.
const GHOST_REST: Duration = Duration::from_mins(10);

/// Where the process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// There is none.
    Down {
        /// It is not started before this.
        until: Mono,
        /// Whether a brake holds it, rather than a back-off.
        braked: bool,
    },
    /// Started, has not answered yet.
    Starting {
        /// When it was started.
        since: Mono,
    },
    /// Has answered.
    Up {
        /// Since when.
        since: Mono,
    },
}

/// Why it is restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It has ended.
    Ended,
    /// It never answered.
    NeverUp,
    /// It does not answer any more.
    Silent,
    /// It has, or does, what it should not.
    Ghost(Ghost),
}

impl Reason {
    /// Every word that [`Reason::as_str`] gives.
    pub const WORDS: [&str; 7] = [
        "Ended",
        "NeverUp",
        "Silent",
        "GhostSession",
        "GhostConsumer",
        "SeveredConsumer",
        "GhostDials",
    ];

    /// The CamelCase word of events and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ended => "Ended",
            Self::NeverUp => "NeverUp",
            Self::Silent => "Silent",
            Self::Ghost(ghost) => ghost.as_str(),
        }
    }

    /// The same for people, a fragment.
    pub fn sentence(&self) -> String {
        match self {
            Self::Ended => "it has ended".to_owned(),
            Self::NeverUp => {
                format!("it did not answer within {} s of its start", START_TIMEOUT.as_secs())
            }
            Self::Silent => "it did not answer any more".to_owned(),
            Self::Ghost(ghost) => format!("it had or did what it should not: {}", ghost.as_str()),
        }
    }
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Start it.
    Start,
    /// End it: nobody wants it any more.
    Stop,
    /// End it, for this reason; the start follows from the next decision.
    Restart(Reason),
    /// Nothing before this moment, unless something is seen earlier.
    Wait(Option<Mono>),
}

/// What is remembered of one gateway's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supervision {
    phase: Phase,
    silent: u32,
    bad_in_a_row: u32,
    // Runs that were cut short from outside.
    killed_in_a_row: u32,
    // Ends of bad runs, and starts, oldest first; both bounded by their brakes.
    bad_runs: VecDeque<Mono>,
    starts: VecDeque<Mono>,
    restarted_for_ghost: Option<Mono>,
}

impl Default for Supervision {
    fn default() -> Self {
        Self {
            phase: Phase::Down { until: Mono(0), braked: false },
            silent: 0,
            bad_in_a_row: 0,
            killed_in_a_row: 0,
            bad_runs: VecDeque::new(),
            starts: VecDeque::new(),
            restarted_for_ghost: None,
        }
    }
}

impl Supervision {
    /// Where the process is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether it answered, and did not at the last look.
    pub fn is_silent(&self) -> bool {
        matches!(self.phase, Phase::Up { .. }) && self.silent > 0
    }

    /// It was started.
    pub fn started(&mut self, now: Mono) {
        self.phase = Phase::Starting { since: now };
        self.silent = 0;
        self.starts.push_back(now);
        if self.starts.len() > STARTS_MAX {
            self.starts.pop_front();
        }
    }

    /// It could not be started, or has ended, or was ended.
    pub fn ended(&mut self, end: RunEnd, now: Mono) {
        let answered = match self.phase {
            Phase::Down { .. } | Phase::Starting { .. } => None,
            Phase::Up { since } => Some(now.since(since)),
        };
        let pause = match end {
            _ if answered.is_some_and(|length| length >= GOOD_RUN) => {
                (self.bad_in_a_row, self.killed_in_a_row) = (0, 0);
                self.bad_runs.clear();
                Duration::ZERO
            }
            RunEnd::Left if answered.is_none() => self.was_bad(now),
            RunEnd::Killed | RunEnd::Left => {
                self.killed_in_a_row = self.killed_in_a_row.saturating_add(1);
                back_off(self.killed_in_a_row).min(KILLED_MAX)
            }
            RunEnd::ByItself | RunEnd::NeverRan => self.was_bad(now),
        };
        let backed_off = now.plus(pause);
        let braked = self.braked_until(now);
        self.phase = match braked {
            Some(until) if until > backed_off => Phase::Down { until, braked: true },
            Some(_) | None => Phase::Down { until: backed_off, braked: false },
        };
    }

    /// Remembers a bad run; returns the pause after it.
    fn was_bad(&mut self, now: Mono) -> Duration {
        self.bad_in_a_row = self.bad_in_a_row.saturating_add(1);
        self.bad_runs.push_back(now);
        if self.bad_runs.len() > BAD_RUNS_MAX {
            self.bad_runs.pop_front();
        }
        back_off(self.bad_in_a_row)
    }

    /// It was ended because nobody wanted it: no fault, no back-off.
    pub fn stopped(&mut self, now: Mono) {
        self.phase = Phase::Down { until: now, braked: false };
    }

    /// It was ended because it is to be another one: what the one before did is not held against
    /// it.
    pub fn declared_otherwise(&mut self, now: Mono) {
        (self.bad_in_a_row, self.killed_in_a_row) = (0, 0);
        self.bad_runs.clear();
        self.stopped(now);
    }

    /// A question that began after the start was answered, or not.
    pub fn looked(&mut self, began: Mono, answered: bool, now: Mono) {
        let is_fresh = match self.phase {
            Phase::Down { .. } => false,
            Phase::Starting { since } | Phase::Up { since } => began >= since,
        };
        if !is_fresh {
            return;
        }
        match (answered, self.phase) {
            (true, Phase::Starting { .. }) => {
                self.phase = Phase::Up { since: now };
                self.silent = 0;
            }
            (true, Phase::Up { .. } | Phase::Down { .. }) => self.silent = 0,
            (false, Phase::Up { .. }) => self.silent = self.silent.saturating_add(1),
            // While it starts, only its deadline counts.
            (false, Phase::Starting { .. } | Phase::Down { .. }) => {}
        }
    }

    /// What to do; `ghost` is one that has been seen often enough.
    pub fn decide(&self, wanted: bool, ghost: Option<&Ghost>, now: Mono) -> Decision {
        match (self.phase, wanted) {
            (Phase::Down { .. }, false) => Decision::Wait(None),
            (Phase::Starting { .. } | Phase::Up { .. }, false) => Decision::Stop,
            (Phase::Down { until, .. }, true) if now >= until => Decision::Start,
            (Phase::Down { until, .. }, true) => Decision::Wait(Some(until)),
            (Phase::Starting { since }, true) => {
                let until = since.plus(START_TIMEOUT);
                if now >= until {
                    Decision::Restart(Reason::NeverUp)
                } else {
                    Decision::Wait(Some(until))
                }
            }
            (Phase::Up { .. }, true) if self.silent >= SILENT_LOOKS => {
                Decision::Restart(Reason::Silent)
            }
            (Phase::Up { .. }, true) => self.about(ghost, now),
        }
    }

    /// The process is being ended for this reason.
    pub fn restarting(&mut self, reason: &Reason, now: Mono) {
        match reason {
            Reason::Ghost(_) => self.restarted_for_ghost = Some(now),
            Reason::Ended | Reason::NeverUp | Reason::Silent => {}
        }
    }

    fn about(&self, ghost: Option<&Ghost>, now: Mono) -> Decision {
        let Some(ghost) = ghost else { return Decision::Wait(None) };
        match self.restarted_for_ghost.map(|at| at.plus(GHOST_REST)) {
            Some(until) if now < until => Decision::Wait(Some(until)),
            Some(_) | None => Decision::Restart(Reason::Ghost(ghost.clone())),
        }
    }

    fn braked_until(&self, now: Mono) -> Option<Mono> {
        let full = |times: &VecDeque<Mono>, max: usize| {
            let oldest = times.front().filter(|_| times.len() >= max)?;
            Some(oldest.plus(WINDOW)).filter(|until| *until > now)
        };
        full(&self.bad_runs, BAD_RUNS_MAX).max(full(&self.starts, STARTS_MAX))
    }
}

/// After so many short runs in a row: 1, 2, 4 ... 60 s.
fn back_off(short_runs: u32) -> Duration {
    BACKOFF.saturating_mul(1 << short_runs.saturating_sub(1).min(6)).min(BACKOFF_MAX)
}
