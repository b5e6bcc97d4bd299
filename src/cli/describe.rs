//! `describe camera`: everything that is known of one camera, in sections.

mod holdings;

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::args::{DescribeArgs, DescribeKind};
use super::client::{Client, Query};
use super::exit::{CliError, Exit};
use super::screen::Screen;
use super::table::{Cell, Column, Table, cut, harmless};
use super::text::{Tone, age, ahead, badge, bytes, millis, or_dash, paint};
use crate::http::wire::{
    Attempt, Camera, CameraDetail, Condition, Connection, HeldAction, Lease, Page, Process, Status,
};

/// The problem code for what the server cannot see.
const NOT_OBSERVED: &str = "NOT_OBSERVED";

/// Asks for one object and shows it.
pub(super) async fn run(
    client: &Client,
    args: &DescribeArgs,
    screen: &mut Screen<'_>,
) -> Result<Exit, CliError> {
    let DescribeKind::Camera = args.kind;
    let name = path_segment(&args.name);
    let camera = client.get::<Camera>(&format!("api/v1/cameras/{name}"), &Vec::new()).await?;
    let held = client.get::<Status>("api/v1/status", &Vec::new()).await?.value.held;
    let of_device: Query<'_> = vec![("device", camera.value.device.clone())];
    let of_camera: Query<'_> = vec![("camera", args.name.clone())];
    let subject = Subject {
        connections: seen(client, "api/v1/connections", &of_device).await?,
        processes: seen(client, "api/v1/processes", &of_camera).await?,
        slots: leases(client, &of_device, true).await?,
        views: leases(client, &of_camera, false).await?,
        held,
        camera: camera.value,
    };
    let text = subject.text(camera.at, screen.width, screen.colour);
    screen.out.write_all(text.as_bytes())?;
    screen.out.flush()?;
    Ok(Exit::Ok)
}

/// What the server sees of a list, or why it cannot see it: the rest is shown all the same.
async fn seen<T: DeserializeOwned>(
    client: &Client,
    path: &str,
    query: &Query<'_>,
) -> Result<Result<Vec<T>, String>, CliError> {
    match client.get::<Page<T>>(path, query).await {
        Ok(page) => Ok(Ok(page.value.items)),
        Err(CliError::Refused { code, detail, .. }) if code == NOT_OBSERVED => Ok(Err(detail)),
        Err(error) => Err(error),
    }
}

/// The slots among the leases, or the others.
async fn leases(client: &Client, query: &Query<'_>, slots: bool) -> Result<Vec<Lease>, CliError> {
    let mut leases = client.get::<Page<Lease>>("api/v1/leases", query).await?.value.items;
    leases.retain(|lease| (lease.kind == "slot") == slots);
    Ok(leases)
}

/// A name as one segment of a path.
pub(super) fn path_segment(name: &str) -> String {
    url::form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20")
}

/// What is described.
#[derive(Debug)]
pub(super) struct Subject {
    /// The camera.
    pub(super) camera: Camera,
    /// Connections to its device, or why they are not known.
    pub(super) connections: Result<Vec<Connection>, String>,
    /// Processes that have to do with the camera, or why they are not known.
    pub(super) processes: Result<Vec<Process>, String>,
    /// Who holds the right to a connection to its device.
    pub(super) slots: Vec<Lease>,
    /// Who has the right to watch the camera.
    pub(super) views: Vec<Lease>,
    /// What the server wants but does not do yet, of all objects.
    pub(super) held: Vec<HeldAction>,
}

/// Writes "label: value" lines and tables.
struct Sections {
    out: String,
    now: Timestamp,
    width: usize,
    colour: bool,
}

impl Subject {
    /// The whole text.
    pub(super) fn text(&self, now: Timestamp, width: usize, colour: bool) -> String {
        let mut page = Sections { out: String::new(), now, width, colour };
        page.head(&self.camera);
        page.status(&self.camera);
        page.conditions(&self.camera.conditions);
        page.connections(self);
        page.slots(self);
        page.views(self);
        page.processes(self);
        if let Some(detail) = &self.camera.detail {
            page.attempts(&detail.attempts);
        }
        page.next(self);
        page.out
    }
}

impl Sections {
    fn field(&mut self, indent: usize, label: &str, value: &str) {
        let label = format!("{:indent$}{label}:", "");
        let value = cut(&harmless(value), self.width.saturating_sub(18));
        self.line(&format!("{label:<18}{value}"));
    }

    fn line(&mut self, line: &str) {
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }

    fn table(&mut self, columns: Vec<Column>, rows: &[Vec<Cell>]) {
        let table = Table::fit(columns, rows, Some(self.width.saturating_sub(2)), self.colour);
        for line in table.text(rows).lines() {
            let indented = format!("  {line}");
            self.line(&indented);
        }
    }

