//! The program: parses the command line and runs one command.

use std::process::ExitCode;

use anyhow::Context as _;
use camserver::cli::{Cli, Command, Screen, run_child};
use clap::Parser as _;

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    if let Command::Child(args) = &cli.command {
        return Ok(ExitCode::from(run_child(args, &mut std::io::stderr()).code()));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime could not be started")?;
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let mut screen = Screen::of_process(&mut out, &mut err);
    let exit = runtime.block_on(camserver::cli::run(cli, &mut screen));
    Ok(ExitCode::from(exit.code()))
}
