//! Integration tests, one binary.

mod capture;
mod store;
