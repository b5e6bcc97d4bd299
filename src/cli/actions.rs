//! `plan`, `sweep`, `confirm` and `completions`.

use std::fmt::Write as _;
use std::time::Duration;

use clap::CommandFactory as _;
use clap_complete::Shell;
use jiff::Timestamp;

use super::args::{Cli, ConfirmArgs, Output, PlanArgs, SweepArgs};
use super::client::Client;
use super::describe::path_segment;
use super::exit::{CliError, Exit};
use super::get::yaml;
use super::screen::Screen;
use super::table::{Cell, Column, Table, harmless};
use super::text::{Tone, ahead, millis, or_dash};
use crate::http::wire::{
    Config, ConfirmRequest, Confirmed, HeldAction, HeldSet, Plan, PlannedAction, Subnet, Sweep,
    SweepRequested, SweepResult,
};

/// Between two looks whether a sweep has ended.
const WAIT_EVERY: Duration = Duration::from_millis(500);

/// Shows what the next pass would do.
pub(super) async fn plan(
    client: &Client,
    args: &PlanArgs,
    screen: &mut Screen<'_>,
) -> Result<Exit, CliError> {
    let answer = client.get::<serde_json::Value>("api/v1/plan", &Vec::new()).await?;
    let wrong = |source| CliError::BadAnswer { url: "api/v1/plan".to_owned(), source };
    let plan: Plan = serde_json::from_value(answer.value).map_err(wrong)?;
    show_plan(&plan, args.output, answer.at, screen)
}

/// Prints a plan as it was asked for.
pub(super) fn show_plan(
    plan: &Plan,
    output: Output,
    now: Timestamp,
    screen: &mut Screen<'_>,
) -> Result<Exit, CliError> {
    let wrong = |source| CliError::BadAnswer { url: "plan".to_owned(), source };
    let text = match output {
        Output::Json => format!("{:#}\n", serde_json::to_value(plan).map_err(wrong)?),
        Output::Yaml => yaml(&serde_json::to_value(plan).map_err(wrong)?)?,
        Output::Table | Output::Wide => plan_text(plan, now, screen.width, screen.colour),
    };
    print(screen, &text)
}

/// A plan for people.
pub(super) fn plan_text(plan: &Plan, now: Timestamp, width: usize, colour: bool) -> String {
    let mut text = String::new();
    if plan.actions.is_empty() {
        text.push_str("Nothing to do.\n");
    } else {
        let columns = vec![
            Column::left("ACTION"),
            Column::flexible("OBJECT", 12),
            Column::flexible("BECAUSE", 16),
        ];
        let row = |action: &PlannedAction| {
            vec![Cell::new(&action.kind), Cell::new(&action.object), Cell::new(&action.reason)]
        };
        let rows: Vec<_> = plan.actions.iter().map(row).collect();
        text.push_str(&Table::fit(columns, &rows, Some(width), colour).text(&rows));
    }
    if !plan.held.is_empty() {
        text.push_str("\nHeld back:\n");
        let columns = vec![
            Column::left("ACTION"),
            Column::flexible("OBJECT", 12),
            Column::left("REASON"),
            Column::right("FOR"),
            Column::flexible("MESSAGE", 16),
        ];
        let row = |held: &HeldAction| {
            vec![
                Cell::new(&held.kind),
                Cell::new(&held.object),
                Cell::new(&held.reason).toned(Tone::Warn),
                Cell::new(ahead(held.until.map(|at| at.0), now)),
                Cell::new(&held.message),
            ]
        };
        let rows: Vec<_> = plan.held.iter().map(row).collect();
        text.push_str(&Table::fit(columns, &rows, Some(width), colour).text(&rows));
    }
    let look = ahead(plan.next_look.map(|at| at.0), now);
    // Writing into a string cannot fail.
    writeln!(text, "\nGeneration {}, next look by time alone: {look}", plan.generation).ok();
    text
}

