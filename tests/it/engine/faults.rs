//! Cameras that fail while they are watched, slots that are missing, and the end of the program.

use std::time::Duration;

use camserver::live::engine::{Engine as _, ViewEnd};
use camserver::model::lease::Quality;
use camserver::model::slot::ConnectionEnd;
use camserver::world::camera::doubts::DOUBT_PAUSE;
use camserver_chaos::{Codec, Face};
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::fleet::{Cameras, settings};
use super::gate::TestGate;
use super::{SOON, Seen, engine, until, watching};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_survive_a_camera_that_fails_for_a_while() {
    // `hang` is noticed after ten seconds without a picture.
    for kind in ["reset", "close", "garbage", "huge-sps", "hang"] {
        let cameras = Cameras::start(settings(1, Codec::H264)).await;
        let gate = TestGate::new(1);
        let engine = engine(&gate, &cameras.desired(&json!({})));
        let mut viewer = Seen::by(&engine, watching(1, Quality::Sub)).await.unwrap();
        viewer.pictures(12).await.unwrap();
        cameras.fault("stream", kind).await;
        let healing = async {
            until(SOON, kind, async || engine.counts().failed > 0).await;
            cameras.heal().await;
        };
        // More than can have come before the failure: the same view goes on behind it.
        let (seen, ()) = tokio::join!(viewer.pictures(40), healing);
        assert_eq!(seen, Ok(()), "{kind}");
        assert_eq!((viewer.starts.len(), viewer.jumps), (1, 0), "{kind}");
        assert!(engine.counts().opened >= 2, "{kind}");
        gate.book(|book| assert!(book.most.values().all(|most| *most == 1), "{kind}"));
        assert!(cameras.counts("connectionsMost").await[0] <= 2, "{kind}");
    }
}

/// It bears one connection, whatever was declared, and refuses the next as if nobody knew it.
#[tokio::test]
async fn a_full_camera_that_speaks_of_credentials_is_asked_again() {
    let mut fleet = settings(1, Codec::H264);
    (fleet.limit, fleet.faces) = (1, vec![Face::Status(401)]);
    let cameras = Cameras::start(fleet).await;
    let gate = TestGate::new(2);
    let engine = engine(&gate, &cameras.desired(&json!({})));
    let mut small = Seen::by(&engine, watching(1, Quality::Sub)).await.unwrap();
    small.pictures(3).await.unwrap();
    let mut large = Seen::by(&engine, watching(1, Quality::Main)).await.unwrap();
    let leaving = async {
        until(SOON, "refused", async || engine.counts().failed > 0).await;
        drop(small);
    };
    let (seen, ()) = tokio::join!(large.pictures(3), leaving);
    assert_eq!(seen, Ok(()));
}

/// Somebody else has the only other connection, so the camera is taken for full: by both of its
/// streams together no more often than by one.
#[tokio::test]
async fn a_password_that_stays_wrong_is_tried_a_few_times_for_all_streams() {
    let cameras = Cameras::start(settings(1, Codec::H264)).await;
    let gate = TestGate::new(2);
    let other = engine(&gate, &cameras.desired(&json!({})));
    let mut playing = Seen::by(&other, watching(1, Quality::Sub)).await.unwrap();
    playing.pictures(3).await.unwrap();
    let engine = engine(&gate, &cameras.desired_with("swordfish", 1, &json!({})));
    let begun = Instant::now();
    let mut small = Seen::by(&engine, watching(1, Quality::Sub)).await.unwrap();
    let mut large = Seen::by(&engine, watching(1, Quality::Main)).await.unwrap();
    let (small, large) = tokio::join!(small.end(), large.end());
    for end in [small, large] {
        assert!(matches!(&end, ViewEnd::Camera(text) if text.contains("password")), "{end:?}");
    }
    // Doubted twice, each time left alone, refused to one stream, refused to the other.
    assert!(begun.elapsed() >= 2 * DOUBT_PAUSE);
    assert_eq!(cameras.counts("accepted").await, [1 + 4]);
}

#[tokio::test]
async fn a_reset_is_seen_by_nobody_but_as_a_pause() {
    let cameras = Cameras::start(settings(1, Codec::H264)).await;
    let gate = TestGate::new(1);
    let engine = engine(&gate, &cameras.desired(&json!({})));
    let mut viewer = Seen::by(&engine, watching(1, Quality::Sub)).await.unwrap();
    for round in 1..=2 {
        viewer.pictures(12).await.unwrap();
        cameras.fault("stream", "reset").await;
        until(SOON, "lost", async || engine.counts().failed == round).await;
        cameras.heal().await;
    }
    viewer.pictures(12).await.unwrap();
    assert_eq!((viewer.starts.len(), viewer.jumps), (1, 0));
    let counts = engine.counts();
    assert_eq!((counts.opened, counts.drops), (3, 0));
}

#[tokio::test]
async fn key_pictures_that_come_late_or_never_end_nothing_that_runs() {
    let cameras = Cameras::start(settings(1, Codec::H264)).await;
    let gate = TestGate::new(1);
    let engine = engine(&gate, &cameras.desired(&json!({})));
    let mut viewer = Seen::by(&engine, watching(1, Quality::Sub)).await.unwrap();
    viewer.pictures(12).await.unwrap();
    for kind in ["idr-late", "idr-never"] {
        cameras.fault("stream", kind).await;
        viewer.pictures(30).await.unwrap();
        cameras.heal().await;
        viewer.pictures(12).await.unwrap();
    }
    assert_eq!((viewer.starts.len(), viewer.jumps), (1, 0));
    assert_eq!(cameras.counts("accepted").await, [1]);
}

