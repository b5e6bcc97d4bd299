//! One client of the relay, from its first request to the end of both connections.
//!
//! The slot is taken before the camera is touched and given back when the camera's side has been
//! ended. What is said in between is not its business.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Inner;
use super::dialogue::Dialogue;
use super::ending::end_in_order;
use super::grant::Granted;
use super::headers::Method;
use super::hidden::Hidden;
use super::names::{self, Names};
use super::pump::{Ending, Pump};
use super::side::Side;
use crate::model::failure::Stage;
use crate::model::slot::{Holder, Refusal};
use crate::world::camera::classify::classify;
use crate::world::camera::connection::{Connection, End, SocketHook};
use crate::world::camera::fault::Fault;
use crate::world::camera::gate::{Pass, follow, take_for};
use crate::world::camera::rtsp::auth::Authenticator;
use crate::world::camera::rtsp::message::Request;

/// For a client to say what it wants.
const FIRST_REQUEST: Duration = Duration::from_secs(5);
/// For a connection that nobody wants any more to stand, so that it can be ended in order.
const LATE_CONNECT: Duration = Duration::from_secs(1);
/// For the camera to close its side of a connection on which nothing was said.
const LATE_FINISH: Duration = Duration::from_millis(400);

/// Serves one connection. Dropping the future ends both sides at once with RST.
pub(super) async fn serve(
    relay: Arc<Inner>,
    stream: TcpStream,
    stranger: Option<OwnedSemaphorePermit>,
) {
    let Ok(connection) = Connection::accepted(stream, u64::MAX) else { return };
    let mut client = Side::new(connection);
    let first = tokio::select! {
        biased;
        () = relay.closing.cancelled() => return,
        first = timeout(FIRST_REQUEST, client.first_request()) => first,
    };
    let first = match first {
        Ok(Ok(first)) => first,
        Ok(Err(Fault::Message(_) | Fault::Answer(_))) => return client.refuse(400, None).await,
        Ok(Err(_)) | Err(_) => return,
    };
    let token = names::split(&first.uri).map(|(token, _)| token);
    let Some(granted) = token.and_then(|token| relay.find(token)) else {
        token.inspect(|token| relay.late().count(token));
        return client.refuse(404, Some(&first)).await;
    };
    if !matches!(Method::of(&first.method), Some(Method::Options | Method::Describe)) {
        return client.refuse(455, Some(&first)).await;
    }
    drop(stranger);
    let cut = granted.cut();
    let visit = Visit { relay, granted, cut, first };
    visit.run(client).await;
}

/// A client that has named a grant.
struct Visit {
    relay: Arc<Inner>,
    granted: Arc<Granted>,
    cut: CancellationToken,
    first: Request,
}

/// Why a client is not let in.
enum TurnedAway {
    /// The grant's owner, or the client itself, wants it no more.
    Unwanted,
    /// With this status.
    With(u16),
}

/// The right to be in a session and to one connection; the session counts as long as it lives.
struct Slot {
    granted: Arc<Granted>,
    // `None` once it has been given back.
    pass: Option<Box<dyn Pass>>,
    _place: OwnedSemaphorePermit,
}

impl Slot {
    fn new(granted: &Arc<Granted>, pass: Box<dyn Pass>, place: OwnedSemaphorePermit) -> Self {
        granted.note(|status| status.sessions += 1);
        Self { granted: Arc::clone(granted), pass: Some(pass), _place: place }
    }

    /// The camera's side has ended.
    fn give_back(mut self, end: End) {
        if let Some(pass) = self.pass.take() {
            pass.end(end);
        }
        self.granted.note(|status| status.end = Some(end));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Dropped with its task, the pass takes that for an end that nobody acknowledged.
        drop(self.pass.take());
        self.granted.note(|status| status.sessions -= 1);
    }
}

impl SocketHook for Slot {
    fn connecting(&self) {
        if let Some(pass) = &self.pass {
            pass.dialling();
        }
    }
    fn connected(&self, local: SocketAddr) {
        if let Some(pass) = &self.pass {
            pass.connected(local);
        }
    }
    fn ended(&self) {}
}

