//! `/ws`: everything that changes, pushed to browsers as it happens.
//!
//! One task compares each published state with the one before and writes each change down once;
//! all browsers get the same bytes through a bounded queue. While nobody is connected nothing is
//! compared. A browser that reads too slowly is told to start anew, and delays nobody.

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use serde::Deserialize;

use super::extract::Params;
use super::problem::{Code, Problem, ProblemDocument};
use super::state::AppState;
use crate::model::event::Seq;

mod client;
mod differ;
mod hub;

pub(super) use differ::run;
pub(super) use hub::Hub;

/// Largest message that a browser may send; it has nothing to say.
const INCOMING_BYTES_MAX: usize = 1024;
/// Most bytes of a message that wait in this process for the kernel to take them.
const OUTGOING_BYTES_MAX: usize = 16 << 20;

/// Where a browser goes on.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PushQuery {
    /// The last event that it has seen.
    since: Option<Seq>,
}

/// A WebSocket that first sends everything as it is and then every change.
#[utoipa::path(get, path = "/ws", tag = "server", params(PushQuery), responses(
    (status = 101, description = "Text messages from the server, each a JSON object with a `type`"),
    (status = 403, description = "The page is of another site", body = ProblemDocument),
    (status = 426, description = "Not a WebSocket handshake", body = ProblemDocument),
    (status = 503, description = "Too many clients", body = ProblemDocument)))]
pub(super) async fn upgrade(
    State(state): State<AppState>,
    Params(query): Params<PushQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade =
        upgrade.map_err(|error| Problem::new(Code::UpgradeRequired, error.body_text()))?;
    let Some(joined) = state.hub().join(state.handle()) else {
        state.metrics().ws_client_refused();
        let detail = "as many browsers are connected as may be; close some and try again";
        return Err(Problem::new(Code::TooManyClients, detail));
    };
    let upgrade = upgrade
        .max_message_size(INCOMING_BYTES_MAX)
        .max_frame_size(INCOMING_BYTES_MAX)
        .read_buffer_size(INCOMING_BYTES_MAX)
        .max_write_buffer_size(OUTGOING_BYTES_MAX);
    // The tracker makes the listener wait for it at the end.
    let tracker = state.sockets().clone();
    Ok(upgrade.on_upgrade(move |socket| {
        tracker.track_future(client::serve(socket, joined, state, query.since))
    }))
}
