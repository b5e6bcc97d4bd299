//! The `gateway` way of capturing: one key picture through a short-lived MSE consumer.
//!
//! `GET /api/frame.jpeg` would look like the way, and is not used. It has no deadline and ignores
//! a client that left, so a camera that goes silent pins one consumer, and with it the camera's
//! connection, for ever; it answers 200 with nothing in it when the camera cannot be opened; for
//! H.264 and H.265 it starts an ffmpeg of its own for each picture; and its cache confuses sizes.
//! An MSE consumer ends when its socket does, carries the reason of a failure, and hands out the
//! encoded picture, which this server decodes in process like every other.

use tokio::time::{Duration, Instant, timeout, timeout_at};

use super::api::GatewayApi;
use super::error::{GatewayError, LiveError};
use super::live::{Live, Opening};
use crate::model::gateway::{Agent, StreamName};
use crate::model::picture::KeyPicture;

/// Fragments that may pass before a key picture. go2rtc begins each consumer with one.
const FRAGMENTS_MAX: usize = 2_000;

/// The next key picture of a registered stream, by `deadline`.
///
/// Opens the camera when the stream has no session, and leaves it when nobody else watches.
/// Dropping the future closes the consumer.
pub async fn key_picture(
    api: &GatewayApi,
    name: &StreamName,
    agent: &Agent,
    deadline: Instant,
) -> Result<KeyPicture, GatewayError> {
    let silence = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let opening = Opening { name, agent, silence };
    let taking = async {
        let mut live = Live::open(api, opening).await?;
        // What go2rtc never hands on should be known while there is time for another way.
        let rest = deadline.saturating_duration_since(Instant::now());
        let picture = match timeout(rest / 2, first_key(&mut live)).await {
            Ok(picture) => picture,
            Err(_) if live.is_held_back().await => Err(LiveError::HeldBack),
            Err(_) => first_key(&mut live).await,
        };
        Ok::<_, GatewayError>((live, picture))
    };
    let (live, picture) =
        timeout_at(deadline, taking).await.unwrap_or(Err(GatewayError::Timeout))?;
    live.close().await;
    Ok(picture?)
}

async fn first_key(live: &mut Live) -> Result<KeyPicture, LiveError> {
    for _ in 0..FRAGMENTS_MAX {
        let piece = live.next().await?;
        if let Some(picture) = live.key_picture(&piece)? {
            return Ok(picture);
        }
    }
    Err(LiveError::NoKeyPicture)
}
