//! Live streams, and the gateways that they may go through.

use jiff::Timestamp;

use super::super::table::{Cell, Column};
use super::super::text::{Tone, age, or_dash};
use super::{Listed, Row, columns, row};
use crate::http::wire::{Condition, Gateway, Stream};

impl Listed for Stream {
    fn columns(wide: bool) -> Vec<Column> {
        columns(
            [
                Column::flexible("CAMERA", 10),
                Column::left("PROFILE"),
                Column::left("ENGINE"),
                Column::left("OPEN"),
                Column::right("VIEWERS"),
                Column::right("AGE"),
                Column::flexible("WANTED BY", 12),
            ],
            [Column::left("NAME")],
            wide,
        )
    }

    fn row(&self, now: Timestamp, wide: bool) -> Row {
        let wanted = (!self.wanted_by.is_empty()).then(|| self.wanted_by.join(", "));
        row(
            [
                Cell::new(&self.camera),
                Cell::new(&self.profile),
                Cell::new(&self.engine),
                if self.present { Cell::new("yes") } else { Cell::new("no").toned(Tone::Warn) },
                Cell::new(self.consumers.to_string()),
                Cell::new(age(self.since.0, now)),
                Cell::new(or_dash(wanted.as_deref())),
            ],
            [Cell::new(&self.name)],
            wide,
        )
    }
}

impl Listed for Gateway {
    fn columns(wide: bool) -> Vec<Column> {
        columns(
            [
                Column::flexible("SUBNET", 10),
                Column::left("STATE"),
                Column::right("PID"),
                Column::right("STREAMS"),
                Column::right("RESTARTS"),
                Column::left("IN SYNC"),
                Column::flexible("MESSAGE", 16),
            ],
            [Column::left("AVAILABLE")],
            wide,
        )
    }

    fn row(&self, _: Timestamp, wide: bool) -> Row {
        let number = |number: Option<usize>| number.map_or("?".to_owned(), |n| n.to_string());
        let find = |kind: &str| self.conditions.iter().find(|condition| condition.kind == kind);
        let (available, in_sync) = (find("Available"), find("InSync"));
        let told = available.filter(|c| c.status != "True").or(in_sync);
        let tone = match self.state.as_ref() {
            "up" => Tone::Good,
            "down" => Tone::Bad,
            _ => Tone::Warn,
        };
        row(
            [
                Cell::new(&self.name),
                Cell::new(&self.state).toned(tone),
                Cell::new(self.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string())),
                Cell::new(format!("{}/{}", number(self.streams.present), self.streams.desired)),
                Cell::new(self.restarts.to_string()),
                status(in_sync),
                Cell::new(told.map_or("-", |condition| &condition.message)),
            ],
            [status(available)],
            wide,
        )
    }
}

fn status(condition: Option<&Condition>) -> Cell {
    let Some(condition) = condition else { return Cell::new("-") };
    Cell::new(&condition.status).toned(match condition.status.as_ref() {
        "True" => Tone::Good,
        "False" => Tone::Bad,
        _ => Tone::Dim,
    })
}
