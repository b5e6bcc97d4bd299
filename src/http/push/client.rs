//! One browser at `/ws`: greeting, state, then what the queue brings.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use bytes::Bytes;
use futures::SinkExt as _;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, MissedTickBehavior, timeout};

use super::differ;
use super::hub::{Item, Joined};
use crate::http::state::AppState;
use crate::http::wire::{self, Push, Time, View};
use crate::model::event::{Event, Seq};

/// Events in the greeting of a browser that was never here.
const EVENTS_NEW: usize = 100;
/// Events read from the store for a browser that was away for long; with more, it gets the
/// newest only.
const EVENTS_STORED_MAX: usize = 1000;
/// Longest wait until the kernel takes a message.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two pings.
const PING_EVERY: Duration = Duration::from_secs(30);
/// Without a pong for this long the browser counts as gone.
const PONG_WITHIN: Duration = Duration::from_mins(1);
/// Messages that a browser may send in one interval of pings; it has nothing to say.
const INCOMING_MAX: u32 = 64;
/// Messages written before the socket is flushed.
const BATCH: usize = 64;

/// Close codes: of the product, and of RFC 6455.
const SLOW: u16 = 4008;
const GOING_AWAY: u16 = 1001;
const POLICY: u16 = 1008;

/// Why it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The browser left or does not answer.
    Gone,
    /// It reads too slowly, or events were missed.
    Slow,
    /// The server ends.
    Closing,
    /// It talks too much.
    Chatty,
}

/// Serves one browser to its end.
pub(super) async fn serve(
    mut socket: WebSocket,
    joined: Joined,
    state: AppState,
    since: Option<Seq>,
) {
    state.metrics().ws_client_joined();
    let end = converse(&mut socket, joined, &state, since).await;
    let farewell = async {
        match end {
            End::Gone => {}
            End::Slow => {
                state.metrics().ws_client_lagged();
                let resync = differ::text(&Push::Resync { reason: "slow".to_owned() });
                if let Some(text) = resync {
                    socket.send(Message::Text(text)).await?;
                }
                close(&mut socket, SLOW, "slow").await?;
            }
            End::Closing => close(&mut socket, GOING_AWAY, "shutdown").await?,
            End::Chatty => close(&mut socket, POLICY, "too many messages").await?,
        }
        Ok::<_, axum::Error>(())
    };
    // Nobody is left to tell when the farewell fails.
    if !matches!(timeout(SEND_TIMEOUT, farewell).await, Ok(Ok(()))) {
        tracing::debug!("a browser left without a farewell");
    }
    state.metrics().ws_client_left();
}

async fn close(socket: &mut WebSocket, code: u16, reason: &'static str) -> Result<(), axum::Error> {
    let frame = CloseFrame { code, reason: reason.into() };
    socket.send(Message::Close(Some(frame))).await
}

async fn converse(
    socket: &mut WebSocket,
    mut joined: Joined,
    state: &AppState,
    since: Option<Seq>,
) -> End {
    if let Err(end) = welcome(socket, &joined, state, since).await {
        return end;
    }
    let mut ping = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    let mut incoming = 0_u32;
    loop {
        // The arms only wait: the queue keeps its place, the socket its bytes. What is sent is
        // sent inside the arm and never lost half-way.
        let step = tokio::select! {
            () = state.closing().cancelled() => return End::Closing,
            item = joined.receiver.recv() => match item {
                Ok(item) => forward(socket, item, &mut joined).await,
                Err(RecvError::Lagged(_)) => return End::Slow,
                Err(RecvError::Closed) => return End::Closing,
            },
            message = socket.recv() => {
                incoming += 1;
                match message {
                    None | Some(Err(_) | Ok(Message::Close(_))) => return End::Gone,
                    Some(Ok(Message::Pong(_))) => {
                        heard = Instant::now();
                        ControlFlow::Continue(())
                    }
                    Some(Ok(Message::Text(_) | Message::Binary(_) | Message::Ping(_))) => {
                        if incoming > INCOMING_MAX { return End::Chatty }
                        ControlFlow::Continue(())
                    }
                }
            }
            _ = ping.tick() => {
                incoming = 0;
                if heard.elapsed() > PONG_WITHIN { return End::Gone }
                send(socket, Message::Ping(Bytes::new())).await
            }
        };
        if let ControlFlow::Break(end) = step {
            return end;
        }
    }
}

