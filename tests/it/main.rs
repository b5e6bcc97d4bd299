//! Integration tests, one binary.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests are tests too, and a test that is skipped says so"
)]

mod capture;
mod cli;
mod dropped;
mod engine;
#[path = "../../src/http/tests/fixture/mod.rs"]
mod fixture;
mod gateway;
mod http;
mod live;
mod manifest_schema;
mod manifests;
mod process;
mod relay;
mod store;
mod tidy;
