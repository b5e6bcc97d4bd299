//! One go2rtc: when it is started, restarted and left alone, which streams it is given, and when
//! what it shows is a ghost.
//!
//! It knows neither processes nor the API: it is told what was seen, and says what to do.

mod ghosts;
mod streams;
mod supervision;

#[cfg(test)]
mod tests;

pub use ghosts::{Ghost, GhostWatch, Wanted};
pub use streams::{StreamStep, reconcile};
pub use supervision::{Decision, Phase, Reason, Supervision};