/// Sends an item and whatever else waits, up to a batch.
async fn forward(socket: &mut WebSocket, first: Item, joined: &mut Joined) -> ControlFlow<End> {
    let sending = async {
        let mut next = Some(first);
        let mut written = 0;
        while let Some(item) = next.take() {
            match item {
                Item::Text(text) => {
                    if socket.feed(Message::Text(text)).await.is_err() {
                        return ControlFlow::Break(End::Gone);
                    }
                }
                Item::Resync => return ControlFlow::Break(End::Slow),
            }
            written += 1;
            // Asked only when there is room for it: what was taken must be sent.
            if written < BATCH {
                next = match joined.receiver.try_recv() {
                    Ok(item) => Some(item),
                    Err(TryRecvError::Empty | TryRecvError::Closed) => None,
                    Err(TryRecvError::Lagged(_)) => return ControlFlow::Break(End::Slow),
                };
            }
        }
        match socket.flush().await {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(End::Gone),
        }
    };
    timeout(SEND_TIMEOUT, sending).await.unwrap_or(ControlFlow::Break(End::Slow))
}

async fn send(socket: &mut WebSocket, message: Message) -> ControlFlow<End> {
    match timeout(SEND_TIMEOUT, socket.send(message)).await {
        Ok(Ok(())) => ControlFlow::Continue(()),
        Ok(Err(_)) => ControlFlow::Break(End::Gone),
        Err(_) => ControlFlow::Break(End::Slow),
    }
}

/// The greeting and the whole state.
async fn welcome(
    socket: &mut WebSocket,
    joined: &Joined,
    state: &AppState,
    since: Option<Seq>,
) -> Result<(), End> {
    let view = View { snapshot: Arc::clone(&joined.base), redactor: state.redactor() };
    let hello = Push::Hello {
        instance: view.snapshot.run.instance.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seq: joined.seq,
        server_time: Time(state.now().wall),
    };
    let events = events(state, joined.seq, since).await;
    // The hub is never closed; the permit bounds how many such messages exist at once.
    let permit = joined.hub.welcomes.acquire().await;
    let snapshot = Push::Snapshot {
        status: Box::new(view.status(state.now().wall)),
        cameras: view.snapshot.cameras.keys().filter_map(|name| view.camera(name)).collect(),
        subnets: view.snapshot.subnets.keys().filter_map(|n| view.subnet(n, false)).collect(),
        suggest: None,
        events: events.iter().map(|event| wire::Event::new(event, &view.redactor)).collect(),
    };
    for push in [hello, snapshot] {
        let text = differ::text(&push).ok_or(End::Gone)?;
        if let ControlFlow::Break(end) = send(socket, Message::Text(text)).await {
            return Err(end);
        }
    }
    drop(permit);
    Ok(())
}

/// The events that a browser has missed, or the newest for one that was never here; none after
/// `newest`, because those come through the queue.
async fn events(state: &AppState, newest: Seq, since: Option<Seq>) -> Vec<Arc<Event>> {
    let log = state.handle().events();
    let mut events = match since.filter(|since| *since <= newest) {
        Some(since) => match log.since(since) {
            Some(events) => events,
            None => stored(state, since).await,
        },
        None => log.newest(EVENTS_NEW),
    };
    events.retain(|event| event.seq <= newest);
    events
}

/// Older events from the store up to those in memory; those in memory alone when the store does
/// not answer or the browser was away for too long.
async fn stored(state: &AppState, since: Seq) -> Vec<Arc<Event>> {
    let log = state.handle().events();
    let held = log.newest(log.fill().0);
    let stored = state.archive().events_since(since, EVENTS_STORED_MAX).await;
    let stored = stored.unwrap_or_else(|error| {
        tracing::warn!(%error, "older events for a browser could not be read");
        Vec::new()
    });
    let Some(last) = stored.last().map(|event| event.seq) else { return held };
    let rest = held.iter().filter(|event| event.seq > last);
    let contiguous = rest.clone().next().is_none_or(|event| event.seq == last + 1);
    if !contiguous {
        return held;
    }
    let rest: Vec<_> = rest.cloned().collect();
    stored.into_iter().map(Arc::new).chain(rest).collect()
}
