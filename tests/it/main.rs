//! Integration tests, one binary.

mod manifest_schema;
mod manifests;
