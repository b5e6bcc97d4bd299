//! Integration tests, one binary.

mod manifests;
