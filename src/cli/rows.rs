//! Which columns a list has, and what stands in them. Pure: the same things, the same text.

mod live;
mod ownership;

use jiff::Timestamp;

use super::table::{Cell, Column};
use super::text::{Tone, age, age_or_dash, ahead, badge, bytes, length, millis, or_dash};
use crate::http::wire::{Camera, Event, Subnet, Sweep, Time};

/// One line.
pub(super) type Row = Vec<Cell>;

/// What can be listed as a table.
pub(super) trait Listed {
    /// The columns.
    fn columns(wide: bool) -> Vec<Column>;
    /// What stands in them.
    fn row(&self, now: Timestamp, wide: bool) -> Row;
}

/// The columns, with the further ones of the wide form.
fn columns<const A: usize, const B: usize>(
    always: [Column; A],
    more: [Column; B],
    wide: bool,
) -> Vec<Column> {
    let more = more.into_iter().filter(|_| wide);
    always.into_iter().chain(more).collect()
}

fn row<const A: usize, const B: usize>(always: [Cell; A], more: [Cell; B], wide: bool) -> Row {
    let more = more.into_iter().filter(|_| wide);
    always.into_iter().chain(more).collect()
}

fn moment(time: Option<Time>) -> Option<Timestamp> {
    time.map(|time| time.0)
}

impl Listed for Camera {
    fn columns(wide: bool) -> Vec<Column> {
        columns(
            [
                Column::flexible("NAME", 10),
                Column::flexible("DISPLAY", 8),
                Column::left("STATE"),
                Column::flexible("REASON", 10),
                Column::right("FRAME"),
                Column::right("CONN"),
                Column::right("FAIL"),
                Column::right("NEXT"),
            ],
            [
                Column::flexible("SUBNET", 8),
                Column::left("DEVICE"),
                Column::left("CODEC"),
                Column::left("SIZE"),
                Column::flexible("MESSAGE", 12),
            ],
            wide,
        )
    }

    fn row(&self, now: Timestamp, wide: bool) -> Row {
        let (state, tone) = badge(&self.state.badge);
        let over = self.connections.total > self.limit;
        let frame = self.last_frame.as_ref();
        row(
            [
                Cell::new(&self.name),
                Cell::new(&self.display_name),
                Cell::new(state).toned(tone),
                Cell::new(&self.state.reason),
                Cell::new(age_or_dash(frame.map(|frame| frame.captured_at.0), now)),
                Cell::new(format!("{}/{}", self.connections.total, self.limit)).toned(if over {
                    Tone::Bad
                } else {
                    Tone::Plain
                }),
                Cell::new(self.failures.to_string()),
                Cell::new(ahead(moment(self.state.next.at), now)),
            ],
            [
                Cell::new(&self.subnet),
                Cell::new(&self.device),
                Cell::new(or_dash(self.codec.as_deref())),
                Cell::new(frame.map_or_else(
                    || "-".to_owned(),
                    |frame| format!("{}x{} {}", frame.width, frame.height, bytes(frame.bytes)),
                )),
                Cell::new(&self.state.message),
            ],
            wide,
        )
    }
}

impl Listed for Subnet {
    fn columns(wide: bool) -> Vec<Column> {
        columns(
            [
                Column::flexible("NAME", 10),
                Column::right("READY"),
                Column::left("STATE"),
                Column::right("EVERY"),
                Column::right("NEXT"),
                Column::right("LAST"),
                Column::left("CLEAN"),
                Column::right("OVERRUNS"),
            ],
            [Column::left("CIDR"), Column::right("AT A TIME"), Column::right("COOLDOWN")],
            wide,
        )
    }

    fn row(&self, now: Timestamp, wide: bool) -> Row {
        let state = match (self.suspended, self.sweeping) {
            (_, true) => Cell::new("sweeping").toned(Tone::Busy),
            (true, false) => Cell::new("suspended").toned(Tone::Dim),
            (false, false) => Cell::new("waiting"),
        };
        let all = self.ready == self.cameras;
        let last = self.last_sweep.as_ref();
        let seconds = |s: u64| length(std::time::Duration::from_secs(s));
        row(
            [
                Cell::new(&self.name),
                Cell::new(format!("{}/{}", self.ready, self.cameras)).toned(if all {
                    Tone::Good
                } else {
                    Tone::Warn
                }),
                state,
                Cell::new(seconds(self.interval)),
                Cell::new(ahead(moment(self.next_sweep_at), now)),
                Cell::new(last.map_or_else(|| "-".to_owned(), |sweep| took(sweep, now))),
                clean(last.and_then(|sweep| sweep.clean)),
                Cell::new(self.overruns.to_string()),
            ],
            [
                Cell::new(&self.cidr),
                Cell::new(self.concurrency.to_string()),
                Cell::new(seconds(self.cooldown)),
            ],
            wide,
        )
    }
}

impl Listed for Sweep {
    fn columns(_: bool) -> Vec<Column> {
        vec![
            Column::right("ID"),
            Column::flexible("SUBNET", 10),
            Column::left("STATE"),
            Column::right("AGE"),
            Column::right("TOOK"),
            Column::right("OK"),
            Column::right("FAILED"),
            Column::right("SKIPPED"),
            Column::left("CLEAN"),
        ]
    }

    fn row(&self, now: Timestamp, _: bool) -> Row {
        let count = |outcome| self.results.iter().filter(|r| r.outcome == outcome).count();
        let failed = count("failed");
        vec![
            Cell::new(self.id.to_string()),
            Cell::new(&self.subnet),
            Cell::new(&self.state),
            Cell::new(age(self.started_at.0, now)),
            Cell::new(took(self, now)),
            Cell::new(count("ok").to_string()),
            Cell::new(failed.to_string()).toned(if failed > 0 { Tone::Bad } else { Tone::Plain }),
            Cell::new(count("skipped").to_string()),
            clean(self.clean),
        ]
    }
}

impl Listed for Event {
    fn columns(_: bool) -> Vec<Column> {
        vec![
            Column::right("SEQ"),
            Column::right("AGE"),
            Column::right("SEV"),
            Column::left("EVENT"),
            Column::flexible("CAMERA", 8),
            Column::flexible("SUMMARY", 20),
        ]
    }

    fn row(&self, now: Timestamp, _: bool) -> Row {
        vec![
            Cell::new(self.seq.to_string()),
            Cell::new(age(self.captured_at.0, now)),
            Cell::new(self.severity.to_string()),
            Cell::new(&self.primary_event).toned(severity(self.severity)),
            Cell::new(or_dash(self.camera_id.as_deref())),
            Cell::new(&self.summary),
        ]
    }
}

/// The tone of an event.
pub(super) fn severity(severity: u8) -> Tone {
    match severity {
        0 => Tone::Plain,
        1 => Tone::Busy,
        2 => Tone::Warn,
        _ => Tone::Bad,
    }
}

fn took(sweep: &Sweep, now: Timestamp) -> String {
    let end = moment(sweep.ended_at).unwrap_or(now);
    let took = end.duration_since(sweep.started_at.0).as_millis();
    millis(u64::try_from(took).unwrap_or_default())
}

fn clean(clean: Option<bool>) -> Cell {
    match clean {
        Some(true) => Cell::new("yes"),
        Some(false) => Cell::new("no").toned(Tone::Bad),
        None => Cell::new("-"),
    }
}
