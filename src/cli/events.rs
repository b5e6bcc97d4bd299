//! `events`: what happened, and with `--follow` what happens.
//!
//! Following asks again and again for what came after the last number, so that nothing is missed
//! over a restart of the server.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::args::{EventsArgs, Output};
use super::client::{Client, Query};
use super::exit::{CliError, Exit};
use super::get::yaml;
use super::rows::{Listed as _, severity};
use super::screen::Screen;
use super::table::{Table, harmless};
use super::text::{or_dash, paint};
use crate::http::wire::{Event, Page};

const PATH: &str = "api/v1/events";
/// Between two looks.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);
/// The longest pause while the server does not answer.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// Events shown before following.
const FIRST: usize = 20;
/// Events in one look.
const LIMIT: usize = 500;

/// Shows events.
pub(super) async fn run(
    client: &Client,
    args: &EventsArgs,
    screen: &mut Screen<'_>,
) -> Result<Exit, CliError> {
    if args.follow {
        return follow(client, args, screen).await;
    }
    let items = match args.since {
        Some(_) => client.list(PATH, &query(args, args.since), usize::MAX).await?,
        None => client.list(PATH, &query(args, None), LIMIT).await?,
    };
    let text = match args.output {
        Output::Json => format!("{:#}\n", serde_json::json!({"items": items.value, "next": null})),
        Output::Yaml => yaml(&serde_json::json!({"items": items.value, "next": null}))?,
        Output::Table | Output::Wide => {
            let wrong = |source| CliError::BadAnswer { url: PATH.to_owned(), source };
            let events: Vec<Event> =
                serde_json::from_value(serde_json::Value::Array(items.value)).map_err(wrong)?;
            let rows: Vec<_> = events.iter().map(|event| event.row(items.at, false)).collect();
            let width = (args.output == Output::Table || screen.terminal).then_some(screen.width);
            Table::fit(Event::columns(false), &rows, width, screen.colour).text(&rows)
        }
    };
    screen.out.write_all(text.as_bytes())?;
    screen.out.flush()?;
    Ok(Exit::Ok)
}

async fn follow(
    client: &Client,
    args: &EventsArgs,
    screen: &mut Screen<'_>,
) -> Result<Exit, CliError> {
    let zone = TimeZone::system();
    let mut since = args.since;
    let mut pause = FOLLOW_EVERY;
    let mut silent = false;
    let mut more = None;
    loop {
        let mut query = query(args, since);
        query.push(("limit", if since.is_none() { FIRST } else { LIMIT }.to_string()));
        if let Some(cursor) = &more {
            query.push(("cursor", String::clone(cursor)));
        }
        match client.get::<Page<Event>>(PATH, &query).await {
            Ok(page) => {
                (pause, silent) = (FOLLOW_EVERY, false);
                for event in &page.value.items {
                    let line = line(event, args.output, &zone, screen.colour)?;
                    screen.out.write_all(line.as_bytes())?;
                    since = Some(event.seq);
                }
                screen.out.flush()?;
                if since.is_none() {
                    since = Some(newest(client).await?);
                }
                more = page.value.next;
                if more.is_some() {
                    continue;
                }
            }
            Err(error @ CliError::Unreachable { .. }) => {
                if !std::mem::replace(&mut silent, true) {
                    writeln!(screen.err, "{error}; trying again")?;
                }
                pause = (pause * 2).min(RETRY_MAX);
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(pause).await;
    }
}

/// The place of the newest event, 0 when there is none.
async fn newest(client: &Client) -> Result<u64, CliError> {
    let query: Query<'_> = vec![("limit", "1".to_owned())];
    let page = client.get::<Page<Event>>(PATH, &query).await?.value;
    Ok(page.items.last().map_or(0, |event| event.seq))
}

fn query(args: &EventsArgs, since: Option<u64>) -> Query<'static> {
    let mut query = Vec::new();
    if let Some(since) = since {
        query.push(("since", since.to_string()));
    }
    if let Some(camera) = &args.camera {
        query.push(("camera", camera.clone()));
    }
    if let Some(kind) = &args.kind {
        query.push(("kind", kind.clone()));
    }
    query
}

fn line(event: &Event, output: Output, zone: &TimeZone, colour: bool) -> Result<String, CliError> {
    let value = || serde_json::to_value(event).unwrap_or_default();
    match output {
        Output::Json => Ok(format!("{}\n", value())),
        Output::Yaml => Ok(format!("---\n{}", yaml(&value())?)),
        Output::Table | Output::Wide => {
            let kind = paint(&event.primary_event, severity(event.severity), colour);
            let camera = or_dash(event.camera_id.as_deref());
            let time = clock(event.captured_at.0, zone);
            let summary = harmless(&event.summary);
            Ok(format!("{time}  {:>6}  {kind}  {camera}  {summary}\n", event.seq))
        }
    }
}

/// Date and time of day where the reader is.
fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%m-%d %H:%M:%S").to_string()
}
