//! Live sockets over real connections, and leases over restarts.

mod ends;
mod player;
mod restarts;

use std::sync::atomic::Ordering;
use std::time::Duration;

use camserver::live::{Granted, LeaseKey, ViewEnd, ViewRequest};
use camserver::model::lease::{Quality, ViewKind};
use futures::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};

use self::player::{Player, Wall};
use crate::fixture::camera_name;
use crate::fixture::live::media_start;

/// Longest wait for anything.
const LIMIT: Duration = Duration::from_secs(20);
/// Media has to stop within this time after the end was decided.
const STOP: Duration = Duration::from_secs(1);

fn request(user: &str, take_over: bool) -> ViewRequest {
    ViewRequest {
        user: user.into(),
        camera: camera_name(4),
        quality: Some(Quality::Sub),
        kind: ViewKind::Modal,
        codecs: vec!["avc1.640028".into()],
        take_over,
    }
}

#[tokio::test]
async fn media_comes_as_a_beginning_and_one_fragment_a_message() {
    let wall = Wall::new().await;
    let (mut player, granted) = wall.playing("ann").await;
    for _ in 0..3 {
        let Message::Binary(media) = player.next().await else { panic!("no fragment") };
        assert_eq!((&media[4..8], &media[20..24]), (&b"moof"[..], &b"mdat"[..]));
    }
    let watch = &wall.world().engine.viewers()[0];
    assert_eq!(watch.lease, granted.lease.id);
    assert_eq!((&watch.camera, watch.codecs.len()), (&camera_name(4), 1));
    // The camera changed its parameters: all begins anew.
    wall.world().engine.says.send(Ok(media_start("hvc1.1.6.L93.B0"))).unwrap();
    loop {
        if let Message::Text(text) = player.next().await {
            assert!(text.contains("hvc1.1.6.L93.B0"), "{text}");
            break;
        }
    }
    assert!(matches!(player.next().await, Message::Binary(init) if &init[4..8] == b"ftyp"));
    assert!(matches!(player.next().await, Message::Binary(media) if &media[4..8] == b"moof"));
    wall.server.stop().await;
}

/// Something that ends a view.
type Happening = fn(&Wall, &Granted);

#[tokio::test]
async fn whatever_ends_a_lease_stops_its_media_and_says_why() {
    let wall = Wall::new().await;
    let happenings: [(u16, &str, Happening); 7] = [
        (4003, "released", |wall, granted| {
            wall.world().live.release(&granted.key, "ann").unwrap();
        }),
        (4004, "revoked", |wall, granted| {
            wall.world().live.revoke(granted.lease.id.short()).unwrap();
        }),
        (4006, "preempted", |wall, _| drop(wall.ask("ann"))),
        (4002, "heartbeat", |wall, _| {
            wall.world().clock.advance(Duration::from_secs(45));
            wall.world().pass();
        }),
        (4001, "expired", |wall, granted| {
            for _ in 0..9 {
                wall.world().clock.advance(Duration::from_secs(30));
                wall.world().live.heartbeat(&granted.key, "ann").unwrap();
            }
            wall.world().clock.advance(Duration::from_secs(30));
            wall.world().pass();
        }),
        (4005, "camera_removed", |wall, _| {
            let name = camera_name(4);
            let mut camera = None;
            wall.redeclare(|desired| camera = desired.cameras.remove(&name));
            wall.world().pass();
            wall.redeclare(|desired| drop(desired.cameras.insert(name, camera.unwrap())));
        }),
        (4005, "camera_removed", |wall, _| {
            wall.world().engine.says.send(Err(ViewEnd::Removed)).unwrap();
        }),
    ];
    for (code, reason, happen) in happenings {
        let (mut player, granted) = wall.playing("ann").await;
        let decided = Instant::now();
        happen(&wall, &granted);
        let (_, closed, why) = player.play_out().await;
        let took = decided.elapsed();
        assert_eq!((closed, why.as_str()), (code, reason));
        assert!(took < STOP, "{reason}: media stopped only after {took:?}");
        assert!(player.0.next().await.is_none_or(|last| last.is_err()), "nothing after the end");
        wall.nobody_watches().await;
    }
    wall.server.stop().await;
}

#[tokio::test]
async fn the_engines_word_is_passed_on_without_secrets() {
    let wall = Wall::new().await;
    let why = |text: &str| format!("{text} {}", crate::fixture::PASSWORD);
    let ends = [
        (ViewEnd::Slow, 4007, "slow"),
        (ViewEnd::NoSlot(why("full")), 4008, "engine: no connection to the camera is free: full"),
        (ViewEnd::Codec("mp4v".to_owned()), 4008, "engine: the browser cannot play mp4v"),
        (ViewEnd::Camera(why("silent")), 4008, "engine: the camera does not deliver: silent"),
        (
            ViewEnd::Engine("restarted".to_owned()),
            4008,
            "engine: the live engine failed: restarted",
        ),
    ];
    for (end, code, reason) in ends {
        let (mut player, _) = wall.playing("ann").await;
        wall.world().engine.says.send(Err(end.clone())).unwrap();
        let (_, closed, said) = player.play_out().await;
        assert_eq!(closed, code);
        assert!(said.starts_with(reason) && !said.contains(crate::fixture::PASSWORD), "{said}");
        // The same before there is any media. The lease stays: the player may try again.
        *wall.world().engine.refuses.lock().unwrap() = Some(end);
        let granted = wall.ask("ann");
        let mut player = Player::open(&wall.server, &granted.key, "ann").await.unwrap();
        assert_eq!(player.play_out().await.1, code);
        wall.world().live.heartbeat(&granted.key, "ann").unwrap();
        *wall.world().engine.refuses.lock().unwrap() = None;
    }
    wall.server.stop().await;
}

