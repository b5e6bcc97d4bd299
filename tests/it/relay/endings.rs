//! How sessions end: by the client, by its death, by the grant, by the keeper of slots.

use super::clients::ffmpeg;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use tokio::task::JoinSet;

const SOON: Duration = Duration::from_secs(3);

/// A camera that plays to a client which reads.
pub(super) async fn playing(
    running: &Running,
    cameras: &Simulated,
) -> (camserver::world::camera::relay::Grant, Raw) {
    let grant = running.relay.grant(cameras.spec(0)).unwrap();
    let mut client = Raw::dial(grant.url()).await;
    assert_eq!(client.play().await.0, 200);
    client.frames(3).await;
    assert_eq!((grant.status().sessions, cameras.count(0, "connections").await), (1, 1));
    (grant, client)
}

async fn assert_reset(mut client: Raw) {
    let mut piece = vec![0; 16384];
    let error = loop {
        match timeout(SOON, client.stream.read(&mut piece)).await.expect("not cut") {
            Ok(0) => panic!("ended in order"),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_client_that_tears_down_is_told_and_the_camera_acknowledges() {
    let (running, cameras) =
        (relay().await, Simulated::start(1, Scheme::Digest, &[Codec::H264]).await);
    let (grant, mut client) = playing(&running, &cameras).await;
    assert_eq!(client.ask("GET_PARAMETER", "/", "").await.0, 200);
    let (code, text) = client.ask("TEARDOWN", "/", "").await;
    assert!(code == 200 && text.contains("CSeq: 6\r\n"), "{text}");
    assert!(!client.read().await, "the relay goes on");
    cameras.wait_until_left(0, SOON).await;
    eventually("the slot comes back", || grant.status().sessions == 0).await;
    assert_eq!(running.gate.ends(), [ConnectionEnd::Acknowledged]);
    assert_eq!(cameras.count(0, "tornDown").await, 1);
    let locals = running.gate.0.lock().unwrap().locals.clone();
    assert_eq!((locals.len(), locals[0].ip().is_loopback()), (1, true));
}

#[tokio::test]
async fn a_client_that_just_vanishes_is_torn_down_by_the_relay() {
    let (running, cameras) =
        (relay().await, Simulated::start(1, Scheme::Digest, &[Codec::H264]).await);
    let grant = running.relay.grant(cameras.spec(0)).unwrap();
    let mut child = ffmpeg(grant.url(), &["-rtsp_transport", "tcp"]);
    let mut child = child.args(["-f", "null", "-"]).spawn().unwrap();
    eventually("it plays", || grant.status().received > 20_000).await;
    child.start_kill().unwrap();
    cameras.wait_until_left(0, SOON).await;
    eventually("the slot comes back", || grant.status().sessions == 0).await;
    assert_eq!(grant.status().end, Some(ConnectionEnd::Acknowledged));
    assert_eq!((cameras.count(0, "tornDown").await, grant.status().failure), (1, None));
}

#[tokio::test]
async fn a_dropped_grant_cuts_the_client_and_tears_the_camera_down() {
    let (running, cameras) =
        (relay().await, Simulated::start(1, Scheme::Basic, &[Codec::H264]).await);
    let (grant, client) = playing(&running, &cameras).await;
    let url = grant.url().to_owned();
    drop(grant);
    let again = Raw::dial(&url).await.ask("OPTIONS", "", "").await;
    assert_eq!(again.0, 404);
    assert_reset(client).await;
    cameras.wait_until_left(0, SOON).await;
    eventually("the slot comes back", || !running.gate.ends().is_empty()).await;
    assert_eq!(running.gate.ends(), [ConnectionEnd::Acknowledged]);
    assert_eq!((cameras.count(0, "tornDown").await, cameras.count(0, "accepted").await), (1, 1));
}

#[tokio::test]
async fn cuts_are_immediate_and_a_yielding_session_is_torn_down() {
    let (running, cameras) =
        (relay().await, Simulated::start(1, Scheme::None, &[Codec::H264]).await);
    let (grant, client) = playing(&running, &cameras).await;
    running.gate.newest().0.cancel();
    assert_reset(client).await;
    cameras.wait_until_left(0, SOON).await;
    drop(grant);

    let (grant, client) = playing(&running, &cameras).await;
    grant.cut_sessions();
    assert_reset(client).await;
    cameras.wait_until_left(0, SOON).await;
    eventually("the slot comes back", || grant.status().sessions == 0).await;
    assert_eq!(running.gate.ends(), [ConnectionEnd::Unacknowledged; 2]);
    assert_eq!(cameras.count(0, "tornDown").await, 0);
    // It is not revoked.
    assert_eq!(Raw::dial(grant.url()).await.play().await.0, 200);
    eventually("the slot comes back", || grant.status().sessions == 0).await;
    drop(grant);

    let (grant, client) = playing(&running, &cameras).await;
    running.gate.newest().1.cancel();
    assert_reset(client).await;
    cameras.wait_until_left(0, SOON).await;
    assert_eq!(grant.end().await.end, Some(ConnectionEnd::Acknowledged));
    assert_eq!(cameras.count(0, "tornDown").await, 2);
}

#[tokio::test]
async fn a_slot_serves_what_its_grant_serves() {
    let (running, cameras) =
        (relay().await, Simulated::start(1, Scheme::None, &[Codec::H264]).await);
    let grant = running.relay.grant(cameras.spec(0)).unwrap();
    let mut client = Raw::dial(grant.url()).await;
    assert_eq!(client.play().await.0, 200);
    let serves = |purpose| running.gate.0.lock().unwrap().purpose == Some(purpose);
    eventually("it begins with what was asked for", || serves(Purpose::Sweep)).await;
    grant.serve(Purpose::Modal);
    eventually("it was raised", || serves(Purpose::Modal)).await;
    grant.serve(Purpose::Suggest);
    eventually("it was lowered", || serves(Purpose::Suggest)).await;
    client.frames(2).await;
    assert_eq!(cameras.count(0, "accepted").await, 1);
}

#[tokio::test]
async fn who_comes_after_the_end_of_a_grant_is_counted_for_whom_was_told() {
    let cameras = Simulated::start(1, Scheme::None, &[Codec::H264]).await;
    let running = relay().await;
    let [told, other] = [0, 1].map(|_| running.relay.grant(cameras.spec(0)).unwrap());
    let late = Arc::<AtomicU64>::default();
    running.relay.count_late(told.url(), &late);
    let urls = [&told, &other].map(|grant| grant.url().to_owned());
    assert_eq!(Raw::dial(&urls[0]).await.ask("OPTIONS", "", "").await.0, 200);
    drop((told, other));
    for (url, count) in [(&urls[1], 0), (&urls[0], 1), (&urls[0], 2)] {
        assert_eq!(Raw::dial(url).await.ask("OPTIONS", "", "").await.0, 404);
        assert_eq!(late.load(Ordering::Relaxed), count);
    }
}

#[tokio::test]
async fn the_end_of_the_relay_ends_every_session_in_order() {
    let (mut running, cameras) =
        (relay().await, Simulated::start(1, Scheme::Digest, &[Codec::H264]).await);
    let (grant, client) = playing(&running, &cameras).await;
    running.stop.cancel();
    timeout(SOON, &mut running.server).await.expect("does not end").unwrap();
    assert_eq!(running.gate.ends(), [ConnectionEnd::Acknowledged]);
    assert_reset(client).await;
    cameras.wait_until_left(0, SOON).await;
    assert!(running.relay.grant(cameras.spec(0)).is_err());
    assert_eq!(grant.end().await.sessions, 0);
}

#[tokio::test]
async fn an_aborted_relay_leaves_no_socket() {
    let (running, cameras) =
        (relay().await, Simulated::start(1, Scheme::None, &[Codec::H264]).await);
    let (_grant, client) = playing(&running, &cameras).await;
    running.server.abort();
    assert_reset(client).await;
    cameras.wait_until_left(0, SOON).await;
    assert_eq!(running.gate.ends(), [ConnectionEnd::Unacknowledged]);
}

/// One grant, one child; dropped a while after it has dialled, nothing may be left.
async fn drop_at(running: &Running, cameras: &Simulated, index: u32, after: Duration) {
    let mut spec = cameras.spec(index);
    spec.wait = Duration::from_secs(2);
    let grant = running.relay.grant(spec).unwrap();
    let mut child = ffmpeg(grant.url(), &["-rtsp_transport", "tcp"]);
    let child =
        child.args(["-f", "null", "-"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    eventually("the child dials", || grant.status().dials > 0).await;
    sleep(after).await;
    drop(grant);
    cameras.wait_until_left(index, SOON).await;
    drop(child);
}

#[tokio::test]
async fn grants_dropped_at_any_instant_leave_no_connection() {
    const LANES: u32 = 4;
    const ROUNDS: u64 = 12;
    let cameras = Arc::new(Simulated::start(LANES, Scheme::Digest, &[Codec::H264]).await);
    let running = Arc::new(relay().await);
    running.gate.set_limit(LANES as usize);
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let (cameras, running) = (Arc::clone(&cameras), Arc::clone(&running));
        lanes.spawn(async move {
            for round in 0..ROUNDS {
                // Spread over the time that a child takes from its first request into the stream.
                let after = Duration::from_millis(round * 43 + u64::from(lane) * 11);
                drop_at(&running, &cameras, lane, after).await;
            }
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane.unwrap();
    }
    eventually("slots come back", || running.gate.0.lock().unwrap().held == 0).await;
    let ends = running.gate.ends();
    let abrupt = ends.iter().filter(|end| **end == ConnectionEnd::Unacknowledged).count();
    assert_eq!(abrupt, 0, "{ends:?}");
    let mut torn = 0;
    for lane in 0..LANES {
        torn += cameras.count(lane, "tornDown").await;
        assert!(cameras.count(lane, "connectionsMost").await <= 1);
    }
    println!("{} dials, {torn} torn down", ends.len());
    assert!(torn > 0);
}