    fn head(&mut self, camera: &Camera) {
        self.field(0, "Name", &camera.name);
        self.field(0, "Display name", &camera.display_name);
        self.field(0, "Subnet", &camera.subnet);
        self.field(0, "Device", &format!("{} (limit {})", camera.device, camera.limit));
        if let Some(detail) = &camera.detail {
            self.declared(detail);
        }
        self.field(0, "Enabled", if camera.enabled { "yes" } else { "no" });
    }

    fn declared(&mut self, detail: &CameraDetail) {
        self.field(0, "Family", &detail.family);
        let labels: Vec<String> = detail.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let labels = labels.join(", ");
        self.field(0, "Labels", if labels.is_empty() { "-" } else { &labels });
        let streams = &detail.streams;
        for (label, url) in
            [("Main", &streams.main), ("Sub", &streams.sub), ("Snapshot", &streams.snapshot)]
        {
            if let Some(url) = url {
                self.field(0, label, url);
            }
        }
        let order = format!(
            "{}, at most {}s",
            detail.capture_order.join(", "),
            detail.capture_timeout_seconds
        );
        self.field(0, "Capture", &order);
    }

    fn status(&mut self, camera: &Camera) {
        self.line("Status:");
        let (state, tone) = badge(&camera.state.badge);
        let state = paint(&state, tone, self.colour);
        let since = camera.state.since.map(|at| format!(" for {}", age(at.0, self.now)));
        let place = camera.state.stage.as_ref().map(|stage| format!(" at {stage}"));
        let label = "  State:";
        let text = format!(
            "{label:<18}{state}, {}{}{}",
            camera.state.reason,
            place.unwrap_or_default(),
            since.unwrap_or_default()
        );
        self.line(&text);
        self.field(2, "Message", &camera.state.message);
        self.field(2, "Failures", &camera.failures.to_string());
        let frame = camera.last_frame.as_ref().map_or_else(
            || "none yet".to_owned(),
            |frame| {
                let age = age(frame.captured_at.0, self.now);
                let size = format!("{}x{}, {}", frame.width, frame.height, bytes(frame.bytes));
                let codec = or_dash(camera.codec.as_deref());
                format!("{age} ago, {size}, {codec} by {} (frame {})", frame.backend, frame.id)
            },
        );
        self.field(2, "Last picture", &frame);
    }

    fn conditions(&mut self, conditions: &[Condition]) {
        self.line("Conditions:");
        let columns = vec![
            Column::left("TYPE"),
            Column::left("STATUS"),
            Column::left("REASON"),
            Column::right("SINCE"),
            Column::flexible("MESSAGE", 16),
        ];
        let row = |condition: &Condition| {
            let tone = match condition.status.as_ref() {
                "True" => Tone::Good,
                "False" => Tone::Bad,
                _ => Tone::Dim,
            };
            vec![
                Cell::new(&condition.kind),
                Cell::new(&condition.status).toned(tone),
                Cell::new(&condition.reason),
                Cell::new(age(condition.last_transition_time.0, self.now)),
                Cell::new(&condition.message),
            ]
        };
        let rows: Vec<_> = conditions.iter().map(row).collect();
        self.table(columns, &rows);
    }

    fn attempts(&mut self, attempts: &[Attempt]) {
        self.line("Last captures:");
        if attempts.is_empty() {
            self.line("  none");
            return;
        }
        let columns = vec![
            Column::right("AGE"),
            Column::left("OUTCOME"),
            Column::left("REASON"),
            Column::left("BY"),
            Column::right("TOOK"),
            Column::flexible("MESSAGE", 16),
        ];
        let row = |attempt: &Attempt| {
            let tone = match attempt.outcome.as_ref() {
                "ok" => Tone::Good,
                "failed" => Tone::Bad,
                _ => Tone::Dim,
            };
            vec![
                Cell::new(age(attempt.started_at.0, self.now)),
                Cell::new(&attempt.outcome).toned(tone),
                Cell::new(&attempt.reason),
                Cell::new(or_dash(attempt.backend.as_deref())),
                Cell::new(millis(attempt.duration_ms)),
                Cell::new(&attempt.message),
            ]
        };
        let rows: Vec<_> = attempts.iter().take(10).map(row).collect();
        self.table(columns, &rows);
    }

    fn next(&mut self, subject: &Subject) {
        let next = &subject.camera.state.next;
        let text = match (next.kind.as_ref(), next.at) {
            ("none", _) | (_, None) => "nothing planned".to_owned(),
            (kind, Some(at)) => match ahead(Some(at.0), self.now).as_str() {
                "now" => format!("{kind} now"),
                wait => format!("{kind} in {wait}"),
            },
        };
        self.field(0, "Next", &text);
        let objects = [
            format!("camera/{}", subject.camera.name),
            format!("device/{}", subject.camera.device),
        ];
        for held in subject.held.iter().filter(|held| objects.contains(&held.object)) {
            let wait = held.until.map(|at| format!(", for {}", ahead(Some(at.0), self.now)));
            let text = format!("{}: {}", held.kind, held.message);
            self.field(2, "Held back", &format!("{text}{}", wait.unwrap_or_default()));
        }
    }
}

#[cfg(test)]
mod tests;
