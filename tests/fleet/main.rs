//! The real program against simulated cameras: what it promises, watched from outside.
//!
//! `FLEET_SWEEPS` (3) is how many sweeps each fault lasts, `FLEET_AT_ONCE` (10) how many faults
//! strike at once, `FLEET_KILLS` (8) and `FLEET_CHILD_KILLS` (6) how often the server is killed.
//! `FLEET_ONLY` (`stage/kind`, with commas) names the faults to try.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "figures, and logs of failed tests")]

mod cameras;
mod children;
mod clock;
mod end;
mod faults;
mod foreign;
mod gateway;
mod hostile;
mod http;
mod incident;
mod kill;
mod live;
mod manifests;
mod network;
mod protocols;
mod reload;
mod server;
mod sweep;
mod viewer;
