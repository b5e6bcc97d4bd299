//! The program: parses the command line and runs one command.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use camserver::cli::{Cli, LogFormat, Screen};
use clap::Parser as _;
use tracing_subscriber::EnvFilter;

/// What is logged unless `CAMSERVER_LOG` says otherwise.
const LOG_DEFAULT: &str = "info";

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime could not be started")?;
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let mut screen = Screen::of_process(&mut out, &mut err);
    let exit =
        runtime.block_on(camserver::cli::run(cli, |format| Ok(start_log(format)?), &mut screen));
    Ok(ExitCode::from(exit.code()))
}

/// Sends the log to standard error.
fn start_log(format: LogFormat) -> anyhow::Result<()> {
    let filter = match std::env::var("CAMSERVER_LOG") {
        Ok(filter) => EnvFilter::try_new(&filter)
            .with_context(|| format!("CAMSERVER_LOG={filter:?} cannot be understood"))?,
        Err(_) => EnvFilter::new(LOG_DEFAULT),
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    if let Err(error) = started {
        bail!("the log could not be started: {error}");
    }
    Ok(())
}
