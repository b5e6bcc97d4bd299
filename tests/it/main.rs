//! Integration tests, one binary.

mod capture;
