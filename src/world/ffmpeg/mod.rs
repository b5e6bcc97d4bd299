//! ffmpeg as a tool: how it is asked for one picture, and what its complaints mean.
//!
//! It starts nothing: `world::process` does. Neither addresses nor passwords ever stand in an
//! argument or in the environment, since both can be read by others: the source is handed over
//! on standard input, as a one-line playlist (`ffconcat`).

pub mod diagnosis;
pub mod invocation;
pub mod version;

pub use diagnosis::diagnose;
pub use invocation::{Input, Invocation};
pub use version::Version;
