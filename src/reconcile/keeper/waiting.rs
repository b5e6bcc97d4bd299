//! Waiting for a slot, and asking a lower purpose to make room. The rules are `plan::slots`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{SlotGuard, SlotKeeper};
use crate::model::desired::Device;
use crate::model::slot::{ConnectionEnd, Crowd, Holder, Purpose, Refusal, SlotId};
use crate::model::time::Mono;
use crate::plan::slots::WaiterId;
use crate::world::camera::gate::{Gate, Pass, Waiting};

/// Keeps lower purposes back for as long as it is there.
struct Place<'a> {
    keeper: &'a SlotKeeper,
    id: WaiterId,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.keeper.lock().table.waited(self.id);
        self.keeper.tell_of_change();
    }
}

/// What to do about a refusal.
enum Next {
    /// Try again when something changes, at the latest then.
    Wait(Instant),
    /// Nothing will change in time.
    GiveUp,
}

impl SlotKeeper {
    /// Takes a slot as soon as there is one, at the latest at `until`; asks lower purposes to make
    /// room.
    pub async fn acquire_by(
        self: &Arc<Self>,
        device: Device,
        holder: Holder,
        until: Instant,
    ) -> Result<SlotGuard, Refusal> {
        let mut changes = self.changes.subscribe();
        // Most need not wait, and so hold nobody back.
        match self.acquire(device, holder.clone()) {
            Err(Refusal::UnknownDevice) => return Err(Refusal::UnknownDevice),
            Ok(guard) => return Ok(guard),
            Err(_) => {}
        }
        let place = Place { keeper: self, id: self.lock().table.wait(device, holder.purpose) };
        loop {
            changes.borrow_and_update();
            let refusal = match self.acquire(device, holder.clone()) {
                Ok(guard) => {
                    drop(place);
                    return Ok(guard);
                }
                Err(refusal) => refusal,
            };
            match self.next_try(device, holder.purpose, &refusal, until) {
                Next::GiveUp => return Err(refusal),
                Next::Wait(at) => wait(&mut changes, at).await,
            }
            if Instant::now() >= until {
                return Err(refusal);
            }
        }
    }

    fn next_try(
        &self,
        device: Device,
        purpose: Purpose,
        refusal: &Refusal,
        until: Instant,
    ) -> Next {
        let now = self.clock.now().mono;
        let left = until.saturating_duration_since(Instant::now());
        let at = |mono: Mono| Instant::now() + mono.since(now) + Duration::from_millis(1);
        match refusal {
            Refusal::UnknownDevice => Next::GiveUp,
            Refusal::Resting { until: rested } if *rested > now.plus(left) => Next::GiveUp,
            Refusal::Resting { until: rested } => Next::Wait(at(*rested).min(until)),
            Refusal::NotObserved | Refusal::Wanted { .. } => Next::Wait(until),
            Refusal::Full { .. } | Refusal::Exclusive { .. } => {
                let mut inner = self.lock();
                if let Some(victim) = inner.table.make_room(device, purpose)
                    && let Some(ends) = inner.ends.get(&victim)
                {
                    ends.yielding.cancel();
                }
                if !inner.table.may_free(device, purpose, now.plus(left)) {
                    return Next::GiveUp;
                }
                let quarantines = inner.table.slots().filter_map(|slot| match slot.state {
                    crate::model::slot::SlotState::Quarantined { until } => Some(until),
                    crate::model::slot::SlotState::Held
                    | crate::model::slot::SlotState::Closing { .. } => None,
                });
                let next = quarantines.min().map_or(until, |free| at(free).min(until));
                Next::Wait(next)
            }
        }
    }
}

async fn wait(changes: &mut watch::Receiver<()>, at: Instant) {
    tokio::select! {
        news = changes.changed() => {
            if news.is_err() {
                tokio::time::sleep_until(at).await;
            }
        }
        () = tokio::time::sleep_until(at) => {}
    }
}

/// The keeper as whoever opens connections sees it.
#[derive(Debug, Clone)]
pub struct KeeperGate(pub Arc<SlotKeeper>);

impl Gate for KeeperGate {
    fn take(&self, device: Device, holder: Holder) -> Result<Box<dyn Pass>, Refusal> {
        self.0.acquire(device, holder).map(|guard| Box::new(guard) as Box<dyn Pass>)
    }

    fn take_by(
        &self,
        device: Device,
        holder: Holder,
        until: Instant,
    ) -> Waiting<'_, Result<Box<dyn Pass>, Refusal>> {
        Box::pin(async move {
            let guard = self.0.acquire_by(device, holder, until).await?;
            Ok(Box::new(guard) as Box<dyn Pass>)
        })
    }

    fn serve(&self, slot: SlotId, purpose: Purpose) {
        self.0.serve(slot, purpose);
    }

    fn crowd(&self, device: Device) -> Crowd {
        self.0.crowd(device)
    }
}

impl Pass for SlotGuard {
    fn slot(&self) -> SlotId {
        self.id()
    }

    fn dialling(&self) {
        Self::dialling(self);
    }

    fn connected(&self, local: SocketAddr) {
        self.connecting(local);
    }

    fn cut(&self) -> &CancellationToken {
        Self::cut(self)
    }

    fn yielding(&self) -> &CancellationToken {
        Self::yielding(self)
    }

    fn end(self: Box<Self>, end: ConnectionEnd) {
        Self::end(*self, end);
    }
}
