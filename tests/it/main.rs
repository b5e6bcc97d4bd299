//! Integration tests, one binary.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail loudly and say what they skip"
)]

mod capture;
mod manifests;
mod store;
