//! The commands that need no running server.

use std::path::Path;

use super::{CliError, Exit, RunOptions, Screen, StartLog};
use crate::app::{self, AppError};
use crate::clock::Clock;
use crate::http::wire::Plan;
use crate::manifest::{Loaded, load_dir, render, schema};
use crate::model::desired::Desired;

/// Runs the server until a signal ends it.
pub(super) async fn run(
    options: RunOptions,
    screen: &mut Screen<'_>,
    start_log: StartLog,
) -> Result<Exit, CliError> {
    start_log(options.log_format).map_err(CliError::Local)?;
    let options = app::RunOptions {
        manifests: options.dir,
        listen: options.listen,
        data_dir: options.data_dir,
        ui_dir: options.ui_dir,
    };
    match app::run(options).await {
        Ok(()) => Ok(Exit::Ok),
        // Each problem begins with its place, so nothing stands before the first.
        Err(AppError::Manifests(problems)) => {
            write!(screen.err, "{problems}")?;
            writeln!(screen.err, "no earlier good set to go on with; the server did not start")?;
            Ok(Exit::Usage)
        }
        Err(error) => Err(CliError::Local(Box::new(error))),
    }
}

/// Checks a directory of manifests.
pub(super) fn validate(dir: &Path, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
    let loaded = load_dir(dir);
    write!(screen.err, "{}", render(&loaded.problems))?;
    let Some(desired) = &loaded.desired else { return Ok(Exit::Problems) };
    writeln!(screen.out, "{}: {}", dir.display(), summary(desired, &loaded))?;
    screen.out.flush()?;
    Ok(Exit::Ok)
}

fn summary(desired: &Desired, loaded: &Loaded) -> String {
    let count = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    let warnings = match loaded.warnings().count() {
        0 => "no problems".to_owned(),
        n => count(n, "warning"),
    };
    format!(
        "{}, {}, {}",
        count(desired.cameras.len(), "camera"),
        count(desired.subnets.len(), "subnet"),
        warnings
    )
}

/// Prints the JSON Schema of all kinds.
pub(super) fn print_schema(screen: &mut Screen<'_>) -> Result<Exit, CliError> {
    let text = serde_json::to_string_pretty(&schema()).unwrap_or_default();
    writeln!(screen.out, "{text}")?;
    screen.out.flush()?;
    Ok(Exit::Ok)
}

/// What a server that starts with these manifests does first: the plan on an empty world.
pub(super) fn first_plan(dir: &Path, screen: &mut Screen<'_>) -> Result<Option<Plan>, CliError> {
    let loaded = load_dir(dir);
    write!(screen.err, "{}", render(&loaded.problems))?;
    let Some(desired) = loaded.desired else { return Ok(None) };
    Ok(Some(Plan::of(&app::first_plan(&desired, Clock::System.now()))))
}
