//! Integration tests, one binary.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests are tests too, and a test that is skipped says so"
)]

mod capture;
mod cli;
mod dropped;
#[path = "../../src/http/tests/fixture/mod.rs"]
mod fixture;
mod http;
mod manifest_schema;
mod manifests;
mod process;
mod relay;
mod store;
mod tidy;