#[tokio::test]
async fn a_camera_without_key_pictures_is_given_up() {
    let cameras = Cameras::start(settings(1, Codec::H264)).await;
    let gate = TestGate::new(1);
    let engine = engine(&gate, &cameras.desired(&json!({})));
    cameras.fault("stream", "idr-never").await;
    let mut viewer = Seen::by(&engine, watching(1, Quality::Sub)).await.unwrap();
    let end = viewer.end().await;
    assert!(matches!(end, ViewEnd::Camera(_)), "{end:?}");
    assert!(viewer.pictures.is_empty());
    drop(viewer);
    cameras.idle(SOON).await;
}

#[tokio::test]
async fn a_refused_password_is_told_at_once_and_tried_once() {
    let cameras = Cameras::start(settings(1, Codec::H264)).await;
    let gate = TestGate::new(1);
    let engine = engine(&gate, &cameras.desired_with("swordfish", 1, &json!({})));
    let mut viewer = Seen::by(&engine, watching(1, Quality::Sub)).await.unwrap();
    let end = viewer.end().await;
    let ViewEnd::Camera(text) = &end else { panic!("{end:?}") };
    assert!(text.contains("password") && !text.contains("swordfish"), "{text}");
    assert_eq!(cameras.counts("accepted").await, [1]);
    cameras.idle(SOON).await;
}

#[tokio::test]
async fn without_a_slot_there_is_no_view() {
    let cameras = Cameras::start(settings(1, Codec::H264)).await;
    let gate = TestGate::new(0);
    let none = engine(&gate, &cameras.desired(&json!({})));
    let mut viewer = Seen::by(&none, watching(1, Quality::Sub)).await.unwrap();
    assert!(matches!(viewer.end().await, ViewEnd::NoSlot(_)));
    assert_eq!(cameras.counts("accepted").await, [0]);

    let gate = TestGate::new(1);
    let engine = engine(&gate, &cameras.desired(&json!({})));
    let mut viewer = Seen::by(&engine, watching(1, Quality::Sub)).await.unwrap();
    viewer.pictures(3).await.unwrap();
    // A cut connection is gone at once, and opened again for those who still watch.
    gate.tokens().cut.cancel();
    viewer.pictures(15).await.unwrap();
    assert_eq!(gate.book(|book| book.ends.clone()), [ConnectionEnd::Unacknowledged]);
    // Whoever has to give way leaves in order.
    gate.tokens().yielding.cancel();
    assert!(matches!(viewer.end().await, ViewEnd::NoSlot(_)));
    let ends = gate.book(|book| book.ends.clone());
    assert_eq!(ends, [ConnectionEnd::Unacknowledged, ConnectionEnd::Acknowledged]);
    assert_eq!(cameras.counts("tornDown").await, [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_program_ends_every_session_within_two_seconds() {
    for (stage, kind) in [("", ""), ("teardown", "hang"), ("describe", "hang")] {
        let cameras = Cameras::start(settings(3, Codec::H264)).await;
        let gate = TestGate::new(2);
        let engine = engine(&gate, &cameras.desired(&json!({})));
        if !stage.is_empty() {
            cameras.fault(stage, kind).await;
        }
        let mut viewers = Vec::new();
        for nth in 1..=3 {
            let mut viewer = Seen::by(&engine, watching(nth, Quality::Sub)).await.unwrap();
            if stage != "describe" {
                viewer.pictures(2).await.unwrap();
            }
            viewers.push(viewer);
        }
        until(SOON, "connected", async || cameras.counts("connections").await == [1; 3]).await;
        timeout(Duration::from_millis(2_500), engine.shut_down()).await.expect("it takes too long");
        gate.book(|book| assert!(book.held.is_empty(), "{stage} {kind}"));
        cameras.idle(Duration::from_secs(1)).await;
        for viewer in &mut viewers {
            assert!(matches!(viewer.end().await, ViewEnd::Engine(_)));
        }
        if stage.is_empty() {
            assert_eq!(cameras.counts("tornDown").await, [1; 3]);
        }
        let late = Seen::by(&engine, watching(1, Quality::Sub)).await.err();
        assert!(matches!(late, Some(ViewEnd::Engine(_))), "{late:?}");
        assert!(engine.streams().is_empty());
    }
}

#[tokio::test]
async fn a_camera_that_hangs_while_being_opened_is_left_in_time() {
    let cameras = Cameras::start(settings(1, Codec::H264)).await;
    let gate = TestGate::new(1);
    let engine = engine(&gate, &cameras.desired(&json!({})));
    cameras.fault("describe", "hang").await;
    let viewer = Seen::by(&engine, watching(1, Quality::Sub)).await.unwrap();
    until(SOON, "connected", async || cameras.counts("connections").await == [1]).await;
    drop(viewer);
    cameras.idle(Duration::from_secs(6)).await;
    assert_eq!(gate.book(|book| book.ends.clone()), [ConnectionEnd::Unacknowledged]);
    until(SOON, "forgotten", async || engine.streams().is_empty()).await;
}
