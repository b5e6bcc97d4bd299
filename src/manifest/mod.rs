//! Manifests: YAML text to one immutable `Desired`, with all problems at once.
//!
//! Decides nothing about cameras: it says what the operator wrote, or what is wrong with it.

mod document;
mod files;
mod load;
mod mask;
mod nearest;
mod quantity;
mod read;
mod resolve;
mod revision;
mod secret_source;
#[cfg(test)]
mod test_sets;
mod text;
mod tree;

pub mod guard;
pub mod last_good;
pub mod problem;
pub mod schema;
pub mod state;
pub mod watch;

pub use self::document::SourceText;
pub use self::load::{Fingerprint, Loaded, load_dir, load_texts};
pub use self::problem::{Problem, ProblemKind, Severity, render};
pub use self::schema::schema;

#[cfg(test)]
mod tests;
