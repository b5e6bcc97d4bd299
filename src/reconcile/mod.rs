//! The loop: wait, observe, plan, execute, publish. It never decides.

mod events;
mod handle;

pub use events::EventLog;
pub use handle::{Handle, Intent, IntentError};
