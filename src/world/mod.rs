//! One folder for each system outside this program: its client, its wire types, its errors.
//!
//! Decides nothing.

pub mod store;