impl Visit {
    async fn run(self, mut client: Side) {
        let admitted = tokio::select! {
            biased;
            () = self.cut.cancelled() => Err(TurnedAway::Unwanted),
            () = self.granted.revoked.cancelled() => Err(TurnedAway::Unwanted),
            () = client.gone() => Err(TurnedAway::Unwanted),
            admitted = self.admit() => admitted,
        };
        match admitted {
            Ok((pass, place)) => {
                let stops = Stops {
                    cut: (self.cut.clone(), pass.cut().clone()),
                    unwanted: (self.granted.revoked.clone(), pass.yielding().clone()),
                };
                let (slot, purposes) = (pass.slot(), self.granted.purpose.subscribe());
                tokio::select! {
                    () = self.session(client, Slot::new(&self.granted, pass, place), &stops) => {}
                    never = follow(&*self.relay.gate, slot, purposes) => match never {},
                }
            }
            Err(TurnedAway::Unwanted) => {}
            Err(TurnedAway::With(code)) => client.refuse(code, Some(&self.first)).await,
        }
    }

    /// Waits for a place in the grant and a slot of the device.
    async fn admit(&self) -> Result<(Box<dyn Pass>, OwnedSemaphorePermit), TurnedAway> {
        let (granted, spec) = (&self.granted, &self.granted.spec);
        let turned_away = |code| {
            granted.note(|status| status.turned_away += 1);
            TurnedAway::With(code)
        };
        if granted.is_refused() {
            return Err(turned_away(401));
        }
        let _queued = granted.queue.try_acquire().map_err(|_| turned_away(453))?;
        let until = Instant::now() + spec.wait;
        let place = timeout_at(until, Arc::clone(&granted.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else { return Err(turned_away(453)) };
        loop {
            if let Some(next) = granted.pace.next().max(self.held()) {
                if next > until {
                    return Err(turned_away(453));
                }
                sleep_until(next).await;
            }
            // The session before this one may have found out while this one waited.
            if granted.is_refused() {
                return Err(turned_away(401));
            }
            let pass = self.take_slot(until).await.map_err(|refusal| {
                granted.note(|status| status.refusal = Some(refusal));
                TurnedAway::With(453)
            })?;
            // That of another grant, too.
            if self.held().is_none() {
                return Ok((pass, place));
            }
            pass.end(End::NeverConnected);
        }
    }

    /// Until when the camera is not to be asked. Who cannot wait, a capture, comes seldom.
    fn held(&self) -> Option<Instant> {
        let may_wait = !self.granted.spec.wait.is_zero();
        self.relay.doubts.hold(self.granted.leads_to()).filter(|_| may_wait)
    }

    async fn take_slot(&self, until: Instant) -> Result<Box<dyn Pass>, Refusal> {
        let spec = &self.granted.spec;
        let (device, camera, gate) = (spec.source.device, &spec.holder.camera, &*self.relay.gate);
        let mut purposes = self.granted.purpose.subscribe();
        if spec.wait.is_zero() {
            return gate
                .take(device, Holder { camera: camera.clone(), purpose: *purposes.borrow() });
        }
        take_for(gate, device, camera, &mut purposes, until).await
    }

    /// Says so when a session ends for the sake of a higher purpose, before its slot goes back.
    fn note_yield(&self, stops: &Stops) {
        if stops.unwanted.1.is_cancelled() {
            self.granted.note(|status| status.yielded = true);
        }
    }

    /// Dials, relays and ends, with the slot in hand.
    async fn session(&self, mut client: Side, slot: Slot, stops: &Stops) {
        self.granted.note(|status| {
            status.dials += 1;
            status.failure = None;
            status.refusal = None;
        });
        let connected = tokio::select! {
            biased;
            () = stops.cut() => Err(Left::Ended(End::Unacknowledged)),
            connected = self.connect(&mut client, &slot, stops) => connected,
        };
        let connection = match connected {
            Ok(connection) => connection,
            Err(Left::Ended(end)) => return slot.give_back(end),
            Err(Left::Failed(fault)) => {
                // While its own slot still counts.
                self.undialled(&fault);
                slot.give_back(End::NeverConnected);
                let code = if matches!(fault, Fault::Timeout) { 504 } else { 502 };
                return client.refuse(code, Some(&self.first)).await;
            }
        };
        // A camera that cannot be reached is asked nothing.
        self.granted.pace.dialled();
        let of = (Arc::clone(&self.relay), Arc::clone(&self.granted));
        let mut pump = Pump::new(client, connection, self.dialogue(), of, self.first.clone());
        let ending = tokio::select! {
            biased;
            () = stops.cut() => {
                drop(pump);
                return slot.give_back(End::Unacknowledged);
            }
            () = stops.unwanted() => {
                self.note_yield(stops);
                None
            }
            ending = pump.run() => Some(ending),
        };
        end_both(pump, ending, slot, stops).await;
    }

    fn dialogue(&self) -> Dialogue {
        let source = &self.granted.spec.source;
        let names = Names::new(self.granted.own.clone(), self.granted.camera.clone());
        let auth = Authenticator::new(source.login.clone());
        let session = format!("{:016x}", rand::random::<u64>());
        Dialogue::new(names, Hidden::new(source), auth, session)
    }

    /// Connects. A connection that is no longer wanted half-way gets a moment to stand, so that the
    /// camera learns of its end.
    async fn connect(
        &self,
        client: &mut Side,
        slot: &Slot,
        stops: &Stops,
    ) -> Result<Connection, Left> {
        let spec = &self.granted.spec;
        let until = Instant::now() + spec.limits.connect;
        let (device, bytes) = (spec.source.device, self.granted.bytes_left());
        let mut connecting = pin!(Connection::connect(device, until, bytes, slot));
        tokio::select! {
            biased;
            connected = &mut connecting => return connected.map_err(Left::Failed),
            () = client.gone() => {}
            () = stops.unwanted() => self.note_yield(stops),
        }
        match timeout(LATE_CONNECT, connecting).await {
            Ok(Ok(connection)) => Err(Left::Ended(connection.finish(LATE_FINISH).await)),
            Ok(Err(_)) => Err(Left::Ended(End::NeverConnected)),
            Err(_) => Err(Left::Ended(End::Unacknowledged)),
        }
    }

    fn undialled(&self, fault: &Fault) {
        let failure = self.relay.judged(classify(fault, Stage::Connect), &self.granted);
        self.granted.note(|status| status.failure = Some(failure));
    }
}

/// What ends a session from outside, each by the grant's owner or by the keeper of slots.
struct Stops {
    cut: (CancellationToken, CancellationToken),
    unwanted: (CancellationToken, CancellationToken),
}

impl Stops {
    /// Both sides are to be cut at once.
    async fn cut(&self) {
        either(&self.cut).await;
    }

    /// The session is to be ended in order.
    async fn unwanted(&self) {
        either(&self.unwanted).await;
    }
}

async fn either((one, other): &(CancellationToken, CancellationToken)) {
    tokio::select! {
        () = one.cancelled() => {}
        () = other.cancelled() => {}
    }
}

/// Why there is no connection to relay over.
enum Left {
    Ended(End),
    Failed(Fault),
}

/// Ends both sides. `ending` is `None` when neither of them wanted it.
async fn end_both(pump: Pump, ending: Option<Ending>, slot: Slot, stops: &Stops) {
    let Pump { client, camera, dialogue, .. } = pump;
    let (client, fault) = match ending {
        // Dropped, with RST: the client must not take it for the end of the stream.
        None | Some(Ending::ClientGone) => (None, None),
        Some(Ending::Over) => (Some(client), None),
        Some(Ending::Camera(fault)) => (Some(client), Some(fault)),
    };
    let camera_ends = async {
        let end = tokio::select! {
            biased;
            () = stops.cut() => End::Unacknowledged,
            end = end_in_order(camera, dialogue, fault.as_ref()) => end,
        };
        slot.give_back(end);
    };
    let client_ends = async {
        if let Some(client) = client {
            tokio::select! {
                biased;
                () = stops.cut() => {}
                () = client.farewell() => {}
            }
        }
    };
    tokio::join!(camera_ends, client_ends);
}
