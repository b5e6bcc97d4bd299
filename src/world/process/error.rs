//! What can go wrong with processes.

use std::io;
use std::path::PathBuf;

use crate::model::process::ProcessId;

/// Why a child could not be started, or what its end means for who asked for its output.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program that prepares children cannot be opened.
    #[error("the program that prepares children cannot be opened")]
    Shim(#[source] io::Error),
    /// The thread that starts children could not be started.
    #[error("the thread that starts children could not be started")]
    Thread(#[source] io::Error),
    /// The kernel refuses to give orphans back to the server.
    #[error("the server cannot become the parent of its orphans")]
    Subreaper(#[source] io::Error),
    /// As many children as are allowed are alive.
    #[error("{max} child processes are alive, which is the limit")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// The server ends, so nothing is started any more.
    #[error("no child is started any more: the server ends")]
    Closed,
    /// The kernel could not make a process.
    #[error("the process could not be started")]
    Start(#[source] io::Error),
    /// There is no such program.
    #[error("there is no program {}", program.display())]
    ProgramMissing {
        /// As asked for.
        program: PathBuf,
    },
    /// There is such a program, but it cannot be run.
    #[error("the program {} cannot be run", program.display())]
    ProgramUnusable {
        /// As asked for.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The child could not be put under its limits, so its program was not run.
    #[error("the limits of a child could not be set")]
    Prepare(#[source] io::Error),
    /// The child wrote more than it may; it was ended.
    #[error("the child wrote more than {max} bytes")]
    OutputTooLarge {
        /// The limit, bytes.
        max: usize,
    },
    /// Not even SIGKILL ended it: it hangs in the kernel. It is ended as soon as it wakes.
    #[error("process {process} hangs in the kernel and cannot be ended")]
    Undead {
        /// Which.
        process: ProcessId,
    },
    /// The runtime ended before the child did.
    #[error("nobody watches the child any more")]
    Unwatched,
    /// The kernel's table of processes cannot be read.
    #[error("the table of processes cannot be read at {}", path.display())]
    Table {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Why a process was not signalled.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// The kernel's first process, this server, or one that it descends from.
    #[error("process {0} is never signalled")]
    Protected(u32),
    /// It has ended.
    #[error("the process has ended")]
    Gone,
    /// Another process has this pid now.
    #[error("the pid belongs to another process now")]
    OtherProcess,
    /// It runs as another user.
    #[error("the process runs as another user")]
    OtherUser,
    /// It bears another mark, or none.
    #[error("the process does not bear the expected mark")]
    OtherMark,
    /// Its identity cannot be read, so nothing is known about it.
    #[error("the identity of the process cannot be read")]
    Unreadable(#[source] io::Error),
    /// The kernel refuses.
    #[error("the signal could not be sent")]
    Refused(#[source] io::Error),
}
