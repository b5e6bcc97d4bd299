//! One WebRTC viewer: the offer goes to go2rtc, the answer comes back, both checked.
//!
//! Media then flows between go2rtc and the browser, past this server. go2rtc has no call that ends
//! such a viewer: it goes when its browser does, when its stream's session is cut for good, or with
//! the process. Whoever asks for one has to watch the list of consumers.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use reqwest::{Method, StatusCode};
use tokio::time::timeout;

use super::endpoint::{Endpoint, body};
use super::error::{GatewayError, LiveError};
use crate::model::gateway::{Agent, StreamName};
use crate::model::sdp::{self, Answer, Offer, Unfit};

/// Until the answer, the dial of the camera included. Longer than go2rtc waits for a camera.
const PATIENCE: Duration = Duration::from_secs(15);
/// Longest answer that is read; more is no description of one video.
const ANSWER_BYTES_MAX: usize = 2 * sdp::BYTES_MAX;

/// Asks go2rtc to send a registered stream to whoever made the offer. `listen` is where it was told
/// to be reached.
///
/// Dropped half-way, go2rtc goes on and has a consumer that nobody answers; it ends it after half a
/// minute.
pub async fn exchange(
    endpoint: &Endpoint,
    (name, agent): (&StreamName, &Agent),
    offer: &Offer,
    listen: SocketAddr,
) -> Result<Answer, GatewayError> {
    let asking = async {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/sdp"));
        let agent = HeaderValue::from_str(agent.as_str());
        headers.insert(USER_AGENT, agent.map_err(|e| GatewayError::Nonsense(e.to_string()))?);
        let query = [("src", name.as_str())];
        let content = (headers, offer.as_str().to_owned());
        let response = endpoint.send_with(Method::POST, "api/webrtc", &query, content).await?;
        let status = response.status();
        Ok((status, body(response, ANSWER_BYTES_MAX).await?))
    };
    let (status, body) = timeout(PATIENCE, asking).await.unwrap_or(Err(GatewayError::Timeout))?;
    let text = String::from_utf8(body)
        .map_err(|_| GatewayError::Nonsense("its answer is no text".to_owned()))?;
    match status {
        StatusCode::OK | StatusCode::CREATED => {
            Answer::parse(&text, listen).map_err(|unfit| match unfit {
                Unfit::NoAddress => GatewayError::NotThere(listen),
                Unfit::NoDescription
                | Unfit::TooLong
                | Unfit::NotOneVideo
                | Unfit::NoFingerprint
                | Unfit::NoCredentials => GatewayError::Nonsense(format!("of its answer: {unfit}")),
            })
        }
        StatusCode::NOT_FOUND | StatusCode::INTERNAL_SERVER_ERROR => {
            Err(LiveError::said(text.lines().next().unwrap_or_default()).into())
        }
        status => Err(GatewayError::Status(status.as_u16())),
    }
}
