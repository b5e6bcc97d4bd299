//! The program: parses the command line and runs one command.

use std::io::{IsTerminal, stderr};
use std::process::ExitCode;

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(stderr).with_ansi(stderr().is_terminal()).init();
    let mut args = std::env::args().skip(1);
    let dir = args.next().unwrap_or_default();
    let data = args.next().unwrap_or_default();
    let options = camserver::app::RunOptions {
        manifests: dir.into(),
        listen: None,
        data_dir: Some(data.into()),
        ui_dir: None,
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    match runtime.block_on(camserver::app::run(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", camserver::chain::Chain(&error));
            ExitCode::from(2)
        }
    }
}
