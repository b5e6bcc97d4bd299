//! Integration tests, one binary.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests are tests too, and a test that is skipped says so"
)]

mod capture;
mod cli;
#[path = "../../src/http/tests/fixture.rs"]
mod fixture;
mod gateway;
mod http;
mod manifest_schema;
mod manifests;
mod store;
mod tidy;
