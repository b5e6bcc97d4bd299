//! One folder for each system outside this process: client, wire types and error enum.
//!
//! Nothing here decides what should be done; that is `plan`'s work.

pub mod camera;
