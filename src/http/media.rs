//! One live socket: passes media on for as long as its lease lives, and not a moment longer.
//!
//! Knows no codec and keeps nothing: what the browser does not take in time the engine drops. Over
//! WebRTC it carries no media, but the view lives as long as it does (`peer.rs`).

use std::error::Error as _;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use bytes::Bytes;
use tokio::time::{Instant, MissedTickBehavior, sleep, timeout};
use tokio_tungstenite::tungstenite::Error as WsError;

use super::peer;
use super::state::AppState;
use crate::live::{LiveView, Media, ViewEnd};
use crate::model::lease::EndReason;
use crate::model::sdp;

/// Largest message that a browser may send; it has nothing to say.
const INCOMING_BYTES_MAX: usize = 1024;
/// Largest one over WebRTC: far beyond any offer, so that who sends one that is too long can be
/// told so. What is longer than this is not read, and a farewell may get lost before it.
const OFFER_BYTES_MAX: usize = 8 * sdp::BYTES_MAX;
/// Bytes read at once. The library clears as many before each read, and it reads after each message
/// sent: with its own 128 KiB that was an eighth of what a viewer cost.
const READ_BYTES: usize = 4 << 10;
/// Messages that it may send in one interval of pings.
const INCOMING_MAX: u32 = 64;
/// Most bytes that wait in this process for the kernel to take them: one message of media.
const OUTGOING_BYTES_MAX: usize = 32 << 20;
/// Longest wait until the kernel takes a message.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for the last message: media that waits before it is cut off then.
const FAREWELL_TIMEOUT: Duration = Duration::from_millis(500);
/// What a slow reader gets on top, since much waits before it.
const SLOW_FAREWELL_EXTRA: Duration = Duration::from_millis(4_500);
/// Between two pings. A browser answers by itself, also from a hidden tab.
const PING_EVERY: Duration = Duration::from_secs(15);
/// Two pings without an answer, and the browser counts as gone.
const PONG_WITHIN: Duration = Duration::from_secs(31);
/// Most bytes of a close frame's reason (RFC 6455 section 5.5).
const REASON_BYTES_MAX: usize = 123;

/// How media reaches the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    /// Through the socket.
    Mse,
    /// Past it, as the offer and answer that pass through it say.
    WebRtc,
}

/// Why the socket is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// Its right has ended.
    Over(EndReason),
    /// There is no more media.
    View(ViewEnd),
    /// The browser left or does not answer.
    Gone,
    /// It talks too much.
    Chatty,
    /// What it offered cannot be passed on, or came too late.
    Unfit(String),
}

/// Bounds what may wait on either side.
pub(super) fn bounded(upgrade: WebSocketUpgrade, transport: Transport) -> WebSocketUpgrade {
    let incoming = match transport {
        Transport::Mse => INCOMING_BYTES_MAX,
        Transport::WebRtc => OFFER_BYTES_MAX,
    };
    upgrade
        .max_message_size(incoming)
        .max_frame_size(incoming)
        .read_buffer_size(READ_BYTES)
        .max_write_buffer_size(OUTGOING_BYTES_MAX)
}

/// Serves one socket to its end.
pub(super) async fn serve(
    mut socket: WebSocket,
    (view, transport): (LiveView, Transport),
    state: AppState,
) {
    let counted = state.metrics().live_viewer();
    // Whatever the conversation waits for, a blocked send too, the end of the right cuts it.
    let end = tokio::select! {
        biased;
        reason = view.over() => End::Over(reason),
        end = converse(&mut socket, &view, transport) => end,
    };
    // Its place, and its share of the camera's stream, are free from here on.
    drop((view, counted));
    let is_slow = matches!(end, End::View(ViewEnd::Slow));
    let Some((code, reason)) = farewell(end, &state) else { return };
    let frame = Message::Close(Some(CloseFrame { code, reason }));
    let is_told = tokio::select! {
        sent = socket.send(frame) => sent.is_ok(),
        () = patience(is_slow, &state) => false,
    };
    // Nobody is left to tell when the farewell fails.
    if !is_told {
        tracing::debug!(code, "a live socket ended without a farewell");
    }
}

/// Waits as long as a farewell may take; the end of the server waits for no slow reader.
async fn patience(is_slow: bool, state: &AppState) {
    sleep(FAREWELL_TIMEOUT).await;
    if is_slow {
        let closing = state.closing().cancelled();
        // It is over either way.
        let _closed = timeout(SLOW_FAREWELL_EXTRA, closing).await;
    }
}

/// The code and the reason of the close frame; none for whom nobody hears.
fn farewell(end: End, state: &AppState) -> Option<(u16, Utf8Bytes)> {
    Some(match end {
        End::Over(reason) => (code(reason), reason.as_str().into()),
        End::View(ViewEnd::Removed) => {
            (code(EndReason::CameraRemoved), EndReason::CameraRemoved.as_str().into())
        }
        End::View(ViewEnd::Slow) => (4007, "slow".into()),
        End::View(
            why
            @ (ViewEnd::NoSlot(_) | ViewEnd::Codec(_) | ViewEnd::Camera(_) | ViewEnd::Engine(_)),
        ) => {
            let text = state.redactor().redact(&format!("engine: {why}"));
            (4008, cut(&text).into())
        }
        End::Gone => return None,
        End::Chatty => (1008, "too many messages".into()),
        End::Unfit(why) => (1008, cut(&why).into()),
    })
}

