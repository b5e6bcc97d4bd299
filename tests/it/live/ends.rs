//! What the server says last, to those who make it hard.

use futures::SinkExt as _;
use serde_json::json;
use tokio::time::sleep;

use super::*;

/// Far longer than another farewell waits, and far shorter than one to a slow reader.
const PAUSE: Duration = Duration::from_millis(1_500);

/// A player that has stopped reading, and that the server has given up for it.
async fn given_up(wall: &Wall) -> Player {
    wall.world().engine.fragment_bytes.store(4 << 20, Ordering::SeqCst);
    let (player, _) = wall.playing("ann").await;
    wall.nobody_watches().await;
    player
}

#[tokio::test]
async fn a_slow_reader_is_told_so_behind_what_waits_for_it() {
    let wall = Wall::new().await;
    let mut player = given_up(&wall).await;
    sleep(PAUSE).await;
    let (_, code, reason) = player.play_out().await;
    assert_eq!((code, reason.as_str()), (4007, "slow"));
    wall.server.stop().await;
}

#[tokio::test]
async fn the_end_of_the_server_waits_for_no_slow_reader() {
    let wall = Wall::new().await;
    let _player = given_up(&wall).await;
    let decided = Instant::now();
    wall.server.stop().await;
    assert!(decided.elapsed() < PAUSE, "{:?}", decided.elapsed());
}

#[tokio::test]
async fn an_offer_that_is_too_long_is_refused_with_a_word() {
    let wall = Wall::new().await;
    let offer = |bytes: usize| {
        let value = format!("v=0\r\n{}", "a=x\r\n".repeat(bytes / 5));
        json!({"type": "webrtc/offer", "value": value}).to_string()
    };
    for (query, text, why) in [
        ("?transport=webrtc", offer(33_000), "the offer: it is longer than 32768 bytes"),
        ("?transport=webrtc", offer(60_000), "the offer: it is longer than 32768 bytes"),
        ("?transport=webrtc", offer(600), "the offer: it must be about exactly one video"),
        ("", "x".repeat(2_000), "the message is too long"),
    ] {
        let granted = wall.ask("ann");
        let key = &granted.key;
        let mut player = Player::open_at(&wall.server, key, query, &ann()).await.unwrap();
        player.0.send(Message::text(text)).await.unwrap();
        let (_, code, reason) = player.play_out().await;
        assert_eq!(code, 1008, "{reason}");
        assert!(reason.starts_with(why), "{reason}");
    }
    wall.server.stop().await;
}

fn ann() -> [(&'static str, &'static str); 1] {
    [("cookie", "camserver_client=ann")]
}
