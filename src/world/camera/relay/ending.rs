//! The end of the camera's side, in order: what it was asked is answered, the session torn down,
//! the connection closed by both.
//!
//! Bounded to 1.5 s in all. Cutting is done by those who drop the future.

use std::time::Duration;

use bytes::Buf as _;
use tokio::time::{Instant, timeout_at};

use super::dialogue::{Dialogue, Told};
use super::side::Side;
use crate::world::camera::connection::End;
use crate::world::camera::fault::Fault;
use crate::world::camera::request::Limits;
use crate::world::camera::rtsp::client::Client;
use crate::world::camera::rtsp::message::Message;
use crate::world::camera::session;

/// For the camera to answer what it was asked before the end began.
pub(super) const SETTLE: Duration = Duration::from_millis(400);
/// For the reply to TEARDOWN.
const TEARDOWN: Duration = Duration::from_millis(700);
/// For the camera to close its side.
const CLOSE: Duration = Duration::from_millis(400);

/// Ends the camera's side. `after` is the fault that led here.
pub(super) async fn end_in_order(
    mut camera: Side,
    mut dialogue: Dialogue,
    after: Option<&Fault>,
) -> End {
    let limits = Limits { teardown: TEARDOWN, close: CLOSE, ..Limits::default() };
    camera.connection.wind_down();
    if after.is_none() {
        let wait = if dialogue.is_tearing_down() { TEARDOWN } else { SETTLE };
        settle(&mut camera, &mut dialogue, Instant::now() + wait).await;
    }
    let torn_down = dialogue.is_torn_down();
    let aggregate = dialogue.to_tear_down().map(str::to_owned);
    let (auth, number, name) = dialogue.hand_over();
    let mut client = Client::resume(camera.connection, camera.parser, auth, number);
    if let Some(name) = name {
        client.set_session(name);
    }
    let end = session::end(client, &limits, aggregate, after).await;
    if torn_down { End::Acknowledged } else { end }
}

/// Waits for the answer to what the camera was asked: it may be about to open a session.
async fn settle(camera: &mut Side, dialogue: &mut Dialogue, until: Instant) {
    while dialogue.answer_due().is_some() {
        let input = &mut camera.connection.input;
        input.advance(camera.parser.frames(input));
        match camera.parser.next(input) {
            Ok(Some(Message::Response(response))) => {
                if let Told::Again(bytes) = dialogue.told(&response) {
                    if !dialogue.is_tearing_down() {
                        dialogue.forget();
                        return;
                    }
                    camera.connection.queue(&bytes);
                }
            }
            Ok(Some(Message::Request(_) | Message::Data(_))) => {}
            Ok(None) => {
                let moved = timeout_at(until, camera.connection.advance(true)).await;
                if !matches!(moved, Ok(Ok(()))) {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}
