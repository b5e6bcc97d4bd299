//! The one keeper of slots: gives them, watches their sockets go, cuts them.
//!
//! The rules are `plan::slots`; here are the lock, the kernel, the journal and the clock.

mod waiting;

pub use waiting::KeeperGate;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::model::desired::{Device, DeviceLimits};
use crate::model::observed::{Connection, TcpState};
use crate::model::slot::{
    ConnectionEnd, Crowd, Holder, Purpose, Refusal, Slot, SlotId, SlotState, SlotView,
};
use crate::model::time::Mono;
use crate::plan::slots::SlotTable;
use crate::world::journal::{Before, SlotJournal};
use crate::world::sockets::SocketDiag;

/// After a reboot no device is connected to before the host has been up for this long.
const REBOOT_REST: Duration = Duration::from_mins(1);

/// First and longest wait between looks at a closing socket. Most are gone at the first look.
const LOOK_MIN: Duration = Duration::from_millis(1);
const LOOK_MAX: Duration = Duration::from_millis(200);

/// The keeper. Everything that connects to a device asks it first.
#[derive(Debug)]
pub struct SlotKeeper {
    clock: Clock,
    inner: Mutex<Inner>,
    /// A slot began to close.
    closing: Notify,
    /// A slot came back.
    freed: Notify,
    /// Something changed that may let a waiting viewer in.
    changes: watch::Sender<()>,
}

/// The two ways of telling a holder to let go.
#[derive(Debug, Clone, Default)]
struct Ends {
    cut: CancellationToken,
    yielding: CancellationToken,
}

#[derive(Debug)]
struct Inner {
    table: SlotTable,
    journal: SlotJournal,
    journal_failing: bool,
    diag: Option<SocketDiag>,
    limits: Arc<BTreeMap<Device, DeviceLimits>>,
    ends: HashMap<SlotId, Ends>,
}

impl SlotKeeper {
    /// A keeper that takes over what the run before left.
    pub fn new(clock: Clock, journal: SlotJournal, before: &Before) -> Self {
        let now = clock.now().mono;
        let rest = Mono(0).plus(REBOOT_REST);
        let mut table = SlotTable::new((before.rebooted && rest > now).then_some(rest));
        for left in &before.left {
            table.inherit(left.device, left.local, now);
        }
        if !before.left.is_empty() || before.rebooted {
            let slots = before.left.len();
            info!(slots, rebooted = before.rebooted, "the run before held slots when it ended");
        }
        let mut inner = Inner {
            table,
            journal,
            journal_failing: false,
            diag: None,
            limits: Arc::default(),
            ends: HashMap::new(),
        };
        // From here on the file is this run's, with what was taken over.
        inner.sync_journal();
        let inner = Mutex::new(inner);
        let (closing, freed) = (Notify::new(), Notify::new());
        Self { clock, inner, closing, freed, changes: watch::Sender::new(()) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The limits in force from now on.
    pub fn set_limits(&self, limits: Arc<BTreeMap<Device, DeviceLimits>>) {
        self.lock().limits = limits;
        self.tell_of_change();
    }

    fn tell_of_change(&self) {
        self.changes.send_replace(());
    }

    /// Takes a slot, before the first packet.
    pub fn acquire(self: &Arc<Self>, device: Device, holder: Holder) -> Result<SlotGuard, Refusal> {
        let now = self.clock.now().mono;
        let mut inner = self.lock();
        let limits = Arc::clone(&inner.limits);
        let limits = limits.get(&device).ok_or(Refusal::UnknownDevice)?;
        let id = inner.table.acquire(limits, device, holder, now)?;
        let ends = Ends::default();
        inner.ends.insert(id, ends.clone());
        inner.sync_journal();
        Ok(SlotGuard { keeper: Arc::clone(self), id, device, ends, ended: false })
    }

    /// What the planner may know.
    pub fn view(&self) -> SlotView {
        let now = self.clock.now().mono;
        let mut inner = self.lock();
        inner.table.expire(now);
        inner.sync_journal();
        inner.table.view()
    }

    /// Every slot that is not free.
    pub fn slots(&self) -> Vec<Slot> {
        self.lock().table.slots().cloned().collect()
    }

    /// What is connected to a device now. One that is not declared tolerates anything.
    pub fn crowd(&self, device: Device) -> Crowd {
        let inner = self.lock();
        let limit = inner.limits.get(&device).map_or(u16::MAX, |limits| limits.max_connections);
        let (ours, foreign) = inner.table.count(device);
        Crowd { ours, foreign, limit }
    }

    /// Takes in all connections to devices, read from `at` on.
    pub fn observe(&self, at: Mono, connections: &[Connection]) {
        let mut inner = self.lock();
        let limits = Arc::clone(&inner.limits);
        inner.table.observe(at, connections, &limits);
        inner.sync_journal();
        drop(inner);
        self.freed.notify_one();
        self.tell_of_change();
    }

    /// Ends a slot's use at once: its holder is cancelled.
    pub fn cut(&self, slot: SlotId) {
        if let Some(ends) = self.lock().ends.get(&slot) {
            ends.cut.cancel();
        }
    }

    /// Waits until a slot comes back; at once when one has since the last wait. For one waiter, the
    /// loop.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    fn connecting(&self, id: SlotId, local: SocketAddr) {
        let mut inner = self.lock();
        inner.table.connecting(id, local);
        inner.sync_journal();
    }

    fn dialling(&self, id: SlotId) {
        let mut inner = self.lock();
        inner.table.dialling(id);
        inner.sync_journal();
    }

    /// What a slot that is held serves from now on.
    pub fn serve(&self, id: SlotId, purpose: Purpose) {
        let is_news = self.lock().table.serve(id, purpose);
        // Those who wait may ask it to make room now, or wait in vain.
        if is_news {
            self.tell_of_change();
        }
    }

    fn done(&self, id: SlotId, end: ConnectionEnd) {
        let now = self.clock.now().mono;
        let mut inner = self.lock();
        inner.ends.remove(&id);
        inner.table.done(id, end, now);
        // Most sockets are gone by now: then the slot is back without another task's help.
        let left = inner.look(&self.clock).left;
        inner.sync_journal();
        drop(inner);
        if left {
            self.closing.notify_one();
        }
        self.freed.notify_one();
        self.tell_of_change();
    }

    /// Watches closing sockets until `stop`. One task for all of them.
    pub async fn watch_closing(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.closing.notified() => {}
            }
            let mut wait = LOOK_MIN;
            while self.look() {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(wait) => {}
                }
                wait = (wait * 2).min(LOOK_MAX);
            }
        }
    }

    fn look(&self) -> bool {
        let mut inner = self.lock();
        let Looked { left, freed } = inner.look(&self.clock);
        inner.sync_journal();
        drop(inner);
        if freed {
            self.freed.notify_one();
            self.tell_of_change();
        }
        left
    }
}

