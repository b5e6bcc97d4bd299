//! Who has what of a camera's device: connections, slots, views, processes.

use super::super::rows::Listed;
use super::super::table::{Cell, Column, harmless};
use super::super::text::{age, ahead, or_dash};
use super::{Sections, Subject};
use crate::http::wire::{Connection, ForeignHolder, Lease, Process};

impl Sections {
    pub(super) fn connections(&mut self, subject: &Subject) {
        let count = &subject.camera.connections;
        let limit = subject.camera.limit;
        self.line(&format!(
            "Connections: {} of {limit} ({} by this server, {} by others)",
            count.total, count.ours, count.foreign
        ));
        let now = self.now;
        match &subject.connections {
            Err(why) => self.line(&format!("  not known: {}", harmless(why))),
            Ok(connections) if connections.is_empty() => {
                self.line("  none: nobody on this host is connected");
            }
            Ok(connections) => {
                let columns = vec![
                    Column::left("OWNER"),
                    Column::left("STATE"),
                    Column::flexible("LOCAL", 21),
                    Column::flexible("PROGRAM", 7),
                    Column::right("PID"),
                    Column::right("AGE"),
                ];
                let row = |c: &Connection| {
                    vec![
                        Cell::new(&c.owner),
                        Cell::new(&c.state),
                        Cell::new(&c.local),
                        Cell::new(or_dash(c.command.as_deref())),
                        Cell::new(c.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string())),
                        Cell::new(age(c.since.0, now)),
                    ]
                };
                let rows: Vec<_> = connections.iter().map(row).collect();
                self.table(columns, &rows);
            }
        }
        if !count.held_by.is_empty() {
            let one = |h: &ForeignHolder| format!("{} ({})", h.command, h.pid);
            let names: Vec<_> = count.held_by.iter().map(one).collect();
            self.field(2, "Others", &format!("{}; never touched", names.join(", ")));
        }
    }

    /// The rights to a connection: who holds which since when, and what still rests.
    pub(super) fn slots(&mut self, subject: &Subject) {
        let slots = &subject.slots;
        self.line(&format!("Slots: {} of {} taken", slots.len(), subject.camera.limit));
        if slots.is_empty() {
            self.line("  none: nothing of this server is connected or rests");
            return;
        }
        let columns = vec![
            Column::right("SLOT"),
            Column::flexible("CAMERA", 8),
            Column::left("PURPOSE"),
            Column::left("STATE"),
            Column::flexible("PROGRAM", 7),
            Column::right("PID"),
            Column::right("AGE"),
            Column::right("FREE IN"),
        ];
        let now = self.now;
        let row = |lease: &Lease| {
            vec![
                Cell::new(&lease.id),
                Cell::new(or_dash(lease.camera.as_deref())),
                Cell::new(or_dash(lease.purpose.as_deref())),
                Cell::new(&lease.state),
                Cell::new(or_dash(lease.command.as_deref())),
                Cell::new(lease.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string())),
                Cell::new(age(lease.created_at.0, now)),
                Cell::new(ahead(lease.expires_at.map(|at| at.0), now)),
            ]
        };
        let rows: Vec<_> = slots.iter().map(row).collect();
        self.table(columns, &rows);
    }

    /// Who watches, or may begin to.
    pub(super) fn views(&mut self, subject: &Subject) {
        if subject.views.is_empty() {
            self.line("Views: none");
            return;
        }
        self.line(&format!("Views: {}", subject.views.len()));
        let columns = vec![
            Column::left("VIEW"),
            Column::left("KIND"),
            Column::left("QUALITY"),
            Column::flexible("USER", 8),
            Column::left("STATE"),
            Column::right("AGE"),
            Column::right("ENDS IN"),
        ];
        let now = self.now;
        let row = |lease: &Lease| {
            vec![
                Cell::new(&lease.id),
                Cell::new(&lease.kind),
                Cell::new(or_dash(lease.quality.as_deref())),
                Cell::new(or_dash(lease.user.as_deref())),
                Cell::new(&lease.state),
                Cell::new(age(lease.created_at.0, now)),
                Cell::new(ahead(lease.expires_at.map(|at| at.0), now)),
            ]
        };
        let rows: Vec<_> = subject.views.iter().map(row).collect();
        self.table(columns, &rows);
    }

    pub(super) fn processes(&mut self, subject: &Subject) {
        match &subject.processes {
            Err(why) => self.line(&format!("Processes: not known: {}", harmless(why))),
            Ok(processes) if processes.is_empty() => self.line("Processes: none"),
            Ok(processes) => {
                self.line(&format!("Processes: {}", processes.len()));
                let rows: Vec<_> = processes.iter().map(|p| p.row(self.now, false)).collect();
                self.table(Process::columns(false), &rows);
            }
        }
    }
}
