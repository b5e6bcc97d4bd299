//! The command line: asks a running server and prints what it says.
//!
//! What needs no server (`run`, `validate`, `schema`, `plan -f`) is handed in as [`Local`], so
//! that nothing here knows how a server is put together.

mod actions;
mod args;
mod client;
mod describe;
mod events;
mod exit;
mod get;
mod rows;
mod screen;
mod table;
mod text;

pub use args::{
    Cli, Command, ConfirmArgs, DescribeArgs, DescribeKind, EventsArgs, GetArgs, LogFormat,
    ManifestArgs, Output, PlanArgs, Resource, RunOptions, SweepArgs,
};
pub use exit::{BoxError, CliError, Exit};
pub use screen::Screen;

use client::Client;
use futures::future::BoxFuture;

/// What a local command has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How the program ends.
    pub exit: Exit,
    /// For standard output.
    pub out: String,
    /// For standard error.
    pub err: String,
}

/// The commands that need no running server.
#[derive(Debug, Clone, Copy)]
pub struct Local {
    /// Runs the server until a signal ends it.
    pub run: fn(RunOptions) -> BoxFuture<'static, Result<Report, BoxError>>,
    /// Checks a directory of manifests.
    pub validate: fn(&ManifestArgs) -> Result<Report, BoxError>,
    /// JSON Schema of all kinds.
    pub schema: fn() -> Result<Report, BoxError>,
    /// What a server that starts with this directory would do first.
    pub plan: fn(&ManifestArgs) -> Result<Report, BoxError>,
}

/// Runs one command and says how the program ends.
pub async fn run(cli: Cli, local: Local, screen: &mut Screen<'_>) -> Exit {
    match dispatch(cli, local, screen).await {
        Ok(exit) => exit,
        Err(error) => {
            let exit = error.exit();
            // A reader that has seen enough (`head`) is no error; nor is there anyone to tell
            // when standard error is closed.
            if exit != Exit::Ok {
                writeln!(screen.err, "error: {}", exit::chain(&error)).ok();
            }
            exit
        }
    }
}

async fn dispatch(cli: Cli, local: Local, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
    let remote = || Client::new(&cli.server);
    match cli.command {
        Command::Run(options) => report((local.run)(options).await, screen),
        Command::Validate(args) => report((local.validate)(&args), screen),
        Command::Schema => report((local.schema)(), screen),
        Command::Plan(PlanArgs { dir: Some(dir), .. }) => {
            report((local.plan)(&ManifestArgs { dir }), screen)
        }
        Command::Plan(args) => actions::plan(&remote()?, &args, screen).await,
        Command::Get(args) => get::get(&remote()?, &args, screen).await,
        Command::Describe(args) => describe::run(&remote()?, &args, screen).await,
        Command::Events(args) => events::run(&remote()?, &args, screen).await,
        Command::Sweep(args) => actions::sweep(&remote()?, &args, screen).await,
        Command::Confirm(args) => actions::confirm(&remote()?, &args, screen).await,
        Command::Completions { shell } => actions::completions(shell, screen),
    }
}

fn report(report: Result<Report, BoxError>, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
    let report = report.map_err(CliError::Local)?;
    screen.err.write_all(report.err.as_bytes())?;
    screen.out.write_all(report.out.as_bytes())?;
    screen.out.flush()?;
    Ok(report.exit)
}
