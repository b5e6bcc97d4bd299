//! `/api/ws`: one consumer of MSE over a WebSocket.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::mp4::{self, Fragments};
use super::streams::{Attached, Consumer, Stream};

/// A client that takes nothing for so long gets nothing more, and stays listed.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);

/// Speaks with one client until it leaves.
pub(super) async fn serve(socket: WebSocket, stream: Option<Arc<Stream>>, agent: String) {
    let (mut sender, mut receiver) = socket.split();
    let Some(codecs) = asked(&mut receiver).await else { return };
    let said = |text: String| json!({ "type": "error", "value": format!("mse: {text}") });
    let Some(stream) = stream else {
        send(&mut sender, text(&said("stream not found".to_owned()))).await;
        return silent(receiver).await;
    };
    let consumer = Consumer::new("mse/fmp4", &agent);
    let names: Vec<&str> = match codecs.as_str() {
        "" => vec!["avc1.640029", "hvc1.1.6.L153.B0"],
        codecs => codecs.split(',').collect(),
    };
    match stream.attach(&consumer, &names).await {
        Err(error) => {
            send(&mut sender, text(&said(error.0))).await;
            silent(receiver).await;
        }
        Ok(attached) => {
            // The end of the socket ends the consumer, not a failed write.
            tokio::select! {
                () = silent(receiver) => {}
                () = play(&mut sender, attached, &consumer) => {}
            }
            stream.detach(&consumer).await;
        }
    }
}

/// The codecs of the first message for MSE; other messages have no handler.
async fn asked(receiver: &mut SplitStream<WebSocket>) -> Option<String> {
    while let Some(Ok(message)) = receiver.next().await {
        let Message::Text(text) = message else { continue };
        let message: Value = serde_json::from_str(&text).ok()?;
        if message["type"] == "mse" {
            return Some(message["value"].as_str().unwrap_or_default().to_owned());
        }
    }
    None
}

/// Reads what nobody looks at, until the client leaves.
async fn silent(mut receiver: SplitStream<WebSocket>) {
    while let Some(Ok(_)) = receiver.next().await {}
}

async fn play(
    sender: &mut SplitSink<WebSocket, Message>,
    mut attached: Attached,
    consumer: &Consumer,
) {
    let mime = attached.track.codec.mime().unwrap_or_default();
    let kind = json!({ "type": "mse", "value": format!("video/mp4; codecs=\"{mime}\"") });
    let mut going = send(sender, text(&kind)).await
        && send(sender, Message::Binary(mp4::init(&attached.track).into())).await;
    let mut fragments = Fragments::default();
    let mut begun = false;
    loop {
        let picture = match attached.pictures.recv().await {
            Ok(picture) => picture,
            Err(RecvError::Lagged(_)) => continue,
            // The session was stopped; the client stays until it leaves.
            Err(RecvError::Closed) => return std::future::pending().await,
        };
        begun |= picture.key;
        if !begun || !going {
            continue;
        }
        let fragment = fragments.next(&picture);
        consumer.count(fragment.len());
        going = send(sender, Message::Binary(fragment.into())).await;
    }
}

fn text(value: &Value) -> Message {
    Message::Text(value.to_string().into())
}

async fn send(sender: &mut SplitSink<WebSocket, Message>, message: Message) -> bool {
    timeout(WRITE_PATIENCE, sender.send(message)).await.is_ok_and(|sent| sent.is_ok())
}
