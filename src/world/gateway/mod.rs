//! go2rtc: its configuration, its API, what it sends, and one process of it.
//!
//! ```text
//! config     the file that one instance is started with: no access but ours, no program-running
//! source     the URL under which it reaches a camera
//! endpoint   where its API is, and how to ask it
//!   api      streams, through one task: list, put, remove, each believed only when read back
//!   live     one consumer over WebSocket, each frame checked    frames, boxes  fragmented MP4
//!   snapshot one key picture through such a consumer            parameters     avcC, hvcC
//!     aggregates  packets of H.265 that go2rtc leaves whole, taken apart
//!   peer     one WebRTC viewer: offer and answer
//! instance   one process: start, log lines, end
//! ```
//!
//! go2rtc is not trusted: its answers are checked against what it shows, not against its status
//! codes, and what it sends is bounded. It decides nothing; `plan::gateway` does.

mod aggregates;
pub mod api;
pub mod boxes;
pub mod config;
pub mod endpoint;
pub mod error;
mod frames;
pub mod instance;
pub mod live;
mod log;
mod parameters;
pub mod peer;
pub mod snapshot;
pub mod source;
mod wire;
