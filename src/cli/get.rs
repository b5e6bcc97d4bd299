//! `get`: lists, once or watching.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::args::{GetArgs, Output, Resource};
use super::client::{Answer, Client, Query};
use super::exit::{CliError, Exit};
use super::rows::{Listed, Row};
use super::screen::Screen;
use super::table::Table;
use crate::http::wire::{
    Camera, Connection, Event, Gateway, Lease, Process, Stream, Subnet, Sweep,
};

/// Between two looks of `--watch`.
const WATCH_EVERY: Duration = Duration::from_secs(2);
/// Rows of lists that grow without end.
const HISTORY_ROWS: usize = 50;

/// Lists things.
pub(super) async fn get(
    client: &Client,
    args: &GetArgs,
    screen: &mut Screen<'_>,
) -> Result<Exit, CliError> {
    match args.resource {
        Resource::Cameras => list::<Camera>(client, args, screen).await,
        Resource::Subnets => list::<Subnet>(client, args, screen).await,
        Resource::Processes => list::<Process>(client, args, screen).await,
        Resource::Connections => list::<Connection>(client, args, screen).await,
        Resource::Leases => list::<Lease>(client, args, screen).await,
        Resource::Events => list::<Event>(client, args, screen).await,
        Resource::Sweeps => list::<Sweep>(client, args, screen).await,
        Resource::Streams => list::<Stream>(client, args, screen).await,
        Resource::Gateways => list::<Gateway>(client, args, screen).await,
    }
}

/// Where a list is, what tells its things apart, and how many are shown.
struct Source {
    path: &'static str,
    key: &'static [&'static str],
    /// Fields that always change: a watch does not show a thing again for them.
    restless: &'static [&'static str],
    max: usize,
    /// What is said of an empty list.
    empty: &'static str,
}

fn source(args: &GetArgs) -> Source {
    let source = |path, key, empty| Source { path, key, restless: &[], max: usize::MAX, empty };
    let mut source = match args.resource {
        Resource::Cameras => source("api/v1/cameras", &["name"], "no camera is declared"),
        Resource::Subnets => source("api/v1/subnets", &["name"], "no subnet is declared"),
        Resource::Processes => Source {
            restless: &["ageSeconds", "residentBytes", "cpuSeconds", "openFiles"],
            ..source(
                "api/v1/processes",
                &["pid", "startedAt"],
                "no child process runs, and no other process is connected to a camera",
            )
        },
        Resource::Connections => source(
            "api/v1/connections",
            &["device", "local"],
            "this host has no connection to a camera at this moment",
        ),
        Resource::Leases => {
            source("api/v1/leases", &["id"], "every slot is free: nothing is in use or resting")
        }
        Resource::Events => Source {
            max: HISTORY_ROWS,
            ..source("api/v1/events", &["seq"], "nothing has happened")
        },
        Resource::Sweeps => Source {
            max: HISTORY_ROWS,
            ..source("api/v1/sweeps", &["id"], "no sweep has started yet")
        },
        Resource::Streams => {
            source("api/v1/streams", &["camera", "profile"], "no live stream is wanted or open")
        }
        Resource::Gateways => source(
            "api/v1/gateways",
            &["name"],
            "the server starts no gateway: live.engine is native, or no camera is enabled",
        ),
    };
    source.max = args.limit.unwrap_or(source.max).max(1);
    if args.camera.is_some() || args.subnet.is_some() {
        source.empty = "nothing matches";
    }
    source
}

async fn fetch(client: &Client, args: &GetArgs) -> Result<Answer<Vec<Value>>, CliError> {
    let source = source(args);
    let mut query: Query<'_> = Vec::new();
    if let Some(subnet) = &args.subnet {
        query.push(("subnet", subnet.clone()));
    }
    if let Some(camera) = &args.camera {
        query.push(("camera", camera.clone()));
    }
    client.list(source.path, &query, source.max).await
}

async fn list<T: Listed + DeserializeOwned>(
    client: &Client,
    args: &GetArgs,
    screen: &mut Screen<'_>,
) -> Result<Exit, CliError> {
    let first = fetch(client, args).await?;
    if args.watch {
        return watch::<T>(client, args, first, screen).await;
    }
    let text = match args.output {
        Output::Table | Output::Wide => {
            let rows = rows::<T>(&first.value, first.at, args.output)?;
            if rows.is_empty() {
                writeln!(screen.err, "{}", source(args).empty)?;
            }
            fit::<T>(&rows, args.output, screen).text(&rows)
        }
        Output::Json => json_list(&first.value),
        Output::Yaml => yaml(&serde_json::json!({"items": first.value, "next": null}))?,
    };
    screen.out.write_all(text.as_bytes())?;
    screen.out.flush()?;
    Ok(Exit::Ok)
}

