//! One WebRTC viewer: a consumer of its own in go2rtc, which sends to the browser past this server.
//!
//! It cannot be ended in go2rtc. Its right can: with the last right to a stream the stream's session
//! is cut, and what then is still there while others watch is a ghost (`plan::gateway`).

use std::net::SocketAddr;

use tokio::time::Instant;

use super::reader::PATIENCE;
use super::viewer::Seat;
use super::why::verdict;
use crate::live::engine::{Negotiated, Peer, ViewEnd};
use crate::model::sdp::Offer;
use crate::world::camera::gate::Waiting;
use crate::world::gateway::error::{GatewayError, LiveError};
use crate::world::gateway::peer::exchange;

/// One viewer; dropping it gives its place up.
#[derive(Debug)]
struct GatewayPeer {
    seat: Seat,
}

/// Passes the offer on, once the stream is there. `listen` is where browsers reach the gateway.
pub(super) async fn negotiate(seat: Seat, offer: &Offer, listen: SocketAddr) -> Negotiated {
    let gateway = &seat.gateway;
    let asking = async {
        let api = gateway.registered(&seat.name, Instant::now() + PATIENCE).await?;
        let of = (&seat.name, &seat.agent);
        exchange(api.endpoint(), of, offer, listen).await.map_err(|error| {
            // What the relay knows of the camera is truer than what the gateway says of it.
            let final_word = verdict(gateway, &seat.name, &error);
            // A codec may be this browser's fault, a password is nobody's but the camera's.
            let is_login = matches!(error, GatewayError::Live(LiveError::Auth));
            let is_refused = is_login && final_word.is_some();
            let known = final_word.or_else(|| gateway.failure(&seat.name));
            let why = known.unwrap_or_else(|| ViewEnd::Camera(error.to_string()));
            if is_refused {
                gateway.refused(&seat.name, &why);
            }
            why
        })
    };
    let answer = tokio::select! {
        biased;
        end = seat.given_up() => return Err(end),
        answer = asking => answer?,
    };
    Ok((answer, Box::new(GatewayPeer { seat })))
}

impl Peer for GatewayPeer {
    fn ended(&self) -> Waiting<'_, ViewEnd> {
        Box::pin(async {
            let Seat { gateway, name, .. } = &self.seat;
            let mut ready = gateway.ready.subscribe();
            // With its process go all of its viewers, and another one knows none of them.
            let lost = ready.wait_for(|ready| !ready.streams.contains(name));
            tokio::select! {
                biased;
                end = self.seat.given_up() => end,
                _lost = lost => ViewEnd::Engine("the gateway was restarted".to_owned()),
            }
        })
    }
}
