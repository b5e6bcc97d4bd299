//! Decides. No async, no I/O, no clock, no log; it cannot fail.
//!
//! Same inputs, same answer. A part of the world that could not be read yields no action on it.

pub mod admission;
mod beside;
mod children;
mod connections;
mod draft;
pub mod fold;
pub mod leases;
mod limits;
mod overload;
mod processes;
pub mod retention;
mod schedule;
pub mod slots;
pub mod status;
mod sweep;

use crate::model::desired::Desired;
use crate::model::history::History;
use crate::model::observed::Observed;
use crate::model::plan::Plan;
use crate::model::time::Now;

pub use sweep::LINE_FAILURES_MAX;

/// Compares what should be with what is, and says what to do about it.
///
/// Removal comes before addition.
pub fn plan(desired: &Desired, observed: &Observed, history: &History, now: Now) -> Plan {
    let inputs = draft::Inputs { desired, observed, history, now };
    let mut draft = draft::Draft::new(inputs);
    beside::remove(&mut draft, inputs);
    leases::plan(&mut draft, inputs);
    let over_limit = limits::plan(&mut draft, inputs);
    processes::plan(&mut draft, inputs, &over_limit);
    retention::plan(&mut draft, inputs);
    sweep::plan(&mut draft, inputs);
    beside::plan(&mut draft, inputs);
    draft.finish()
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;
