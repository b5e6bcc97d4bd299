//! Integration tests, one binary.

mod capture;
mod manifests;
mod store;