fn code(reason: EndReason) -> u16 {
    match reason {
        EndReason::Expired => 4001,
        EndReason::Heartbeat => 4002,
        EndReason::Released => 4003,
        EndReason::Revoked => 4004,
        EndReason::CameraRemoved => 4005,
        EndReason::Preempted => 4006,
        EndReason::Shutdown => 4009,
    }
}

/// Whether the browser sent more than it may at once.
fn is_too_long(error: &axum::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<WsError>());
    matches!(cause, Some(WsError::Capacity(_)))
}

/// As much of a text as fits, in whole characters.
fn cut(text: &str) -> &str {
    let end = text.char_indices().map(|(at, c)| at + c.len_utf8());
    text.get(..end.take_while(|end| *end <= REASON_BYTES_MAX).last().unwrap_or(0)).unwrap_or("")
}

async fn converse(socket: &mut WebSocket, view: &LiveView, transport: Transport) -> End {
    let mut browser = Browser::new(socket);
    match transport {
        Transport::Mse => pass_on(&mut browser, view).await,
        Transport::WebRtc => peer::converse(&mut browser, view).await,
    }
}

async fn pass_on(browser: &mut Browser<'_>, view: &LiveView) -> End {
    let attached = tokio::select! {
        attached = view.attach() => attached,
        end = browser.listen() => return end,
    };
    let mut viewer = match attached {
        Ok(viewer) => viewer,
        Err(end) => return End::View(end),
    };
    let mut is_started = false;
    loop {
        // The arms only wait: a viewer's media stays where it is, the socket its bytes.
        let media = tokio::select! {
            media = viewer.next() => media,
            end = browser.listen() => return end,
        };
        let sent = match media {
            Ok(Media::Start { mime, init }) => {
                is_started = true;
                browser.start(&mime, init).await
            }
            Ok(Media::Fragment(fragment)) if is_started => {
                browser.send(Message::Binary(fragment)).await
            }
            Ok(Media::Fragment(_)) => {
                Err(End::View(ViewEnd::Engine("media without a beginning".to_owned())))
            }
            Err(end) => Err(End::View(end)),
        };
        if let Err(end) = sent {
            return end;
        }
    }
}

/// The other side of the socket.
pub(super) struct Browser<'a> {
    socket: &'a mut WebSocket,
    ping: tokio::time::Interval,
    heard: Instant,
    incoming: u32,
}

impl<'a> Browser<'a> {
    fn new(socket: &'a mut WebSocket) -> Self {
        let mut ping = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { socket, ping, heard: Instant::now(), incoming: 0 }
    }

    /// Listens and pings until the browser has to be let go.
    pub(super) async fn listen(&mut self) -> End {
        loop {
            if let Err(end) = self.hear().await {
                return end;
            }
        }
    }

    /// Listens and pings until the browser says something.
    pub(super) async fn text(&mut self) -> Result<Utf8Bytes, End> {
        loop {
            if let Some(text) = self.hear().await? {
                return Ok(text);
            }
        }
    }

    /// The next message or ping; what it was when it was a text.
    async fn hear(&mut self) -> Result<Option<Utf8Bytes>, End> {
        tokio::select! {
            message = self.socket.recv() => {
                self.incoming += 1;
                let text = match message {
                    Some(Err(error)) if is_too_long(&error) => {
                        return Err(End::Unfit("the message is too long".to_owned()));
                    }
                    None | Some(Err(_) | Ok(Message::Close(_))) => return Err(End::Gone),
                    Some(Ok(Message::Pong(_))) => {
                        self.heard = Instant::now();
                        None
                    }
                    Some(Ok(Message::Text(text))) => Some(text),
                    Some(Ok(Message::Binary(_) | Message::Ping(_))) => None,
                };
                if self.incoming > INCOMING_MAX { Err(End::Chatty) } else { Ok(text) }
            }
            _ = self.ping.tick() => {
                self.incoming = 0;
                if self.heard.elapsed() > PONG_WITHIN {
                    return Err(End::Gone);
                }
                self.send(Message::Ping(Bytes::new())).await.map(|()| None)
            }
        }
    }

    /// The text message, and the initialisation segment.
    async fn start(&mut self, mime: &str, init: Bytes) -> Result<(), End> {
        let text = serde_json::json!({"type": "mse", "value": mime}).to_string();
        self.send(Message::Text(text.into())).await?;
        self.send(Message::Binary(init)).await
    }

    pub(super) async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(SEND_TIMEOUT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::View(ViewEnd::Slow)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_between_characters() {
        assert_eq!(cut("engine: gone"), "engine: gone");
        assert_eq!(cut(&"x".repeat(500)).len(), REASON_BYTES_MAX);
        // 41 characters of three bytes are 123.
        assert_eq!(cut(&"枠".repeat(200)).chars().count(), 41);
        assert_eq!(cut(&format!("a{}", "枠".repeat(200))).len(), 121);
    }
}
