//! A view over WebRTC: an offer, an answer, and a socket that the view lives as long as.
//!
//! The socket carries no media. It ends with its lease like any other, and with it the view; a
//! browser that closes it gives the view up.

use std::time::Duration;

use axum::extract::ws::Message;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::media::{Browser, End};
use crate::live::LiveView;
use crate::model::sdp::Offer;

/// Longest wait for the offer.
const OFFER_WITHIN: Duration = Duration::from_secs(10);

/// `{"type": "webrtc/offer", "value": SDP}`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    #[serde(rename = "type")]
    kind: String,
    value: String,
}

/// Serves one browser until the view is over.
pub(super) async fn converse(browser: &mut Browser<'_>, view: &LiveView) -> End {
    let offer = match timeout(OFFER_WITHIN, browser.text()).await {
        Ok(Ok(text)) => offer(&text),
        Ok(Err(end)) => return end,
        Err(_) => Err("no offer came".to_owned()),
    };
    let offer = match offer {
        Ok(offer) => offer,
        Err(why) => return End::Unfit(why),
    };
    let negotiated = tokio::select! {
        negotiated = view.negotiate(offer) => negotiated,
        end = browser.listen() => return end,
    };
    let (answer, peer) = match negotiated {
        Ok(negotiated) => negotiated,
        Err(end) => return End::View(end),
    };
    let text = json!({"type": "webrtc/answer", "value": answer.as_str()}).to_string();
    if let Err(end) = browser.send(Message::Text(text.into())).await {
        return end;
    }
    tokio::select! {
        end = peer.ended() => End::View(end),
        end = browser.listen() => end,
    }
}

fn offer(text: &str) -> Result<Offer, String> {
    let said: Said = serde_json::from_str(text).map_err(|_| "it is no offer".to_owned())?;
    if said.kind != "webrtc/offer" {
        return Err("it is no offer".to_owned());
    }
    Offer::parse(&said.value).map_err(|unfit| format!("the offer: {unfit}"))
}
