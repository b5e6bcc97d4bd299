//! Processes, connections and leases: who has what of a camera.

use std::time::Duration;

use jiff::Timestamp;

use super::super::table::{Cell, Column};
use super::super::text::{Tone, age, ahead, bytes, length, or_dash};
use super::{Listed, Row, columns, moment, row};
use crate::http::wire::{Connection, Lease, Process};

fn number(number: Option<impl ToString>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

/// A foreign or lost thing stands out; nobody has to act on what is foreign.
fn of_owner(owner: &str) -> Tone {
    match owner {
        "orphan" | "previous-run" => Tone::Bad,
        "foreign" | "unmarked" | "ghost" | "stray" | "unattributable" => Tone::Warn,
        _ => Tone::Plain,
    }
}

impl Listed for Process {
    fn columns(wide: bool) -> Vec<Column> {
        columns(
            [
                Column::right("PID"),
                Column::left("KIND"),
                Column::flexible("OWNER", 12),
                Column::flexible("CAMERA", 8),
                Column::flexible("STATE", 8),
                Column::right("AGE"),
                Column::right("MEMORY"),
                Column::flexible("PROGRAM", 7),
            ],
            [
                Column::right("PARENT"),
                Column::right("CPU"),
                Column::right("FILES"),
                Column::right("CONN"),
            ],
            wide,
        )
    }

    fn row(&self, _: Timestamp, wide: bool) -> Row {
        let state = match self.state.as_ref() {
            "uninterruptible" | "stopped" | "zombie" => Tone::Warn,
            _ => Tone::Plain,
        };
        row(
            [
                Cell::new(self.pid.to_string()),
                Cell::new(&self.kind),
                Cell::new(&self.owner).toned(of_owner(&self.owner)),
                Cell::new(or_dash(self.camera.as_deref())),
                Cell::new(&self.state).toned(state),
                Cell::new(length(Duration::from_secs(self.age_seconds))),
                Cell::new(bytes(self.resident_bytes)),
                Cell::new(&self.command),
            ],
            [
                Cell::new(self.parent.to_string()),
                Cell::new(format!("{:.1}s", self.cpu_seconds)),
                Cell::new(number(self.open_files)),
                Cell::new(number(self.connections)),
            ],
            wide,
        )
    }
}

impl Listed for Connection {
    fn columns(wide: bool) -> Vec<Column> {
        columns(
            [
                Column::flexible("CAMERA", 8),
                // Any address of IPv4 with its port is shown whole.
                Column::flexible("DEVICE", 21),
                Column::flexible("OWNER", 9),
                Column::flexible("STATE", 7),
                Column::right("PID"),
                Column::flexible("PROGRAM", 9),
                Column::right("AGE"),
            ],
            [Column::left("LOCAL"), Column::right("SLOT"), Column::left("PURPOSE")],
            wide,
        )
    }

    fn row(&self, now: Timestamp, wide: bool) -> Row {
        row(
            [
                Cell::new(or_dash(self.camera.as_deref())),
                Cell::new(&self.device),
                Cell::new(&self.owner).toned(of_owner(&self.owner)),
                Cell::new(&self.state),
                Cell::new(number(self.pid)),
                Cell::new(or_dash(self.command.as_deref())),
                Cell::new(age(self.since.0, now)),
            ],
            [
                Cell::new(&self.local),
                Cell::new(or_dash(self.slot.as_deref())),
                Cell::new(or_dash(self.purpose.as_deref())),
            ],
            wide,
        )
    }
}

impl Listed for Lease {
    fn columns(wide: bool) -> Vec<Column> {
        columns(
            [
                Column::right("ID"),
                Column::left("KIND"),
                Column::flexible("CAMERA", 8),
                Column::left("PURPOSE"),
                Column::left("STATE"),
                Column::right("AGE"),
                Column::right("EXPIRES"),
            ],
            [
                Column::left("DEVICE"),
                Column::left("LOCAL"),
                Column::right("PID"),
                Column::flexible("PROGRAM", 9),
                Column::flexible("USER", 8),
                Column::left("QUALITY"),
            ],
            wide,
        )
    }

    fn row(&self, now: Timestamp, wide: bool) -> Row {
        row(
            [
                Cell::new(&self.id),
                Cell::new(&self.kind),
                // The place of one whose camera is not declared any more.
                Cell::new(self.camera.as_ref().unwrap_or(&self.device)),
                Cell::new(or_dash(self.purpose.as_deref())),
                Cell::new(&self.state),
                Cell::new(age(self.created_at.0, now)),
                Cell::new(ahead(moment(self.expires_at), now)),
            ],
            [
                Cell::new(&self.device),
                Cell::new(or_dash(self.local.as_deref())),
                Cell::new(number(self.pid)),
                Cell::new(or_dash(self.command.as_deref())),
                Cell::new(or_dash(self.user.as_deref())),
                Cell::new(or_dash(self.quality.as_deref())),
            ],
            wide,
        )
    }
}
