//! One gateway as its viewers and the engine hold it: the streams that are wanted of it, what waits
//! for them, and what is said of its process.
//!
//! Its task is `run`.

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use super::attached::How;
use super::entry::{Entry, Guest};
use super::feed::Feed;
use super::grants::{Granted, Grants};
use super::reader::Reader;
use super::ready::{Absent, Ready};
use super::report::Report;
use super::reserved::{Reservation, YIELDED};
use super::run::LOOK;
use super::viewer::Seat;
use crate::clock::Clock;
use crate::live::engine::ViewEnd;
use crate::live::refusals::Refusals;
use crate::model::gateway::{Agent, GatewayView, Owner, StreamName};
use crate::model::lease::Quality;
use crate::model::names::{CameraName, SubnetName};
use crate::model::time::Mono;
use crate::plan::gateway::Wanted;
use crate::world::camera::sharing::Reach;
use crate::world::gateway::api::GatewayApi;
use crate::world::gateway::instance::Launch;
use crate::world::gateway::source::GatewaySource;

/// A stream is kept for so long after its last viewer: one that reconnects finds it there.
const LINGER: Duration = Duration::from_secs(5);

/// One gateway, shared by its task and its viewers.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) subnet: SubnetName,
    how: Mutex<How>,
    pub(super) launch: Arc<dyn Launch>,
    pub(super) grants: Arc<dyn Grants>,
    pub(super) clock: Clock,
    entries: Mutex<BTreeMap<StreamName, Entry>>,
    /// Of streams that may have a session which nobody here sees. Locked after the entries.
    pub(super) slots: Mutex<BTreeMap<StreamName, Arc<Reservation>>>,
    /// How often a camera's stream was cut. Each time it gets another name: what go2rtc still has
    /// under the old one must not see it again. Locked after the entries.
    cuts: Mutex<BTreeMap<(CameraName, Quality), u64>>,
    /// Whose its streams are.
    pub(super) owner: Owner,
    /// Readers so far: each has a number of its own, so that what is left of an earlier one is not
    /// taken for the present one.
    readers: AtomicU64,
    report: Mutex<Report>,
    pub(super) refusals: Refusals,
    /// How often it dialled with grants of its that were revoked before.
    pub(super) late_dials: Arc<AtomicU64>,
    /// Another one takes its place.
    pub(super) is_replaced: AtomicBool,
    /// Wakes its task.
    pub(super) changed: Notify,
    /// Tells the engine's owner that there is something to be seen.
    news: Arc<Notify>,
    pub(super) ready: watch::Sender<Ready>,
}

impl Gateway {
    pub(super) fn new(
        (subnet, owner): (SubnetName, Owner),
        how: How,
        (launch, grants): (Arc<dyn Launch>, Arc<dyn Grants>),
        (clock, news): (Clock, Arc<Notify>),
    ) -> Self {
        let (entries, slots, cuts, report) = Default::default();
        let (changed, ready, readers, late_dials) = Default::default();
        let (is_replaced, refusals) = Default::default();
        Self {
            subnet,
            how: Mutex::new(how),
            launch,
            grants,
            clock,
            entries,
            slots,
            cuts,
            owner,
            readers,
            report,
            refusals,
            late_dials,
            is_replaced,
            changed,
            news,
            ready,
        }
    }

    /// Under which name a camera's stream is there now.
    pub(super) fn name(&self, camera: &CameraName, quality: Quality) -> StreamName {
        let cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        let cuts = cuts.get(&(camera.clone(), quality)).copied().unwrap_or_default();
        self.owner.stream(camera, quality, cuts)
    }

