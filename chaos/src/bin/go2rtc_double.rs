//! A stand-in for go2rtc; see `gateway` in the library.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;

/// Stands in for go2rtc in tests: the same configuration, the same API, the same faults.
#[derive(Debug, clap::Parser)]
#[command(name = "go2rtc-double", version)]
struct Arguments {
    /// Configuration, as go2rtc takes it.
    #[arg(short = 'c', long = "config")]
    config: PathBuf,
}

#[tokio::main]
#[expect(clippy::print_stderr, reason = "the program's one way to say why it ended")]
async fn main() -> ExitCode {
    match camserver_chaos::gateway::run(&Arguments::parse().config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("go2rtc-double: {error:#}");
            ExitCode::FAILURE
        }
    }
}
