//! Carries one action out at once, as the loop and the world would together.

use super::Case;
use crate::model::failure::{Failure, FailureKind};
use crate::model::frame::SweepState;
use crate::model::observed::{ConnectionOwner, Seen, StoreView};
use crate::model::outcome::{CaptureResult, Outcome};
use crate::model::plan::Action;
use crate::model::slot::{ConnectionEnd, Holder, Purpose};
use crate::model::time::millis;

impl Case {
    pub(super) fn execute(&mut self, action: &Action) {
        match action.clone() {
            Action::StartSweep { subnet, cameras, overrun } => {
                self.last_sweep += 1;
                let interval_ms = millis(self.desired.subnets[&subnet].sweep.interval);
                let sweep = self.last_sweep;
                self.fold(Outcome::SweepStarted { subnet, sweep, cameras, overrun, interval_ms });
            }
            Action::Capture { camera, subnet, sweep, beside, children } => {
                let at = self.desired.cameras[&camera].capture_device();
                let holder = Holder { camera: camera.clone(), purpose: Purpose::Sweep };
                let limits = &self.desired.devices[&at];
                let slot = self.slots.acquire(limits, at, holder, self.now.mono).unwrap();
                let local = self.connect(at, ConnectionOwner::Slot(slot));
                self.slots.connecting(slot, local);
                assert!(self.going.insert(camera.clone(), slot).is_none(), "two of {camera}");
                self.fold(Outcome::CaptureStarted { camera, subnet, sweep, beside, children });
            }
            Action::SkipCamera { camera, subnet, reason, message, .. } => {
                self.fold(Outcome::CameraSkipped { camera, subnet, reason, message });
            }
            Action::Destruct { subnet, .. } => self.fold(Outcome::DestructBegan { subnet }),
            Action::FinishSweep { subnet, clean, .. } => {
                self.fold(Outcome::SweepEnded { subnet, state: SweepState::Done, clean });
            }
            Action::AbortSweep { subnet, .. } => {
                let clean = None;
                self.fold(Outcome::SweepEnded { subnet, state: SweepState::Aborted, clean });
            }
            Action::CancelCapture { camera } => {
                let failure = Failure::new(FailureKind::Cancelled, "cancelled");
                let result = CaptureResult::Failed(failure);
                self.ends(camera.as_str(), result, ConnectionEnd::Unacknowledged);
            }
            Action::CutSlot { slot, .. } => {
                self.slots.done(slot, ConnectionEnd::Unacknowledged, self.now.mono);
                self.connections.retain(|c| c.owner != ConnectionOwner::Slot(slot));
            }
            Action::EndLease { lease, .. } => self.leases.retain(|own| own.id != lease),
            Action::Delete { what } => {
                let key = crate::plan::retention::key(&what).to_owned();
                self.fold(Outcome::Tried { key, ok: true });
                self.store = Seen::Fresh { at: self.now.mono, value: StoreView::default() };
            }
            action @ (Action::SignalProcess { .. } | Action::ReapProcess { .. }) => {
                self.execute_on_process(action);
            }
            Action::Forget { camera } => self.fold(Outcome::Forgotten { camera }),
        }
    }
}
