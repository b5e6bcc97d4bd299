//! Child processes that cannot leak, and the table of processes that shows it.
//!
//! Every child is started by one [`Spawner`], bears a [`Mark`](crate::model::process::Mark), and has
//! one owner: a [`Child`], and after that its stop protocol. [`ProcessScanner`] reads from the
//! kernel what there really is; [`signal()`] and [`Spawner::reap`] end what was found there.
//!
//! It does not decide which process must end (that is `plan`) and knows nothing of what a program
//! is for: arguments, formats and cameras are the callers' business.

mod cgroup;
mod child;
mod error;
mod leader;
mod leftovers;
mod pipes;
mod procfs;
mod scanner;
pub mod shim;
mod signal;
mod spawner;
mod spec;
mod supervise;

pub use cgroup::Capability;
pub use child::{Child, Ended, How, Output};
pub use error::{ProcessError, SignalError};
pub use scanner::ProcessScanner;
pub use signal::signal;
pub use spawner::{Settings, Spawner};
pub use spec::{ChildSpec, Limits, Polite, StdinSource, StdoutSink};