    /// What it is, or is to be as soon as its task has seen to it.
    pub(super) fn how(&self) -> How {
        self.how.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It is declared so from now on: another program, or other offers.
    pub(super) fn redeclare(&self, how: How) {
        let mut declared = self.how.lock().unwrap_or_else(PoisonError::into_inner);
        if *declared != how {
            *declared = how;
            drop(declared);
            self.changed.notify_one();
        }
    }

    pub(super) fn entries(&self) -> MutexGuard<'_, BTreeMap<StreamName, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Attaches somebody who has a consumer of its own to a camera's stream.
    pub(super) fn sit(
        self: &Arc<Self>,
        of: (&CameraName, Quality),
        guest: (Agent, Guest),
    ) -> Result<Seat, ViewEnd> {
        self.attach(of, guest, |_, _| ()).map(|(seat, ())| seat)
    }

    /// Attaches somebody to what is read of a camera's stream for all.
    pub(super) fn join(
        self: &Arc<Self>,
        of: (&CameraName, Quality),
        guest: (Agent, Guest),
    ) -> Result<(Seat, Arc<Feed>), ViewEnd> {
        self.attach(of, guest, |entry, name| entry.feed(|| self.reader(name)))
    }

    fn attach<T>(
        self: &Arc<Self>,
        of: (&CameraName, Quality),
        (agent, guest): (Agent, Guest),
        then: impl FnOnce(&mut Entry, &StreamName) -> T,
    ) -> Result<(Seat, T), ViewEnd> {
        let mut entries = self.entries();
        let name = self.name(of.0, of.1);
        let purpose = guest.purpose;
        let entry = self.entry(&mut entries, &name, of, || {
            let grant = self.grants.grant(of.0, of.1, purpose)?;
            let source = GatewaySource::new(grant.url())
                .map_err(|error| ViewEnd::Engine(error.to_string()))?;
            Ok::<_, ViewEnd>((grant, source))
        })?;
        let gone = entry.add((agent.clone(), guest));
        let done = then(entry, &name);
        drop(entries);
        self.tell_of_streams();
        let of = (of.0.clone(), of.1);
        Ok((Seat { gateway: Arc::clone(self), name, of, agent, gone }, done))
    }

    fn reader(self: &Arc<Self>, name: &StreamName) -> Reader {
        let number = self.readers.fetch_add(1, Ordering::Relaxed);
        Reader::new(Arc::clone(self), name.clone(), Agent::of_reader(name, number))
    }

    /// Adds the stream of one capture, which nobody else joins.
    pub(super) fn sit_alone(
        self: &Arc<Self>,
        name: StreamName,
        of: (&CameraName, Quality),
        (agent, guest): (Agent, Guest),
        granted: (Box<dyn Granted>, GatewaySource),
    ) -> Seat {
        let mut entries = self.entries();
        let Ok(entry) = self.entry(&mut entries, &name, of, || Ok::<_, Infallible>(granted));
        let gone = entry.add((agent.clone(), guest));
        drop(entries);
        self.tell_of_streams();
        let of = (of.0.clone(), of.1);
        Seat { gateway: Arc::clone(self), name, of, agent, gone }
    }

    /// The entry of a stream; `grant` is asked for one that is not there yet.
    fn entry<'a, E>(
        &self,
        entries: &'a mut BTreeMap<StreamName, Entry>,
        name: &StreamName,
        of: (&CameraName, Quality),
        grant: impl FnOnce() -> Result<(Box<dyn Granted>, GatewaySource), E>,
    ) -> Result<&'a mut Entry, E> {
        let entry = match entries.entry(name.clone()) {
            btree_map::Entry::Occupied(there) => there.into_mut(),
            btree_map::Entry::Vacant(place) => {
                let of = (of.0.clone(), of.1);
                place.insert(Entry::new(of, self.clock.now().mono, grant()?))
            }
        };
        if let Some(slot) = entry.grant.slot() {
            self.slots().entry(name.clone()).or_insert_with(|| Arc::clone(slot));
        }
        Ok(entry)
    }

    fn tell_of_streams(&self) {
        self.changed.notify_one();
        self.news.notify_one();
    }

    /// Gives up the streams of cameras that do not belong here any more, and leads those that are
    /// declared otherwise now to where they should go.
    pub(super) fn keep(&self, belongs: impl Fn(&CameraName) -> bool) {
        let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        cuts.retain(|(camera, _), _| belongs(camera));
        drop(cuts);
        let mut renewed = BTreeSet::new();
        self.entries().retain(|name, entry| {
            let kept = belongs(&entry.camera).then(|| entry.renew()).flatten();
            if kept.is_none() {
                self.retire_slot(entry);
            }
            renewed.extend(kept.filter(|is_other| *is_other).map(|_| name.clone()));
            kept.is_some()
        });
        // Nobody is to join what leads to where it should not any more.
        self.ready.send_if_modified(|ready| {
            let before = ready.streams.len();
            ready.streams.retain(|name| !renewed.contains(name));
            ready.streams.len() != before
        });
        self.refusals.forget();
        self.tell_of_streams();
    }

    /// A stream is given up whose slot the gateway may go on to need for a while: who comes next
    /// has one of another name, and with it a slot of its own.
    fn retire_slot(&self, entry: &Entry) {
        if entry.grant.slot().is_some() {
            let of = (entry.camera.clone(), entry.quality);
            let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
            *cuts.entry(of).or_default() += 1;
        }
    }

    /// Gives up all of its streams, for their cameras to be watched through another one.
    pub(super) fn replace(&self) {
        self.is_replaced.store(true, Ordering::Relaxed);
        self.keep(|_| false);
    }

    /// Something has changed that the task should see.
    pub(super) fn look_again(&self) {
        self.changed.notify_one();
    }

    /// Takes somebody away. With the last lease a stream that somebody watched past this server ends
    /// at once, since nothing else ends what is left of that; one of a capture ends with it. Others
    /// are kept for a moment.
    pub(super) fn leave(&self, name: &StreamName, agent: &Agent) {
        let mut entries = self.entries();
        if let Some(entry) = entries.get_mut(name) {
            entry.remove(agent, self.clock.now().mono);
            if entry.is_past_us && !entry.is_leased() {
                let of = (entry.camera.clone(), entry.quality);
                let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
                *cuts.entry(of).or_default() += 1;
                drop(cuts);
                entries.remove(name);
            } else if entry.viewers.is_empty() && name.is_of_capture() {
                entries.remove(name);
            }
        }
        drop(entries);
        self.changed.notify_one();
    }

    /// The camera has refused a stream: viewers who come next are told so.
    pub(super) fn refused(&self, name: &StreamName, why: &ViewEnd) {
        if let Some(entry) = self.entries().get(name) {
            self.refusals.note(&entry.camera, entry.quality, why.clone());
        }
    }

    /// How it gets to cameras.
    pub(super) fn reach(&self) -> Reach {
        self.how().reach()
    }

    /// The API, as soon as a stream is there; at the latest then.
    pub(super) async fn registered(
        &self,
        name: &StreamName,
        until: Instant,
    ) -> Result<GatewayApi, Absent> {
        let mut ready = self.ready.subscribe();
        // In time or not, what there is says why.
        drop(timeout_at(until, ready.wait_for(|ready| ready.is_decided(name))).await);
        self.ready.borrow().api_of(name)
    }

    /// Says what has become of the process.
    pub(super) fn tell(&self, report: Report) {
        let mut known = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != report {
            *known = report;
            self.news.notify_one();
        }
    }

    /// How it is, and what is wanted of it.
    pub(super) fn view(&self) -> GatewayView {
        let known = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let Report { state, pid, fault, mut listed, strangers, restarts } = known.clone();
        drop(known);
        let mut wanted = BTreeMap::new();
        for (name, entry) in self.entries().iter() {
            if let Some(listed) = listed.as_mut().filter(|_| entry.is_news) {
                listed.remove(name.as_str());
            }
            wanted.insert(name.clone(), (entry.camera.clone(), entry.quality));
        }
        GatewayView { state, pid, fault, wanted, listed, strangers, restarts }
    }

    /// What should be there; forgets streams that nobody has watched for a while.
    pub(super) fn wanted(&self, now: Mono) -> Wanted {
        let mut entries = self.entries();
        let before = entries.len();
        let slots = self.slots();
        entries.retain(|name, entry| {
            let is_lost = slots.get(name).is_some_and(|slot| slot.is_lost());
            if is_lost {
                self.retire_slot(entry);
                if let Some(feed) = entry.read() {
                    feed.end(ViewEnd::NoSlot(YIELDED.to_owned()));
                }
            }
            !is_lost && entry.idle_since.is_none_or(|since| now.since(since) < LINGER)
        });
        drop(slots);
        if entries.len() != before {
            self.news.notify_one();
        }
        let agents = entries.values().flat_map(Entry::agents).cloned().collect();
        Wanted { streams: entries.keys().cloned().collect(), agents }
    }

    /// Until the next stream that nobody watches is given up.
    pub(super) fn next_end(&self) -> Duration {
        let now = self.clock.now().mono;
        let entries = self.entries();
        let idle = entries.values().filter_map(|entry| entry.idle_since);
        idle.map(|since| LINGER.saturating_sub(now.since(since))).min().unwrap_or(LOOK)
    }
}