/// Prints everything once, and then each thing that differs from the look before.
async fn watch<T: Listed + DeserializeOwned>(
    client: &Client,
    args: &GetArgs,
    first: Answer<Vec<Value>>,
    screen: &mut Screen<'_>,
) -> Result<Exit, CliError> {
    let source = source(args);
    let rows = rows::<T>(&first.value, first.at, args.output)?;
    let table = fit::<T>(&rows, args.output, screen);
    if matches!(args.output, Output::Table | Output::Wide) {
        screen.out.write_all(table.header().as_bytes())?;
    }
    let mut known: BTreeMap<String, Value> = BTreeMap::new();
    let mut answer = Ok(first);
    loop {
        match answer {
            Ok(answer) => {
                for item in changed(&mut known, answer.value, &source) {
                    let text = one::<T>(item, answer.at, args.output, &table)?;
                    screen.out.write_all(text.as_bytes())?;
                }
                screen.out.flush()?;
            }
            // A restart of the server does not end the watching.
            Err(error @ CliError::Unreachable { .. }) => {
                writeln!(screen.err, "{error}; trying again")?;
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(WATCH_EVERY).await;
        answer = fetch(client, args).await;
    }
}

/// What is new or differs, and remembers it; what is gone is forgotten.
fn changed(known: &mut BTreeMap<String, Value>, items: Vec<Value>, source: &Source) -> Vec<Value> {
    let key_of = |item: &Value| source.key.iter().map(|name| item[*name].to_string()).collect();
    let compared = |item: &Value| {
        let mut item = item.clone();
        if let Some(fields) = item.as_object_mut() {
            fields.retain(|name, _| !source.restless.contains(&name.as_str()));
        }
        item
    };
    let now: BTreeMap<String, Value> =
        items.iter().map(|item| (key_of(item), compared(item))).collect();
    let before = std::mem::replace(known, now);
    items.into_iter().filter(|item| before.get(&key_of(item)) != Some(&compared(item))).collect()
}

fn one<T: Listed + DeserializeOwned>(
    item: Value,
    now: Timestamp,
    output: Output,
    table: &Table,
) -> Result<String, CliError> {
    match output {
        Output::Table | Output::Wide => {
            Ok(table.row(&parse::<T>(item)?.row(now, output == Output::Wide)))
        }
        Output::Json => Ok(format!("{item}\n")),
        Output::Yaml => Ok(format!("---\n{}", yaml(&item)?)),
    }
}

fn rows<T: Listed + DeserializeOwned>(
    items: &[Value],
    now: Timestamp,
    output: Output,
) -> Result<Vec<Row>, CliError> {
    let row = |item: &Value| Ok(parse::<T>(item.clone())?.row(now, output == Output::Wide));
    items.iter().map(row).collect()
}

fn fit<T: Listed>(rows: &[Row], output: Output, screen: &Screen<'_>) -> Table {
    let wide = output == Output::Wide;
    // Scripts that ask for everything get it uncut.
    let width = (!wide || screen.terminal).then_some(screen.width);
    let table = Table::fit(T::columns(wide), rows, width, screen.colour);
    if wide && table.width() > screen.width {
        // Lines wrap either way: then nothing of what was asked for is cut.
        return Table::fit(T::columns(wide), rows, None, screen.colour);
    }
    table
}

fn parse<T: DeserializeOwned>(item: Value) -> Result<T, CliError> {
    let wrong = |source| CliError::BadAnswer { url: "the server".to_owned(), source };
    serde_json::from_value(item).map_err(wrong)
}

fn json_list(items: &[Value]) -> String {
    format!("{:#}\n", serde_json::json!({"items": items, "next": null}))
}

/// Any answer as YAML.
pub(super) fn yaml(value: &Value) -> Result<String, CliError> {
    serde_saphyr::to_string(value).map_err(|error| CliError::Yaml(error.to_string()))
}

#[cfg(test)]
mod tests;
