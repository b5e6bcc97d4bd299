//! A fleet of simulated cameras; see the library.

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
#[expect(clippy::print_stderr, reason = "the program's one way to say why it ended")]
async fn main() -> ExitCode {
    match camserver_chaos::run(camserver_chaos::Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("camsim: {error:#}");
            ExitCode::FAILURE
        }
    }
}