#[tokio::test]
async fn a_view_may_end_before_its_camera_has_answered() {
    let wall = Wall::new().await;
    wall.world().engine.hangs.store(true, Ordering::SeqCst);
    let granted = wall.ask("ann");
    let mut player = Player::open(&wall.server, &granted.key, "ann").await.unwrap();
    wall.world().live.revoke(granted.lease.id.short()).unwrap();
    assert_eq!(player.play_out().await.1, 4004);
    wall.server.stop().await;
}

#[tokio::test]
async fn a_newer_socket_takes_the_place_of_the_older_and_the_lease_goes_on() {
    let wall = Wall::new().await;
    let (mut older, granted) = wall.playing("ann").await;
    let mut newer = Player::open(&wall.server, &granted.key, "ann").await.unwrap();
    let (_, code, reason) = older.play_out().await;
    assert_eq!((code, reason.as_str()), (4006, "preempted"));
    newer.start("avc1.640028").await;
    assert!(matches!(newer.next().await, Message::Binary(_)));
    assert!(wall.world().leases.leases()[0].watched);
    drop(newer);
    wall.nobody_watches().await;
    assert_eq!(wall.world().leases.leases().len(), 1, "a lost socket gives nothing back");
    wall.server.stop().await;
}

#[tokio::test]
async fn the_end_of_the_server_is_said_and_ends_no_lease() {
    let wall = Wall::new().await;
    let (mut player, _) = wall.playing("ann").await;
    wall.world().leases.close();
    let (_, code, reason) = player.play_out().await;
    assert_eq!((code, reason.as_str()), (4009, "shutdown"));
    assert_eq!(wall.world().leases.leases().len(), 1);
    wall.server.stop().await;
}

#[tokio::test]
async fn a_browser_that_stops_reading_is_cut_off_with_its_lease() {
    let wall = Wall::new().await;
    wall.world().engine.fragment_bytes.store(1 << 20, Ordering::SeqCst);
    let (mut player, granted) = wall.playing("ann").await;
    // Until the kernel takes no more, the engine's viewer is asked again and again; then no longer.
    let full = async {
        let mut before = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let sent = wall.world().engine.sent();
            if sent == before {
                return;
            }
            before = sent;
        }
    };
    timeout(LIMIT, full).await.expect("the socket fills");
    let decided = Instant::now();
    wall.world().live.release(&granted.key, "ann").unwrap();
    wall.nobody_watches().await;
    assert!(decided.elapsed() < STOP);
    let sent = wall.world().engine.sent();
    // What the kernel holds may still be read, and then it is over.
    let rest = async {
        let mut bytes = 0;
        while let Some(Ok(message)) = player.0.next().await {
            bytes += message.len();
        }
        bytes
    };
    let rest = timeout(LIMIT, rest).await.expect("an end");
    assert!(rest <= sent * ((1 << 20) + 100), "{rest} bytes after {sent} fragments");
    assert_eq!(wall.world().engine.sent(), sent);
    wall.server.stop().await;
}

#[tokio::test]
async fn a_browser_that_talks_is_sent_away() {
    let wall = Wall::new().await;
    let (mut player, _) = wall.playing("ann").await;
    for _ in 0..100 {
        if player.0.send(Message::text("{\"type\":\"webrtc/offer\"}")).await.is_err() {
            break;
        }
    }
    assert_eq!(player.play_out().await.1, 1008);
    wall.server.stop().await;
}

/// Status and body of a refused handshake.
fn refused(result: Result<Player, Error>) -> (u16, String) {
    let Err(Error::Http(response)) = result else { panic!("not refused") };
    let status = response.status().as_u16();
    let body = response.into_body().unwrap_or_default();
    (status, String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn nobody_watches_without_the_key_and_the_cookie() {
    let wall = Wall::new().await;
    let granted = wall.ask("ann");
    let key = &granted.key;
    let open = async |key: &LeaseKey, user: &str| Player::open(&wall.server, key, user).await;
    assert_eq!(refused(open(key, "bob").await).0, 403);
    assert_eq!(refused(Player::open_with(&wall.server, key, &[]).await).0, 403);
    // What lists show is no key.
    let name = LeaseKey::parse(&granted.lease.id.0).unwrap();
    assert_eq!(refused(open(&name, "ann").await).0, 404);
    let foreign = [("cookie", "camserver_client=ann"), ("origin", "http://evil.example")];
    assert_eq!(refused(Player::open_with(&wall.server, key, &foreign).await).0, 403);
    let host = format!("http://{}", wall.server.address);
    let own = [("cookie", "camserver_client=ann"), ("origin", host.as_str())];
    Player::open_with(&wall.server, key, &own).await.unwrap();
    wall.world().live.release(key, "ann").unwrap();
    let (status, body) = refused(open(key, "ann").await);
    assert_eq!(status, 410);
    assert!(body.contains("released"), "{body}");
    wall.nobody_watches().await;
    wall.server.stop().await;
}
