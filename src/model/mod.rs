//! Plain data that every part speaks of: names, what should be, what is, what is to be done.
//!
//! Imports nothing else of the crate and asks nothing of the outside world.

pub mod admission;
pub mod condition;
pub mod desired;
pub mod event;
pub mod failure;
pub mod frame;
pub mod gateway;
pub mod history;
pub mod lease;
pub mod names;
pub mod observed;
pub mod outcome;
pub mod picture;
pub mod plan;
pub mod process;
pub mod sdp;
pub mod secret;
pub mod server;
pub mod slot;
pub mod snapshot;
pub mod stream;
pub mod time;
