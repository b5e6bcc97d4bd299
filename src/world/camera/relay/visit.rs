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
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Inner;
use super::dialogue::Dialogue;
use super::grant::Granted;
use super::headers::Method;
use super::hidden::Hidden;
use super::names::{self, Names};
use super::pump::{Ending, Pump, Side, end_in_order};
use crate::model::failure::Stage;
use crate::model::slot::Refusal;
use crate::world::camera::classify::classify;
use crate::world::camera::connection::{Connection, End, SocketHook};
use crate::world::camera::fault::Fault;
use crate::world::camera::gate::Pass;
use crate::world::camera::rtsp::auth::Authenticator;
use crate::world::camera::rtsp::message::Request;

/// For a client to say what it wants.
const FIRST_REQUEST: Duration = Duration::from_secs(5);
/// For a connection that nobody wants any more to stand, so that it can be ended in order.
const LATE_CONNECT: Duration = Duration::from_secs(1);

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
    let granted = names::split(&first.uri).and_then(|(token, _)| relay.find(token));
    let Some(granted) = granted else { return client.refuse(404, Some(&first)).await };
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

/// The right to be in a session; counts it as long as it lives.
struct Place {
    granted: Arc<Granted>,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    fn new(granted: &Arc<Granted>, permit: OwnedSemaphorePermit) -> Self {
        granted.note(|status| status.sessions += 1);
        Self { granted: Arc::clone(granted), _permit: permit }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.granted.note(|status| status.sessions -= 1);
    }
}

/// Tells the keeper of slots about the socket.
struct Hook<'a>(&'a dyn Pass);

impl SocketHook for Hook<'_> {
    fn connecting(&self) {
        self.0.dialling();
    }
    fn connected(&self, local: SocketAddr) {
        self.0.connected(local);
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
        let (pass, _place) = match admitted {
            Ok(admitted) => admitted,
            Err(TurnedAway::Unwanted) => return,
            Err(TurnedAway::With(code)) => return client.refuse(code, Some(&self.first)).await,
        };
        let end = self.session(client, &*pass).await;
        pass.end(end);
        self.granted.note(|status| status.end = Some(end));
    }

    /// Waits for a place in the grant and a slot of the device.
    async fn admit(&self) -> Result<(Box<dyn Pass>, Place), TurnedAway> {
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
        let permit = timeout_at(until, Arc::clone(&granted.places).acquire_owned()).await;
        let Ok(Ok(permit)) = permit else { return Err(turned_away(453)) };
        // The session before this one may have found out while this one waited.
        if granted.is_refused() {
            return Err(turned_away(401));
        }
        let (device, holder) = (spec.source.device, spec.holder.clone());
        let gate = &self.relay.gate;
        let pass = if spec.wait.is_zero() {
            gate.take(device, holder)
        } else {
            gate.take_by(device, holder, until).await
        };
        let pass = pass.map_err(|refusal: Refusal| {
            granted.note(|status| status.refusal = Some(refusal));
            TurnedAway::With(453)
        })?;
        Ok((pass, Place::new(granted, permit)))
    }

    /// Dials, relays and ends, with the slot in hand.
    async fn session(&self, mut client: Side, pass: &dyn Pass) -> End {
        self.granted.note(|status| {
            status.dials += 1;
            status.failure = None;
        });
        let connection = tokio::select! {
            biased;
            () = self.cut_at_once(pass) => return End::Unacknowledged,
            connected = self.connect(&mut client, pass) => connected,
        };
        let connection = match connection {
            Ok(connection) => connection,
            Err(Left::Ended(end)) => return end,
            Err(Left::Failed(fault)) => return self.undialled(client, &fault).await,
        };
        let Some(dialogue) = self.dialogue() else { return connection.finish(LATE_CONNECT).await };
        let granted = Arc::clone(&self.granted);
        let mut pump = Pump::new(client, connection, dialogue, granted, self.first.clone());
        let ending = tokio::select! {
            biased;
            () = self.cut_at_once(pass) => return End::Unacknowledged,
            () = self.unwanted(pass) => None,
            ending = pump.run() => Some(ending),
        };
        tokio::select! {
            biased;
            () = self.cut_at_once(pass) => End::Unacknowledged,
            end = end_both(pump, ending) => end,
        }
    }

    fn dialogue(&self) -> Option<Dialogue> {
        let source = &self.granted.spec.source;
        let names = Names::new(self.granted.own.clone(), source.request_url().ok()?);
        let auth = Authenticator::new(source.login.clone());
        let session = format!("{:016x}", rand::random::<u64>());
        Some(Dialogue::new(names, Hidden::new(source), auth, session))
    }

    /// Connects. A connection that is no longer wanted half-way gets a moment to stand, so that the
    /// camera learns of its end.
    async fn connect(&self, client: &mut Side, pass: &dyn Pass) -> Result<Connection, Left> {
        let spec = &self.granted.spec;
        let until = Instant::now() + spec.limits.connect;
        let (device, bytes, hook) = (spec.source.device, self.granted.bytes_left(), Hook(pass));
        let mut connecting = pin!(Connection::connect(device, until, bytes, &hook));
        tokio::select! {
            biased;
            connected = &mut connecting => return connected.map_err(Left::Failed),
            () = client.gone() => {}
            () = self.unwanted(pass) => {}
        }
        match timeout(LATE_CONNECT, connecting).await {
            Ok(Ok(connection)) => Err(Left::Ended(connection.finish(FAREWELL_TO_CAMERA).await)),
            Ok(Err(_)) => Err(Left::Ended(End::NeverConnected)),
            Err(_) => Err(Left::Ended(End::Unacknowledged)),
        }
    }

    async fn undialled(&self, client: Side, fault: &Fault) -> End {
        let failure = classify(fault, Stage::Connect);
        self.granted.note(|status| status.failure = Some(failure));
        let code = if matches!(fault, Fault::Timeout) { 504 } else { 502 };
        client.refuse(code, Some(&self.first)).await;
        End::NeverConnected
    }

    async fn cut_at_once(&self, pass: &dyn Pass) {
        tokio::select! {
            () = self.cut.cancelled() => {}
            () = pass.cut().cancelled() => {}
        }
    }

    /// The grant is revoked, or somebody of higher purpose wants the slot.
    async fn unwanted(&self, pass: &dyn Pass) {
        tokio::select! {
            () = self.granted.revoked.cancelled() => {}
            () = pass.yielding().cancelled() => {
                self.granted.note(|status| status.yielded = true);
            }
        }
    }
}

/// For the camera to close its side of a connection on which nothing was said.
const FAREWELL_TO_CAMERA: Duration = Duration::from_millis(400);

/// Why there is no connection to relay over.
enum Left {
    Ended(End),
    Failed(Fault),
}

/// Ends both sides. `None`: neither of them wanted it.
async fn end_both(pump: Pump, ending: Option<Ending>) -> End {
    let Pump { client, camera, dialogue, .. } = pump;
    match ending {
        None | Some(Ending::ClientGone) => {
            // With RST: the client must not take it for the end of the stream.
            drop(client);
            end_in_order(camera, dialogue, None).await
        }
        Some(Ending::Over) => {
            tokio::join!(end_in_order(camera, dialogue, None), client.farewell()).0
        }
        Some(Ending::Camera(fault)) => {
            tokio::join!(end_in_order(camera, dialogue, Some(&fault)), client.farewell()).0
        }
    }
}
