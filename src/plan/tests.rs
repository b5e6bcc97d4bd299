//! Tables: one rule, one case, the plan as text. What a plan is worth over time is for the
//! properties and the simulation.

mod beside;
mod children;
mod conditions;
mod holders;
mod leases;
mod limits;
mod line;
mod processes;
mod removal;
mod retention;
mod subnet_conditions;
mod sweeps;
