//! What is looked at from time to time and at the end, rather than after every event.

use std::collections::BTreeSet;

use super::AUDIT;
use crate::model::condition::ConditionType;
use crate::model::desired::Device;
use crate::model::history::ATTEMPTS_MAX;
use crate::model::slot::Purpose;
use crate::plan::simulation::network::Owner;
use crate::plan::simulation::{Event, SECOND, Sim, fleet};
use crate::plan::status;

/// A session that lasts longer has an owner that does not let go.
const SESSION_MAX: u64 = 14 * SECOND;

impl Sim {
    /// Looks at everything: who has waited too long, what has grown.
    pub(in crate::plan::simulation) fn audit(&mut self) {
        self.after(AUDIT, Event::Audit);
        self.mark_disturbed();
        let Some(server) = &self.server else {
            self.checks.all_calm_from(self.t);
            return;
        };
        if self.blind || self.blind_to_processes {
            self.checks.all_calm_from(self.t);
            return;
        }
        let grown = server.history.cameras.values().any(|c| c.attempts.len() > ATTEMPTS_MAX);
        let stale = server.history.cameras.keys().any(|name| {
            let declared = self.fleet.desired.cameras.contains_key(name);
            !declared && server.history.cameras[name].in_flight.is_none()
        });
        let results = server.history.subnets.values().filter_map(|subnet| subnet.run.as_ref());
        let long = results.map(|run| run.results.len()).max().unwrap_or(0);
        if grown || stale || long > 4 * usize::from(fleet::CAMERAS) {
            self.fail("the history grows");
        }
        self.check_waits();
        self.check_sweep_ids();
        self.check_leftovers();
    }

    fn mark_disturbed(&mut self) {
        let mut disturbed: BTreeSet<Device> = self.net.faults.keys().copied().collect();
        let sockets = self.net.iter().filter(|(_, s)| s.owner == Owner::Foreign);
        disturbed.extend(sockets.map(|(_, socket)| socket.device));
        if let Some(server) = &self.server {
            let viewers = server.sessions.values().filter(|s| s.purpose == Purpose::Modal);
            disturbed.extend(viewers.map(|viewer| viewer.device));
        }
        let cameras = &self.fleet.desired.cameras;
        let left = self.kernel.marked().filter_map(|(_, mark)| cameras.get(mark.unit.camera()?));
        disturbed.extend(left.map(|camera| camera.device()));
        for device in disturbed {
            self.checks.calm_from(device, self.t);
        }
        // A capture that does not end holds up its line.
        let Some(server) = &self.server else { return };
        let sessions = server.sessions.values().filter(|s| s.purpose == Purpose::Sweep);
        let slow = sessions.filter(|s| self.t - self.boot > s.started.mono.0 + SESSION_MAX);
        let slow: Vec<_> = slow.map(|session| session.subnet.clone()).collect();
        for subnet in slow {
            self.checks.subnet_calm_from(&subnet, self.t);
        }
    }

    fn check_waits(&mut self) {
        let Some(server) = &self.server else { return };
        let mut late = None;
        for camera in self.fleet.desired.cameras.values().filter(|camera| camera.enabled) {
            let calm = [
                Some(&self.checks.calm_all),
                self.checks.calm_devices.get(&camera.device()),
                self.checks.calm_subnets.get(&camera.subnet),
                self.checks.declared.get(&camera.name),
            ];
            let calm = calm.into_iter().flatten().max().copied().unwrap_or(0);
            let patience = self.patience(&camera.subnet);
            if self.t <= calm + patience {
                continue;
            }
            let captured = self.checks.captured.get(&camera.name).copied().unwrap_or(0);
            if captured + patience < self.t {
                let waits = (self.t - captured.max(calm)) / SECOND;
                late = Some(format!("{} waits for its picture since {waits} s", camera.name));
            }
            // The status of one camera is dear; one in four looks is enough.
            if (self.t / AUDIT).is_multiple_of(4) {
                let observed = server.blind_view();
                let status = status::camera(
                    &self.fleet.desired,
                    &observed,
                    &server.history,
                    camera,
                    self.now(),
                );
                let ready = status.conditions.iter().find(|c| c.kind == ConditionType::Ready);
                if ready.is_none_or(|ready| !matches!(ready.reason, "Captured" | "Stale")) {
                    late = Some(format!("{} is not ready: {ready:?}", camera.name));
                }
            }
        }
        if let Some(late) = late {
            self.fail(late);
        }
    }

    fn check_sweep_ids(&mut self) {
        let Some(server) = &self.server else { return };
        let ids = server.history.subnets.values().filter_map(|s| Some(s.run.as_ref()?.id));
        let newest = ids.max().unwrap_or(0).max(self.checks.last_sweep);
        if newest > self.last_sweep {
            self.fail("a sweep has a number that was not given");
        }
        self.checks.last_sweep = newest;
    }

    /// Nothing runs any more: nothing is held.
    pub(in crate::plan::simulation) fn check_rest(&mut self) {
        let Some(server) = &self.server else { return self.fail("the server did not come back") };
        let slots = server.table.slots().count();
        let sessions = server.sessions.len();
        let busy = server.history.cameras.values().filter(|c| c.in_flight.is_some()).count();
        let running = server.history.subnets.values().filter(|s| s.run.is_some()).count();
        let sockets = self.net.iter().count();
        let processes = self.kernel.iter().count();
        if processes > 0 {
            self.fail(format!("at rest {processes} processes are left"));
        } else if slots + sessions + busy + running + sockets > 0 {
            self.fail(format!(
                "at rest {slots} slots, {sessions} sessions, {busy} captures, {running} sweeps and \
                 {sockets} sockets are left"
            ));
        }
    }
}
