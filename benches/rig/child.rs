//! A program started beside the measurement: its output, its end.
//!
//! It restarts nothing: a program that ends early is an error of the whole measurement.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// A program gets this long to end by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running program; dropping it ends it.
pub(crate) struct Running {
    pub(crate) child: Child,
}

impl Running {
    /// Starts a program of this workspace; what it logs goes to `log`.
    pub(crate) fn start(name: &str, arguments: &[String], log: &Path) -> anyhow::Result<Self> {
        Self::start_at(&built(name)?, arguments, log)
    }

    /// Starts any program.
    #[expect(clippy::disallowed_methods, reason = "a measurement starts the programs it measures")]
    pub(crate) fn start_at(
        program: &Path,
        arguments: &[String],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log).with_context(|| format!("create {}", log.display()))?)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        Ok(Self { child })
    }

    /// Waits for the first line that it prints, and drops the rest.
    pub(crate) fn first_line(&mut self) -> anyhow::Result<String> {
        let output: ChildStdout = self.child.stdout.take().context("its output was taken")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).context("read its output")?;
        ensure!(!line.is_empty(), "it ended without a word");
        Ok(line)
    }

    /// An error when it has ended.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        let ended = self.child.try_wait().context("ask for its state")?;
        ensure!(ended.is_none(), "it ended: {ended:?}");
        Ok(())
    }
}

impl Drop for Running {
    #[expect(clippy::disallowed_methods, reason = "real time is what a measurement is about")]
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ended_by_itself = kill_process(pid, Signal::TERM);
        }
        let until = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() >= until {
                drop(self.child.kill());
                drop(self.child.wait());
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The program as cargo built it, beside this one.
fn built(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("find this program")?;
    let folder = own.parent().and_then(Path::parent).context("find the folder of this program")?;
    let program = folder.join(name);
    ensure!(program.is_file(), "{} is missing: run `make build` first", program.display());
    Ok(program)
}
