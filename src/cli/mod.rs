//! The command line: asks a running server and prints what it says.
//!
//! What needs no running server (`run`, `validate`, `schema`, `plan -f`) is in `local`.

mod actions;
mod args;
mod child;
mod client;
mod describe;
mod events;
mod exit;
mod get;
mod local;
mod rows;
mod screen;
mod table;
mod text;

pub use args::{
    Cli, Command, ConfirmArgs, DescribeArgs, DescribeKind, EventsArgs, GetArgs, ManifestArgs,
    Output, PlanArgs, Resource, RunOptions, SweepArgs,
};
pub use child::{ChildArgs, run_child};
pub use exit::{BoxError, CliError, Exit};
pub use screen::Screen;

use client::Client;

/// Runs one command and says how the program ends.
pub async fn run(cli: Cli, screen: &mut Screen<'_>) -> Exit {
    match dispatch(cli, screen).await {
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

async fn dispatch(cli: Cli, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
    let remote = || Client::new(&cli.server);
    match cli.command {
        Command::Run(options) => local::run(options, screen).await,
        Command::Validate(args) => local::validate(&args.dir, screen),
        Command::Schema => local::print_schema(screen),
        Command::Plan(PlanArgs { dir: Some(dir), output }) => {
            match local::first_plan(&dir, screen)? {
                None => Ok(Exit::Problems),
                Some(plan) => actions::show_plan(&plan, output, plan.at.0, screen),
            }
        }
        Command::Plan(args) => actions::plan(&remote()?, &args, screen).await,
        Command::Get(args) => get::get(&remote()?, &args, screen).await,
        Command::Describe(args) => describe::run(&remote()?, &args, screen).await,
        Command::Events(args) => events::run(&remote()?, &args, screen).await,
        Command::Sweep(args) => actions::sweep(&remote()?, &args, screen).await,
        Command::Confirm(args) => actions::confirm(&remote()?, &args, screen).await,
        Command::Child(args) => Ok(run_child(&args, screen.err)),
        Command::Completions { shell } => actions::completions(shell, screen),
    }
}
