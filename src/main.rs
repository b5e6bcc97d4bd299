//! The program: parses the command line and runs one command.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use camserver::cli::{BoxError, Cli, Local, LogFormat, ManifestArgs, Report, RunOptions, Screen};
use clap::Parser as _;
use futures::future::BoxFuture;
use tracing_subscriber::EnvFilter;

/// What is logged unless `CAMSERVER_LOG` says otherwise.
const LOG_DEFAULT: &str = "info";

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let local = Local { run, validate, schema, plan };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime could not be started")?;
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let mut screen = Screen::of_process(&mut out, &mut err);
    let exit = runtime.block_on(camserver::cli::run(cli, local, &mut screen));
    Ok(ExitCode::from(exit.code()))
}

#[expect(clippy::needless_pass_by_value, reason = "the application takes it over")]
fn run(options: RunOptions) -> BoxFuture<'static, Result<Report, BoxError>> {
    Box::pin(async move {
        start_log(options.log_format)?;
        Err(unavailable("run").into())
    })
}

fn validate(_: &ManifestArgs) -> Result<Report, BoxError> {
    Err(unavailable("validate").into())
}

fn schema() -> Result<Report, BoxError> {
    Err(unavailable("schema").into())
}

fn plan(_: &ManifestArgs) -> Result<Report, BoxError> {
    Err(unavailable("plan -f").into())
}

fn unavailable(command: &str) -> anyhow::Error {
    anyhow::anyhow!("{command} is not part of this build")
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
