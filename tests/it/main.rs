//! Integration tests, one binary.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod capture;
mod cli;
#[path = "../../src/http/tests/fixture.rs"]
mod fixture;
mod http;
mod manifest_schema;
mod manifests;
mod store;
mod tidy;
