//! WebRTC as far as HTTP shows it: an offer is answered, and there is a consumer that no call ends.
//!
//! Nobody is sent anything. An offer whose `ice-ufrag` begins with `stay` is treated like one of a
//! browser that was reached and never leaves: its consumer counts bytes for ever. Others are like
//! those of a browser that cannot be reached, which the real program gives up after half a minute.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;

use super::rtsp::Said;
use super::streams::{Attached, Consumer, Stream};

/// Until the real program gives up a browser that it cannot reach.
const UNREACHED: Duration = Duration::from_secs(30);

/// Attaches a consumer and answers.
pub(super) async fn answer(
    stream: Arc<Stream>,
    offer: &str,
    agent: &str,
    listen: &str,
) -> Result<String, Said> {
    if !offer.starts_with("v=0") {
        return Err(Said("sdp: invalid syntax".to_owned()));
    }
    let mut codecs = vec!["avc1.640029"];
    if offer.contains("H265/90000") {
        codecs.push("hvc1.1.6.L153.B0");
    }
    let consumer = Consumer::new("webrtc/whep", agent);
    let attached = stream.attach(&consumer, &codecs).await?;
    let stays = offer.lines().any(|line| line.starts_with("a=ice-ufrag:stay"));
    // It lives by itself from here on, as in the real program.
    drop(tokio::spawn(live(stream, consumer, attached, stays)));
    Ok(description(offer, listen))
}

async fn live(stream: Arc<Stream>, consumer: Arc<Consumer>, mut attached: Attached, stays: bool) {
    if !stays {
        tokio::time::sleep(UNREACHED).await;
        return stream.detach(&consumer).await;
    }
    loop {
        match attached.pictures.recv().await {
            Ok(picture) => consumer.count(picture.data.len()),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}

/// The offer turned round, with the address that is configured, and one that nobody asked for. Where
/// another program has the port it is any other, without a word.
fn description(offer: &str, listen: &str) -> String {
    let (host, port) = listen.rsplit_once(':').unwrap_or(("", "8555"));
    let place = if host.is_empty() { "0.0.0.0" } else { host };
    let is_free = UdpSocket::bind(format!("{place}:{port}")).is_ok();
    let port = if is_free { port } else { "50000" };
    let host = if host.is_empty() { "192.0.2.1" } else { host };
    let kept = offer.lines().filter(|line| !line.starts_with("a=candidate"));
    let turned = kept.map(|line| match line {
        "a=recvonly" => "a=sendonly",
        "a=setup:actpass" => "a=setup:active",
        line => line,
    });
    let hosts = [host, "198.51.100.7"].into_iter().enumerate();
    let candidates = hosts.map(|(number, host)| {
        format!("a=candidate:{number} 1 udp 2130706431 {host} {port} typ host\r\n")
    });
    let text: String = turned.flat_map(|line| [line, "\r\n"]).collect();
    text + &candidates.collect::<String>()
}