/// What a look at the closing sockets found.
#[derive(Debug, Default, Clone, Copy)]
struct Looked {
    /// Some are still there.
    left: bool,
    /// Some are gone.
    freed: bool,
}

impl Inner {
    /// Asks the kernel for each closing slot's socket.
    fn look(&mut self, clock: &Clock) -> Looked {
        let closing: Vec<(SlotId, Device, Option<SocketAddr>)> = self
            .table
            .slots()
            .filter(|slot| matches!(slot.state, SlotState::Closing { .. }))
            .map(|slot| (slot.id, slot.device, slot.local))
            .collect();
        let mut looked = Looked::default();
        for (id, device, local) in closing {
            let asked = clock.now().mono;
            match local.map(|local| self.state_of(local, device)) {
                Some(Err(())) => looked.left = true,
                Some(Ok(Some(state))) if state.is_connection() => looked.left = true,
                Some(Ok(_)) | None => {
                    let limits = Arc::clone(&self.limits);
                    self.table.gone(id, limits.get(&device), asked);
                    looked.freed = true;
                }
            }
        }
        looked
    }

    /// The state of a socket; an error means that nothing is known, and the next pass looks again.
    fn state_of(&mut self, local: SocketAddr, device: Device) -> Result<Option<TcpState>, ()> {
        if self.diag.is_none() {
            self.diag = SocketDiag::open().ok();
        }
        let Some(diag) = &mut self.diag else { return Err(()) };
        match diag.state_of(local, device) {
            Ok(state) => Ok(state),
            Err(error) => {
                warn!(error = %crate::chain::Chain(&error), "cannot look at a socket");
                self.diag = None;
                Err(())
            }
        }
    }

    fn sync_journal(&mut self) {
        let result = self.journal.sync(self.table.slots());
        if let Err(error) = &result
            && !self.journal_failing
        {
            warn!(%error, "slots cannot be written down; a crash now would forget them");
        }
        self.journal_failing = result.is_err();
    }
}

/// The right to one connection. Dropped without [`SlotGuard::end`] it counts as an end that the
/// camera did not acknowledge.
#[derive(Debug)]
pub struct SlotGuard {
    keeper: Arc<SlotKeeper>,
    id: SlotId,
    device: Device,
    ends: Ends,
    ended: bool,
}

impl SlotGuard {
    /// Its number.
    pub fn id(&self) -> SlotId {
        self.id
    }

    /// To which device.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Ends when the holder has to let go at once.
    pub fn cut(&self) -> &CancellationToken {
        &self.ends.cut
    }

    /// Ends when somebody of higher purpose wants the slot: the session is to be ended in order.
    pub fn yielding(&self) -> &CancellationToken {
        &self.ends.yielding
    }

    /// The connection's address on this side.
    pub fn connecting(&self, local: SocketAddr) {
        self.keeper.connecting(self.id, local);
    }

    /// A SYN is about to leave; what was connected before has ended.
    pub fn dialling(&self) {
        self.keeper.dialling(self.id);
    }

    /// The holder is done; the slot comes back when the socket has been seen gone.
    pub fn end(mut self, end: ConnectionEnd) {
        self.ended = true;
        self.keeper.done(self.id, end);
    }
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        if !self.ended {
            self.keeper.done(self.id, ConnectionEnd::Unacknowledged);
        }
    }
}

#[cfg(test)]
mod tests;