/// Asks for a sweep, and waits for its end where that is wanted.
pub(super) async fn sweep(
    client: &Client,
    args: &SweepArgs,
    screen: &mut Screen<'_>,
) -> Result<Exit, CliError> {
    let path = format!("api/v1/subnets/{}", path_segment(&args.subnet));
    let asked = client.post::<SweepRequested>(&format!("{path}/sweep"), None::<&()>).await?;
    if !args.wait {
        return print(screen, &format!("sweep of {} requested\n", harmless(&args.subnet)));
    }
    let after = asked.value.after.unwrap_or(i64::MIN);
    let ended = loop {
        let subnet = client.get::<Subnet>(&path, &Vec::new()).await?;
        let ended = subnet.value.last_sweep.filter(|sweep| sweep.id > after);
        if let Some(sweep) = ended {
            break sweep;
        }
        tokio::time::sleep(WAIT_EVERY).await;
    };
    let good = ended.results.iter().all(|result| result.outcome != "failed");
    let good = good && ended.clean == Some(true) && ended.state == "done";
    print(screen, &sweep_text(&ended, screen.width, screen.colour))?;
    Ok(if good { Exit::Ok } else { Exit::Problems })
}

/// What became of each camera.
pub(super) fn sweep_text(sweep: &Sweep, width: usize, colour: bool) -> String {
    let columns = vec![
        Column::flexible("CAMERA", 10),
        Column::left("OUTCOME"),
        Column::left("REASON"),
        Column::left("BY"),
        Column::right("TOOK"),
        Column::right("FRAME"),
    ];
    let row = |result: &SweepResult| {
        let tone = match result.outcome.as_ref() {
            "ok" => Tone::Good,
            "failed" => Tone::Bad,
            _ => Tone::Dim,
        };
        vec![
            Cell::new(&result.camera),
            Cell::new(&result.outcome).toned(tone),
            Cell::new(&result.reason),
            Cell::new(or_dash(result.backend.as_deref())),
            Cell::new(millis(result.duration_ms)),
            Cell::new(result.frame_id.map_or_else(|| "-".to_owned(), |id| id.to_string())),
        ]
    };
    let rows: Vec<_> = sweep.results.iter().map(row).collect();
    let mut text = Table::fit(columns, &rows, Some(width), colour).text(&rows);
    let count = |outcome| sweep.results.iter().filter(|r| r.outcome == outcome).count();
    let clean = match sweep.clean {
        Some(true) => "clean",
        Some(false) => "connections left behind",
        None => "cleanness not known",
    };
    writeln!(
        text,
        "\nSweep {} of {} {}: {} ok, {} failed, {} skipped; {clean}",
        sweep.id,
        harmless(&sweep.subnet),
        sweep.state,
        count("ok"),
        count("failed"),
        count("skipped"),
    )
    .ok();
    text
}

/// Lets a held set through, or shows what is held.
pub(super) async fn confirm(
    client: &Client,
    args: &ConfirmArgs,
    screen: &mut Screen<'_>,
) -> Result<Exit, CliError> {
    if let Some(digest) = &args.digest {
        let request = ConfirmRequest { digest: digest.clone() };
        let done = client.post::<Confirmed>("api/v1/config/confirm", Some(&request)).await?;
        return print(screen, &format!("set {} comes into force\n", harmless(&done.value.digest)));
    }
    let config = client.get::<Config>("api/v1/config", &Vec::new()).await?.value;
    match config.held {
        None => print(screen, "no set of manifests is held\n"),
        Some(held) => {
            print(screen, &held_text(&held))?;
            Ok(Exit::Problems)
        }
    }
}

/// A held set, and how to let it through.
pub(super) fn held_text(held: &HeldSet) -> String {
    let mut text = format!("{}\nIt would remove:\n", harmless(&held.message));
    for object in &held.removed {
        writeln!(text, "  {}", harmless(object)).ok();
    }
    writeln!(text, "Let it through with: camserver confirm {}", harmless(&held.digest)).ok();
    text
}

/// Prints a completion script.
pub(super) fn completions(shell: Shell, screen: &mut Screen<'_>) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "camserver", &mut script);
    screen.out.write_all(&script)?;
    screen.out.flush()?;
    Ok(Exit::Ok)
}

fn print(screen: &mut Screen<'_>, text: &str) -> Result<Exit, CliError> {
    screen.out.write_all(text.as_bytes())?;
    screen.out.flush()?;
    Ok(Exit::Ok)
}
