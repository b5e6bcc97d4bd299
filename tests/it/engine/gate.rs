//! A gate that gives every device the same number of slots, and remembers everything.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use camserver::model::desired::Device;
use camserver::model::slot::{ConnectionEnd, Crowd, Holder, Purpose, Refusal, SlotId};
use camserver::world::camera::gate::{Gate, Pass, Waiting};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
pub(super) struct TestGate {
    limit: usize,
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    book: Mutex<Book>,
    freed: Notify,
}

/// What the gate remembers.
#[derive(Debug, Default)]
pub(super) struct Book {
    next: SlotId,
    pub(super) held: BTreeMap<SlotId, (Device, Holder, Tokens)>,
    pub(super) most: BTreeMap<Device, usize>,
    pub(super) ends: Vec<ConnectionEnd>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Tokens {
    pub(super) cut: CancellationToken,
    pub(super) yielding: CancellationToken,
}

impl TestGate {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, inner: Arc::default() })
    }

    pub(super) fn book<T>(&self, read: impl FnOnce(&Book) -> T) -> T {
        read(&self.inner.book.lock().unwrap())
    }

    /// The tokens of the only slot that is held.
    pub(super) fn tokens(&self) -> Tokens {
        self.book(|book| book.held.values().next().unwrap().2.clone())
    }
}

impl Gate for TestGate {
    fn take(&self, device: Device, holder: Holder) -> Result<Box<dyn Pass>, Refusal> {
        let mut book = self.inner.book.lock().unwrap();
        let ours = book.held.values().filter(|(other, ..)| *other == device).count();
        if ours >= self.limit {
            let count = |count| u16::try_from(count).unwrap();
            return Err(Refusal::Full { limit: count(self.limit), ours: count(ours), others: 0 });
        }
        book.next += 1;
        let slot = book.next;
        let tokens = Tokens::default();
        book.held.insert(slot, (device, holder, tokens.clone()));
        let most = book.most.entry(device).or_default();
        *most = (*most).max(ours + 1);
        Ok(Box::new(TestPass { inner: Arc::clone(&self.inner), slot, tokens, end: None }))
    }

    fn take_by(
        &self,
        device: Device,
        holder: Holder,
        until: Instant,
    ) -> Waiting<'_, Result<Box<dyn Pass>, Refusal>> {
        Box::pin(async move {
            loop {
                let freed = self.inner.freed.notified();
                match self.take(device, holder.clone()) {
                    Ok(pass) => return Ok(pass),
                    Err(refusal) if self.limit == 0 => return Err(refusal),
                    Err(refusal) => timeout_at(until, freed).await.map_err(|_| refusal)?,
                }
            }
        })
    }

    fn serve(&self, slot: SlotId, purpose: Purpose) {
        let mut book = self.inner.book.lock().unwrap();
        if let Some((_, holder, _)) = book.held.get_mut(&slot) {
            holder.purpose = purpose;
        }
    }

    fn crowd(&self, device: Device) -> Crowd {
        let ours =
            self.book(|book| book.held.values().filter(|(other, ..)| *other == device).count());
        let count = |count| u16::try_from(count).unwrap_or(u16::MAX);
        Crowd { ours: count(ours), foreign: 0, limit: count(self.limit) }
    }
}

#[derive(Debug)]
struct TestPass {
    inner: Arc<Inner>,
    slot: SlotId,
    tokens: Tokens,
    end: Option<ConnectionEnd>,
}

impl Pass for TestPass {
    fn slot(&self) -> SlotId {
        self.slot
    }
    fn dialling(&self) {}
    fn connected(&self, local: SocketAddr) {
        assert!(local.ip().is_loopback());
    }
    fn cut(&self) -> &CancellationToken {
        &self.tokens.cut
    }
    fn yielding(&self) -> &CancellationToken {
        &self.tokens.yielding
    }
    fn end(mut self: Box<Self>, end: ConnectionEnd) {
        self.end = Some(end);
    }
}

impl Drop for TestPass {
    fn drop(&mut self) {
        let mut book = self.inner.book.lock().unwrap();
        book.held.remove(&self.slot);
        book.ends.push(self.end.unwrap_or(ConnectionEnd::Unacknowledged));
        drop(book);
        self.inner.freed.notify_waiters();
    }
}
