//! The hidden command by which the server starts its children: it runs in the new process and
//! becomes the program.
//!
//! It must begin before any runtime, so `main` calls it, and it does nothing else.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::exit::Exit;
use crate::world::process::shim::{Limits, Setup, become_program};

/// What becomes of this process.
#[derive(Debug, Clone, Args)]
pub struct ChildArgs {
    /// Pid of the server; this process ends when another one is its parent.
    #[arg(long)]
    parent: u32,
    /// Most CPU time.
    #[arg(long)]
    cpu_seconds: Option<u64>,
    /// Largest address space.
    #[arg(long)]
    memory_bytes: Option<u64>,
    /// Most open files.
    #[arg(long)]
    open_files: Option<u64>,
    /// Folder of the control group to enter.
    #[arg(long)]
    cgroup: Option<PathBuf>,
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl From<&ChildArgs> for Setup {
    fn from(args: &ChildArgs) -> Self {
        Self {
            parent: args.parent,
            limits: Limits {
                cpu_seconds: args.cpu_seconds,
                memory_bytes: args.memory_bytes,
                open_files: args.open_files,
            },
            cgroup: args.cgroup.clone(),
            command: args.command.clone(),
        }
    }
}

/// Becomes the program; comes back only when it cannot, and then tells the server why.
pub fn run_child(args: &ChildArgs, err: &mut dyn Write) -> Exit {
    writeln!(err, "{}", become_program(&Setup::from(args))).ok();
    Exit::Problems
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn what_the_server_says_is_understood() {
        let setup = Setup {
            parent: 4711,
            limits: Limits {
                cpu_seconds: Some(30),
                memory_bytes: Some(1 << 30),
                open_files: Some(64),
            },
            cgroup: Some("/sys/fs/cgroup/a b".into()),
            command: vec!["ffmpeg".into(), "--parent".into(), "-".into(), "--".into(), "".into()],
        };
        let words = std::iter::once(OsString::from("camserver")).chain(setup.arguments());
        let Command::Child(args) = Cli::try_parse_from(words).unwrap().command else {
            panic!("another command");
        };
        assert_eq!(Setup::from(&args), setup);
    }
}
